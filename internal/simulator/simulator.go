// Package simulator is the wallet's side of a payment, for developing and
// testing without the vendor: Alipay's global gateway ("mapi") with its
// cashier, its open platform with the page that tells who the buyer is and an
// in-app browser, its notifications, its query and its refunds, and a control API that plays the
// buyer and plants faults.
//
// It is written from the vendor's documents, never from the connector; the two
// share only the spelling of bytes in wire/mapi. Where the documents are
// silent, it makes the choice that a careless client trips over. It keeps its
// own types and holds everything in memory; with a directory it appends every
// change to a journal before it answers, so that a restart forgets no trade.
//
// What it deliberately does unlike a real wallet: a buyer's balance limits each
// payment but is not used up, so that the thousandth test runs like the first;
// rates of exchange are fixed; and a partner has one kind of key.
//
// There is no password on any port: listen on loopback only, and serve no host but
// this machine.
package simulator

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Config is what a simulator needs to know. The zero value of a field other
// than Partners means its default.
type Config struct {
	Dir       string           // where the journal is kept; "" keeps nothing
	BaseURL   string           // the wallet port as browsers reach it, without a final slash; "" makes links relative
	Partners  []Partner        // the merchants under contract with the global gateway
	Apps      []App            // the applications of the open platform
	Opens     []string         // host:port, each, that the browser inside the app opens pages of
	Now       func() time.Time // default time.Now
	Log       *slog.Logger     // default: none
	HTTP      *http.Client     // sends notifications; its redirects are never followed
	RetryGaps []time.Duration  // between sends of a notification; default RetryGaps

	AppRetryGaps []time.Duration // of the open platform's; default AppRetryGaps

	Rand    *rand.Rand // draws ids; default seeded by the system
	Awkward int        // of a hundred occasions, how many go wrong: see Faults
	Seed    uint64     // of what goes wrong and of the order of shuffled fields
}

// RetryGaps is the vendor's sequence: eight sends within 25 hours. (Alipay,
// "Asynchronous notification".)
var RetryGaps = []time.Duration{
	2 * time.Minute, 10 * time.Minute, 10 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour,
}

// AppRetryGaps is the open platform's sequence: eight sends within about 25
// hours. (Alipay, open platform, "Asynchronous notification".)
var AppRetryGaps = []time.Duration{
	4 * time.Minute, 10 * time.Minute, 10 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour,
}

// beijing is the time zone of every time on the wire.
var beijing = time.FixedZone("UTC+8", 8*60*60)

// Simulator is one wallet. Its methods may be called from several goroutines.
type Simulator struct {
	cfg      Config
	partners map[string]Partner
	apps     map[string]App
	pages    pages

	stopOnce sync.Once
	stop     chan struct{} // closed when slow answers must end
	wake     chan struct{} // something new is due

	mu      sync.Mutex // guards all below
	journal *journal   // nil without a directory
	state
}

// New makes a simulator and reads its journal, if there is one. A journal whose
// last line was cut off by a crash is taken up to the line before; any other
// damage is an error.
func New(cfg Config) (*Simulator, error) {
	if cfg.Awkward < 0 || cfg.Awkward > 100 {
		return nil, fmt.Errorf("simulator: awkward by %d %%, which is not from 0 to 100", cfg.Awkward)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.RetryGaps == nil {
		cfg.RetryGaps = RetryGaps
	}
	if cfg.AppRetryGaps == nil {
		cfg.AppRetryGaps = AppRetryGaps
	}
	if cfg.Rand == nil {
		var seed [32]byte
		crand.Read(seed[:])
		cfg.Rand = rand.New(rand.NewChaCha8(seed))
	}
	client := http.Client{}
	if cfg.HTTP != nil {
		client = *cfg.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cfg.HTTP = &client

	s := &Simulator{
		cfg:      cfg,
		partners: map[string]Partner{},
		apps:     map[string]App{},
		stop:     make(chan struct{}),
		wake:     make(chan struct{}, 1),
		state:    newState(),
	}
	for _, p := range cfg.Partners {
		if err := p.check(); err != nil {
			return nil, err
		}
		if _, twice := s.partners[p.ID]; twice {
			return nil, fmt.Errorf("simulator: partner %s is there twice", p.ID)
		}
		s.partners[p.ID] = p
	}
	for _, a := range cfg.Apps {
		if err := a.check(); err != nil {
			return nil, err
		}
		if _, twice := s.apps[a.ID]; twice {
			return nil, fmt.Errorf("simulator: app %s is there twice", a.ID)
		}
		s.apps[a.ID] = a
	}
	var err error
	if s.pages, err = parsePages(); err != nil {
		return nil, err
	}
	if cfg.Dir != "" {
		if s.journal, err = openJournal(cfg.Dir, s.apply); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Run sends notifications when they are due and closes trades that nobody paid
// in time, until ctx ends. It waits for what it started and returns nil. Call
// it once; without it the simulator answers but never calls.
func (s *Simulator) Run(ctx context.Context) error {
	defer s.stopWaiting()
	var senders sync.WaitGroup
	defer senders.Wait()
	slots := make(chan struct{}, 64)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return nil // select takes any that is ready
		}
		due, wait := s.popDue()
		for _, id := range due {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			senders.Go(func() {
				defer func() { <-slots }()
				if _, err := s.send(ctx, id, false); err != nil {
					s.cfg.Log.Error("simulator: notification not sent", "id", id, "error", err)
				}
			})
		}
		timer.Reset(wait)
	}
}

// popDue closes the trades whose time is over, and returns the notifications
// to be sent now and how long there is nothing else to do.
func (s *Simulator) popDue() (due []string, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.closeOverdue(now)
	s.finishRefunds(now)
	due = s.sends.popDue(now)
	next := now.Add(time.Hour)
	for _, q := range []*schedule{&s.sends, &s.closings, &s.refunds} {
		if at, ok := q.next(); ok && at.Before(next) {
			next = at
		}
	}
	return due, next.Sub(now)
}

// Close ends slow answers and closes the journal. Stop the servers and Run
// first.
func (s *Simulator) Close() error {
	s.stopWaiting()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal == nil {
		return nil
	}
	return s.journal.close()
}

func (s *Simulator) stopWaiting() { s.stopOnce.Do(func() { close(s.stop) }) }

// commit makes a change: into the journal first, then into memory. On an error
// nothing has changed. s.mu is held.
func (s *Simulator) commit(c change) error {
	if s.journal != nil {
		if err := s.journal.append(c); err != nil {
			s.cfg.Log.Error("simulator: journal", "error", err)
			return errors.Join(errJournal, err)
		}
	}
	s.apply(c)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}
