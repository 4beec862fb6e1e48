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

// turnTimeout is the longest time between two turns of a background loop. It is
// longer than the store's deadline, which bounds a turn while the database does not
// answer.
const turnTimeout = 45 * time.Second

// readiness answers /readyz: 200 while this process can store an order and follow
// it up.
type readiness struct {
	database func(context.Context) error
	loops    map[string]*loop
	log      *slog.Logger

	mu      sync.Mutex
	failing bool // at the last request
}

// newReadiness makes a readiness over the database's own check and loops of these
// names.
func newReadiness(database func(context.Context) error, log *slog.Logger, loops ...string) *readiness {
	r := &readiness{database: database, loops: map[string]*loop{}, log: log}
	for _, name := range loops {
		r.loops[name] = &loop{name: name, log: log}
	}
	return r
}

// ServeHTTP answers 200 if the process is ready, otherwise 503 with the reason. An
// error of the database appears in the log only: it may name hosts and users.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	err := r.check(req.Context())
	if req.Context().Err() == nil {
		r.note(err)
	}
	var stalled *stalledError
	switch {
	case err == nil:
		io.WriteString(w, "ok\n")
	case errors.As(err, &stalled):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case errors.Is(err, store.ErrStopped):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		http.Error(w, "the database does not take an order now", http.StatusServiceUnavailable)
	}
}

// check asks the database and looks at the loops.
func (r *readiness) check(ctx context.Context) error {
	if err := r.database(ctx); err != nil {
		return err
	}
	for _, l := range r.loops {
		if l.isStalled() {
			return &stalledError{l.name}
		}
	}
	return nil
}

// note logs a change of the answer. Probes that get the same answer log nothing.
func (r *readiness) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := r.failing
	r.failing = err != nil
	switch {
	case r.failing && !was:
		r.log.Warn("not ready", "error", err)
	case was && !r.failing:
		r.log.Info("ready again")
	}
}

// stalledError reports a background loop that makes no turns.
type stalledError struct{ loop string }

func (e *stalledError) Error() string {
	return fmt.Sprintf("the loop %q has finished no turn for %v", e.loop, turnTimeout)
}

// loop watches one background loop, which must finish a turn within turnTimeout.
type loop struct {
	name string
	log  *slog.Logger

	mu      sync.Mutex
	timer   *time.Timer
	last    time.Time // when the last turn ended
	stalled bool
}

// watch expects turns from now until stop is called.
func (l *loop) watch() (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = time.Now()
	l.timer = time.AfterFunc(turnTimeout, l.stall)
	return func() { l.timer.Stop() }
}

// turned is called by the loop at the end of each turn.
func (l *loop) turned() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer == nil {
		return // not watched: a test runs the loop
	}
	if l.stalled {
		l.log.Info("background work goes on", "what", l.name)
	}
	l.last, l.stalled = time.Now(), false
	l.timer.Reset(turnTimeout)
}

// stall is called when no turn has ended for turnTimeout. It logs that once; the
// next turn arms the timer again.
func (l *loop) stall() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.last) < turnTimeout {
		return // a turn has just ended
	}
	l.stalled = true
	l.log.Error("background work stands still", "what", l.name, "for", turnTimeout)
}

func (l *loop) isStalled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stalled
}
