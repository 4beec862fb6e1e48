package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// errForeignTrade says that the trade has paid another payment.
var errForeignTrade = errors.New("gateway: the trade number belongs to another payment")

// unlockedTries is how often a verdict is applied without a lock on the payment. If
// the payment changes in between each time, many callers change it, and the next try
// locks it, so that they queue up.
const unlockedTries = 2

// settle records a wallet's word about a payment or one of its refunds. All money
// comes in and goes back here: settle reads what is recorded, pay.Judge returns what
// follows, and apply writes all of that at once. Repeats change nothing. Outcomes that
// are not final change nothing.
//
// The error is errForeignTrade if the trade has paid another payment. Then nothing is
// changed.
func (g *Gateway) settle(ctx context.Context, p pay.Payment, w pay.Word, by pay.Actor) (pay.Verdict, error) {
	r, err := g.recorded(ctx, p, w)
	if err != nil {
		return pay.Verdict{Payment: p}, err
	}
	return g.settleRecorded(ctx, r, w, by)
}

// settleRecorded is settle for a payment that was just read.
func (g *Gateway) settleRecorded(
	ctx context.Context, r pay.Recorded, w pay.Word, by pay.Actor,
) (pay.Verdict, error) {
	if w.Outcome == pay.WordPaid && w.TradeNo == "" {
		err := fmt.Errorf("gateway: %s: the wallet says that it is paid, without a trade number: %w",
			r.Payment.ID, wallet.ErrUnknown)
		return pay.Verdict{Payment: r.Payment}, err
	}
	return g.judge(ctx, r, w, func(r pay.Recorded) (pay.Verdict, error) {
		return pay.Judge(r, w, by, g.Now()), nil
	})
}

// recorded reads what is stored of a payment, and of the trade and the refund that a
// word about it names.
func (g *Gateway) recorded(ctx context.Context, p pay.Payment, w pay.Word) (pay.Recorded, error) {
	return g.Store.Recorded(ctx, p.MerchantID, p.ID, p.HeldBy(), w.TradeNo, w.RefundID)
}

// judge applies the verdict on what is recorded. If the payment has changed since it
// was read, judge reads it again, with what the word names, and starts over.
func (g *Gateway) judge(ctx context.Context, r pay.Recorded, w pay.Word,
	verdict func(pay.Recorded) (pay.Verdict, error)) (pay.Verdict, error) {
	for try := 1; ; try++ {
		v, err := verdict(r)
		if err != nil {
			return pay.Verdict{Payment: r.Payment, Refund: r.Refund}, err
		}
		v, err = g.apply(ctx, r, v)
		if !errors.Is(err, store.ErrChanged) {
			return v, err
		}
		if try == unlockedTries {
			return g.judgeLocked(ctx, r.Payment, w, func(_ *store.Tx, r pay.Recorded) (pay.Verdict, error) {
				return verdict(r)
			})
		}
		if r, err = g.recorded(ctx, r.Payment, w); err != nil {
			return v, err
		}
	}
}

// judgeLocked is judge with the payment locked from the reading to the commit. It waits
// for other changes of the payment, and nothing changes in between.
func (g *Gateway) judgeLocked(ctx context.Context, p pay.Payment, w pay.Word,
	verdict func(*store.Tx, pay.Recorded) (pay.Verdict, error)) (v pay.Verdict, err error) {
	var r pay.Recorded
	var c store.Change
	err = tryNumbers(func(try int) error {
		return g.Store.Tx(ctx, func(tx *store.Tx) (err error) {
			v = pay.Verdict{Payment: p}
			if r, err = tx.Recorded(p.MerchantID, p.ID, p.HeldBy(), w.TradeNo, w.RefundID); err != nil {
				return err
			}
			judged, err := verdict(tx, r)
			if err != nil {
				v = pay.Verdict{Payment: r.Payment, Refund: r.Refund}
				return err
			}
			v, c, err = g.applyWith(r, judged, try, tx.Apply)
			return err
		})
	})
	if err == nil {
		g.afterCommit(ctx, r, v, c)
	}
	return v, err
}

