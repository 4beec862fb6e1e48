package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	tryEvery  = 5 * time.Second // at most, however many callers ask
	tryWithin = 2 * time.Second
)

// readiness is whether the database takes changes, as far as is known.
type readiness struct {
	mu     sync.Mutex
	err    error         // of the last change that shows it
	began  time.Time     // when the last try began
	trying chan struct{} // closed when the current try ends; nil while no try runs
	tries  sync.WaitGroup
	closed bool // no try begins any more
}

// Ready returns nil if the database takes a change and keeps it. For all callers
// together it tries one every few seconds at most, and it returns within two. When
// a change is refused because the disk is full or the server is read-only, Ready
// fails at once, until the next change succeeds.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.usable(); err != nil {
		return err
	}
	r := &db.readiness
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	if r.trying == nil && (r.began.IsZero() || time.Since(r.began) >= tryEvery) {
		r.began, r.trying = time.Now(), make(chan struct{})
		r.tries.Go(db.tryToWrite)
	}
	trying, left, err := r.trying, tryWithin-time.Since(r.began), r.err
	r.mu.Unlock()
	if trying == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	select {
	case <-trying:
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("%w: a write is not answered: %w", ErrUnavailable, ctx.Err())
	}
}

func (db *DB) tryToWrite() {
	ctx, cancel := context.WithTimeout(context.Background(), tryWithin)
	defer cancel()
	err := db.TryWrite(ctx)
	r := &db.readiness
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	close(r.trying)
	r.trying = nil
}

// close waits for the current try.
func (r *readiness) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.tries.Wait()
}

// noted returns err, which is of a change, and remembers it if other changes would
// fail the same way.
func (db *DB) noted(err error) error {
	if err != nil && refusesChanges(err) {
		db.readiness.mu.Lock()
		defer db.readiness.mu.Unlock()
		db.readiness.err = err
	}
	return err
}

// wrote remembers that a change succeeded.
func (db *DB) wrote() {
	db.readiness.mu.Lock()
	defer db.readiness.mu.Unlock()
	db.readiness.err = nil
}

// refusesChanges reports whether err means that the database is read-only for now.
func refusesChanges(err error) bool {
	var server *pgconn.PgError
	var file *sqlite.Error
	switch {
	case errors.Is(err, pgconn.ErrReadOnlyConnection):
		return true
	case errors.As(err, &server):
		return server.Code == readOnly || server.Code == diskFull
	case errors.As(err, &file):
		kind := file.Code() & 0xff
		return kind == sqlite3.SQLITE_FULL || kind == sqlite3.SQLITE_READONLY ||
			file.Code() == sqlite3.SQLITE_IOERR_WRITE
	}
	return false
}

// diskFull is the SQLSTATE of a full disk.
const diskFull = "53100"
