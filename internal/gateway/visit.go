package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// Lookup finds the payment of a pay link's token: NotFound for anything but a
// token that this deployment made, strictly decoded.
func (g *Gateway) Lookup(ctx context.Context, token string) (pay.Payment, error) {
	notFound := &pay.Error{Code: pay.NotFound, Message: "no such payment"}
	merchantID, id, ok := g.parseToken(token)
	if !ok {
		return pay.Payment{}, notFound
	}
	p, err := g.paymentOf(ctx, merchantID, id)
	if errors.Is(err, store.ErrNotFound) {
		return pay.Payment{}, notFound
	}
	return p, err
}

// Visit is Lookup for a browser that is about to be sent on: it records the
// first opening, and gives the wallet's address if the payment can be paid, ""
// otherwise: its Status says why, or it is past its life, and then the wallet is
// asked under Query's limits, since anybody who has the link can open it. It is
// "" too for a Pending payment with a Checkout, which is paid in the wallet's app.
// A payment that could be paid is StoreDisabled while its merchant or store is
// disabled and their links are shut.
func (g *Gateway) Visit(ctx context.Context, token string) (p pay.Payment, walletURL string, err error) {
	p, err = g.Lookup(ctx, token)
	if err != nil {
		return p, "", err
	}
	if p.Status.Open() && !g.Now().Before(p.ExpiresAt) {
		return g.askAll(ctx, []pay.Payment{p}, pay.ByBuyer)[0], "", nil
	}
	if p.Status != pay.Pending || p.CloseID != "" {
		return p, "", nil
	}
	if err := g.Payable(ctx, p); err != nil {
		return p, "", err
	}
	conn, err := g.connectorOf(ctx, p)
	if err != nil || !conn.info.Offline {
		return p, "", err
	}
	order, err := g.orderOf(ctx, p)
	if err != nil {
		return p, "", err
	}
	checkout, err := conn.Pay(ctx, order)
	if err != nil {
		return p, "", fmt.Errorf("gateway: %s: %w", p.ID, err)
	}
	if p.OpenedAt.IsZero() {
		if p, err = g.markOpened(ctx, p); err != nil || !p.Status.Open() {
			return p, "", err
		}
	}
	return p, checkout.URL, nil
}

// Payable is StoreDisabled if the link of an open payment is shut, since its merchant or store is disabled.
func (g *Gateway) Payable(ctx context.Context, p pay.Payment) error {
	s, err := g.standingOfPayment(ctx, p)
	return first(err, s.linksOpen())
}

// markOpened records the first opening. From then on the wallet may know of the
// order, so it is looked at; and a buyer must not be sent to pay an order whose
// opening could not be recorded, because it was given up a moment ago.
func (g *Gateway) markOpened(ctx context.Context, p pay.Payment) (pay.Payment, error) {
	now := g.Now()
	first, err := g.Store.MarkOpened(ctx, p.MerchantID, p.ID, now, now.Add(g.InquiryGaps[0]))
	if err != nil {
		return p, err
	}
	if !first {
		return g.Store.Payment(ctx, p.MerchantID, p.ID)
	}
	g.Log.InfoContext(ctx, "pay link opened", "syssn", p.ID)
	select {
	case g.opened <- struct{}{}:
	default: // Run will look anyway
	}
	return p, nil
}

// Returned is Lookup for a browser that came back from the wallet: if the
// payment's outcome is still to come the wallet is asked, under Query's limits.
func (g *Gateway) Returned(ctx context.Context, token string) (pay.Payment, error) {
	p, err := g.Lookup(ctx, token)
	if err != nil || !p.Status.Open() {
		return p, err
	}
	return g.askAll(ctx, []pay.Payment{p}, pay.ByBuyer)[0], nil
}
