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
	callsAtOnce    = 8 // for orders, refunds, queries and looks
	messagesAtOnce = 8 // to confirm what was posted to the callback address
)

// lanes are the places for the calls of one account.
type lanes struct {
	calls, messages lane
}

func newLanes() *lanes {
	return &lanes{make(lane, callsAtOnce), make(lane, messagesAtOnce)}
}

// lane is places for calls: one is taken by sending and freed by receiving.
type lane chan struct{}

// enter waits for a place until ctx ends: then the error is wallet.ErrNotSent.
func (l lane) enter(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %d calls of the account are in flight: %w", wallet.ErrNotSent, cap(l), ctx.Err())
	}
}

// tryEnter takes a place if one is free.
func (l lane) tryEnter() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l lane) leave() { <-l }

// enter takes a place that the calls of the returned connector share, so that
// they wait for none: no two of them may be made at the same time. leave must be
// called after the last, once or more. With an error, no place came free before ctx ended.
func (c opened) enter(ctx context.Context) (in opened, leave func(), err error) {
	if err := c.lanes.calls.enter(ctx); err != nil {
		return c, nil, err
	}
	in = c
	in.inside = true
	return in, sync.OnceFunc(c.lanes.calls.leave), nil
}

// enterMessage is enter for what was posted to the callback address. It does not
// wait: whoever posted it comes again.
func (c opened) enterMessage() (in opened, leave func(), free bool) {
	if !c.lanes.messages.tryEnter() {
		return c, nil, false
	}
	in = c
	in.inside = true
	return in, sync.OnceFunc(c.lanes.messages.leave), true
}

// call makes one call within the account's bound.
func call[T any](ctx context.Context, c opened, make func(wallet.Connector) (T, error)) (answer T, err error) {
	if !c.inside {
		if err := c.lanes.calls.enter(ctx); err != nil {
			return answer, err
		}
		defer c.lanes.calls.leave()
	}
	return make(c.Connector)
}

// Pay implements wallet.Connector. A wallet.Link needs no call and no place. An
// answer by which no buyer gets to the wallet is wallet.ErrUnknown.
func (c opened) Pay(ctx context.Context, o wallet.Order) (checkout wallet.Checkout, err error) {
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
func (c opened) Query(ctx context.Context, o wallet.Order) (wallet.State, error) {
	return call(ctx, c, func(to wallet.Connector) (wallet.State, error) { return to.Query(ctx, o) })
}

// Refund implements wallet.Connector.
func (c opened) Refund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	return call(ctx, c, func(to wallet.Connector) (wallet.State, error) { return to.Refund(ctx, r) })
}

// QueryRefund implements wallet.Connector.
func (c opened) QueryRefund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	return call(ctx, c, func(to wallet.Connector) (wallet.State, error) { return to.QueryRefund(ctx, r) })
}

// Close implements wallet.Connector.
func (c opened) Close(ctx context.Context, o wallet.Order) (wallet.State, error) {
	return call(ctx, c, func(to wallet.Connector) (wallet.State, error) { return to.Close(ctx, o) })
}

// identify is wallet.Authorizer's Identify within the account's bound.
func (c opened) identify(ctx context.Context, a wallet.Authorizer, query url.Values) (string, error) {
	return call(ctx, c, func(wallet.Connector) (string, error) { return a.Identify(ctx, query) })
}
