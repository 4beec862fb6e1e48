package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// newestCompared is how many of a merchant's newest orders an orphan is compared
// with, whatever their day.
const newestCompared = 20_000

// matchOrphan looks for the payment whose money an open orphan is, and settles it
// there. It leaves the orphan open if there is none.
func (g *Gateway) matchOrphan(ctx context.Context, o pay.Orphan, by pay.Actor) (open bool, err error) {
	p, err := g.paymentOfOrphan(ctx, o)
	if errors.Is(err, store.ErrNotFound) {
		return true, g.Store.RescheduleOrphan(ctx, o, g.nextOrphanInquiry(o))
	}
	if err != nil {
		return true, err
	}
	_, err = g.settleOrphan(ctx, o, p, by)
	return err != nil, err
}

// paymentOfOrphan finds the payment that an orphan is of, or ErrNotFound: the one that
// has its number; the one that the trade's other orphans are of; an order of the
// number's day whose number differs in the slot only; or an order that was
// asked for again on another day.
func (g *Gateway) paymentOfOrphan(ctx context.Context, o pay.Orphan) (pay.Payment, error) {
	p, err := g.paymentByNumber(ctx, o.MerchantID, o.Number)
	if !errors.Is(err, store.ErrNotFound) {
		if err == nil && p.AccountID != o.AccountID {
			return pay.Payment{}, store.ErrNotFound
		}
		return p, err
	}
	found, err := g.Store.PaymentsOfAnySlot(ctx, o.MerchantID, o.Number[:timeDigits-3], o.Number[timeDigits:])
	if err != nil {
		return pay.Payment{}, err
	}
	if !o.IsRefund() {
		day, err := time.Parse("20060102", o.Number[:dateDigits])
		if err != nil {
			return pay.Payment{}, err
		}
		// A clock that was set back may have the order on the day before.
		others, err := g.Store.NewestPayments(ctx, o.MerchantID, day.AddDate(0, 0, -1).Format("20060102"), o.AccountID, o.Amount, newestCompared)
		if err != nil {
			return pay.Payment{}, err
		}
		found = append(found, others...)
	}
	for _, p := range found {
		if g.numberFits(p, o) {
			return p, nil
		}
	}
	return pay.Payment{}, store.ErrNotFound
}

// paymentByNumber finds the payment that the wallet knows by a number: its own, or the
// one under which it was paid before a restore.
func (g *Gateway) paymentByNumber(ctx context.Context, merchantID, number string) (pay.Payment, error) {
	p, err := g.Store.Payment(ctx, merchantID, number)
	if !errors.Is(err, store.ErrNotFound) || !pay.IsNumber(merchantID, number) {
		return p, err
	}
	orphans, err := g.Store.OrphansOfNumber(ctx, merchantID, number)
	if err != nil {
		return p, err
	}
	for _, o := range orphans {
		if o.State == pay.OrphanMatched {
			return g.Store.Payment(ctx, merchantID, o.PaymentID)
		}
	}
	return pay.Payment{}, store.ErrNotFound
}

// numberFits reports whether an orphan's number is one that the order would have had
// on its day: the nine digits say so. As there are only a thousand million of
// them, what came in must also be the order's amount.
func (g *Gateway) numberFits(p pay.Payment, o pay.Orphan) bool {
	if p.MerchantID != o.MerchantID || p.AccountID != o.AccountID || !o.IsRefund() && p.Amount != o.Amount {
		return false
	}
	for try := range numberTries {
		if g.orderDigits(p.Scope, p.OrderNo, p.Fingerprint, o.Number[:dateDigits], try) == o.Number[timeDigits:] {
			return true
		}
	}
	return false
}

