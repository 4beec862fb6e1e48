// Package work runs the work in the background: inquiries about payments,
// refunds and orphans, and deliveries of notifications. It knows none of them.
//
// The store's rows are the schedule. A Runner reads which keys (wallet accounts,
// receivers) have work that is due, chooses how many items each key may have
// (load.go), claims these under a lease, does them at the same time, and waits
// until the next item is due, an item ends or somebody wakes it. While the store
// is out of reach it tries again at growing intervals (outage.go).
//
// A worker that dies leaves its leases behind. When they end, any process claims
// the items again.
package work

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Queue is one kind of work in the store.
type Queue struct {
	// Next returns when the first item of each key can be claimed. Keys without
	// work are left out.
	Next func(ctx context.Context) (map[string]time.Time, error)

	// Claim takes items that are due at now, at most so many of each key, under a
	// lease. It leaves out items that another process has taken meanwhile.
	Claim func(ctx context.Context, now time.Time, keys map[string]int) ([]Item, error)
}

// Item is a claimed piece of work.
type Item struct {
	Key string

	// Do does the item and stores its outcome, and returns how long the other side
	// took. If ctx ends it may give up: the lease ends and the item is claimed
	// again.
	Do func(ctx context.Context) time.Duration
}

// Config is what New needs. Queues, Now and Log are required.
type Config struct {
	Name   string  // in the log
	Queues []Queue // in the order of their priority
	Limits Limits
	Now    func() time.Time
	Log    *slog.Logger

	Poll time.Duration // at most so long between two reads of the schedule, for what other processes add; 5 s
	// items are dropped if claiming them took longer, since their leases may end too early; 0: never
	Claim time.Duration
	// after its context has ended, Run waits so long for items that it has begun; 0: until they end
	Drain time.Duration
	Final error // Run returns when the store fails with this error

	// Turned is called after each turn: with nil if everything due was claimed that
	// the limits allow. It may be nil.
	Turned func(ctx context.Context, err error)
}

// Runner claims and does work.
type Runner struct {
	Config
	wake  chan struct{}
	early chan struct{} // sooner was set

	mu     sync.Mutex
	sooner time.Time // when to read the schedule again, at the latest; zero: not set
}

// New makes a Runner; Run starts it.
func New(c Config) (*Runner, error) {
	if len(c.Queues) == 0 || c.Now == nil || c.Log == nil {
		return nil, errors.New("work: Queues, Now and Log are required")
	}
	if l := c.Limits; l.Total <= 0 || l.PerClaim <= 0 || l.PerKey <= 0 {
		return nil, errors.New("work: Limits must let items run")
	}
	if c.Turned == nil {
		c.Turned = func(context.Context, error) {}
	}
	c.Poll = cmp.Or(c.Poll, 5*time.Second)
	return &Runner{Config: c, wake: make(chan struct{}, 1), early: make(chan struct{}, 1)}, nil
}

// Wake makes Run read the schedule at once. Call it after a commit that made
// something due. It never blocks, and several calls may become one.
func (r *Runner) Wake() { signal(r.wake) }

// WakeAt makes Run read the schedule at the given time, if it would do so later.
func (r *Runner) WakeAt(at time.Time) {
	r.mu.Lock()
	if r.sooner.IsZero() || at.Before(r.sooner) {
		r.sooner = at
	}
	r.mu.Unlock()
	signal(r.early)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // the signal before it has not been taken yet
	}
}

// Run does what is due until ctx ends or a queue fails with Final. It then waits
// for the items that it has begun, for Drain at most, and returns nil. It waits
// out any other error of a queue. Run is called once.
func (r *Runner) Run(ctx context.Context) error {
	// Items outlive ctx: the outcome of one that has reached the other side must be
	// stored, or it is done twice.
	items, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var running sync.WaitGroup
	l := newLoad(r.Limits)
	over := make(chan ended, l.Total)
	start := func(item Item) {
		l.begin(item.Key)
		running.Go(func() {
			took := r.do(items, item)
			over <- ended{item.Key, r.Now(), took}
		})
	}
	for out := (outage{log: r.Log, name: r.Name}); ctx.Err() == nil; {
		pause, err := r.turn(ctx, l, start)
		r.Turned(ctx, err)
		if r.Final != nil && errors.Is(err, r.Final) {
			break
		}
		switch {
		case err == nil:
			out.end(ctx, r.Now())
			r.wait(ctx, l, pause, over, r.wake, r.early)
		case ctx.Err() == nil:
			r.wait(ctx, l, out.failed(ctx, err, r.Now()), over, nil, nil)
		}
	}
	if r.Drain > 0 {
		stop := time.AfterFunc(r.Drain, cut)
		defer stop.Stop()
	}
	running.Wait()
	return nil
}

