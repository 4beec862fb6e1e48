package store

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// DefaultDeadline is Config.Deadline if that is zero.
const DefaultDeadline = 15 * time.Second

// bounded gives each reading statement a deadline for the wait for a connection,
// the statement and the reading of its rows. A stopped server never answers, and
// the contexts of loops never end.
type bounded struct {
	queries.DBTX
	deadline time.Duration
}

// within returns ctx with the deadline. It cannot see when the rows are closed, so
// the timer is not stopped: it ends with ctx, or by itself.
func (b bounded) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, b.deadline)
}

// QueryContext implements queries.DBTX.
func (b bounded) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	ctx, _ = b.within(ctx)
	return b.DBTX.QueryContext(ctx, text, args...)
}

// QueryRowContext implements queries.DBTX.
func (b bounded) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	ctx, _ = b.within(ctx)
	return b.DBTX.QueryRowContext(ctx, text, args...)
}

// ExecContext implements queries.DBTX.
func (b bounded) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	ctx, cancel := b.within(ctx)
	defer cancel()
	return b.DBTX.ExecContext(ctx, text, args...)
}

// reader is the engine's, with the deadline.
func (db *DB) reader() queries.DBTX { return bounded{db.engine.reader(), db.config.Deadline} }

// pool is the engine's, with the deadline.
func (db *DB) pool() queries.DBTX { return bounded{db.engine.pool(), db.config.Deadline} }

// hold is who has a change that waits to be committed with others: its caller, who
// can still withdraw it, or the writer.
type hold struct{ atomic.Int32 }

const (
	waiting int32 = iota // for the writer
	running              // its function runs
	ran                  // its function has returned, and the commit is still to come
	leaving              // its function runs, and its caller wants to go
	gone                 // its caller has gone: it must not run, or not again
)

// begin is called by the writer when it is about to run the change, for the first
// time or again. It reports false if the caller has gone.
func (h *hold) begin() bool {
	return h.CompareAndSwap(waiting, running) || h.CompareAndSwap(ran, running)
}

// end is called by the writer when the function has returned. It reports false if
// the caller wants to go.
func (h *hold) end() bool { return h.CompareAndSwap(running, ran) }

// giveUp is called by the caller. It reports whether the change will never begin.
func (h *hold) giveUp() bool { return h.CompareAndSwap(waiting, gone) }

// leave is called by the caller when it can wait no longer. It returns the state
// before: waiting (now it never begins), ran (now it never runs again), or running
// (then its end must be waited for).
func (h *hold) leave() (was int32) {
	for {
		switch was = h.Load(); {
		case was == running && h.CompareAndSwap(was, leaving), was != running && h.CompareAndSwap(was, gone):
			return was
		}
	}
}
