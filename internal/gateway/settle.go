package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// errForeignTrade: the trade number has paid another payment already.
var errForeignTrade = errors.New("gateway: the trade number belongs to another payment")

// settle makes what a wallet said true here. It is the one place where money
// comes in: in one transaction the payment's state moves by compare-and-set,
// the money record is written and the merchant's notification becomes due.
//
// A success by the order's own trade makes it paid, late if it had been given
// up. A success under another trade number, or of another amount, is money too:
// it is recorded as surplus, the payment is flagged for a person to look at,
// and it is never taken for the order's own. What was paid and given back before
// we knew of it is no payment any more: the payment is flagged. Repeats change
// nothing. Outcomes that are not final change nothing.
func (g *Gateway) settle(ctx context.Context, merchantID, paymentID string, s wallet.State, by pay.Actor) (pay.Payment, error) {
	return g.settleWith(ctx, merchantID, paymentID, s, by, func(*store.Tx, pay.Payment, pay.Payment) error { return nil })
}

// settleWith is settle with what else belongs into the same transaction, once the
// payment is written: it is given the payment as it was before and as it is.
func (g *Gateway) settleWith(ctx context.Context, merchantID, paymentID string, s wallet.State, by pay.Actor,
	also func(tx *store.Tx, before, p pay.Payment) error) (pay.Payment, error) {
	var before, p pay.Payment
	notify := false
	err := g.Store.Tx(ctx, func(tx *store.Tx) error {
		notify = false
		current, err := tx.Payment(merchantID, paymentID)
		if err != nil {
			return err
		}
		before, p = current, current
		switch s.Outcome {
		case wallet.Paid:
			if s.TradeNo == "" {
				return fmt.Errorf("gateway: %s is said to be paid, but under no trade number: %w", paymentID, wallet.ErrUnknown)
			}
			p, notify, err = g.settlePaid(tx, current, s, by)
		case wallet.Closed:
			if current.Status.Open() {
				err = g.end(tx, &p, by, pay.ReasonClosedByWallet, s.Code)
			}
		}
		if err != nil {
			return err
		}
		return also(tx, before, p)
	})
	if err != nil {
		return before, err
	}
	if notify {
		g.Wake()
	}
	if p.Late && !before.Late {
		g.stir() // it may have to be given back
	}
	g.logMove(ctx, before, p, by)
	return p, nil
}

// settlePaid settles a success within its transaction, and reports whether the
// merchant is to be notified.
func (g *Gateway) settlePaid(tx *store.Tx, p pay.Payment, s wallet.State, by pay.Actor) (pay.Payment, bool, error) {
	// By its key, so that an order of ten thousand refunds is settled as fast.
	l, err := tx.Movement(p.MerchantID, p.HeldBy(), s.TradeNo, "")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return p, false, err
	}
	if err == nil && l.PaymentID == p.ID {
		if s.GivenBack && p.Reserved < p.Amount.Minor {
			p, err = g.flag(tx, p, givenBack(s.TradeNo), by)
			return p, false, err
		}
		if s.Amount.Currency == "" || s.Amount == l.Amount {
			return p, false, nil // a repeat
		}
		// One trade, two amounts: somebody must ask the wallet.
		p, err = g.flag(tx, p, amountsDiffer(s), by)
		return p, false, err
	}
	if s.GivenBack {
		p, err = g.flag(tx, p, givenBack(s.TradeNo), by)
		return p, false, err
	}
	if p.Flagged { // a notice that comes after that
		if gone, err := tx.HasEvent(g.event(p, by, givenBack(s.TradeNo))); err != nil || gone {
			return p, false, err
		}
	}
	amount := s.Amount
	if amount.Currency == "" {
		amount = p.Amount // the source does not state it
	}
	if p.Status == pay.Paid || amount != p.Amount {
		if err := g.book(tx, p, pay.Movement{Kind: pay.MovementSurplus, Debit: p.HeldBy(), Credit: pay.OwedToSomebody, Amount: amount, TradeNo: s.TradeNo}); err != nil {
			return p, false, err
		}
		p, err = g.flag(tx, p, pay.Event{Kind: pay.EventSurplus, Amount: amount, TradeNo: s.TradeNo}, by)
		return p, false, err
	}
	from := p.Status
	if !from.CanBecome(pay.Paid) {
		return p, false, fmt.Errorf("gateway: %s cannot become paid from %s", p.ID, from)
	}
	if p.Flagged, err = g.staysFlagged(tx, p, s.TradeNo); err != nil {
		return p, false, err
	}
	p.Late = !from.Open()
	p.Status, p.TradeNo, p.BuyerID, p.DueAt = pay.Paid, s.TradeNo, s.BuyerID, time.Time{}
	if p.PaidAt = s.At; p.PaidAt.IsZero() {
		p.PaidAt = g.Now()
	}
	if err := g.book(tx, p, pay.Movement{Kind: pay.MovementPayment, Debit: p.HeldBy(), Credit: pay.OwedToMerchant, Amount: amount, TradeNo: s.TradeNo}); err != nil {
		return p, false, err
	}
	paid := pay.Event{Kind: pay.EventPaid, Amount: amount, TradeNo: s.TradeNo}
	if p.Late {
		paid.Kind = pay.EventPaidLate
	}
	if err := g.move(tx, p, from, g.event(p, by, paid)); err != nil {
		return p, false, err
	}
	if p.Late && g.Late[from] == LateRefund {
		err := g.giveBack(tx, p)
		p.Reserved = p.Amount.Minor
		return p, false, err
	}
	notify, err := g.addDelivery(tx, p, store.Delivery{Kind: "payment", Body: g.Notification(p)})
	return p, notify, err
}

