// Package store keeps what Sampan knows in SQL: one schema and one text per
// query for SQLite and PostgreSQL. It decides nothing: the rules are in pay
// and gateway.
package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
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
	// Migrating is called while Migrate converts the rows of a step that takes
	// long, with how many are done; nil if nobody wants to know.
	Migrating func(done, all int64)
	// Before is called before each statement of SQLite, and with an error the
	// statement is not run: for tests that crash, or let others in, between any
	// two statements. It may be called at the same time.
	Before func(statement string) error
}

// complete fills in the defaults.
func (c Config) complete() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Token == nil {
		c.Token = rand.Text
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Deadline = cmp.Or(c.Deadline, DefaultDeadline)
	c.Connections = cmp.Or(c.Connections, DefaultConnections)
	return c
}

// Errors of this package, for errors.Is.
var (
	ErrNotFound = errors.New("store: not found")
	ErrExists   = errors.New("store: exists already")
	// ErrOrphansUnseen: the payment's account has open orphans that the caller has
	// not compared the payment with.
	ErrOrphansUnseen = errors.New("store: there are orphans to look at first")
	// ErrIDClash: the payment's id is taken; try another.
	ErrIDClash = errors.New("store: id is taken")
	// ErrOrphansFull: an account has as many open orphans as it may.
	ErrOrphansFull = errors.New("store: too many open orphans")
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
	read  *queries.Queries // sees what is committed
	seal  sealer
	decoy string       // read and unsealed where an app code is unknown
	shut  func() error // closes the engine, once

	readiness readiness

	merchants   cache[string, pay.Merchant]
	stores      cache[storeKey, pay.Store]
	credentials cache[string, pay.Credential]
	accounts    cache[string, []pay.WalletAccount]
}

// Open opens a database for changes. It makes none and raises no schema: another
// one than this program's is a *SchemaError, and a master key that is not the one
// that the database was made with is an error. See Migrate.
func Open(ctx context.Context, c Config) (*DB, error) {
	db, proved, err := open(ctx, c, openEngine)
	if err == nil && !proved {
		err = db.proveMasterKey(ctx)
	}
	return whole(db, err)
}

// OpenReadOnly opens a database to look only. It creates, changes and locks
// nothing, and so works on a file system that is read-only, with a role that may
// only read, and on a hot standby. What is an error of Open is one of
// OpenReadOnly; a change that is asked for fails with ErrReadOnly.
func OpenReadOnly(ctx context.Context, c Config) (*DB, error) {
	c.Deadline = cmp.Or(c.Deadline, lookDeadline)
	for try := 1; ; try++ {
		db, _, err := open(ctx, c, openReadOnly)
		if db, err = whole(db, err); !errors.Is(err, errSpoiled) || try == looks {
			return db, err
		}
	}
}

func openReadOnly(ctx context.Context, c Config) (engine, error) {
	l, err := openLook(ctx, c)
	if err != nil {
		return nil, err
	}
	s, err := l.schema(ctx)
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// open reports also whether the database has proof of the master key, which is
// the right one then.
func open(ctx context.Context, c Config, begin func(context.Context, Config) (engine, error)) (db *DB, proved bool, err error) {
	c = c.complete()
	seal, err := newSealer(c.MasterKey)
	if err != nil {
		return nil, false, err
	}
	e, err := begin(ctx, c)
	if err != nil {
		return nil, false, err
	}
	db = &DB{config: c, engine: e, seal: seal, decoy: seal.sealDecoy(), shut: sync.OnceValue(e.close)}
	db.read = queries.New(db.reader())
	db.merchants.now, db.stores.now, db.credentials.now, db.accounts.now = c.Now, c.Now, c.Now, c.Now
	db.merchants.usable, db.stores.usable, db.credentials.usable, db.accounts.usable = e.usable, e.usable, e.usable, e.usable
	proved, err = seal.proved(ctx, db.read)
	return db, proved, err
}

// whole is a database that was opened without an error, or none.
func whole(db *DB, err error) (*DB, error) {
	if err != nil && db != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, err
}

// Close waits for what is being written and closes the database. Changes that
// are asked for later fail with ErrClosed. Closing again does nothing more.
func (db *DB) Close() error {
	defer db.readiness.close()
	return db.shut()
}

// Unchanged is an error if a server opened the database since OpenReadOnly had
// found none, so that what was read may be of several states, or wrong. Close
// says so too.
func (db *DB) Unchanged() error {
	if l, ok := db.engine.(*look); ok {
		return l.still()
	}
	return nil
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if _, err := db.read.Setting(ctx, masterKeySetting); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return wrap("ping", err)
	}
	return nil
}
