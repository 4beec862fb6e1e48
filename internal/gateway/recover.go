package gateway

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// lateLooks are the times after a payment was given up at which its wallet is
// asked once more, if the buyer had opened the link: a wallet that cannot close
// an order may still take money for it. The wallet's own maximum follows them.
var lateLooks = []time.Duration{time.Hour, 12*time.Hour + 15*time.Minute, 25 * time.Hour}

// lateMargin is added to the wallet's maximum for the last of all looks.
const lateMargin = time.Hour

// messagesRepeat is how long a wallet repeats a message that is not acknowledged.
const messagesRepeat = 25 * time.Hour

// Run looks at payments and refunds when they are due (the row is the schedule),
// until ctx ends or the database is stopped: open payments, so that a lost
// notification is made up for and
// the end of an order's life is noticed; those that were given up, for late
// money; and refunds whose outcome is not known. It returns when all that it
// started has ended.
func (g *Gateway) Run(ctx context.Context) error {
	hand := inHand{ended: make(chan look, looksAtOnce)}
	var looking sync.WaitGroup
	defer looking.Wait()
	for trouble := 0; ctx.Err() == nil; {
		hand.collect()
		due, err := g.claim(ctx, &hand)
		for _, d := range due {
			hand.begin(d.account)
			looking.Go(func() {
				began := g.Now()
				d.look(context.WithoutCancel(ctx))
				hand.ended <- look{d.account, g.Now().Sub(began)}
			})
		}
		g.Turned()
		if err == nil {
			g.tidyOrphans(ctx)
		}
		if err == nil && len(due) > 0 && hand.room() > 0 {
			continue // there may be more
		}
		var pause time.Duration
		if err == nil {
			pause, err = g.pause(ctx)
		}
		stirred := g.stirred
		if errors.Is(err, store.ErrStopped) {
			return nil // the store has said so; nothing is due until the next start
		}
		if err == nil {
			trouble = 0
		} else if ctx.Err() == nil {
			pause, stirred = 100*time.Millisecond<<trouble, nil
			trouble = min(trouble+1, 4) // 1.6 s: what waits is looked at soon after a server is there again
			g.Log.ErrorContext(ctx, "what is due cannot be read", "error", err, "again_in", pause)
		}
		g.await(ctx, &hand, pause, stirred)
	}
	return nil
}

// due is a row that was claimed, and what is to be done about it.
type due struct {
	account string
	look    func(context.Context)
}

// claim takes what is due, refunds first: they are few, and somebody waits for
// their money. What it has taken it returns with an error too.
func (g *Gateway) claim(ctx context.Context, hand *inHand) (all []due, err error) {
	c, err := g.share(ctx, g.Store.NextRefunds, hand, hand.room())
	if err != nil {
		return nil, err
	}
	refunds, err := g.Store.ClaimRefunds(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, c := range refunds {
		all = append(all, due{c.Account(), func(ctx context.Context) { g.pursue(ctx, c, pay.ByRecover) }})
	}
	if c, err = g.share(ctx, g.Store.NextPayments, hand, hand.room()-len(refunds)); err != nil {
		return all, err
	}
	payments, err := g.Store.ClaimPayments(ctx, c)
	for _, c := range payments {
		all = append(all, due{c.Account(), func(ctx context.Context) { g.recoverOne(ctx, c) }})
	}
	if err != nil {
		return all, err
	}
	orphans, err := g.claimOrphans(ctx, hand, hand.room()-len(all))
	return append(all, orphans...), err
}

// await returns after the pause, when something may be due, when a look has
// ended or ctx does. The opening of a link costs it no question to the store: it
// only means that the next look may be sooner.
func (g *Gateway) await(ctx context.Context, hand *inHand, pause time.Duration, stirred <-chan struct{}) {
	until := g.Now().Add(pause)
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-hand.ended:
			hand.end(l)
			return
		case <-time.After(until.Sub(g.Now())):
			return
		case <-stirred:
			return
		case <-g.opened:
			if soonest := g.Now().Add(g.InquiryGaps[0]); soonest.Before(until) {
				until = soonest
			}
		}
	}
}

// stir has Run look again at what is due: something new may be, at once or soon.
func (g *Gateway) stir() {
	select {
	case g.stirred <- struct{}{}:
	default: // it will look anyway
	}
}

// pause is how long nothing will become due, as far as this replica knows.
func (g *Gateway) pause(ctx context.Context) (time.Duration, error) {
	pause := g.Poll
	for _, next := range []func(context.Context) (map[string]time.Time, error){g.Store.NextPayments, g.Store.NextRefunds, g.Store.NextOrphans} {
		all, err := next(ctx)
		if err != nil {
			return 0, err
		}
		for _, at := range all {
			// What is due already waits for a wallet that has enough in hand.
			pause = min(pause, max(at.Sub(g.Now()), 200*time.Millisecond))
		}
	}
	return pause, nil
}

// share is a claim of at most room rows that are due, a fair part for each
// account that has room.
func (g *Gateway) share(
	ctx context.Context, next func(context.Context) (map[string]time.Time, error), hand *inHand, room int,
) (store.Claim, error) {
	c := store.Claim{Now: g.Now(), Lease: g.Lease, Keys: map[string]int{}}
	all, err := next(ctx)
	for _, account := range hand.full() {
		delete(all, account)
	}
	maps.DeleteFunc(all, func(_ string, at time.Time) bool { return at.After(c.Now) })
	for room > 0 && len(all) > 0 {
		for account := range all {
			if room--; room >= 0 {
				c.Keys[account]++
			}
		}
	}
	return c, err
}

