package store

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// DefaultDeadline is what Config's Deadline is if it is zero.
const DefaultDeadline = 15 * time.Second

// bounded gives each statement for reading its deadline, which covers the wait
// for a connection, the statement and the reading of its rows. A server that has
// stopped answers neither yes nor no, and the loops' contexts never end.
type bounded struct {
	queries.DBTX
	deadline time.Duration
}

// within is ctx with the deadline. Its timer is not stopped when the rows are
// closed, which cannot be seen from here: it ends with ctx, or by itself.
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

// hold is who has a change that waits to be made with others: its caller, who can
// still give it up, or the writer.
type hold struct{ atomic.Int32 }

const (
	waiting int32 = iota // for the writer
	running              // the caller's function is
	ran                  // and the commit is to come
	leaving              // its caller wants to go, and its function is running
	gone                 // its caller has gone: it must not be run, or not again
)

// begin is the writer's: the change is about to be run, for the first time or
// again. It reports false if its caller has gone.
func (h *hold) begin() bool {
	return h.CompareAndSwap(waiting, running) || h.CompareAndSwap(ran, running)
}

// end is the writer's: the function has returned. It reports false if the caller
// wants to go.
func (h *hold) end() bool { return h.CompareAndSwap(running, ran) }

// giveUp is the caller's, and reports whether the change is never begun.
func (h *hold) giveUp() bool { return h.CompareAndSwap(waiting, gone) }

// leave is the caller's, when it can wait no longer. It returns what the change
// was: waiting, and now it is never begun; ran, and now it is not run again; or
// running, and then its end is to be waited for.
func (h *hold) leave() (was int32) {
	for {
		switch was = h.Load(); {
		case was == running && h.CompareAndSwap(was, leaving), was != running && h.CompareAndSwap(was, gone):
			return was
		}
	}
}
