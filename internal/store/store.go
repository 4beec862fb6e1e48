// Package store keeps what Sampan knows in SQL: one schema and one text per
// query for SQLite and PostgreSQL. It decides nothing: the rules are in pay
// and gateway.
package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// Config is what Open needs.
type Config struct {
	// DSN is "sqlite:PATH" or a "postgres://…" address.
	DSN string
	// MasterKey seals secrets: 32 bytes, as 64 hex digits or base64.
	MasterKey pay.Secret
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Log takes what goes wrong behind the callers' backs; slog.Default() if nil.
	Log *slog.Logger
	// NoSync trades durability for speed, for soak tests only.
	NoSync bool
}

// Errors of this package, for errors.Is.
var (
	ErrNotFound = errors.New("store: not found")
	ErrExists   = errors.New("store: exists already")
	// ErrIDClash: the payment's random id is taken; draw another.
	ErrIDClash = errors.New("store: id is taken")
	// ErrLeaseLost: somebody else has the row now; what was done may be done again.
	ErrLeaseLost = errors.New("store: lease lost")
	// ErrOutcomeUnknown: the connection was lost during COMMIT; the change may
	// or may not be there.
	ErrOutcomeUnknown = errors.New("store: outcome of the commit is unknown")
)

// DB is the database. Its methods may be called at the same time.
type DB struct{ Config }

// Open opens the database and brings its schema up to date, under a lock.
func Open(ctx context.Context, c Config) (*DB, error) { panic("stub") }

// Close waits for what is being written and closes the database.
func (db *DB) Close() error { panic("stub") }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error { panic("stub") }

// CreateMerchant adds a merchant; ErrExists if its id is taken.
func (db *DB) CreateMerchant(ctx context.Context, m pay.Merchant) error { panic("stub") }

// Merchant returns one merchant or ErrNotFound. It may be up to CacheFor old.
func (db *DB) Merchant(ctx context.Context, id string) (pay.Merchant, error) { panic("stub") }

// Merchants lists all, by id.
func (db *DB) Merchants(ctx context.Context) ([]pay.Merchant, error) { panic("stub") }

// CreateStore adds a store; ErrExists if the app code has one of that id.
func (db *DB) CreateStore(ctx context.Context, s pay.Store) error { panic("stub") }

// Store returns one store or ErrNotFound. It may be up to CacheFor old.
func (db *DB) Store(ctx context.Context, merchantID, appCode, id string) (pay.Store, error) {
	panic("stub")
}

// Stores lists a merchant's stores, by app code and id.
func (db *DB) Stores(ctx context.Context, merchantID string) ([]pay.Store, error) { panic("stub") }

// CreateCredential adds a credential; ErrExists if its app code is taken by anyone.
func (db *DB) CreateCredential(ctx context.Context, c pay.Credential) error { panic("stub") }

// Credential returns the credential of an app code or ErrNotFound, with its
// key unsealed. It may be up to CacheFor old; unknown codes are not cached.
func (db *DB) Credential(ctx context.Context, appCode string) (pay.Credential, error) { panic("stub") }

// Credentials lists a merchant's credentials, by app code, keys unsealed.
func (db *DB) Credentials(ctx context.Context, merchantID string) ([]pay.Credential, error) {
	panic("stub")
}

// PutWalletAccount adds or replaces an account.
func (db *DB) PutWalletAccount(ctx context.Context, a pay.WalletAccount) error { panic("stub") }

// WalletAccounts lists a merchant's accounts by id, secrets unsealed. They may
// be up to CacheFor old.
func (db *DB) WalletAccounts(ctx context.Context, merchantID string) ([]pay.WalletAccount, error) {
	panic("stub")
}

// CacheFor is how old what is read on every request may be: merchants, stores,
// credentials and wallet accounts.
const CacheFor = 2 * time.Second
