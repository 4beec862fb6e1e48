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

// newestCompared is how many of a merchant's newest orders an orphan is compared with.
const newestCompared = 20_000

// matchOrphan looks for the payment that an open orphan belongs to, and settles the
// orphan there. It leaves the orphan open if it finds no payment.
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

// paymentOfOrphan finds the payment that an orphan belongs to. That is the payment with
// its number, or one that another orphan of the number was matched to, or an order of
// the number's day whose number differs in the time slot only, or an order that was
// sent again on another day. The error is ErrNotFound if none of them exists.
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
		// If the clock was set back, the order may be of the day before.
		from := day.AddDate(0, 0, -1).Format("20060102")
		others, err := g.Store.NewestPayments(ctx, o.MerchantID, from, o.AccountID, o.Amount, newestCompared)
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

// paymentByNumber finds the payment that the wallet knows by a number: its own number,
// or the one under which it was paid before a restore.
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

// numberFits reports whether an orphan's number is one that the order would have had on
// the number's day: its last nine digits are the order's. Since there are only a
// thousand million of them, money that came in must also be the order's amount.
func (g *Gateway) numberFits(p pay.Payment, o pay.Orphan) bool {
	if p.MerchantID != o.MerchantID || p.AccountID != o.AccountID || !o.IsRefund() && p.Amount != o.Amount {
		return false
	}
	for try := range numberTries {
		digits := g.orderDigits(p.Scope, p.OrderNo, p.Fingerprint, o.Number[:dateDigits], try)
		if digits == o.Number[timeDigits:] {
			return true
		}
	}
	return false
}

// settleOrphan settles an open orphan as a payment's money, by the rules of settle: as
// the order's own money if the order is not paid, else as surplus. Money that went back
// is not recorded, and flags the payment.
func (g *Gateway) settleOrphan(
	ctx context.Context, o pay.Orphan, p pay.Payment, by pay.Actor,
) (pay.Payment, error) {
	w := orphanWord(o)
	v, err := g.judgeLocked(ctx, p, w, func(tx *store.Tx, r pay.Recorded) (pay.Verdict, error) {
		current, err := tx.Orphan(o.MerchantID, o.AccountID, o.TradeNo, o.RefundID)
		switch {
		case err != nil:
			return pay.Verdict{}, err
		case current.State != pay.OrphanOpen:
			return pay.Verdict{}, errNotOpen
		}
		note := "the number is that of order " + p.OrderNo
		err = moveOrphan(tx, current, pay.OrphanMatched, g.Now(), p.ID, by, note)
		return g.judgeOrphan(r, o, w, by), err
	})
	switch {
	case errors.Is(err, errNotOpen):
		return g.Store.Payment(ctx, p.MerchantID, p.ID)
	case err != nil:
		return p, err
	}
	settled := v.Payment
	if !o.IsRefund() && settled.TradeNo == o.TradeNo && settled.ID != o.Number {
		g.background.Go(func() { g.closeNumber(context.WithoutCancel(ctx), settled, settled.ID) })
	}
	g.Log.InfoContext(ctx, "orphan matched",
		"orphan", o.Number, "trade_no", o.TradeNo, "refund", o.RefundID, "syssn", p.ID, "by", by.Role)
	return settled, nil
}

// orphanWord is what a wallet has said of an orphan, for pay.Judge.
func orphanWord(o pay.Orphan) pay.Word {
	w := pay.Word{
		Outcome: pay.WordPaid, TradeNo: o.TradeNo, Amount: o.Amount,
		BuyerID: o.BuyerID, At: o.At, RefundID: o.RefundID,
	}
	if o.IsRefund() {
		w.Outcome = pay.WordSucceeded
	}
	return w
}

