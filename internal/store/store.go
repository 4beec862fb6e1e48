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

// Config configures Open.
type Config struct {
	// DSN is "sqlite:PATH" or a "postgres://…" address.
	DSN string
	// MasterKey seals secrets: 32 bytes, as 64 hex digits or base64.
	MasterKey pay.Secret
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Token makes the tokens of leases; crypto/rand.Text if nil.
	Token func() string
	// Log takes errors that no caller gets; slog.Default() if nil.
	Log *slog.Logger
	// LookEvery is how often SQLite checks that its open files are still the ones
	// at their path; 5 s if zero.
	LookEvery time.Duration
	// Deadline bounds each call: waiting for a connection or for the writer,
	// running the statements and reading their rows together; DefaultDeadline if
	// zero. Opening and the iterators for an audit are bounded by their contexts
	// alone.
	Deadline time.Duration
	// Connections is how many connections to PostgreSQL this process opens at most;
	// DefaultConnections if zero.
	Connections int
	// NoSync trades durability for speed. It is for soak tests only.
	NoSync bool
	// Migrating, if not nil, is called while Migrate converts the rows of a step
	// that takes long, with the number of rows done so far.
	Migrating func(done, all int64)
	// Before, if not nil, is called before each statement on SQLite. If it returns
	// an error, the statement does not run. It lets tests crash, or let other
	// callers in, between any two statements. It may be called concurrently.
	Before func(statement string) error
}

// complete sets the defaults.
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

// The errors of this package, for errors.Is.
var (
	ErrNotFound = errors.New("store: not found")
	ErrExists   = errors.New("store: exists already")
	// ErrOrphansUnseen: the payment's account has open orphans that the caller has
	// not compared the payment with.
	ErrOrphansUnseen = errors.New("store: there are orphans to look at first")
	// ErrIDClash: the id is taken; try another.
	ErrIDClash = errors.New("store: id is taken")
	// ErrOrphansFull: the account has as many open orphans as it may have.
	ErrOrphansFull = errors.New("store: too many open orphans")
	// ErrLeaseLost: another worker has the row now, so the work may be done twice.
	ErrLeaseLost = errors.New("store: lease lost")
	// ErrUnavailable: nothing was written and nothing will be, because the database
	// could not be reached or takes no changes now. The caller may retry.
	ErrUnavailable = errors.New("store: database is not available")
	// ErrOutcomeUnknown: a COMMIT, or a statement that is its own transaction, was
	// sent and not answered. The change may or may not have been made.
	ErrOutcomeUnknown = errors.New("store: outcome of the commit is unknown")
	// ErrClosed: the database was closed before the change began. It wraps
	// ErrUnavailable.
	ErrClosed = fmt.Errorf("%w: closed", ErrUnavailable)
)

// DB is an open database. Its methods may be called concurrently.
type DB struct {
	config Config
	engine
	read      *queries.Queries // sees what is committed
	seal      sealer
	decoy     string       // read and unsealed for an unknown app code
	closeOnce func() error // closes the engine

	readiness readiness

	merchants   cache[string, pay.Merchant]
	stores      cache[storeKey, pay.Store]
	credentials cache[string, pay.Credential]
	accounts    cache[string, []pay.WalletAccount]
}

// Open opens a database for changes. It neither creates a database nor migrates
// one: a schema other than this program's is a *SchemaError. A master key other
// than the database's is an error. See Migrate.
func Open(ctx context.Context, c Config) (*DB, error) {
	db, proved, err := open(ctx, c, openEngine)
	if err == nil && !proved {
		err = db.proveMasterKey(ctx)
	}
	return orClose(db, err)
}

// OpenReadOnly opens a database for reading. It creates, changes and locks nothing,
// so it works on a read-only file system, with a role that may only read, and on a
// hot standby. Its errors are Open's; a change fails with ErrReadOnly.
func OpenReadOnly(ctx context.Context, c Config) (*DB, error) {
	c.Deadline = cmp.Or(c.Deadline, lookDeadline)
	for try := 1; ; try++ {
		db, _, err := open(ctx, c, openReadOnly)
		if db, err = orClose(db, err); !errors.Is(err, errSpoiled) || try == looks {
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

// open also reports whether the database holds proof of the master key. If it does,
// the key is the right one.
func open(
	ctx context.Context, c Config, begin func(context.Context, Config) (engine, error),
) (db *DB, proved bool, err error) {
	c = c.complete()
	seal, err := newSealer(c.MasterKey)
	if err != nil {
		return nil, false, err
	}
	e, err := begin(ctx, c)
	if err != nil {
		return nil, false, err
	}
	db = &DB{config: c, engine: e, seal: seal, decoy: seal.sealDecoy(), closeOnce: sync.OnceValue(e.close)}
	db.read = queries.New(db.reader())
	db.merchants.now, db.merchants.usable = c.Now, e.usable
	db.stores.now, db.stores.usable = c.Now, e.usable
	db.credentials.now, db.credentials.usable = c.Now, e.usable
	db.accounts.now, db.accounts.usable = c.Now, e.usable
	proved, err = seal.proved(ctx, db.read)
	return db, proved, err
}

// orClose returns db, or closes it if err is not nil.
func orClose(db *DB, err error) (*DB, error) {
	if err != nil && db != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, err
}

// Close waits for the changes under way and closes the database. Later changes fail
// with ErrClosed. Closing again does nothing.
func (db *DB) Close() error {
	defer db.readiness.close()
	return db.closeOnce()
}

// Unchanged returns an error if a server has opened the database since OpenReadOnly
// found none: then what was read may mix several states, or be wrong. Close returns
// the same error.
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