// recoverOne looks at one payment and sets the time of its next look.
func (g *Gateway) recoverOne(ctx context.Context, c store.PaymentClaim) {
	p, err := g.look(ctx, c.Payment, pay.ByRecover)
	if err != nil {
		g.Log.WarnContext(ctx, "payment's outcome is not known", "syssn", c.ID, "looks", c.Inquiries, "error", err)
		p = c.Payment
	}
	g.takeAside(ctx, c.Payment)
	p.Inquiries = c.Inquiries + 1
	due := g.nextLook(ctx, p)
	if err != nil && due.IsZero() && g.Now().Before(p.ConfirmedAt.Add(messagesRepeat)) {
		due = g.Now().Add(g.InquiryGaps[min(p.Inquiries, len(g.InquiryGaps)-1)]) // a message about it was put off
	}
	switch err := g.Store.ReschedulePayment(ctx, c, due); {
	case errors.Is(err, store.ErrLeaseLost): // another replica has taken over
	case err != nil:
		g.Log.ErrorContext(ctx, "payment cannot be rescheduled", "syssn", c.ID, "error", err)
	}
}

// look asks the wallet about a payment and settles what it says. A payment past
// its life expires, and one that the merchant has called off is closed, but only
// when the wallet has definitely not been paid, and cannot be any more if it can
// see to that: where it does not answer the payment stays as it is.
func (g *Gateway) look(ctx context.Context, p pay.Payment, by pay.Actor) (pay.Payment, error) {
	conn, err := g.connectorOf(ctx, p)
	if err != nil {
		return p, err
	}
	return g.lookBy(ctx, conn, p, by)
}

// lookBy is look, by the payment's own connector. An order that the wallet
// cannot know of is asked about only if a message spoke of it all the same.
func (g *Gateway) lookBy(ctx context.Context, conn opened, p pay.Payment, by pay.Actor) (pay.Payment, error) {
	if g.unseen(p, conn.info) && p.ConfirmedAt.IsZero() {
		if p.Status.Open() && !g.Now().Before(p.ExpiresAt) {
			return g.giveUp(ctx, p, by, pay.ReasonNeverOpened, "")
		}
		return p, nil
	}
	order, err := g.orderOf(ctx, p)
	if err != nil {
		return p, err
	}
	asked, cancel := context.WithTimeout(ctx, g.WalletTimeout)
	defer cancel()
	state, err := conn.Query(asked, order)
	if err != nil {
		return p, walletError(g.noticed(ctx, p, "", state, err, by))
	}
	v, err := g.settle(ctx, p, wordOf(state, ""), by)
	if errors.Is(err, errForeignTrade) {
		err = g.flag(ctx, p, pay.Event{Kind: pay.EventForeignTrade, TradeNo: state.TradeNo}, by)
	}
	if err != nil {
		return p, err
	}
	settled := v.Payment
	end := pay.Reason("")
	switch {
	case settled.CloseID != "":
		end = pay.ReasonCalledOff
	case !g.Now().Before(p.ExpiresAt.Add(g.Margin)):
		end = pay.ReasonUnpaid
	}
	if end == "" || !settled.Status.Open() {
		return settled, nil
	}
	switch state.Outcome {
	case wallet.Waiting, wallet.NotFound:
		return g.shut(ctx, conn, order, settled, by, end, string(state.Outcome))
	case wallet.Paid: // not as was ordered: what came is recorded, and the order cannot wait for it
		return g.giveUp(ctx, settled, by, pay.ReasonOtherPayment, "")
	}
	return settled, nil
}

// unseen reports whether the wallet cannot know of the order: that takes an
// opening of the pay link, and there was none.
func (g *Gateway) unseen(p pay.Payment, info wallet.Info) bool {
	return info.Flow != wallet.InApp && p.OpenedAt.IsZero()
}

// giveUp ends an open payment. One that was opened or settled meanwhile is left
// as it is.
func (g *Gateway) giveUp(ctx context.Context, p pay.Payment, by pay.Actor, why pay.Reason, code string) (pay.Payment, error) {
	v, err := g.act(ctx, p, func(r pay.Recorded) (pay.Verdict, error) {
		if r.Payment.OpenedAt.IsZero() != p.OpenedAt.IsZero() {
			return pay.Nothing(r), nil
		}
		return pay.End(r, why, code, by, g.Now()), nil
	})
	return v.Payment, err
}

// nextLook is when a payment is to be looked at again; zero for never.
func (g *Gateway) nextLook(ctx context.Context, p pay.Payment) time.Time {
	now := g.Now()
	switch {
	case p.Status == pay.Paid:
		return time.Time{}
	case p.Status.Open():
		if p.OpenedAt.IsZero() && now.Before(p.ExpiresAt) {
			return p.ExpiresAt
		}
		next := now.Add(g.InquiryGaps[min(p.Inquiries, len(g.InquiryGaps)-1)])
		if end := p.ExpiresAt.Add(g.Margin); now.Before(end) && next.After(end) {
			return end
		}
		return next
	case p.OpenedAt.IsZero():
		return time.Time{}
	}
	for _, after := range lateLooks {
		if at := p.ClosedAt.Add(after); at.After(now) {
			return at
		}
	}
	if conn, err := g.connectorOf(ctx, p); err == nil {
		if at := p.ClosedAt.Add(conn.info.LateMax + lateMargin); at.After(now) {
			return at
		}
	}
	return time.Time{}
}
