package store

import (
	"context"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// Tx is a transaction. Its methods must not be called concurrently, nor after the
// function that got it has returned.
type Tx struct {
	ctx     context.Context
	db      queries.DBTX
	q       *queries.Queries
	dialect dialect
	now     func() time.Time
	token   func() string
	seal    sealer
}

// Tx runs fn in a transaction. It commits if fn returns nil and rolls back
// otherwise. When Tx returns nil, the change is durable.
//
// fn may run more than once and must have no effects except through its Tx. On
// SQLite every other change waits while fn runs, so fn must wait for nothing, least
// of all for another method of the DB.
func (db *DB) Tx(ctx context.Context, fn func(*Tx) error) error {
	return db.noted(db.run(ctx, db.work(fn)))
}

// one runs fn, whose single statement is its own transaction.
func (db *DB) one(ctx context.Context, fn func(*Tx) error) error {
	return db.noted(db.runOne(ctx, db.work(fn)))
}

// work returns fn as work on a connection.
func (db *DB) work(fn func(*Tx) error) work {
	return func(ctx context.Context, conn queries.DBTX) error {
		return fn(&Tx{
			ctx: ctx, db: conn, q: queries.New(conn), dialect: db.engine,
			now: db.config.Now, token: db.config.Token, seal: db.seal,
		})
	}
}

// Payment returns a payment, or ErrNotFound. It locks the payment against other
// writers until the transaction ends.
func (tx *Tx) Payment(merchantID, id string) (pay.Payment, error) {
	row, err := tx.dialect.lockPayment(tx.ctx, tx.q, queries.PaymentParams{MerchantID: merchantID, ID: id})
	return toPayment(row), notFound(err)
}

// AddDelivery adds a notification that is due at once. Its DueAt is d's CreatedAt,
// or now if that is zero. d's State and Attempts are ignored.
func (tx *Tx) AddDelivery(d Delivery) error {
	err := tx.q.AddDelivery(tx.ctx, fromDelivery(d, tx.now))
	return wrap("add delivery to payment "+d.PaymentID, err)
}
