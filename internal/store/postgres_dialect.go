package store

import (
	"context"
	"database/sql"

	"github.com/sampanpay/sampan/internal/store/queries"
)

type postgresDialect struct{}

func (postgresDialect) lockPayment(ctx context.Context, q *queries.Queries, p queries.PaymentParams) (queries.Payment, error) {
	return q.PaymentLocking(ctx, queries.PaymentLockingParams(p))
}

// numbers is the class of the advisory locks on merchants' order numbers.
const numbers = "7041960"

// lockNumbers waits for the creations of payments that are under way, and lets
// none begin. See insertPayments.
func (postgresDialect) lockNumbers(ctx context.Context, db queries.DBTX, merchantID string) error {
	_, err := db.ExecContext(ctx, "SELECT pg_advisory_xact_lock("+numbers+", hashtext($1))", merchantID)
	return err
}

func (postgresDialect) claimPayments(ctx context.Context, q *queries.Queries, p queries.ClaimPaymentsParams) ([]queries.Payment, error) {
	return q.ClaimPaymentsLocking(ctx, queries.ClaimPaymentsLockingParams(p))
}

func (postgresDialect) claimRefunds(ctx context.Context, q *queries.Queries, p queries.ClaimRefundsParams) ([]queries.Refund, error) {
	return q.ClaimRefundsLocking(ctx, queries.ClaimRefundsLockingParams(p))
}

func (postgresDialect) claimDeliveries() string {
	return receivers + `, due AS (
		SELECT d.merchant_id, d.id FROM r CROSS JOIN LATERAL (
			SELECT merchant_id, id, claimable_at FROM delivery
			WHERE receiver = r.receiver AND claimable_at > 0 AND claimable_at <= $3
			ORDER BY claimable_at LIMIT $4 FOR UPDATE SKIP LOCKED) d
		WHERE r.receiver <> ALL ($5::text[])
		ORDER BY d.claimable_at LIMIT $6)
	UPDATE delivery SET lease = $1, claimable_at = $2
	FROM due WHERE delivery.merchant_id = due.merchant_id AND delivery.id = due.id
	RETURNING ` + deliveryTable.list("delivery.")
}

func (postgresDialect) nextDelivery() string {
	return nextOfReceivers + "r.receiver <> ALL ($1::text[])"
}

func (postgresDialect) texts(list []string) any {
	if list == nil {
		return []string{} // nil would be NULL, which nothing compares with
	}
	return list
}

func (postgresDialect) clock() string {
	return "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
}

func (postgresDialect) slots() string {
	return `SELECT current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int +
		COALESCE(current_setting('reserved_connections', true)::int, 0)`
}

func (postgresDialect) snapshot() *sql.TxOptions {
	return &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
}
