package store

import (
	"context"
	"time"
)

// TryWrite makes a change that leaves nothing behind and returns once it is
// durable, as an order's would be.
func (db *DB) TryWrite(ctx context.Context) error {
	name := "try-" + db.config.Token()
	return wrap("try to write", db.Tx(ctx, func(tx *Tx) error {
		if _, err := tx.db.ExecContext(tx.ctx, "INSERT INTO setting (name, value) VALUES ($1, '')", name); err != nil {
			return err
		}
		_, err := tx.db.ExecContext(tx.ctx, "DELETE FROM setting WHERE name = $1", name)
		return err
	}))
}

// Clock returns the time by the database's server; for SQLite that is this
// machine's.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	var now int64
	err := db.pool().QueryRowContext(ctx, db.clock()).Scan(&now)
	return at(now), wrap("read the clock", err)
}

// Backlog is what waits for workers, or for people.
type Backlog struct {
	Payments   int       // whose look at the wallet is due
	PaymentDue time.Time // since when, the oldest; zero if there is none
	Deliveries int       // that are due and nobody has
	DeliverDue time.Time // since when, the oldest; zero if there is none
	Dead       int       // deliveries that were given up
	Flagged    int       // payments with money beyond the order
}

// Backlog counts. It reads whole tables: it is for people who ask.
func (db *DB) Backlog(ctx context.Context, now time.Time) (Backlog, error) {
	var b Backlog
	var payment, delivery int64
	for _, q := range []struct {
		text string
		args []any
		into []any
	}{
		{"SELECT count(*), COALESCE(MIN(claimable_at), 0) FROM payment WHERE claimable_at > 0 AND claimable_at <= $1", []any{ms(now)}, []any{&b.Payments, &payment}},
		{"SELECT count(*), COALESCE(MIN(claimable_at), 0) FROM delivery WHERE claimable_at > 0 AND claimable_at <= $1", []any{ms(now)}, []any{&b.Deliveries, &delivery}},
		{"SELECT count(*) FROM delivery WHERE state = 'dead'", nil, []any{&b.Dead}},
		{"SELECT count(*) FROM payment WHERE flagged = 1", nil, []any{&b.Flagged}},
	} {
		if err := db.pool().QueryRowContext(ctx, q.text, q.args...).Scan(q.into...); err != nil {
			return Backlog{}, wrap("count the backlog", err)
		}
	}
	b.PaymentDue, b.DeliverDue = at(payment), at(delivery)
	return b, nil
}
