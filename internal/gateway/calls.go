package gateway

import (
	"context"
	"fmt"
	"net/url"
	"sync"

	"github.com/sampanpay/sampan/internal/wallet"
)

// The bounds on calls in flight to one wallet account, in this process. They
// keep one account's calls from taking the connections that all share. Messages
// have places of their own: neither they nor everything else takes the other's.
const (
	maxCalls     = 8 // for orders, refunds, queries and looks
	maxCallbacks = 8 // to confirm what was posted to the callback address
)

// accountLimits are the places for the calls of one account.
type accountLimits struct {
	calls, callbacks semaphore
}

func newAccountLimits() *accountLimits {
	return &accountLimits{make(semaphore, maxCalls), make(semaphore, maxCallbacks)}
}

// semaphore is places for calls: one is taken by sending and freed by receiving.
type semaphore chan struct{}

// acquire waits for a place until ctx ends: then the error is wallet.ErrNotSent.
func (l semaphore) acquire(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %d calls of the account are in flight: %w", wallet.ErrNotSent, cap(l), ctx.Err())
	}
}

// tryAcquire takes a place if one is free.
func (l semaphore) tryAcquire() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l semaphore) release() { <-l }

// enter takes a place that the calls of the returned connector share, so that
// they wait for none: no two of them may be made at the same time. leave must be
// called after the last, once or more. With an error, no place came free before ctx ended.
func (c limitedConnector) enter(ctx context.Context) (in limitedConnector, leave func(), err error) {
	if err := c.limits.calls.acquire(ctx); err != nil {
		return c, nil, err
	}
	in = c
	in.entered = true
	return in, sync.OnceFunc(c.limits.calls.release), nil
}

// enterCallback is enter for what was posted to the callback address. It does not
// wait: whoever posted it comes again.
func (c limitedConnector) enterCallback() (in limitedConnector, leave func(), free bool) {
	if !c.limits.callbacks.tryAcquire() {
		return c, nil, false
	}
	in = c
	in.entered = true
	return in, sync.OnceFunc(c.limits.callbacks.release), true
}

// call makes one call within the account's bound.
func call[T any](ctx context.Context, c limitedConnector, make func(wallet.Connector) (T, error)) (answer T, err error) {
	if !c.entered {
		if err := c.limits.calls.acquire(ctx); err != nil {
			return answer, err
		}
		defer c.limits.calls.release()
	}
	return make(c.Connector)
}

// Pay implements wallet.Connector. A wallet.Link needs no call and no place. An
// answer by which no buyer gets to the wallet is wallet.ErrUnknown.
func (c limitedConnector) Pay(ctx context.Context, o wallet.Order) (checkout wallet.Checkout, err error) {
	if c.info.Flow == wallet.Link {
		checkout, err = c.Connector.Pay(ctx, o)
	} else {
		checkout, err = call(ctx, c, func(to wallet.Connector) (wallet.Checkout, error) { return to.Pay(ctx, o) })
	}
	if err != nil {
		return wallet.Checkout{}, err
	}
	if err := checkout.Check(c.info.Flow); err != nil {
		return wallet.Checkout{}, fmt.Errorf("%w: the wallet's answer leads no buyer there: %w", wallet.ErrUnknown, err)
	}
	return checkout, nil
}

// Query implements wallet.Connector.
func (c limitedConnector) Query(ctx context.Context, o wallet.Order) (wallet.State, error) {
	return call(ctx, c, func(to wallet.Connector) (wallet.State, error) { return to.Query(ctx, o) })
}

// Refund implements wallet.Connector.
func (c limitedConnector) Refund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	return call(ctx, c, func(to wallet.Connector) (wallet.State, error) { return to.Refund(ctx, r) })
}

// QueryRefund implements wallet.Connector.
func (c limitedConnector) QueryRefund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	return call(ctx, c, func(to wallet.Connector) (wallet.State, error) { return to.QueryRefund(ctx, r) })
}

// Close implements wallet.Connector.
func (c limitedConnector) Close(ctx context.Context, o wallet.Order) (wallet.State, error) {
	return call(ctx, c, func(to wallet.Connector) (wallet.State, error) { return to.Close(ctx, o) })
}

// identify is wallet.Authorizer's Identify within the account's bound.
func (c limitedConnector) identify(ctx context.Context, a wallet.Authorizer, query url.Values) (string, error) {
	return call(ctx, c, func(wallet.Connector) (string, error) { return a.Identify(ctx, query) })
}
