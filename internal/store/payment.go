package store

import (
	"context"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// CreatePayment stores a new payment durably and returns it, with isNew. If its
// order number is taken within its scope, nothing is stored and the payment
// that has the number is returned, with isNew false. A number that a refund has
// is a pay.Error of code NumberUsed. Creations that come at the same time are
// committed together.
func (db *DB) CreatePayment(ctx context.Context, p pay.Payment) (stored pay.Payment, isNew bool, err error) {
	panic("stub")
}

// Payment returns one payment or ErrNotFound.
func (db *DB) Payment(ctx context.Context, merchantID, id string) (pay.Payment, error) {
	panic("stub")
}

// PaymentByOrderNo returns one payment or ErrNotFound.
func (db *DB) PaymentByOrderNo(ctx context.Context, s pay.Scope, orderNo string) (pay.Payment, error) {
	panic("stub")
}

// PaymentFilter chooses payments. Zero fields do not restrict; Scope does
// always, all three fields exactly.
type PaymentFilter struct {
	pay.Scope
	IDs, OrderNos []string // a payment matches if it is in either
	PayTypes      []pay.PayType
	Statuses      []pay.Status
	From, To      time.Time // on CreatedAt, both included
	Limit, Offset int
}

// Payments lists payments, newest first.
func (db *DB) Payments(ctx context.Context, f PaymentFilter) ([]pay.Payment, error) { panic("stub") }

// MarkOpened records the first opening of a pay link and when the wallet is to
// be asked, if the payment is open and was never opened; else it does nothing
// and reports false.
func (db *DB) MarkOpened(ctx context.Context, merchantID, id string, at, due time.Time) (bool, error) {
	panic("stub")
}

// MarkAsked sets AskedAt to at if it is older than at minus gap, and reports
// whether it did: of several callers at once one wins.
func (db *DB) MarkAsked(ctx context.Context, merchantID, id string, at time.Time, gap time.Duration) (bool, error) {
	panic("stub")
}

// PaymentClaim is a payment that is due and is ours until the lease ends.
type PaymentClaim struct {
	pay.Payment
	Lease string
}

// ClaimDuePayments takes up to limit payments whose DueAt is not after now and
// that nobody else has, oldest due first.
func (db *DB) ClaimDuePayments(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]PaymentClaim, error) {
	panic("stub")
}

// ReschedulePayment ends a claim: the next look is at due (zero: none), and
// Looks counts one more. ErrLeaseLost if the lease is no longer ours.
func (db *DB) ReschedulePayment(ctx context.Context, c PaymentClaim, due time.Time) error {
	panic("stub")
}

// NextDuePayment returns the earliest DueAt of all payments, zero if none.
func (db *DB) NextDuePayment(ctx context.Context) (time.Time, error) { panic("stub") }

// Events lists what happened to a payment, oldest first.
func (db *DB) Events(ctx context.Context, merchantID, paymentID string) ([]pay.Event, error) {
	panic("stub")
}

// Movements lists a payment's lines of the money record, oldest first.
func (db *DB) Movements(ctx context.Context, merchantID, paymentID string) ([]pay.Movement, error) {
	panic("stub")
}

// Tx is a transaction. Its methods must not be called at the same time.
type Tx struct{}

// Tx runs fn in a transaction that is committed if fn returns nil and undone
// otherwise. When Tx returns nil the change is durable. fn may be run more than
// once and must have no effects but through its Tx.
func (db *DB) Tx(ctx context.Context, fn func(*Tx) error) error { panic("stub") }

// Payment returns one payment or ErrNotFound, locked against other writers
// until the transaction ends.
func (tx *Tx) Payment(merchantID, id string) (pay.Payment, error) { panic("stub") }

// MovePayment writes p's Status, WalletRef, TradeNo, BuyerID, Failure, Late,
// Surplus, PaidAt, ClosedAt and DueAt if the stored status is still from, and
// reports whether it did. It does not judge whether the move is legal.
func (tx *Tx) MovePayment(p pay.Payment, from pay.Status) (bool, error) { panic("stub") }

// AddMovement writes a line of the money record. The same money is written
// once: if the account, trade number, kind and refund are there already it
// reports false.
func (tx *Tx) AddMovement(m pay.Movement) (bool, error) { panic("stub") }

// AddEvent writes what happened to a payment.
func (tx *Tx) AddEvent(e pay.Event) error { panic("stub") }

// AddDelivery writes a notification to be sent, due at once.
func (tx *Tx) AddDelivery(d Delivery) error { panic("stub") }

// Movements lists a payment's lines of the money record, oldest first, those
// of this transaction included.
func (tx *Tx) Movements(merchantID, paymentID string) ([]pay.Movement, error) { panic("stub") }
