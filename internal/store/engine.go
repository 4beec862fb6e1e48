package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// engine is one open database: how it is read, and how changes reach it.
type engine interface {
	dialect
	// reader runs constant statements, which it may keep prepared. It sees what is
	// committed.
	reader() queries.DBTX
	// pool runs statements that are composed at run time.
	pool() *sql.DB

	// run runs w in a transaction, under the contract of DB.Tx.
	run(ctx context.Context, w work) error
	// runOne runs w, whose single statement is its own transaction.
	runOne(ctx context.Context, w work) error
	// insertPayment reports whether it stored the payment: see insertPaymentText.
	insertPayment(ctx context.Context, c creation) (bool, error)
	// finishAttempt reports false if another worker has the lease.
	finishAttempt(ctx context.Context, f finish) (bool, error)

	// apply makes a change, under the contract of DB.Apply.
	apply(ctx context.Context, c *changeRows) error

	// recorded returns sql.ErrNoRows if the payment does not exist.
	recorded(ctx context.Context, k recordedKey) (recordedRows, error)

	// usable returns an error once the database must no longer be used.
	usable() error
	close() error
}

// work is what runs in a transaction, or a single statement that is its own.
type work func(ctx context.Context, db queries.DBTX) error

// dialect is the statements that differ between the two databases.
type dialect interface {
	lockPayment(ctx context.Context, q *queries.Queries, p queries.PaymentParams) (queries.Payment, error)
	// lockNumbers keeps a merchant's order numbers unchanged until the transaction
	// ends.
	lockNumbers(ctx context.Context, db queries.DBTX, merchantID string) error
	// applyIn makes a change within a transaction, under the contract of Tx.Apply.
	applyIn(ctx context.Context, db queries.DBTX, c *changeRows) error
	// claim returns a statement that claims rows and the arguments for the keys.
	// The statement is run once for each of them, in one transaction. Its
	// arguments are the lease's end, now, keys, most, and the token if set has $5.
	claim(c claimed, keys map[string]int) (text string, all []claimKeys)

	// clock is a statement that reads the database server's clock, in milliseconds
	// since 1970.
	clock() string
	// slots is a statement that reads how many connections the server accepts, and
	// how many of these are reserved.
	slots() string
	// snapshot returns the options of a read-only transaction in which every
	// statement sees the same state.
	snapshot() *sql.TxOptions
}

func openEngine(ctx context.Context, c Config) (engine, error) {
	if strings.HasPrefix(c.DSN, "sqlite:") {
		return openSQLite(ctx, c)
	}
	if isPostgres(c.DSN) {
		return openPostgres(ctx, c)
	}
	return nil, errAddress
}

var errAddress = errors.New("store: the database's address must be sqlite:PATH or postgres://…")

func isPostgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}
