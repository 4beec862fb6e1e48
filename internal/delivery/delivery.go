// Package delivery notifies merchants of what became of their orders, and repeats
// each notification until the merchant acknowledges it.
//
// A notification is a row in the store, committed together with the change that
// it is about. Its body is made then, and frozen (body.go). A Sender on any
// replica claims the rows that are due, by receiver, with a runner of package
// work. It sends each one, judges the answer and stores the outcome with the time
// of the next attempt (attempt.go). Audits compare a frozen body with the one
// that would be made now (differ.go).
package delivery

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/work"
)

// Config is what New needs. Fields below Log that are zero take their defaults.
type Config struct {
	Store  *store.DB
	Client *http.Client // of outbound.Guarded
	Now    func() time.Time
	Log    *slog.Logger
	Turned func() // called after each of Run's turns, failed ones included; may be nil

	Gaps        []time.Duration // from the end of an attempt to the next; DefaultGaps if nil
	Timeout     time.Duration   // of an attempt in all; 10 s
	Workers     int             // attempts at once; 512
	PerReceiver int             // attempts at once to one receiver; 32
	Lease       time.Duration   // of a claimed row; Timeout + 30 s: for storing, and clocks that differ
	Poll        time.Duration   // how often to read what other replicas have made due; 3 s
	Drain       time.Duration   // how long attempts may go on after Run's context has ended; Timeout + 2 s
}

// DefaultGaps are the vendor's (trade API, notifications): eight attempts in
// 24 h 22 min.
func DefaultGaps() []time.Duration {
	const m, h = time.Minute, time.Hour
	return []time.Duration{2 * m, 10 * m, 10 * m, 60 * m, 2 * h, 6 * h, 15 * h}
}

// maxClaim bounds one claim.
const maxClaim = 128

// Sender sends notifications that are due.
type Sender struct {
	Config
	runner *work.Runner
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
	s := &Sender{Config: c}
	var err error
	s.runner, err = work.New(work.Config{
		Name: "delivery", Queues: []work.Queue{{Next: c.Store.NextDeliveries, Claim: s.claim}},
		Now: c.Now, Log: c.Log,
		Poll: c.Poll, Claim: c.Lease - c.Timeout, Drain: c.Drain, Final: store.ErrStopped,
		Turned: func(context.Context, error) { c.Turned() },
		// Receivers that hang cannot take all the room: one that is known to be slow
		// gets one attempt at a time, and all of those together half of the room.
		Limits: work.Limits{
			Total: c.Workers, PerClaim: maxClaim, PerKey: c.PerReceiver,
			SlowAfter: 2 * time.Second, PerSlowKey: 1, Slow: max(1, c.Workers/2),
		},
	})
	return s, err
}

// Wake makes Run look at once for notifications that are due. Call it after a
// commit that made one due. It never blocks, and several calls may become one.
func (s *Sender) Wake() { s.runner.Wake() }

// Run sends what is due until ctx ends or the database is stopped. It then waits
// for the attempts that it has begun, for Drain at most. An attempt that is cut
// off then is repeated by another process when its lease has ended. Run waits out
// other trouble with the database. It is called once.
func (s *Sender) Run(ctx context.Context) error { return s.runner.Run(ctx) }

// SendDue sends what is due by now and returns when the outcomes are stored. It
// is Run for callers that keep their own time.
func (s *Sender) SendDue(ctx context.Context) error { return s.runner.RunDue(ctx) }

func (s *Sender) claim(ctx context.Context, now time.Time, receivers map[string]int) ([]work.Item, error) {
	claimed, err := s.Store.ClaimDeliveries(ctx, store.Claim{Now: now, Lease: s.Lease, Keys: receivers})
	items := make([]work.Item, len(claimed))
	for i, d := range claimed {
		items[i] = work.Item{
			Key: d.Receiver, Do: func(ctx context.Context) time.Duration { return s.attempt(ctx, d) },
		}
	}
	return items, err
}