// move writes p and its event if the stored status is still from.
func (g *Gateway) move(tx *store.Tx, p pay.Payment, from pay.Status, e pay.Event) error {
	if p.Status != from && !from.CanBecome(p.Status) {
		return fmt.Errorf("gateway: %s cannot become %s from %s", p.ID, p.Status, from)
	}
	moved, err := tx.MovePayment(p, from)
	if err != nil {
		return err
	}
	if !moved {
		return fmt.Errorf("gateway: %s is no longer %s", p.ID, from)
	}
	return g.record(tx, e)
}

// end makes an open payment p final without money: closed if a merchant wanted
// that, else expired. Late money may still make it paid.
func (g *Gateway) end(tx *store.Tx, p *pay.Payment, by pay.Actor, why pay.Reason, code string) error {
	from := p.Status
	p.Status, p.ClosedAt, p.DueAt = pay.Expired, g.Now(), time.Time{}
	ended := pay.Event{Kind: pay.EventExpired, Reason: why, Code: code}
	if p.CloseID != "" {
		p.Status, ended.Kind = pay.Closed, pay.EventClosed
	}
	if !p.OpenedAt.IsZero() {
		p.DueAt = p.ClosedAt.Add(lateLooks[0])
	}
	return g.move(tx, *p, from, g.event(*p, by, ended))
}

// flag marks a payment as one that a person must look at, and writes the event
// that says why: once, however often the wallet repeats itself.
func (g *Gateway) flag(tx *store.Tx, p pay.Payment, why pay.Event, by pay.Actor) (pay.Payment, error) {
	why = g.event(p, by, why)
	if p.Flagged {
		if known, err := tx.HasEvent(why); err != nil || known {
			return p, err
		}
	} else if err := tx.FlagPayment(p.MerchantID, p.ID); err != nil {
		return p, err
	}
	p.Flagged = true
	return p, g.record(tx, why)
}

// staysFlagged reports whether a person must still look at an order that is paid
// now. An unlisted status of the same trade is settled by the listed one that
// followed it.
func (g *Gateway) staysFlagged(tx *store.Tx, p pay.Payment, tradeNo string) (bool, error) {
	if !p.Flagged {
		return false, nil
	}
	events, err := tx.Events(p.MerchantID, p.ID)
	return slices.ContainsFunc(events, func(e pay.Event) bool {
		return e.Kind.Flags() && (e.Kind != pay.EventUnlisted || ofAnotherTrade(e, tradeNo))
	}), err
}

// needsLook is flag in a transaction of its own. Each reason is logged once.
func (g *Gateway) needsLook(ctx context.Context, p pay.Payment, why pay.Event, by pay.Actor) error {
	return g.needsLookUnless(ctx, p, why, by, func(pay.Payment) bool { return false })
}

