package store

import (
	"context"
	"time"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// TryWrite makes a change that leaves nothing behind. It returns once the change is
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

// Clock returns the database server's time. For SQLite that is this machine's.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	var now int64
	err := db.pool().QueryRowContext(ctx, db.clock()).Scan(&now)
	return at(now), wrap("read the clock", err)
}

// Backlog is what waits for workers or for people.
type Backlog struct {
	Payments   int       // whose next inquiry is due
	PaymentDue time.Time // since when, of the oldest; zero if none
	Deliveries int       // due and not claimed
	DeliverDue time.Time // since when, of the oldest; zero if none
	Dead       int       // deliveries whose every attempt has failed
	Flagged    int       // payments that a person must look at
}

// Backlog counts the work that waits. It reads whole tables: it is for people, not
// for requests.
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
