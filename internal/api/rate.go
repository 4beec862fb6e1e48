package api

import (
	"context"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// rates keeps app codes within their limits, over all replicas. It reserves requests in
// the database in small lots and admits requests from the current lot. A lot starts at
// one request and doubles within a second, up to a tenth of the limit. So a merchant
// with little traffic reserves no more than it uses, and one with much traffic costs
// few writes. What is left at the end of the second is returned with the next
// reservation.
type rates struct {
	take func(context.Context, store.RateTake) (granted int, retry time.Duration, err error)
	now  func() time.Time

	mu sync.Mutex
	of map[string]*allowance // by app code: of all that have ever signed a request
}

// allowance is the current lot of one app code. turn is held while it is used, also
// during the call to the database, so that all waiting requests share the result. Other
// app codes never wait.
type allowance struct {
	turn    chan struct{}
	takenAt time.Time // of the lot; it counts for that second only
	left    int
	lot     int
	retryAt time.Time // the earliest retry; zero if nothing was refused
}

// admit counts one request. Above a limit it returns a pay.RateLimited that says when to
// retry.
func (r *rates) admit(ctx context.Context, c pay.Credential) error {
	a := r.allowance(c.AppCode)
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}

	now := r.now()
	take := store.RateTake{Key: c.AppCode, Now: now, PerSecond: c.PerSecond, PerMinute: c.PerMinute}
	switch {
	case now.Unix() != a.takenAt.Unix():
		take.GiveBack, take.GiveBackAt = a.left, a.takenAt
		a.lot, a.retryAt = 1, time.Time{}
	case a.left > 0:
		a.left--
		return nil
	case now.Before(a.retryAt):
		return limited(overLimit, a.retryAt.Sub(now))
	default:
		a.lot = min(2*a.lot, max(1, min(c.PerSecond, c.PerMinute)/10))
	}

	take.Want = a.lot
	// before the call: nothing is returned twice, should the call's outcome be unknown
	a.takenAt, a.left = now, 0
	granted, retry, err := r.take(ctx, take)
	switch {
	case err != nil:
		return err
	case granted < 1:
		a.retryAt = now.Add(retry)
		return limited(overLimit, retry)
	}
	a.left = granted - 1
	return nil
}

func (r *rates) allowance(appCode string) *allowance {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[string]*allowance{}
	}
	a := r.of[appCode]
	if a == nil {
		a = &allowance{turn: make(chan struct{}, 1)}
		r.of[appCode] = a
	}
	return a
}

const overLimit = "the app code's limit of requests is used up"

// retryAfter is the cause within a pay.RateLimited: the time until a retry.
type retryAfter time.Duration

// Error implements error.
func (r retryAfter) Error() string { return "try again after " + time.Duration(r).String() }

func limited(message string, after time.Duration) error {
	return &pay.Error{Code: pay.RateLimited, Message: message, Err: retryAfter(after)}
}