// settleOrphan settles an open orphan as a payment's, by the ordinary settle: as the
// order's own money if it is not paid, else as surplus. What went back was never
// ours to count: it flags the payment.
func (g *Gateway) settleOrphan(ctx context.Context, o pay.Orphan, p pay.Payment, by pay.Actor) (pay.Payment, error) {
	var r pay.Recorded
	var v pay.Verdict
	var c store.Change
	err := g.Store.Tx(ctx, func(tx *store.Tx) (err error) {
		r, err = tx.Recorded(p.MerchantID, p.ID, p.HeldBy(), o.TradeNo, o.RefundID)
		if err != nil {
			return err
		}
		current, err := tx.Orphan(o.MerchantID, o.AccountID, o.TradeNo, o.RefundID)
		switch {
		case err != nil:
			return err
		case current.State != pay.OrphanOpen:
			return errNotOpen
		}
		note := "the number is that of order " + p.OrderNo
		if err := moveOrphan(tx, current, pay.OrphanMatched, g.Now(), p.ID, by, note); err != nil {
			return err
		}
		v, c, err = g.applyWith(r, g.judgeOrphan(r, o, by), tx.Apply)
		return err
	})
	switch {
	case errors.Is(err, errNotOpen):
		return g.Store.Payment(ctx, p.MerchantID, p.ID)
	case err != nil:
		return p, err
	}
	g.afterCommit(ctx, r, v, c)
	settled := v.Payment
	if !o.IsRefund() && settled.TradeNo == o.TradeNo && settled.ID != o.Number {
		g.background.Go(func() { g.closeNumber(context.WithoutCancel(ctx), settled, settled.ID) })
	}
	g.Log.InfoContext(ctx, "orphan matched",
		"orphan", o.Number, "trade_no", o.TradeNo, "refund", o.RefundID, "syssn", p.ID, "by", by.Role)
	return settled, nil
}

// judgeOrphan is the verdict on an orphan that turns out to be a payment's. What went
// back under the number of one of the payment's own refunds is found out by that
// refund's own inquiries.
func (g *Gateway) judgeOrphan(r pay.Recorded, o pay.Orphan, by pay.Actor) pay.Verdict {
	w := pay.Word{
		Outcome: pay.WordPaid, TradeNo: o.TradeNo, Amount: o.Amount, BuyerID: o.BuyerID, At: o.At, RefundID: o.RefundID,
	}
	if o.IsRefund() {
		if r.Refund.PaymentID == r.Payment.ID {
			return pay.Nothing(r)
		}
		w.Outcome = pay.WordSucceeded
		none := r
		none.Refund = pay.Refund{} // another payment's, if any
		v := pay.Judge(none, w, by, g.Now())
		v.Refund = r.Refund
		return v
	}
	v := pay.Judge(r, w, by, g.Now())
	if v.Kind == pay.VerdictForeignTrade {
		return v
	}
	settled := pay.Act(r, v.Payment, pay.Event{Kind: pay.EventOrphan, Number: o.Number, TradeNo: o.TradeNo}, by, g.Now())
	if !v.Changes() {
		return settled
	}
	v.Events = append(v.Events, settled.Events...)
	if r.Payment.Status != pay.Paid && v.Payment.Status == pay.Paid && o.Number != v.Payment.ID {
		v.Payment.WalletNumber = o.Number
	}
	return v
}

// closeNumber has the wallet close, if it can, what is not paid of an order that was
// paid under another number: nobody should pay it again. If it is not closed, the
// money is surplus.
func (g *Gateway) closeNumber(ctx context.Context, p pay.Payment, number string) {
	conn, err := g.connectorOf(ctx, p)
	if err != nil || !conn.info.Supports(wallet.CanClose) {
		return
	}
	order, err := g.orderOf(ctx, p)
	if err == nil {
		order.Number = number
		asked, cancel := context.WithTimeout(ctx, g.WalletTimeout)
		defer cancel()
		_, err = conn.Close(asked, order)
	}
	if err != nil {
		g.Log.WarnContext(ctx, "order is paid, and could not be closed under its other number", "syssn", p.ID, "number", number, "error", err)
	}
}

// errNotOpen: the orphan was settled meanwhile.
var errNotOpen = errors.New("gateway: the orphan is not open any more")

// moveOrphan makes a legal move of an open orphan.
func moveOrphan(tx *store.Tx, o pay.Orphan, to pay.OrphanState, at time.Time, paymentID string, by pay.Actor, note string) error {
	if !o.State.CanBecome(to) {
		return fmt.Errorf("gateway: orphan %s cannot become %s from %s", o.Number, to, o.State)
	}
	o.State, o.PaymentID, o.SettledAt, o.SettledBy, o.Note = to, paymentID, at, by, note
	moved, err := tx.MoveOrphan(o)
	if err == nil && !moved {
		err = errNotOpen
	}
	return err
}

