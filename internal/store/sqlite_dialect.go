package store

import (
	"context"
	"database/sql"
	"encoding/json"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// sqliteDialect takes no locks: SQLite has one writer.
type sqliteDialect struct{}

func (sqliteDialect) lockNumbers(context.Context, queries.DBTX, string) error { return nil }

func (sqliteDialect) lockPayment(ctx context.Context, q *queries.Queries, p queries.PaymentParams) (queries.Payment, error) {
	return q.Payment(ctx, p)
}

func (sqliteDialect) claimPayments(ctx context.Context, q *queries.Queries, p queries.ClaimPaymentsParams) ([]queries.Payment, error) {
	return q.ClaimPayments(ctx, p)
}

func (sqliteDialect) claimRefunds(ctx context.Context, q *queries.Queries, p queries.ClaimRefundsParams) ([]queries.Refund, error) {
	return q.ClaimRefunds(ctx, p)
}

func (sqliteDialect) claimDeliveries() string {
	return receivers + `
	UPDATE delivery SET lease = $1, claimable_at = $2
	WHERE rowid IN (
		SELECT d.rowid FROM r JOIN delivery d ON d.rowid IN (
			SELECT e.rowid FROM delivery e WHERE e.receiver = r.receiver AND e.claimable_at > 0 AND e.claimable_at <= $3
			ORDER BY e.claimable_at LIMIT $4)
		WHERE r.receiver NOT IN (SELECT value FROM json_each($5))
		ORDER BY d.claimable_at LIMIT $6)
	AND +claimable_at <= $3
	RETURNING ` + deliveryTable.list("delivery.")
}

func (sqliteDialect) nextDelivery() string {
	return nextOfReceivers + "r.receiver NOT IN (SELECT value FROM json_each($1))"
}

func (sqliteDialect) texts(list []string) any {
	if list == nil {
		list = []string{}
	}
	text, _ := json.Marshal(list) // of strings: cannot fail
	return string(text)
}

func (sqliteDialect) clock() string {
	return "SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
}

func (sqliteDialect) slots() string { return "SELECT 0, 0" }

func (sqliteDialect) snapshot() *sql.TxOptions { return &sql.TxOptions{ReadOnly: true} }
