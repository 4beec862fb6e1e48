package store

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// sqliteDialect takes no locks: SQLite has one writer.
type sqliteDialect struct{}

func (sqliteDialect) lockNumbers(context.Context, queries.DBTX, string) error { return nil }

func (sqliteDialect) lockPayment(ctx context.Context, q *queries.Queries,
	p queries.PaymentParams) (queries.Payment, error) {
	return q.Payment(ctx, p)
}

func (sqliteDialect) claim(c claimed, keys map[string]int) (string, []claimKeys) {
	parts := strings.NewReplacer(
		"$table", c.table, "$key", c.key, "$at", c.at, "$set", c.set, "$returning", c.returning)
	text := parts.Replace(`
	UPDATE $table SET $set WHERE rowid IN (
		SELECT rowid FROM $table WHERE $key = $3 AND $at > 0 AND $at <= $2 ORDER BY $at LIMIT $4)
	RETURNING $returning`)
	all := make([]claimKeys, 0, len(keys))
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		all = append(all, claimKeys{key, keys[key]})
	}
	return text, all
}

func (sqliteDialect) clock() string {
	return "SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
}

func (sqliteDialect) slots() string { return "SELECT 0, 0" }

func (sqliteDialect) snapshot() *sql.TxOptions { return &sql.TxOptions{ReadOnly: true} }
