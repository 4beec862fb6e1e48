// Package store keeps what Sampan knows in SQL: one schema and one text per
// query for SQLite and PostgreSQL. It decides nothing: the rules are in pay
// and gateway.
package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// Config is what Open needs.
type Config struct {
	// DSN is "sqlite:PATH" or a "postgres://…" address.
	DSN string
	// MasterKey seals secrets: 32 bytes, as 64 hex digits or base64.
	MasterKey pay.Secret
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Token makes the tokens of leases; crypto/rand.Text if nil.
	Token func() string
	// Log takes what goes wrong behind the callers' backs; slog.Default() if nil.
	Log *slog.Logger
	// LookEvery is how often SQLite's files are looked at, whether they are those
	// that are open; 5 s if zero.
	LookEvery time.Duration
	// Deadline bounds each call: the wait for a connection or for the writer, the
	// statements and the reading of their rows together; DefaultDeadline if zero.
	// Opening, and the iterators for an audit, are bounded by their contexts alone.
	Deadline time.Duration
	// Connections is how many this process has to PostgreSQL at most;
	// DefaultConnections if zero.
	Connections int
	// NoSync trades durability for speed, for soak tests only.
	NoSync bool
	// Before is called before each statement of SQLite, and with an error the
	// statement is not run: for tests that crash, or let others in, between any
	// two statements. It may be called at the same time.
	Before func(statement string) error
}

// Errors of this package, for errors.Is.
var (
	ErrNotFound = errors.New("store: not found")
	ErrExists   = errors.New("store: exists already")
	// ErrIDClash: the payment's random id is taken; draw another.
	ErrIDClash = errors.New("store: id is taken")
	// ErrLeaseLost: somebody else has the row now; what was done may be done again.
	ErrLeaseLost = errors.New("store: lease lost")
	// ErrUnavailable: nothing of the change was or will be written, because the
	// database could not be reached or cannot write now. The caller can come again.
	ErrUnavailable = errors.New("store: database is not available")
	// ErrOutcomeUnknown: COMMIT, or a statement that is its own transaction, was
	// sent and not answered; the change may or may not be there.
	ErrOutcomeUnknown = errors.New("store: outcome of the commit is unknown")
	// ErrClosed: the database was closed before the change was begun. It is
	// ErrUnavailable too.
	ErrClosed = fmt.Errorf("%w: closed", ErrUnavailable)
)

// DB is the database. Its methods may be called at the same time.
type DB struct {
	config Config
	engine
	read *queries.Queries // sees what is committed
	seal sealer
	shut func() error // closes the engine, once

	merchants   cache[string, pay.Merchant]
	stores      cache[storeKey, pay.Store]
	credentials cache[string, pay.Credential]
	accounts    cache[string, []pay.WalletAccount]
}

// Open opens the database and brings its schema up to date, under a lock.
// A master key that is not the one that the database was made with is an error.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Token == nil {
		c.Token = rand.Text
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Deadline == 0 {
		c.Deadline = DefaultDeadline
	}
	if c.Connections == 0 {
		c.Connections = DefaultConnections
	}
	seal, err := newSealer(c.MasterKey)
	if err != nil {
		return nil, err
	}
	e, err := openEngine(ctx, c)
	if err != nil {
		return nil, err
	}
	db := &DB{config: c, engine: e, seal: seal, shut: sync.OnceValue(e.close)}
	db.read = queries.New(db.reader())
	db.merchants.now, db.stores.now, db.credentials.now, db.accounts.now = c.Now, c.Now, c.Now, c.Now
	db.merchants.usable, db.stores.usable, db.credentials.usable, db.accounts.usable = e.usable, e.usable, e.usable, e.usable
	if err := db.checkMasterKey(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Close waits for what is being written and closes the database. Changes that
// are asked for later fail with ErrClosed. Closing again does nothing more.
func (db *DB) Close() error { return db.shut() }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if _, err := db.read.Setting(ctx, masterKeySetting); err != nil {
		return wrap("ping", err)
	}
	return nil
}