// judgeOrphan returns the verdict on an orphan, and its word, that belongs to a payment. For money
// that went back under the number of one of the payment's own refunds it is Nothing:
// the inquiries of that refund find it.
func (g *Gateway) judgeOrphan(r pay.Recorded, o pay.Orphan, w pay.Word, by pay.Actor) pay.Verdict {
	if o.IsRefund() && r.Refund.PaymentID == r.Payment.ID {
		return pay.Nothing(r)
	}
	v := pay.Judge(r, w, by, g.Now())
	if o.IsRefund() || v.Kind == pay.VerdictForeignTrade {
		return v
	}
	orphan := pay.Event{Kind: pay.EventOrphan, Number: o.Number, TradeNo: o.TradeNo}
	settled := pay.Act(r, v.Payment, orphan, by, g.Now())
	if !v.Changes() {
		return settled
	}
	v.Events = append(v.Events, settled.Events...)
	if r.Payment.Status != pay.Paid && v.Payment.Status == pay.Paid && o.Number != v.Payment.ID {
		v.Payment.WalletNumber = o.Number
	}
	return v
}

// closeNumber closes an order at its wallet under a number, if the wallet supports
// that. The order was paid under another number, and must not be paid again. If it
// cannot be closed, a second payment becomes surplus.
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
		g.Log.WarnContext(ctx, "order is paid, and could not be closed under its other number",
			"syssn", p.ID, "number", number, "error", err)
	}
}

// errNotOpen says that the orphan was settled meanwhile.
var errNotOpen = errors.New("gateway: the orphan is not open any more")

// moveOrphan moves an open orphan to another state, if that is legal.
func moveOrphan(tx *store.Tx, o pay.Orphan, to pay.OrphanState, at time.Time,
	paymentID string, by pay.Actor, note string) error {
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

// SettleElsewhere settles an open orphan whose money a person has handled outside of
// Sampan. note says how. The error is NotFound for an unknown orphan, and AlreadyClosed
// if it is not open any more.
func SettleElsewhere(
	ctx context.Context, db *store.DB, o pay.Orphan, at time.Time, by pay.Actor, note string,
) error {
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

// orphanCache keeps what this replica last read of accounts' open orphans, so that
// creating an order reads nothing. It may be old. The database refuses to store an order
// if the account has an open orphan that is not in the cache, and an orphan in the cache
// is read again before an order gets its number.
type orphanCache struct {
	reading  sync.Mutex // so that only one of the creations that need a new orphan reads
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

// refresh reads the open orphans of the payment's account, unless another caller has
// read them since was. It returns what is cached then.
func (s *orphanCache) refresh(ctx context.Context, db *store.DB, p pay.Payment, was accountOrphans) (
	accountOrphans, error) {
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
	if now := s.accounts[key]; now.upTo > a.upTo {
		return now, nil
	}
	s.accounts[key] = a
	return a, nil
}

// findOrphan finds an open orphan that belongs to a new order.
func (g *Gateway) findOrphan(ctx context.Context, p pay.Payment, seen accountOrphans) (
	o pay.Orphan, found bool, err error) {
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

// settleOrphansOf settles an orphan whose number a new order has got, and all other
// orphans of that number. If the order is open after that, it asks the wallet, which
// knows what else happened under the number. The error is Unconfirmed if any of this
// fails: the order must not be paid or registered again until the wallet has answered,
// and Recover goes on with it.
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
		g.Log.WarnContext(ctx, "orphan is not settled yet",
			"syssn", p.ID, "trade_no", o.TradeNo, "error", err)
		g.runner.Wake()
		return p, &pay.Error{Code: pay.Unconfirmed, Err: err,
			Message: "the order is stored, and the wallet has been paid for it before: query"}
	}
	return settled, nil
}

// nextOrphanInquiry returns the time of the next inquiry of an open orphan.
func (g *Gateway) nextOrphanInquiry(o pay.Orphan) time.Time {
	now := g.Now()
	if first := o.NoticedAt.Add(time.Hour); now.Before(first) {
		return first
	}
	return now.Add(24 * time.Hour)
}