// SettleElsewhere settles an open orphan: a person has seen to its money, past
// Sampan, and says how. NotFound if there is none, AlreadyClosed if it is not
// open any more.
func SettleElsewhere(ctx context.Context, db *store.DB, o pay.Orphan, at time.Time, by pay.Actor, note string) error {
	err := db.Tx(ctx, func(tx *store.Tx) error {
		current, err := tx.Orphan(o.MerchantID, o.AccountID, o.TradeNo, o.RefundID)
		if err != nil {
			return err
		}
		if current.State != pay.OrphanOpen {
			return errNotOpen
		}
		return moveOrphan(tx, current, pay.OrphanSettled, at, "", by, note)
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &pay.Error{Code: pay.NotFound, Message: "no such orphan"}
	case errors.Is(err, errNotOpen):
		return &pay.Error{Code: pay.AlreadyClosed, Message: "the orphan is not open any more"}
	}
	return err
}

// orphanCache is what this replica last read of accounts' open orphans, so that
// creations read nothing. It may be old: the database refuses to store an order
// beside an orphan that is not in here, and one that is in here is looked up
// again before an order takes its number.
type orphanCache struct {
	reading  sync.Mutex // many creations find at once that there is a new one: one of them reads
	mu       sync.Mutex
	accounts map[[2]string]accountOrphans
}

type accountOrphans struct {
	upTo  int64 // the last Seq that was read
	dates map[string]map[string][]pay.Orphan
}

func (s *orphanCache) get(p pay.Payment) accountOrphans {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accounts[[2]string{p.MerchantID, p.AccountID}]
}

// refresh reads them again, unless somebody has since was.
func (s *orphanCache) refresh(ctx context.Context, db *store.DB, p pay.Payment, was accountOrphans) (accountOrphans, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if now := s.get(p); now.upTo > was.upTo {
		return now, nil
	}
	open, err := db.OpenOrphans(ctx, p.MerchantID, p.AccountID)
	if err != nil {
		return accountOrphans{}, err
	}
	a := accountOrphans{dates: map[string]map[string][]pay.Orphan{}}
	for _, o := range open {
		date, digits := o.Number[:dateDigits], o.Number[timeDigits:]
		if a.dates[date] == nil {
			a.dates[date] = map[string][]pay.Orphan{}
		}
		a.dates[date][digits] = append(a.dates[date][digits], o)
		a.upTo = max(a.upTo, o.Seq)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := [2]string{p.MerchantID, p.AccountID}
	if s.accounts == nil {
		s.accounts = map[[2]string]accountOrphans{}
	}
	if now := s.accounts[key]; now.upTo > a.upTo { // somebody was faster
		return now, nil
	}
	s.accounts[key] = a
	return a, nil
}

// findOrphan finds an open orphan that a new order is the order of.
func (g *Gateway) findOrphan(ctx context.Context, p pay.Payment, seen accountOrphans) (o pay.Orphan, found bool, err error) {
	for date, orphans := range seen.dates {
		for try := range numberTries {
			for _, o := range orphans[g.orderDigits(p.Scope, p.OrderNo, p.Fingerprint, date, try)] {
				if !g.numberFits(p, o) {
					continue
				}
				now, err := g.Store.Orphan(ctx, o.MerchantID, o.AccountID, o.TradeNo, o.RefundID)
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					return o, false, err
				}
				if now.State == pay.OrphanOpen {
					return now, true, nil
				}
			}
		}
	}
	return o, false, nil
}

// settleOrphansOf settles an orphan whose number a new order has taken, and all others
// of that number. Where that fails
// Recover does it. Of an orphan that went back the wallet knows the rest: until
// it has said so the order must not be paid, nor registered there again.
func (g *Gateway) settleOrphansOf(ctx context.Context, p pay.Payment, o pay.Orphan) (pay.Payment, error) {
	ctx = context.WithoutCancel(ctx)
	by := pay.ByMerchant(p.AppCode)
	settled, err := g.settleOrphan(ctx, o, p, by)
	others, failed := g.Store.OrphansOfNumber(ctx, p.MerchantID, p.ID) // of another trade, or what went back
	err = errors.Join(err, failed)
	for _, other := range others {
		if err == nil && other.State == pay.OrphanOpen && other.AccountID == p.AccountID {
			settled, err = g.settleOrphan(ctx, other, p, by)
		}
	}
	if err == nil && settled.Status.Open() {
		settled, err = g.inquire(ctx, settled, by)
	}
	if err != nil {
		g.Log.WarnContext(ctx, "orphan is not settled yet", "syssn", p.ID, "trade_no", o.TradeNo, "error", err)
		g.runner.Wake()
		return p, &pay.Error{Code: pay.Unconfirmed, Message: "the order is stored, and the wallet has been paid for it before: query", Err: err}
	}
	return settled, nil
}

// nextOrphanInquiry is when an open orphan that has no order is looked at again.
func (g *Gateway) nextOrphanInquiry(o pay.Orphan) time.Time {
	now := g.Now()
	if first := o.NoticedAt.Add(time.Hour); now.Before(first) {
		return first
	}
	return now.Add(24 * time.Hour)
}
