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
	// reader runs the constant texts, on what is committed.
	reader() queries.DBTX
	// pool is for texts made at run time.
	pool() *sql.DB

	// run runs w in a transaction, under the contract of DB.Tx.
	run(ctx context.Context, w work) error
	// runOne is run for a w of a single statement.
	runOne(ctx context.Context, w work) error
	// insertPayment reports whether it stored the payment: see insertPaymentText.
	insertPayment(ctx context.Context, c creation) (bool, error)
	// finishAttempt reports false if the lease is somebody else's.
	finishAttempt(ctx context.Context, f finish) (bool, error)

	// apply makes a change, under the contract of DB.Apply.
	apply(ctx context.Context, c *changeRows) error

	// recorded is sql.ErrNoRows if there is no such payment.
	recorded(ctx context.Context, k recordedKey) (recordedRows, error)

	// usable is an error once the database must not be used any more.
	usable() error
	close() error
}

// work is what is done in a transaction, or a single statement that is its own.
type work func(ctx context.Context, db queries.DBTX) error

// dialect is what the two databases need different statements for.
type dialect interface {
	lockPayment(ctx context.Context, q *queries.Queries, p queries.PaymentParams) (queries.Payment, error)
	// lockNumbers keeps a merchant's order numbers as they are until the
	// transaction ends.
	lockNumbers(ctx context.Context, db queries.DBTX, merchantID string) error
	// applyIn makes a change within a transaction, under the contract of Tx.Apply.
	applyIn(ctx context.Context, db queries.DBTX, c *changeRows) error
	// claim returns a statement that claims rows and the arguments for the keys.
	// The statement is run once for each of them, in one transaction. Its
	// arguments are the lease's end, now, keys, most, and the token if set has $5.
	claim(c claimed, keys map[string]int) (text string, all []claimKeys)

	// clock is a text that reads the database server's clock, in milliseconds
	// since 1970.
	clock() string
	// slots is a text that reads how many connections the server gives to all, and
	// how many of these are reserved.
	slots() string
	// snapshot is for a read-only transaction in which all statements see the same.
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
