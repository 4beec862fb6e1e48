package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

const (
	// openGap is the least time between two calls to a wallet because a pay link of
	// one order was opened, in this process. Anybody who has a link can open it.
	openGap = 3 * time.Second

	// openMargin is how long an address must still last for a buyer to be sent to it.
	openMargin = 10 * time.Second
)

// redirect returns the way to the wallet's page for a buyer who opens the pay
// link of an open order with wallet.Redirect: the stored address while it lasts,
// else a new one. Openings at the same time share one call.
//
// Errors are *pay.Error: WalletRejected if the wallet refuses an order whose
// earlier address may have been paid, which stays open; WalletTrouble, WalletBusy
// and OutcomeUnknown if no address could be had now. The order can be opened again
// after each of them. If the order is not open any more, the way is zero and there is
// no error.
func (g *Gateway) redirect(
	ctx context.Context, conn limitedConnector, p pay.Payment,
) (pay.Payment, Way, error) {
	if g.addressLasts(p) {
		return p, Way{URL: p.Checkout}, nil
	}
	o, isNew := g.openings.enter(p.MerchantID+"/"+p.ID, g.Now())
	if isNew {
		o.p, o.err = p, errCutOff
		defer close(o.done)
		// The wallet's answer must be stored even if the buyer leaves.
		o.p, o.way, o.err = g.requestAddress(context.WithoutCancel(ctx), conn, p)
		return o.p, o.way, o.err
	}
	select {
	case <-o.done:
		return o.p, o.way, o.err
	case <-ctx.Done():
		return p, Way{}, ctx.Err()
	}
}

// errCutOff is the result of a call that has panicked.
var errCutOff = errors.New("gateway: the call for an address did not end")

// addressLasts reports whether an order has an address to which a buyer can be
// sent.
func (g *Gateway) addressLasts(p pay.Payment) bool {
	return p.Status == pay.Pending && p.Checkout != "" &&
		(p.CheckoutEndsAt.IsZero() || g.Now().Before(p.CheckoutEndsAt.Add(-openMargin)))
}

// requestAddress asks the wallet for an address and stores it. The opening is
// recorded first, so that Recover queries the order even if the call fails.
func (g *Gateway) requestAddress(
	ctx context.Context, conn limitedConnector, p pay.Payment,
) (pay.Payment, Way, error) {
	first := p.OpenedAt.IsZero()
	if first {
		var err error
		if p, first, err = g.markOpened(ctx, p); err != nil {
			return p, Way{}, err
		}
	}
	asked, cancel := context.WithTimeout(ctx, g.WalletTimeout)
	defer cancel()
	conn, leave, err := conn.enter(asked)
	if err != nil {
		return p, Way{}, walletError(err)
	}
	defer leave()
	// another replica may have ended it, or stored an address
	p, err = g.Store.Payment(ctx, p.MerchantID, p.ID)
	switch {
	case err != nil:
		return p, Way{}, err
	case g.endedError(p) != nil:
		return p, Way{}, nil
	case g.addressLasts(p):
		return p, Way{URL: p.Checkout}, nil
	}
	order, err := g.orderOf(ctx, p)
	if err != nil {
		return p, Way{}, err
	}
	checkout, err := conn.Pay(asked, order)
	if err != nil {
		return g.noAddress(ctx, conn, p, err, first)
	}
	p, err = g.registered(ctx, p, checkout, nil, pay.ByBuyer, !first)
	switch {
	case g.endedError(p) != nil: // it ended meanwhile, so the buyer must not pay it
		return p, Way{}, nil
	case err != nil:
		return p, Way{}, err
	}
	return p, Way{URL: checkout.URL}, nil
}

// noAddress handles a wallet's refusal or silence. An order that the wallet
// refuses at the first call fails. After an earlier call a refusal may mean that
// the order is paid, so the wallet is queried, and an order that had an address
// stays open.
func (g *Gateway) noAddress(ctx context.Context,
	conn limitedConnector, p pay.Payment, err error, first bool) (
	pay.Payment, Way, error) {
	g.Log.WarnContext(ctx, "wallet gave no address for the order", "syssn", p.ID, "error", err)
	var no *wallet.Rejection
	if !errors.As(err, &no) || refusesAccount(err) {
		return p, Way{}, walletError(err)
	}
	if !first {
		now, unknown := g.inquireWith(ctx, conn, p, pay.ByBuyer)
		switch {
		case unknown != nil:
			g.Log.WarnContext(ctx, "payment's outcome is not known", "syssn", p.ID, "error", unknown)
			return p, Way{}, walletError(no)
		case g.endedError(now) != nil:
			return now, Way{}, nil
		case now.Status == pay.Pending:
			return now, Way{}, walletError(no)
		}
		p = now
	}
	p, err = g.registered(ctx, p, wallet.Checkout{}, no, pay.ByWallet, !first)
	switch {
	case g.endedError(p) != nil:
		return p, Way{}, nil
	case err != nil:
		return p, Way{}, err
	case g.addressLasts(p): // another replica was given one meanwhile
		return p, Way{URL: p.Checkout}, nil
	}
	return p, Way{}, walletError(no)
}

// openings are the calls for an address that are in flight or ended within
// openGap, by order.
type openings struct {
	mu    sync.Mutex
	calls map[string]*opening
}

// opening is one call for an address. Its results may be read once done is closed.
type opening struct {
	at   time.Time
	done chan struct{}

	p   pay.Payment
	way Way
	err error
}

// enter returns the call of an order. If it is new, the caller makes it and closes done.
func (o *openings) enter(order string, now time.Time) (_ *opening, isNew bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, call := range o.calls {
		if call.isDone() && now.Sub(call.at).Abs() >= openGap {
			delete(o.calls, key)
		}
	}
	if call, ok := o.calls[order]; ok {
		return call, false
	}
	if o.calls == nil {
		o.calls = map[string]*opening{}
	}
	call := &opening{at: now, done: make(chan struct{})}
	o.calls[order] = call
	return call, true
}

func (o *opening) isDone() bool {
	select {
	case <-o.done:
		return true
	default:
		return false
	}
}
