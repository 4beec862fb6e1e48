package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// engine is all that differs between the databases.
type engine interface {
	// reader runs the constant texts, on what is committed.
	reader() queries.DBTX
	// pool is for texts made at run time.
	pool() *sql.DB
	// snapshot is of a transaction for reading in which all statements see the
	// same.
	snapshot() *sql.TxOptions

	// run runs fn in a transaction, under the contract of DB.Tx.
	run(ctx context.Context, fn func(*Tx) error) error
	// runOne is run for an fn of a single statement.
	runOne(ctx context.Context, fn func(*Tx) error) error
	// insertPayment reports false if the id or the order number is taken, or if
	// the account has an open orphan later than the given one.
	insertPayment(ctx context.Context, p queries.Payment, orphansSeen int64) (bool, error)
	// finishAttempt reports false if the lease is somebody else's.
	finishAttempt(ctx context.Context, f finish) (bool, error)

	lockPayment(tx *Tx, p queries.PaymentParams) (queries.Payment, error)
	// lockNumbers keeps a merchant's order numbers as they are until the
	// transaction ends.
	lockNumbers(tx *Tx, merchantID string) error
	claimPayments(tx *Tx, p queries.ClaimPaymentsParams) ([]queries.Payment, error)
	claimRefunds(tx *Tx, p queries.ClaimRefundsParams) ([]queries.Refund, error)
	// claimDeliveries is a text with lease, its end, now, the most of one
	// receiver, the receivers to skip and the most of all.
	claimDeliveries() string
	// nextDelivery is a text with the receivers to skip.
	nextDelivery() string
	// texts is the argument for a list of texts.
	texts(list []string) any

	// usable is an error once the database must not be used any more.
	usable() error
	close() error
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

// receivers lists who has deliveries to come, by stepping from one to the next
// in the index: it costs as many steps as there are receivers, not rows. The
// last row is NULL.
const receivers = `WITH RECURSIVE r (receiver) AS (
	SELECT MIN(receiver) FROM delivery WHERE claimable_at > 0
	UNION ALL
	SELECT (SELECT MIN(d.receiver) FROM delivery d WHERE d.claimable_at > 0 AND d.receiver > r.receiver)
	FROM r WHERE r.receiver IS NOT NULL)`

const nextOfReceivers = receivers + `
	SELECT COALESCE(MIN((SELECT MIN(d.claimable_at) FROM delivery d WHERE d.receiver = r.receiver AND d.claimable_at > 0)), 0)
	FROM r WHERE r.receiver IS NOT NULL AND `