// do does an item. A panic is logged and ends that item only: a row that no code was
// written for must not end the process, and again after each start. The item is
// claimed again when its lease has ended.
func (r *Runner) do(ctx context.Context, item Item) (took time.Duration) {
	defer func() {
		if p := recover(); p != nil {
			r.Log.ErrorContext(ctx, "work panicked; it is repeated when its lease has ended", "what", r.Name,
				"key", item.Key, "error", fmt.Sprintf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	return item.Do(ctx)
}

// RunDue does what is due by now and returns when all of it has been done. It is
// Run for callers that keep their own time.
func (r *Runner) RunDue(ctx context.Context) error {
	for {
		var running sync.WaitGroup
		items, err := r.ClaimDue(ctx)
		for _, item := range items {
			running.Go(func() { item.Do(ctx) })
		}
		if running.Wait(); err != nil || len(items) == 0 {
			return err
		}
	}
}

// ClaimDue claims what is due by now, as far as the limits allow, and starts
// nothing. With an error it returns the items claimed before it.
func (r *Runner) ClaimDue(ctx context.Context) (items []Item, err error) {
	l := newLoad(r.Limits)
	_, err = r.turn(ctx, l, func(item Item) {
		l.begin(item.Key)
		items = append(items, item)
	})
	return items, err
}

// lost is the pause after a claim in which other processes were faster.
const lost = 50 * time.Millisecond

// turn claims and starts everything that is due and within the limits. It
// returns how long nothing more can be claimed, unless an item ends or the
// Runner is woken.
func (r *Runner) turn(ctx context.Context, l *load, start func(Item)) (pause time.Duration, err error) {
	pause = r.Poll
	for _, q := range r.Queues {
		for more := true; more; {
			var soon time.Duration
			if soon, more, err = r.pass(ctx, q, l, start); err != nil {
				return 0, err
			}
			pause = min(pause, soon)
		}
		if l.room() == 0 {
			return r.Poll, nil
		}
	}
	return pause, nil
}

// pass reads the schedule of a queue once, and claims from each key that is due
// once. Thousands of keys can be due, so that a read costs more than a claim. more
// reports whether there may be more to claim at once; if not, pause says when.
func (r *Runner) pass(ctx context.Context, q Queue, l *load, start func(Item)) (
	pause time.Duration, more bool, err error) {
	pause = r.Poll
	if l.room() == 0 {
		return pause, false, nil
	}
	now := r.Now()
	next, err := q.Next(ctx)
	if err != nil {
		return 0, false, err
	}
	for {
		keys, soonest := l.share(now, next)
		switch {
		case len(keys) > 0:
		case soonest.IsZero():
			return pause, more, nil
		default:
			return min(pause, soonest.Sub(now)), more, nil
		}
		items, took, err := r.claim(ctx, q, keys)
		switch {
		case err != nil:
			return 0, false, err
		case r.Claim > 0 && took > r.Claim:
			return min(pause, lost), false, nil
		case len(items) == 0: // somebody else has them, or holds their rows
			pause = min(pause, lost)
		}
		for _, item := range items {
			start(item)
			more = true
		}
		for key := range keys {
			delete(next, key)
		}
	}
}

// claim claims items that are due now, and returns how long that took.
func (r *Runner) claim(ctx context.Context, q Queue, keys map[string]int) ([]Item, time.Duration, error) {
	now := r.Now()
	items, err := q.Claim(ctx, now, keys)
	return items, r.Now().Sub(now), err
}

// wait returns after the pause, at a signal, when an item has ended, or when ctx
// ends. A signal on early only shortens the pause: the schedule is not read yet.
func (r *Runner) wait(
	ctx context.Context, l *load, pause time.Duration, over <-chan ended, wake, early <-chan struct{},
) {
	until := r.Now().Add(pause)
	for again := true; again; {
		again = false
		timer := time.NewTimer(until.Sub(r.Now()))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-wake:
		case e := <-over:
			l.end(e)
		case <-early:
			r.mu.Lock()
			if !r.sooner.IsZero() && r.sooner.Before(until) {
				until = r.sooner
			}
			r.sooner, again = time.Time{}, true
			r.mu.Unlock()
		}
		timer.Stop()
	}
	for len(over) > 0 { // one turn for all items that have ended by now
		l.end(<-over)
	}
}
