package store

import (
	"context"
	"time"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// TryWrite makes a change that leaves nothing behind and returns once it is
// durable, as an order's would be.
func (db *DB) TryWrite(ctx context.Context) error {
	name := "try-" + db.config.Token()
	return wrap("try to write", db.Tx(ctx, func(tx *Tx) error {
		if err := tx.q.PutSetting(tx.ctx, queries.PutSettingParams{Name: name}); err != nil {
			return err
		}
		return tx.q.DropSetting(tx.ctx, name)
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
	payments, err := db.read.PaymentBacklog(ctx, ms(now))
	if err != nil {
		return Backlog{}, wrap("count due payments", err)
	}
	deliveries, err := db.read.DeliveryBacklog(ctx, ms(now))
	if err != nil {
		return Backlog{}, wrap("count due deliveries", err)
	}
	dead, err := db.read.CountDeadDeliveries(ctx)
	if err != nil {
		return Backlog{}, wrap("count dead deliveries", err)
	}
	flagged, err := db.read.CountFlaggedPayments(ctx)
	if err != nil {
		return Backlog{}, wrap("count flagged payments", err)
	}
	return Backlog{
		Payments: int(payments.Waiting), PaymentDue: at(payments.Since),
		Deliveries: int(deliveries.Waiting), DeliverDue: at(deliveries.Since),
		Dead: int(dead), Flagged: int(flagged),
	}, nil
}
