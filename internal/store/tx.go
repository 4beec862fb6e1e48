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

// MovePayment writes p's Status, Checkout, CheckoutEndsAt, WalletID, TradeNo,
// BuyerID, Failure, Late, Flagged, PaidAt, ClosedAt and DueAt if the stored status
// is still from, and reports whether it did. It does not check that the move is
// legal. A worker that has claimed the payment loses its lease, since DueAt is new.
func (tx *Tx) MovePayment(p pay.Payment, from pay.Status) (bool, error) {
	n, err := tx.q.MovePayment(tx.ctx, queries.MovePaymentParams{
		MerchantID: p.MerchantID, ID: p.ID, Was: string(from), Status: string(p.Status),
		Checkout: clean(p.Checkout), CheckoutEndsAt: ms(p.CheckoutEndsAt), WalletID: clean(p.WalletID),
		TradeNo: clean(p.TradeNo), BuyerID: clean(p.BuyerID), Failure: clean(p.Failure),
		Late: bit(p.Late), Flagged: bit(p.Flagged),
		PaidAt: ms(p.PaidAt), ClosedAt: ms(p.ClosedAt), Due: ms(p.DueAt),
	})
	return n > 0, wrap("move payment "+p.ID, err)
}

// SetWalletNumber writes the number that the wallet has for a payment.
func (tx *Tx) SetWalletNumber(merchantID, id, number string) error {
	return wrap("set the wallet's number of payment "+id, tx.q.SetWalletNumber(tx.ctx,
		queries.SetWalletNumberParams{MerchantID: merchantID, ID: id, WalletNumber: number}))
}

// FlagPayment sets Flagged. Nothing else changes: neither the next inquiry nor a
// lease.
func (tx *Tx) FlagPayment(merchantID, id string) error {
	_, err := tx.q.FlagPayment(tx.ctx, queries.FlagPaymentParams{MerchantID: merchantID, ID: id})
	return wrap("flag payment "+id, err)
}

// MarkClosing writes p's CloseID, CloseAskedAt and DueAt if the payment is open and
// nobody has asked to close it, and reports whether it did.
func (tx *Tx) MarkClosing(p pay.Payment) (bool, error) {
	n, err := tx.q.MarkClosing(tx.ctx, queries.MarkClosingParams{
		MerchantID: p.MerchantID, ID: p.ID, CloseID: p.CloseID, At: ms(p.CloseAskedAt), Due: ms(p.DueAt),
	})
	return n > 0, wrap("mark payment "+p.ID+" as to be closed", err)
}

// AddMovement adds a line to the money record. The same money is recorded once: it
// reports false if a line with the debited account, trade number and refund exists,
// whichever payment's.
func (tx *Tx) AddMovement(m pay.Movement) (bool, error) {
	n, err := tx.q.AddMovement(tx.ctx, fromMovement(m))
	return n > 0, wrap("add movement to payment "+m.PaymentID, err)
}

// Movement returns the line of the money record with the debited account, trade
// number and refund, whichever payment's it is, or ErrNotFound.
func (tx *Tx) Movement(merchantID, debit, tradeNo, refundID string) (pay.Movement, error) {
	return movement(tx.ctx, tx.q, merchantID, debit, tradeNo, refundID)
}

// AddDelivery adds a notification that is due at once. Its DueAt is d's CreatedAt,
// or now if that is zero. d's State and Attempts are ignored.
func (tx *Tx) AddDelivery(d Delivery) error {
	err := tx.q.AddDelivery(tx.ctx, fromDelivery(d, tx.now))
	return wrap("add delivery to payment "+d.PaymentID, err)
}
