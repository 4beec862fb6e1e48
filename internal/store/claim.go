package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// Claim selects the due rows that a worker takes. Work is shared out by key: a
// wallet account (see AccountKey) for payments, refunds and orphans, a receiver for
// deliveries.
type Claim struct {
	Now   time.Time
	Lease time.Duration  // until its end, no other claim gets the rows
	Keys  map[string]int // at most how many rows of each key
}

// AccountKey is the key of a wallet account's work, among all merchants'.
func AccountKey(merchantID, accountID string) string { return merchantID + "/" + accountID }

const accountKey = "merchant_id || '/' || account_id" // AccountKey, in SQL

// queue is a table whose rows are claimed when they are due, oldest first. It needs
// an index on the key and the time, over the rows whose time is not 0.
type queue[R any] struct {
	name string
	table[R]
	id   []string // the primary key's columns
	key  string   // an expression of the table's columns
	at   string   // the column with the time from which a row can be claimed; 0: never
	due  func(R) int64
	next string // the statement of nextByKey

	leased bool // the column lease holds the claim's token
}

func newQueue[R any](q queue[R]) queue[R] {
	named := strings.NewReplacer("$queue", q.name, "$key", q.key, "$at", q.at)
	q.next = named.Replace(`WITH RECURSIVE k (key) AS (
	SELECT * FROM (SELECT $key FROM $queue WHERE $at > 0 ORDER BY $key LIMIT 1) AS first
	UNION ALL
	SELECT (SELECT $key FROM $queue WHERE $at > 0 AND $key > k.key ORDER BY $key LIMIT 1)
	FROM k WHERE k.key IS NOT NULL)
SELECT k.key, (SELECT MIN($at) FROM $queue WHERE $key = k.key AND $at > 0) FROM k WHERE k.key IS NOT NULL`)
	return q
}

var (
	paymentQueue = newQueue(queue[queries.Payment]{
		name: "payment", table: paymentTable, id: []string{"merchant_id", "id"},
		key: accountKey, at: "claimable_at",
		due: func(p queries.Payment) int64 { return p.DueAt }, leased: true,
	})
	refundQueue = newQueue(queue[queries.Refund]{
		name: "refund", table: refundTable, id: []string{"merchant_id", "id"},
		key: accountKey, at: "claimable_at",
		due: func(r queries.Refund) int64 { return r.DueAt }, leased: true,
	})
	orphanQueue = newQueue(queue[queries.Orphan]{
		name: "orphan", table: orphanTable,
		id:  []string{"merchant_id", "account_id", "trade_no", "refund_id"},
		key: accountKey, at: "due_at", due: func(o queries.Orphan) int64 { return o.Seq },
	})
	deliveryQueue = newQueue(queue[queries.Delivery]{
		name: "delivery", table: deliveryTable, id: []string{"merchant_id", "id"},
		key: "receiver", at: "claimable_at",
		due: func(d queries.Delivery) int64 { return d.DueAt }, leased: true,
	})
)

// nextByKey returns, for each key with rows to claim now or later, when the first
// of them can be claimed: when it is due, or when its lease ends. It steps from key
// to key in the index, so its cost grows with the keys, not with the rows.
func nextByKey[R any](ctx context.Context, db *DB, q queue[R]) (map[string]time.Time, error) {
	type next struct {
		key string
		at  int64
	}
	rows, err := db.reader().QueryContext(ctx, q.next)
	found, err := collect(rows, err, func(n *next) []any { return []any{&n.key, &n.at} })
	if err != nil {
		return nil, wrap("next due "+q.name, err)
	}
	all := make(map[string]time.Time, len(found))
	for _, n := range found {
		all[n.key] = at(n.at)
	}
	return all, nil
}

// claim claims the due rows of c that nobody has, each key's oldest first, and
// returns them oldest first. Without keys it claims none.
func claim[R any](ctx context.Context, db *DB, q queue[R], c Claim) ([]R, error) {
	if len(c.Keys) == 0 {
		return nil, nil
	}
	set := q.at + " = $1"
	last := []any{}
	if q.leased {
		set, last = set+", lease = $5", append(last, db.config.Token())
	}
	text, keys := db.claim(claimed{
		table: q.name, id: q.id, key: q.key, at: q.at, set: set, returning: q.list(q.name + "."),
	}, c.Keys)
	var all []R
	err := db.one(ctx, func(tx *Tx) error {
		all = nil
		for _, k := range keys {
			args := append([]any{ms(c.Now.Add(c.Lease)), ms(c.Now), k.keys, k.most}, last...)
			rows, err := tx.db.QueryContext(tx.ctx, text, args...)
			some, err := collect(rows, err, q.fields)
			if err != nil {
				return err
			}
			all = append(all, some...)
		}
		return nil
	})
	if err != nil {
		return nil, wrap("claim from "+q.name, err)
	}
	slices.SortStableFunc(all, func(a, b R) int { return cmp.Compare(q.due(a), q.due(b)) })
	return all, nil
}

// claimed is what a dialect builds its claim statement from.
type claimed struct {
	table     string
	id        []string
	key, at   string
	set       string
	returning string
}

// claimKeys are the arguments of a claim for its keys.
type claimKeys struct{ keys, most any }