// act is judge for what a merchant or an operator does to a payment, and for flags.
func (g *Gateway) act(ctx context.Context, p pay.Payment,
	verdict func(pay.Recorded) (pay.Verdict, error)) (pay.Verdict, error) {
	r, err := g.recorded(ctx, p, pay.Word{})
	if err != nil {
		return pay.Verdict{Payment: p}, err
	}
	return g.judge(ctx, r, pay.Word{}, verdict)
}

// apply writes a verdict and all that follows from it, and returns it with the payment
// as it is then. The error is errForeignTrade if the trade has paid another payment,
// and store.ErrChanged if the payment is no longer what r says. After an error nothing
// is changed, except that store.ErrOutcomeUnknown leaves that open.
func (g *Gateway) apply(ctx context.Context, r pay.Recorded, v pay.Verdict) (applied pay.Verdict, err error) {
	var c store.Change
	err = tryNumbers(func(try int) (err error) {
		applied, c, err = g.applyWith(r, v, try, func(c store.Change) error { return g.Store.Apply(ctx, c) })
		return err
	})
	if err == nil {
		g.afterCommit(ctx, r, applied, c)
	}
	return applied, err
}

// applyWith is one try of apply, by means of a function. The caller calls afterCommit.
func (g *Gateway) applyWith(r pay.Recorded, v pay.Verdict, try int, apply func(store.Change) error) (
	_ pay.Verdict, c store.Change, err error) {
	before := pay.Verdict{Payment: r.Payment, Refund: r.Refund}
	switch {
	case v.Kind == pay.VerdictForeignTrade:
		return before, c, errForeignTrade
	case !v.Changes():
		return v, c, nil
	}
	if c, err = g.changeOf(r, v, try); err == nil {
		err = apply(c)
	}
	switch {
	case errors.Is(err, store.ErrTradeTaken) && c.Movement.RefundID == "":
		return before, c, fmt.Errorf("%w: %s, found for %s",
			errForeignTrade, c.Movement.TradeNo, r.Payment.ID)
	case err != nil:
		return before, c, err
	}
	v.Payment = c.Payment
	v.Payment.Events = r.Payment.Events + len(c.Events)
	return v, c, nil
}

// changeOf completes a verdict to a change: it adds the next inquiry, the refund of
// late money, the merchant's notification, and the ids of all rows. try counts the
// numbers that were tried for the refund.
func (g *Gateway) changeOf(r pay.Recorded, v pay.Verdict, try int) (store.Change, error) {
	c := store.Change{Was: r.Payment, Payment: v.Payment, Movement: v.Movement, Events: v.Events}
	if v.Refund != r.Refund {
		c.WasRefund, c.Refund = &r.Refund, &v.Refund
	}
	switch {
	case v.Kind == pay.VerdictEnded && !r.Payment.OpenedAt.IsZero():
		c.Payment.DueAt = v.Payment.ClosedAt.Add(lateInquiries[0])
	case v.Kind == pay.VerdictPaidLate && g.Late[r.Payment.Status] == LateRefund:
		g.addLateRefund(&c, try)
	case v.Notify && c.Refund != nil:
		c.Delivery = g.deliveryOf(c.Payment, store.Delivery{
			Kind: "refund", RefundID: c.Refund.ID, Body: g.RefundNotification(*c.Refund, c.Payment)})
	case v.Notify:
		c.Delivery = g.deliveryOf(c.Payment, store.Delivery{Kind: "payment", Body: g.Notification(c.Payment)})
	}
	return c, g.assignIDs(&c)
}

// assignIDs sets the ids of the rows of a change.
func (g *Gateway) assignIDs(c *store.Change) (err error) {
	next := func(id *string, at time.Time) {
		if err == nil {
			*id, err = g.newRowID(at)
		}
	}
	for i := range c.Events {
		next(&c.Events[i].ID, c.Events[i].At)
	}
	if c.Movement != nil {
		next(&c.Movement.ID, c.Movement.At)
	}
	if c.Delivery != nil {
		next(&c.Delivery.ID, c.Delivery.CreatedAt)
	}
	return err
}

