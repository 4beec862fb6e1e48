package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// Lookup finds the payment of a pay link's token. The error is NotFound for anything
// but a token that this deployment made, byte for byte.
func (g *Gateway) Lookup(ctx context.Context, token string) (pay.Payment, error) {
	notFound := &pay.Error{Code: pay.NotFound, Message: "no such payment"}
	merchantID, id, ok := g.parseToken(token)
	if !ok {
		return pay.Payment{}, notFound
	}
	p, err := g.paymentByNumber(ctx, merchantID, id)
	if errors.Is(err, store.ErrNotFound) {
		return pay.Payment{}, notFound
	}
	return p, err
}

// Visit is Lookup for a browser that is about to be sent on: it records the first
// opening and returns the way to the wallet. The way is zero if the payment cannot
// be paid: its Status says why, or its time is over. In the latter case the wallet is
// queried, under Query's limits, since anybody who has the link can open it.
//
// The error is StoreDisabled for a payment that cannot be paid only because its
// merchant or store is disabled. If the wallet must be asked for an address, it can
// also be WalletRejected, WalletTrouble, WalletBusy or OutcomeUnknown. Then the payment
// stays open, and the link can be opened again.
func (g *Gateway) Visit(ctx context.Context, token string) (pay.Payment, Way, error) {
	p, err := g.Lookup(ctx, token)
	if err != nil {
		return p, Way{}, err
	}
	if p.Status.Open() && !g.Now().Before(p.ExpiresAt) {
		return g.askAll(ctx, []pay.Payment{p}, pay.ByBuyer)[0], Way{}, nil
	}
	if !p.Status.Open() || p.CloseID != "" {
		return p, Way{}, nil
	}
	if err := g.Payable(ctx, p); err != nil {
		return p, Way{}, err
	}
	conn, err := g.connectorOf(ctx, p)
	if err != nil {
		return p, Way{}, err
	}
	switch {
	case conn.info.Flow == wallet.Redirect:
		return g.redirect(ctx, conn, p)
	case p.Status != pay.Pending:
		return p, Way{}, nil // a merchant's request registers it
	case conn.info.Flow == wallet.InApp:
		return p, Way{Ref: p.Checkout}, nil
	}
	return g.link(ctx, conn, p)
}

// link returns the way to the wallet's page where we make its address ourselves.
func (g *Gateway) link(ctx context.Context, conn limitedConnector, p pay.Payment) (pay.Payment, Way, error) {
	order, err := g.orderOf(ctx, p)
	if err != nil {
		return p, Way{}, err
	}
	checkout, err := conn.Pay(ctx, order)
	if err != nil {
		return p, Way{}, fmt.Errorf("gateway: %s: %w", p.ID, err)
	}
	if p.OpenedAt.IsZero() {
		if p, _, err = g.markOpened(ctx, p); err != nil || !p.Status.Open() {
			return p, Way{}, err
		}
	}
	return p, Way{URL: checkout.URL}, nil
}

// Payable returns StoreDisabled if the link of an open payment cannot be paid because
// its merchant or store is disabled.
func (g *Gateway) Payable(ctx context.Context, p pay.Payment) error {
	s, err := g.standingOfPayment(ctx, p)
	return firstError(err, s.checkLinks())
}

// markOpened records the first opening. From then on the wallet may know of the
// order, so Recover queries it. A buyer must not be sent to pay an order whose
// opening could not be recorded, because it was given up a moment ago. first is
// false if another opening was recorded before, or the order is not open any
// more; the payment is as it is stored then.
func (g *Gateway) markOpened(ctx context.Context, p pay.Payment) (_ pay.Payment, first bool, err error) {
	now := g.Now()
	first, err = g.Store.MarkOpened(ctx, p.MerchantID, p.ID, now, now.Add(g.InquiryGaps[0]))
	if err != nil {
		return p, false, err
	}
	if !first {
		p, err = g.Store.Payment(ctx, p.MerchantID, p.ID)
		return p, false, err
	}
	g.Log.InfoContext(ctx, "pay link opened", "syssn", p.ID)
	g.runner.WakeAt(now.Add(g.InquiryGaps[0]))
	return p, true, nil
}

// Returned is Lookup for a browser that came back from the wallet. If the payment is
// open, the wallet is asked, under Query's limits.
func (g *Gateway) Returned(ctx context.Context, token string) (pay.Payment, error) {
	p, err := g.Lookup(ctx, token)
	if err != nil || !p.Status.Open() {
		return p, err
	}
	return g.askAll(ctx, []pay.Payment{p}, pay.ByBuyer)[0], nil
}
