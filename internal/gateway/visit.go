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
	p, err := g.Store.Payment(ctx, merchantID, id)
	if errors.Is(err, store.ErrNotFound) {
		return pay.Payment{}, notFound
	}
	return p, err
}

// Visit is Lookup for a browser that is about to be sent on: it records the
// first opening, and gives the wallet's address if the payment can be paid, ""
// otherwise (its Status says why; one past its life is given up first).
func (g *Gateway) Visit(ctx context.Context, token string) (p pay.Payment, walletURL string, err error) {
	p, err = g.Lookup(ctx, token)
	if err != nil {
		return p, "", err
	}
	now := g.Now()
	if p.Status.Open() && !now.Before(p.ExpiresAt) {
		p, err = g.look(ctx, p, "buyer")
		return p, "", err
	}
	if p.Status != pay.Pending {
		return p, "", nil
	}
	conn, err := g.connectorOf(ctx, p)
	if err != nil {
		return p, "", err
	}
	order, err := g.orderOf(ctx, p)
	if err != nil {
		return p, "", err
	}
	if !conn.info.Offline {
		return p, "", nil // the wallet's own page is not reached by address
	}
	checkout, err := conn.Pay(ctx, order)
	if err != nil {
		return p, "", fmt.Errorf("gateway: %s: %w", p.ID, err)
	}
	// From here on the wallet may know of the order, so it must be looked at.
	if p.OpenedAt.IsZero() {
		if _, err := g.Store.MarkOpened(ctx, p.MerchantID, p.ID, now, now.Add(g.Looks[0])); err != nil {
			return p, "", err
		}
		g.Log.InfoContext(ctx, "pay link opened", "syssn", p.ID)
		select {
		case g.opened <- struct{}{}:
		default: // Run will look anyway
		}
	}
	return p, checkout.URL, nil
}

// Returned is Lookup for a browser that came back from the wallet: if the
// payment's outcome is still to come the wallet is asked, under Query's limits.
func (g *Gateway) Returned(ctx context.Context, token string) (pay.Payment, error) {
	p, err := g.Lookup(ctx, token)
	if err != nil || !p.Status.Open() {
		return p, err
	}
	return g.askAll(ctx, []pay.Payment{p})[0], nil
}