// afterCommit starts the work that follows the commit of a change, and logs the change.
func (g *Gateway) afterCommit(ctx context.Context, r pay.Recorded, v pay.Verdict, c store.Change) {
	if len(c.Events) == 0 {
		return
	}
	if c.Delivery != nil {
		g.Wake()
	}
	if v.Kind == pay.VerdictPaidLate {
		g.runner.Wake() // a refund of it may be due
	}
	by := c.Events[0].By.Role
	for _, e := range c.Events {
		if e.Kind.Flags() {
			g.Log.ErrorContext(ctx, "payment needs a look",
				"syssn", r.Payment.ID, "status", v.Payment.Status, "by", by,
				"why", e.Kind, "trade_no", e.TradeNo, "refund", e.RefundID, "code", e.Code)
		}
	}
	if was := r.Payment.Status; v.Payment.Status != was {
		g.Log.InfoContext(ctx, "payment "+string(v.Payment.Status), "syssn", r.Payment.ID, "from", was,
			"late", v.Payment.Late, "trade_no", v.Payment.TradeNo, "by", by)
	}
	if f := v.Refund; f.Status != r.Refund.Status {
		g.Log.InfoContext(ctx, "refund "+string(f.Status), "refund", f.ID, "syssn", f.PaymentID,
			"amount", f.Amount.String(), "failure", f.Failure, "by", by)
		if f.Status == pay.RefundFailed && f.Automatic() {
			g.Log.ErrorContext(ctx, "payment needs a look",
				"syssn", r.Payment.ID, "status", v.Payment.Status, "by", by,
				"why", pay.EventRefundFailed, "refund", f.ID, "code", f.Failure)
		}
	}
}

// flag flags a payment for the facts of e, once.
func (g *Gateway) flag(ctx context.Context, p pay.Payment, e pay.Event, by pay.Actor) error {
	_, err := g.act(ctx, p, func(r pay.Recorded) (pay.Verdict, error) {
		return pay.Flag(r, e, by, g.Now()), nil
	})
	return err
}

// flagUnlisted returns err, the error of a call about a payment or its refund. If the
// wallet has answered with a status that its documents do not list, it also flags the
// payment, so that a person looks at it. A payment that the trade has paid meanwhile
// is not flagged.
func (g *Gateway) flagUnlisted(ctx context.Context, p pay.Payment, refundID string,
	s wallet.State, err error, by pay.Actor) error {
	if !errors.Is(err, wallet.ErrUnlisted) {
		return err
	}
	w := wordOf(s, refundID)
	w.Outcome = pay.WordUnknown
	_, flagged := g.act(ctx, p, func(r pay.Recorded) (pay.Verdict, error) {
		if refundID == "" && r.Payment.Status == pay.Paid && r.Payment.TradeNo == w.TradeNo {
			return pay.Nothing(r), nil
		}
		return pay.Judge(r, w, by, g.Now()), nil
	})
	return errors.Join(err, flagged)
}

// wordOf converts a connector's answer for pay.Judge. refundID is the wallet's number
// of the refund that the answer is about, "" if it is about the order. An answer whose
// outcome is Unknown, without an error, says only that the wallet has not finished: it
// becomes a word without an outcome.
func wordOf(s wallet.State, refundID string) pay.Word {
	return pay.Word{
		Outcome: outcomes[s.Outcome], RefundID: refundID, TradeNo: pay.Storable(s.TradeNo), Amount: s.Amount,
		BuyerID: pay.Storable(s.BuyerID), At: s.At, Code: pay.Storable(s.Code), GivenBack: s.GivenBack,
		Cause: causeOf(s.Kind),
	}
}

// outcomes converts connectors' outcomes for pay.Judge.
var outcomes = map[wallet.Outcome]pay.Outcome{
	wallet.NotFound: pay.WordNotFound, wallet.Waiting: pay.WordWaiting,
	wallet.Paid: pay.WordPaid, wallet.Closed: pay.WordClosed,
	wallet.Succeeded: pay.WordSucceeded, wallet.Failed: pay.WordFailed,
}
