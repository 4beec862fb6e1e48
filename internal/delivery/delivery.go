// Package delivery tells merchants what became of their orders, again and again
// until they acknowledge it. What is to be told is rows in the store, committed
// together with what happened; a Sender on any replica claims the rows that are
// due, sends them and writes down what came of it.
package delivery

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/store"
)

// Config is what New needs. What is zero below Log gets the value behind it.
type Config struct {
	Store  *store.DB
	Client *http.Client // of outbound.Guarded
	Now    func() time.Time
	Log    *slog.Logger
	Turned func() // called after each of Run's looks at what is due, also where that failed; may be nil

	Gaps        []time.Duration // before each further attempt, from the end of the one before; DefaultGaps if nil
	Timeout     time.Duration   // of an attempt in all; 10 s
	Workers     int             // attempts at once; 512
	PerReceiver int             // of these to one receiver; 32
	Lease       time.Duration   // on a claimed row; Timeout + 30 s, the latter for writing the outcome and for clocks that differ
	Poll        time.Duration   // how often to look for what other replicas have left; 3 s
	Drain       time.Duration   // how long attempts under way may go on after Run's context ends; Timeout + 2 s
}

// DefaultGaps are the vendor's (trade API, notifications): eight attempts in
// 24 h 22 min.
func DefaultGaps() []time.Duration {
	const m, h = time.Minute, time.Hour
	return []time.Duration{2 * m, 10 * m, 10 * m, 60 * m, 2 * h, 6 * h, 15 * h}
}

// Sender sends what is due.
type Sender struct {
	Config
	wake chan struct{}
}

// New makes a Sender; Run starts it.
func New(c Config) (*Sender, error) {
	if c.Store == nil || c.Client == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("delivery: Store, Client, Now and Log are required")
	}
	if c.Gaps == nil {
		c.Gaps = DefaultGaps()
	}
	if c.Turned == nil {
		c.Turned = func() {}
	}
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.Workers = cmp.Or(c.Workers, 512)
	c.PerReceiver = cmp.Or(c.PerReceiver, 32)
	c.Lease = cmp.Or(c.Lease, c.Timeout+30*time.Second)
	c.Poll = cmp.Or(c.Poll, 3*time.Second)
	c.Drain = cmp.Or(c.Drain, c.Timeout+2*time.Second)
	if c.Lease <= c.Timeout {
		return nil, errors.New("delivery: a lease must outlast an attempt")
	}
	return &Sender{Config: c, wake: make(chan struct{}, 1)}, nil
}

// Wake makes Run look at once. It is called after a commit that made something
// due, never blocks, and many calls may become one.
func (s *Sender) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sends what is due until ctx ends or the database is stopped, then waits
// for the attempts under way, for Drain at most: what is cut off then is sent again when its lease is over,
// by whoever runs. Trouble with the database is logged and waited out. Run is
// called once.
func (s *Sender) Run(ctx context.Context) error {
	// Attempts outlive ctx: one that a merchant has acknowledged must still be
	// written down, or the merchant hears it twice.
	attempts, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var running sync.WaitGroup
	over := make(chan ended, s.Workers)
	load := newLoad(s.Workers, s.PerReceiver)
	start := func(d store.Delivery) {
		load.begin(d.Receiver)
		running.Go(func() {
			took := s.attempt(attempts, d)
			over <- ended{d.Receiver, s.Now(), took}
		})
	}

	for trouble := 0; ctx.Err() == nil; {
		wait, err := s.claim(ctx, load, start)
		s.Turned()
		wake := s.wake
		if errors.Is(err, store.ErrStopped) {
			break // the store has said so; nothing is sent until the next start
		}
		if err == nil {
			trouble = 0
		} else if ctx.Err() == nil {
			wait, wake = 100*time.Millisecond<<trouble, nil
			trouble = min(trouble+1, 4) // 1.6 s: what waits is sent soon after a server is there again
			s.Log.ErrorContext(ctx, "deliveries cannot be claimed", "error", err, "again_in", wait)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-wake:
		case e := <-over:
			load.end(e)
		}
		timer.Stop()
		for len(over) > 0 { // one claim for all that are over by now
			load.end(<-over)
		}
	}

	stop := time.AfterFunc(s.Drain, cut)
	defer stop.Stop()
	running.Wait()
	return nil
}

// SendDue sends what is due by now and returns when the outcomes are written
// down: Run for those who keep their own time.
func (s *Sender) SendDue(ctx context.Context) error {
	for {
		load := newLoad(s.Workers, s.PerReceiver)
		var running sync.WaitGroup
		_, err := s.claim(ctx, load, func(d store.Delivery) {
			load.begin(d.Receiver)
			running.Go(func() { s.attempt(ctx, d) })
		})
		if running.Wait(); err != nil || load.total == 0 {
			return err
		}
	}
}

// claim takes what is due and may be sent now, starts it, and returns how long
// there will be nothing to do unless an attempt ends or Wake is called.
func (s *Sender) claim(ctx context.Context, l *load, start func(store.Delivery)) (time.Duration, error) {
	for {
		now := s.Now()
		limit, perReceiver, skip := l.room(now)
		if limit == 0 {
			return s.Poll, nil
		}
		all, err := s.Store.NextDeliveries(ctx)
		if err != nil {
			return 0, err
		}
		for _, receiver := range skip {
			delete(all, receiver)
		}
		c := store.Claim{Now: now, Lease: s.Lease, Keys: map[string]int{}}
		var next time.Time
		for _, receiver := range slices.SortedFunc(maps.Keys(all), func(a, b string) int { return all[a].Compare(all[b]) }) {
			if at := all[receiver]; next.IsZero() {
				next = at
			}
			if most := min(perReceiver, limit); most > 0 && !all[receiver].After(now) {
				c.Keys[receiver], limit = most, limit-most
			}
		}
		if next.IsZero() || next.After(now) {
			return untilNext(now, next, s.Poll), nil
		}
		due, err := s.Store.ClaimDeliveries(ctx, c)
		if err != nil {
			return 0, err
		}
		if s.Now().Sub(now) > s.Lease-s.Timeout {
			return min(s.Poll, 50*time.Millisecond), nil // the database was slow: the leases would end before the attempts
		}
		for _, d := range due {
			start(d)
		}
		if len(due) == 0 { // another replica was quicker
			return min(s.Poll, 50*time.Millisecond), nil
		}
	}
}

// untilNext is how long to sleep before looking at next, if there is one.
func untilNext(now, next time.Time, poll time.Duration) time.Duration {
	if next.IsZero() {
		return poll
	}
	return min(poll, next.Sub(now))
}
