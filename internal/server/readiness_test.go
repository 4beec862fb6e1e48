package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sampanpay/sampan/internal/store"
)

// syncBuffer collects a log that the loops' timers write while the test reads it.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// probe requests /readyz as a load balancer does.
func probe(r *readiness) (int, string) {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestStalledLoopEndsReadinessUntilItTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out syncBuffer
		healthy := func(context.Context) error { return nil }
		r := newReadiness(healthy, slog.New(slog.NewTextHandler(&out, nil)), "recover", "delivery")
		defer r.loops["recover"].watch()()
		defer r.loops["delivery"].watch()()
		turn := func(names ...string) {
			for range 20 {
				time.Sleep(5 * time.Second)
				for _, name := range names {
					r.loops[name].turned()
				}
			}
		}
		want := func(status int, text string, errors int) {
			t.Helper()
			synctest.Wait()
			if code, body := probe(r); code != status || !strings.Contains(body, text) {
				t.Errorf("%d %s, want %d %s", code, body, status, text)
			}
			if n := strings.Count(out.String(), "level=ERROR"); n != errors {
				t.Errorf("%d errors in the log, want %d:\n%s", n, errors, out.String())
			}
		}
		turn("recover", "delivery")
		want(200, "ok", 0)
		turn("recover")
		want(503, `"delivery"`, 1)
		turn("recover")
		want(503, `"delivery"`, 1)
		turn("recover", "delivery")
		want(200, "ok", 1)
		time.Sleep(turnTimeout - time.Millisecond)
		want(200, "ok", 1)
		time.Sleep(time.Millisecond)
		want(503, "the loop", 3)
	})
}

func TestReadinessLogsChangesAndHidesSecrets(t *testing.T) {
	var out bytes.Buffer
	var state error
	r := newReadiness(func(context.Context) error { return state }, slog.New(slog.NewTextHandler(&out, nil)))
	for _, c := range []struct {
		err    error
		status int
		lines  int
	}{
		{nil, 200, 0},
		{errors.New("db.internal"), 503, 1},
		{errors.New("db.internal"), 503, 1},
		{nil, 200, 2},
		{store.ErrStopped, 503, 3},
	} {
		state = c.err
		code, body := probe(r)
		lines := strings.Count(out.String(), "\n")
		if code != c.status || lines != c.lines || strings.Contains(body, "internal") {
			t.Errorf("%v: %d %q, %d lines", c.err, code, body, lines)
		}
		if stopped := errors.Is(c.err, store.ErrStopped); stopped != strings.Contains(body, "restarted") {
			t.Errorf("%v: %q", c.err, body)
		}
	}
}
