package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/store/queries"
)

type postgresDialect struct{}

func (postgresDialect) lockPayment(ctx context.Context, q *queries.Queries,
	p queries.PaymentParams) (queries.Payment, error) {
	return q.PaymentLocking(ctx, queries.PaymentLockingParams(p))
}

// numbers is the class of the advisory locks on merchants' order numbers.
const numbers = "7041960"

// lockNumbers waits for the creations of payments under way, and holds off new
// ones. See insertPayments.
func (postgresDialect) lockNumbers(ctx context.Context, db queries.DBTX, merchantID string) error {
	_, err := db.ExecContext(ctx, "SELECT pg_advisory_xact_lock("+numbers+", hashtext($1))", merchantID)
	return err
}

// claim takes the rows of all keys with one statement. Rows that another claim
// is taking are skipped.
func (postgresDialect) claim(c claimed, keys map[string]int) (string, []claimKeys) {
	same := make([]string, len(c.id))
	for i, column := range c.id {
		same[i] = c.table + "." + column + " = due." + column
	}
	text := strings.NewReplacer("$table", c.table, "$key", c.key,
		"$at", c.at, "$set", c.set, "$returning", c.returning,
		"$id", strings.Join(c.id, ", "), "$same", strings.Join(same, " AND ")).Replace(`
	WITH due AS (
		SELECT d.* FROM unnest($3::text[], $4::bigint[]) AS k (name, most) CROSS JOIN LATERAL (
			SELECT $id FROM $table WHERE $key = k.name AND $at > 0 AND $at <= $2
			ORDER BY $at LIMIT k.most FOR UPDATE SKIP LOCKED) AS d)
	UPDATE $table SET $set FROM due WHERE $same
	RETURNING $returning`)
	names, most := make([]string, 0, len(keys)), make([]int64, 0, len(keys))
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		names, most = append(names, name), append(most, int64(keys[name]))
	}
	return text, []claimKeys{{names, most}}
}

func (postgresDialect) clock() string {
	return "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
}

func (postgresDialect) slots() string {
	return `SELECT current_setting('max_connections')::int,
		current_setting('superuser_reserved_connections')::int +
		COALESCE(current_setting('reserved_connections', true)::int, 0)`
}

func (postgresDialect) snapshot() *sql.TxOptions {
	return &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
}
