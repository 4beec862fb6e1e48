package gateway

import (
	"context"
	"fmt"
	"net/url"
	"sync"

	"github.com/sampanpay/sampan/internal/wallet"
)

// The limits of calls to one wallet account that run at the same time, in this
// process. They keep one account from taking the connections that all share.
// Confirmations of callbacks have a limit of their own, so that neither they nor the
// other calls can block each other.
const (
	maxCalls     = 8 // orders, refunds, queries and inquiries
	maxCallbacks = 8 // confirmations of callbacks
)

// accountLimits limits the calls of one account.
type accountLimits struct {
	calls, callbacks semaphore
}

func newAccountLimits() *accountLimits {
	return &accountLimits{make(semaphore, maxCalls), make(semaphore, maxCallbacks)}
}

// semaphore has a place for each call: sending takes one, and receiving frees one.
type semaphore chan struct{}

// acquire waits for a place. The error is wallet.ErrNotSent if ctx ends before that.
func (l semaphore) acquire(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %d calls of the account are in flight: %w",
			wallet.ErrNotSent, cap(l), ctx.Err())
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

// enter takes a place for the calls of the returned connector. They share it, so they
// do not wait, and no two of them may run at the same time. leave frees the place. It
// must be called after the last call, and may be called more than once. The error is
// wallet.ErrNotSent if ctx ends before a place is free.
func (c limitedConnector) enter(ctx context.Context) (in limitedConnector, leave func(), err error) {
	if err := c.limits.calls.acquire(ctx); err != nil {
		return c, nil, err
	}
	in = c
	in.entered = true
	return in, sync.OnceFunc(c.limits.calls.release), nil
}

// enterCallback is enter for the confirmation of a callback. It does not wait: the
// wallet repeats a callback that is not acknowledged.
func (c limitedConnector) enterCallback() (in limitedConnector, leave func(), free bool) {
	if !c.limits.callbacks.tryAcquire() {
		return c, nil, false
	}
	in = c
	in.entered = true
	return in, sync.OnceFunc(c.limits.callbacks.release), true
}

// call makes one call within the account's limit.
func call[T any](ctx context.Context, c limitedConnector, make func(wallet.Connector) (T, error)) (
	answer T, err error) {
	if !c.entered {
		if err := c.limits.calls.acquire(ctx); err != nil {
			return answer, err
		}
		defer c.limits.calls.release()
	}
	return make(c.Connector)
}

// Pay implements wallet.Connector. With wallet.Link it makes no call and takes no
// place. The error is wallet.ErrUnknown if the answer does not fit the wallet's flow.
func (c limitedConnector) Pay(ctx context.Context, o wallet.Order) (checkout wallet.Checkout, err error) {
	if c.info.Flow == wallet.Link {
		checkout, err = c.Connector.Pay(ctx, o)
	} else {
		checkout, err = call(ctx, c, func(to wallet.Connector) (wallet.Checkout, error) {
			return to.Pay(ctx, o)
		})
	}
	if err != nil {
		return wallet.Checkout{}, err
	}
	if err := checkout.Check(c.info.Flow); err != nil {
		return wallet.Checkout{}, fmt.Errorf("%w: no buyer can pay by the wallet's answer: %w",
			wallet.ErrUnknown, err)
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

// identify calls wallet.Authorizer's Identify within the account's limit.
func (c limitedConnector) identify(
	ctx context.Context, a wallet.Authorizer, query url.Values,
) (string, error) {
	return call(ctx, c, func(wallet.Connector) (string, error) { return a.Identify(ctx, query) })
}
