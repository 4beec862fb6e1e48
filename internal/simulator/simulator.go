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

// Config configures a simulator. Every field except Partners may be zero and then has its default.
type Config struct {
	Dir       string           // directory of the journal; "" keeps no journal
	BaseURL   string           // the wallet port for browsers, without a final slash; "": relative links
	Partners  []Partner        // the merchants under contract with the global gateway
	Apps      []App            // the applications of the open platform
	Opens     []string         // the host:port values whose pages the in-app browser may open
	Now       func() time.Time // default time.Now
	Log       *slog.Logger     // default: no log
	HTTP      *http.Client     // sends notifications; its redirects are never followed
	RetryGaps []time.Duration  // waits between sends of a notification; default RetryGaps

	AppRetryGaps []time.Duration // the same for the open platform; default AppRetryGaps

	Rand    *rand.Rand // makes ids; default seeded by the system
	Awkward int        // percentage of occasions on which a fault is drawn: see Faults
	Seed    uint64     // determines the drawn faults and the order of shuffled fields
}

// RetryGaps is the vendor's sequence: eight sends within 25 hours. (Alipay, "Asynchronous
// notification".)
var RetryGaps = []time.Duration{
	2 * time.Minute, 10 * time.Minute, 10 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour,
}

// AppRetryGaps is the open platform's sequence: eight sends within about 25 hours. (Alipay, open
// platform, "Asynchronous notification".)
var AppRetryGaps = []time.Duration{
	4 * time.Minute, 10 * time.Minute, 10 * time.Minute,
	time.Hour, 2 * time.Hour, 6 * time.Hour, 15 * time.Hour,
}

// beijing is the time zone of all times on the wire.
var beijing = time.FixedZone("UTC+8", 8*60*60)

// Simulator is one wallet. Its methods are safe for concurrent use.
type Simulator struct {
	cfg      Config
	partners map[string]Partner
	apps     map[string]App
	pages    pages

	stopOnce sync.Once
	stop     chan struct{} // closed to end delayed answers
	wake     chan struct{} // signals Run that the schedule changed

	mu      sync.Mutex // guards the fields below
	journal *journal   // nil without a directory
	state
}

// New makes a simulator and replays its journal, if there is one. It drops a last journal line that
// a crash cut off. Any other damage to the journal is an error.
func New(cfg Config) (*Simulator, error) {
	if cfg.Awkward < 0 || cfg.Awkward > 100 {
		return nil, fmt.Errorf("simulator: awkward is %d %%, want 0 to 100", cfg.Awkward)
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
			return nil, fmt.Errorf("simulator: partner %s is configured twice", p.ID)
		}
		s.partners[p.ID] = p
	}
	for _, a := range cfg.Apps {
		if err := a.check(); err != nil {
			return nil, err
		}
		if _, twice := s.apps[a.ID]; twice {
			return nil, fmt.Errorf("simulator: app %s is configured twice", a.ID)
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

// Run sends due notifications and closes trades whose time to pay has ended, until ctx ends. It
// waits for the sends that it started and returns nil. Call it once. Without Run the simulator
// answers but sends no notifications.
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
			return nil // select picks any ready case
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

// popDue does the due closings and refunds. It returns the notifications that are due, and the time
// until the next entry of the schedules, at most an hour.
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

// Close ends delayed answers and closes the journal. Stop the servers and Run first.
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

// commit writes a change to the journal and then applies it to memory. On an error nothing changed.
// The caller holds s.mu.
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