// needsLookUnless is needsLook for payments of which needless, given the payment
// as it is by then, is false.
func (g *Gateway) needsLookUnless(ctx context.Context, p pay.Payment, why pay.Event, by pay.Actor, needless func(pay.Payment) bool) error {
	isNew := false
	err := g.Store.Tx(ctx, func(tx *store.Tx) error {
		current, err := tx.Payment(p.MerchantID, p.ID)
		if err != nil {
			return err
		}
		known, err := tx.HasEvent(g.event(p, by, why))
		if isNew = !known && !needless(current); err != nil || !isNew {
			return err
		}
		p, err = g.flag(tx, current, why, by)
		return err
	})
	if err == nil && isNew {
		g.Log.ErrorContext(ctx, "payment needs a look", "syssn", p.ID, "status", p.Status, "by", by.Role,
			"why", why.Kind, "trade_no", why.TradeNo, "refund", why.RefundID, "code", why.Code)
	}
	return err
}

// noticed returns err. If the wallet, asked about a payment or its refund, has
// answered with a status that its documents do not list, noticed also flags the
// payment, since nothing else would come of it; a payment that the trade has paid
// meanwhile needs no flag.
func (g *Gateway) noticed(ctx context.Context, p pay.Payment, refundID string, s wallet.State, err error, by pay.Actor) error {
	if !errors.Is(err, wallet.ErrUnlisted) {
		return err
	}
	return errors.Join(err, g.needsLookUnless(ctx, p, unlisted(refundID, s), by, func(now pay.Payment) bool {
		return refundID == "" && now.Status == pay.Paid && now.TradeNo == s.TradeNo
	}))
}

// record writes an event.
func (g *Gateway) record(tx *store.Tx, e pay.Event) (err error) {
	if e.ID, err = g.newRowID(e.At); err != nil {
		return err
	}
	return tx.AddEvent(e)
}

// event completes e, which has a kind and facts, to an event of p that happens
// now. Its id is made when it is written.
func (g *Gateway) event(p pay.Payment, by pay.Actor, e pay.Event) pay.Event {
	e.MerchantID, e.PaymentID, e.At, e.By = p.MerchantID, p.ID, g.Now(), by
	return e
}

// book writes a line of the money record about p.
func (g *Gateway) book(tx *store.Tx, p pay.Payment, m pay.Movement) (err error) {
	m.MerchantID, m.PaymentID, m.At = p.MerchantID, p.ID, g.Now()
	if m.ID, err = g.newRowID(m.At); err != nil {
		return err
	}
	switch isNew, err := tx.AddMovement(m); {
	case err != nil:
		return err
	case !isNew && m.Kind == pay.MovementRefund:
		return fmt.Errorf("gateway: refund %s is in the money record already", m.RefundID)
	case !isNew:
		return fmt.Errorf("%w: %s, found for %s", errForeignTrade, m.TradeNo, p.ID)
	}
	return nil
}

// addDelivery makes a notification about p due, and reports whether there is
// one: without an address nobody is told, and an address that cannot be read
// must not keep the money from being recorded.
func (g *Gateway) addDelivery(tx *store.Tx, p pay.Payment, d store.Delivery) (_ bool, err error) {
	receiver, ok := pay.ReceiverOf(p.NotifyURL)
	if !ok {
		if p.NotifyURL != "" {
			g.Log.Error("notify address cannot be read: nobody is told", "syssn", p.ID)
		}
		return false, nil
	}
	d.MerchantID, d.PaymentID, d.AppCode, d.URL, d.Receiver, d.CreatedAt = p.MerchantID, p.ID, p.AppCode, p.NotifyURL, receiver, g.Now()
	if d.ID, err = g.newRowID(d.CreatedAt); err != nil {
		return false, err
	}
	return true, tx.AddDelivery(d)
}

func (g *Gateway) logMove(ctx context.Context, before, p pay.Payment, by pay.Actor) {
	switch {
	case p.Flagged && !before.Flagged:
		g.Log.ErrorContext(ctx, "payment needs a look", "syssn", p.ID, "status", p.Status, "by", by.Role)
	case p.Status != before.Status:
		g.Log.InfoContext(ctx, "payment "+string(p.Status), "syssn", p.ID, "from", before.Status, "late", p.Late, "trade_no", p.TradeNo, "by", by.Role)
	}
}
