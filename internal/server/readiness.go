package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/store"
)

// turnWithin is how long a loop of the background may take for a turn. Where the
// database does not answer it takes the store's deadline.
const turnWithin = 45 * time.Second

// readiness answers /readyz: whether this process can take an order, keep it and
// follow it up.
type readiness struct {
	database func(context.Context) error
	loops    map[string]*loop
	log      *slog.Logger

	mu  sync.Mutex
	not bool // ready, when it was last asked
}

// newReadiness watches over loops of these names.
func newReadiness(database func(context.Context) error, log *slog.Logger, loops ...string) *readiness {
	r := &readiness{database: database, loops: map[string]*loop{}, log: log}
	for _, name := range loops {
		r.loops[name] = &loop{name: name, log: log}
	}
	return r
}

// ServeHTTP answers 200 if it is ready, and else 503 with what is amiss. What the
// database says goes to the log: it may name hosts and users.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	err := r.check(req.Context())
	if req.Context().Err() == nil {
		r.note(err)
	}
	var here *unready
	switch {
	case err == nil:
		io.WriteString(w, "ok\n")
	case errors.As(err, &here):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case errors.Is(err, store.ErrStopped):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		http.Error(w, "the database does not take an order now", http.StatusServiceUnavailable)
	}
}

func (r *readiness) check(ctx context.Context) error {
	if err := r.database(ctx); err != nil {
		return err
	}
	for _, l := range r.loops {
		if l.stands() {
			return &unready{fmt.Sprintf("the loop %q has finished no turn for %v", l.name, turnWithin)}
		}
	}
	return nil
}

// note logs when the answer becomes another one, and not every time that
// somebody asks.
func (r *readiness) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.not
	r.not = err != nil
	switch {
	case r.not && !was:
		r.log.Warn("not ready", "error", err)
	case was && !r.not:
		r.log.Info("ready again")
	}
}

// unready is what is amiss in this process itself.
type unready struct{ what string }

func (u *unready) Error() string { return u.what }

// loop is one of the background's, which must turn.
type loop struct {
	name string
	log  *slog.Logger

	mu    sync.Mutex
	timer *time.Timer
	last  time.Time // when a turn ended
	still bool
}

// watch expects turns from now on, until stop is called.
func (l *loop) watch() (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = time.Now()
	l.timer = time.AfterFunc(turnWithin, l.stopped)
	return func() { l.timer.Stop() }
}

// turned is called at the end of each turn.
func (l *loop) turned() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer == nil {
		return // nobody watches: the loop is run by a test, or by hand
	}
	if l.still {
		l.log.Info("background work goes on", "what", l.name)
	}
	l.last, l.still = time.Now(), false
	l.timer.Reset(turnWithin)
}

// stopped is called when no turn has ended for too long: once, until one does.
func (l *loop) stopped() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.last) < turnWithin {
		return // a turn has ended just now
	}
	l.still = true
	l.log.Error("background work stands still", "what", l.name, "for", turnWithin)
}

func (l *loop) stands() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.still
}
