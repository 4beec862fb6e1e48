package gateway

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/work"
)

// lateInquiries are the times of inquiries after a payment has ended, if its link was
// opened: a wallet that cannot close an order may still take money for it. One more
// follows after the wallet's own maximum.
var lateInquiries = []time.Duration{time.Hour, 12*time.Hour + 15*time.Minute, 25 * time.Hour}

// lateMargin is added to the wallet's maximum for the last inquiry.
const lateMargin = time.Hour

// callbacksRepeat is how long a wallet repeats a callback that is not acknowledged.
const callbacksRepeat = 25 * time.Hour

// inquiryLimits limits the inquiries of this process. A wallet that does not answer
// holds each inquiry for WalletTimeout, and must not delay those at other wallets.
var inquiryLimits = work.Limits{
	Total: 64, PerClaim: 8, PerKey: 8,
	SlowAfter: 2 * time.Second, PerSlowKey: 8, Slow: 64,
	Tenant: func(account string) string {
		merchant, _, _ := strings.Cut(account, "/")
		return merchant
	},
}

// Run makes the inquiries that are due, until ctx ends or the database is stopped. It
// asks the wallets about
//
//   - open payments, so that a lost callback does no harm and an order that is not
//     paid ends;
//   - payments that have ended, for money that comes late;
//   - refunds whose outcome is not known, which it sends again if necessary;
//   - orphans, whose money may have gone back.
//
// Run returns when every inquiry that it has begun has ended.
func (g *Gateway) Run(ctx context.Context) error { return g.runner.Run(ctx) }

func (g *Gateway) newRunner() (*work.Runner, error) {
	return work.New(work.Config{
		Name: "recover", Limits: inquiryLimits, Log: g.Log, Poll: g.Poll, Final: store.ErrStopped,
		Now: func() time.Time { return g.Now() },
		Queues: []work.Queue{
			// first: they are few, and buyers wait for the money
			{Next: g.Store.NextRefunds, Claim: g.claimRefunds},
			{Next: g.Store.NextPayments, Claim: g.claimPayments},
			{Next: g.Store.NextOrphans, Claim: g.claimOrphans},
		},
		Turned: func(ctx context.Context, err error) {
			g.Turned()
			if err == nil {
				g.tidyOrphans(ctx)
			}
		},
	})
}

func (g *Gateway) claimRefunds(ctx context.Context, now time.Time, keys map[string]int) ([]work.Item, error) {
	claims, err := g.Store.ClaimRefunds(ctx, store.Claim{Now: now, Lease: g.Lease, Keys: keys})
	return inquiryItems(g, claims, store.RefundClaim.Account, func(ctx context.Context, c store.RefundClaim) {
		g.pursue(ctx, c, pay.ByRecover)
	}), err
}

func (g *Gateway) claimPayments(
	ctx context.Context, now time.Time, keys map[string]int,
) ([]work.Item, error) {
	claims, err := g.Store.ClaimPayments(ctx, store.Claim{Now: now, Lease: g.Lease, Keys: keys})
	return inquiryItems(g, claims, store.PaymentClaim.Account, g.recoverPayment), err
}

func (g *Gateway) claimOrphans(ctx context.Context, now time.Time, keys map[string]int) ([]work.Item, error) {
	orphans, err := g.Store.ClaimOrphans(ctx, store.Claim{Now: now, Lease: g.Lease, Keys: keys})
	account := func(o pay.Orphan) string { return store.AccountKey(o.MerchantID, o.AccountID) }
	return inquiryItems(g, orphans, account, g.inquireOrphan), err
}

// inquiryItems returns the items of claimed rows. All of an inquiry counts as the
// wallet's time.
func inquiryItems[C any](
	g *Gateway, claims []C, account func(C) string, inquire func(context.Context, C),
) []work.Item {
	items := make([]work.Item, len(claims))
	for i, c := range claims {
		items[i] = work.Item{Key: account(c), Do: func(ctx context.Context) time.Duration {
			began := g.Now()
			inquire(ctx, c)
			return g.Now().Sub(began)
		}}
	}
	return items
}

// recoverPayment inquires about a payment and sets the time of its next inquiry.
func (g *Gateway) recoverPayment(ctx context.Context, c store.PaymentClaim) {
	p, err := g.inquire(ctx, c.Payment, pay.ByRecover)
	if err != nil {
		g.Log.WarnContext(ctx, "payment's outcome is not known",
			"syssn", c.ID, "inquiries", c.Inquiries, "error", err)
		p = c.Payment
	}
	g.settlePostponed(ctx, c.Payment)
	p.Inquiries = c.Inquiries + 1
	due := g.nextInquiry(ctx, p)
	if err != nil && due.IsZero() && g.Now().Before(p.ConfirmedAt.Add(callbacksRepeat)) {
		// for a callback that was postponed
		due = g.Now().Add(g.InquiryGaps[min(p.Inquiries, len(g.InquiryGaps)-1)])
	}
	switch err := g.Store.ReschedulePayment(ctx, c, due); {
	case errors.Is(err, store.ErrLeaseLost): // another replica has claimed it
	case err != nil:
		g.Log.ErrorContext(ctx, "payment cannot be rescheduled", "syssn", c.ID, "error", err)
	}
}

// inquire asks the wallet about a payment and settles what it says. Then a payment
// whose time is over expires, and one that the merchant wants closed is closed. Both
// need an answer that says that the wallet has not been paid, and the wallet closes the
// order if it supports that. If the wallet does not answer, the payment stays as it is.
func (g *Gateway) inquire(ctx context.Context, p pay.Payment, by pay.Actor) (pay.Payment, error) {
	conn, err := g.connectorOf(ctx, p)
	if err != nil {
		return p, err
	}
	return g.inquireWith(ctx, conn, p, by)
}

// inquireWith is inquire with the payment's connector. It does not ask about an order
// that the wallet cannot know of, unless a callback was about that order.
func (g *Gateway) inquireWith(ctx context.Context, conn limitedConnector, p pay.Payment, by pay.Actor) (
	pay.Payment, error) {
	if g.unknownToWallet(p, conn.info) && p.ConfirmedAt.IsZero() {
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
		return p, walletError(g.flagUnlisted(ctx, p, "", state, err, by))
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
		return g.closeAtWallet(ctx, conn, order, settled, by, end, string(state.Outcome))
	case wallet.Paid: // by another amount or trade, which is recorded: the order need not wait for it
		return g.giveUp(ctx, settled, by, pay.ReasonOtherPayment, "")
	}
	return settled, nil
}

// unknownToWallet reports whether the wallet cannot know of the order: it needs the pay
// link, which was never opened.
func (g *Gateway) unknownToWallet(p pay.Payment, info wallet.Info) bool {
	return info.Flow != wallet.InApp && p.OpenedAt.IsZero()
}

// giveUp ends an open payment without money. It changes nothing if the link was opened,
// or the payment settled, since p was read.
func (g *Gateway) giveUp(ctx context.Context, p pay.Payment, by pay.Actor, why pay.Reason, code string) (
	pay.Payment, error) {
	v, err := g.act(ctx, p, func(r pay.Recorded) (pay.Verdict, error) {
		if r.Payment.OpenedAt.IsZero() != p.OpenedAt.IsZero() {
			return pay.Nothing(r), nil
		}
		return pay.End(r, why, code, by, g.Now()), nil
	})
	return v.Payment, err
}

// nextInquiry returns the time of a payment's next inquiry, zero for never.
func (g *Gateway) nextInquiry(ctx context.Context, p pay.Payment) time.Time {
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
	for _, after := range lateInquiries {
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
