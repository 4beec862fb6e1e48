package store

import (
	"context"
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// CreatePayment stores a new payment durably and returns it, with isNew true. If
// its order number is taken within its scope, nothing is stored, and it returns the
// payment that has the number, with isNew false.
//
// The error is a pay.Error of code NumberUsed if a refund has the number,
// ErrIDClash if another id is needed, and ErrOrphansUnseen if the account has open
// orphans, one of which may be about this order.
//
// Concurrent creations are committed together. Times are stored in whole
// milliseconds, as everywhere in this package.
func (db *DB) CreatePayment(ctx context.Context, p pay.Payment) (stored pay.Payment, isNew bool, err error) {
	return db.CreatePaymentKnowing(ctx, p, 0)
}

// CreatePaymentKnowing is CreatePayment for a caller that has compared the payment
// with every open orphan of its account whose Seq is at most orphansSeen.
func (db *DB) CreatePaymentKnowing(
	ctx context.Context, p pay.Payment, orphansSeen int64) (stored pay.Payment, isNew bool, err error) {
	row := fromPayment(p)
	created, err := db.insertPayment(ctx, creation{row, orphansSeen})
	if err != nil {
		return pay.Payment{}, false, wrap("create payment "+p.ID, db.noted(err))
	}
	if created {
		db.wrote()
		return toPayment(row), true, nil
	}
	stored, err = db.PaymentByOrderNo(ctx, p.Scope, p.OrderNo)
	if !errors.Is(err, ErrNotFound) {
		return stored, false, err
	}
	switch _, err := db.RefundByOrderNo(ctx, p.Scope, p.OrderNo); {
	case err == nil:
		return pay.Payment{}, false, &pay.Error{Code: pay.NumberUsed, Field: "order_no",
			Message: "the order number is a refund's"}
	case !errors.Is(err, ErrNotFound):
		return pay.Payment{}, false, err
	}
	unseen, err := db.read.OrphansUnseen(ctx, queries.OrphansUnseenParams{
		MerchantID: p.MerchantID, AccountID: p.AccountID, Seen: orphansSeen,
	})
	switch {
	case err != nil:
		return pay.Payment{}, false, wrap("look for orphans", err)
	case unseen > 0:
		return pay.Payment{}, false, ErrOrphansUnseen
	}
	return pay.Payment{}, false, ErrIDClash
}

// Payment returns a payment, or ErrNotFound.
func (db *DB) Payment(ctx context.Context, merchantID, id string) (pay.Payment, error) {
	row, err := db.read.Payment(ctx, queries.PaymentParams{MerchantID: merchantID, ID: id})
	return toPayment(row), notFound(err)
}

// PaymentByOrderNo returns a payment, or ErrNotFound.
func (db *DB) PaymentByOrderNo(ctx context.Context, s pay.Scope, orderNo string) (pay.Payment, error) {
	row, err := db.read.PaymentByOrderNo(ctx, queries.PaymentByOrderNoParams{
		MerchantID: s.MerchantID, AppCode: s.AppCode, StoreID: s.StoreID, OrderNo: orderNo,
	})
	return toPayment(row), notFound(err)
}

// MarkOpened records the first opening of a pay link and when the next inquiry is
// due, if the payment is open and was never opened. Otherwise it reports false. A
// worker that has claimed the payment loses its lease, since DueAt is new.
func (db *DB) MarkOpened(ctx context.Context, merchantID, id string, at, due time.Time) (bool, error) {
	return db.changed(ctx, "mark opened payment "+id, func(tx *Tx) (int64, error) {
		return tx.q.MarkOpened(tx.ctx, queries.MarkOpenedParams{
			MerchantID: merchantID, ID: id, At: ms(at), Due: ms(due),
		})
	})
}

// MarkAsked sets AskedAt to at if the stored one is older than at minus gap, and
// reports whether it did: of several concurrent callers one wins. A stored AskedAt
// that lies in the future by more than clocks may differ came from a wrong clock
// and does not count.
func (db *DB) MarkAsked(
	ctx context.Context, merchantID, id string, at time.Time, gap time.Duration,
) (bool, error) {
	return db.changed(ctx, "mark asked payment "+id, func(tx *Tx) (int64, error) {
		return tx.q.MarkAsked(tx.ctx, queries.MarkAskedParams{
			MerchantID: merchantID, ID: id, At: ms(at), OlderThan: ms(at.Add(-gap)),
			NewerThan: ms(at.Add(gap + clocksDiffer)),
		})
	})
}

// MarkConfirmed is MarkAsked for ConfirmedAt. The two gaps are independent.
func (db *DB) MarkConfirmed(
	ctx context.Context, merchantID, id string, at time.Time, gap time.Duration,
) (bool, error) {
	return db.changed(ctx, "mark confirmed payment "+id, func(tx *Tx) (int64, error) {
		return tx.q.MarkConfirmed(tx.ctx, queries.MarkConfirmedParams{
			MerchantID: merchantID, ID: id, At: ms(at), OlderThan: ms(at.Add(-gap)),
			NewerThan: ms(at.Add(gap + clocksDiffer)),
		})
	})
}

// HastenPayment makes a payment in any state due at the given time, unless it is
// due earlier, and reports whether it did. A lease is unaffected: the worker that
// holds it meets the new time when it reschedules the payment.
func (db *DB) HastenPayment(ctx context.Context, merchantID, id string, due, now time.Time) (bool, error) {
	return db.changed(ctx, "hasten payment "+id, func(tx *Tx) (int64, error) {
		return tx.q.HastenPayment(tx.ctx, queries.HastenPaymentParams{
			MerchantID: merchantID, ID: id, Due: ms(due), Now: ms(now),
		})
	})
}

// clocksDiffer is how much the replicas' clocks may differ.
const clocksDiffer = 30 * time.Second

// PaymentClaim is a due payment that the caller has until the lease ends.
type PaymentClaim struct {
	pay.Payment
	Lease string
}

// Account is the key of the payment's wallet account.
func (c PaymentClaim) Account() string { return AccountKey(c.MerchantID, c.AccountID) }

// ClaimPayments claims payments that are due, oldest due first.
func (db *DB) ClaimPayments(ctx context.Context, c Claim) ([]PaymentClaim, error) {
	return list(func(row queries.Payment) PaymentClaim {
		return PaymentClaim{toPayment(row), row.Lease}
	})(claim(ctx, db, paymentQueue, c))
}

// NextPayments returns when the first payment of each wallet account can be
// claimed.
func (db *DB) NextPayments(ctx context.Context) (map[string]time.Time, error) {
	return nextByKey(ctx, db, paymentQueue)
}

// ReschedulePayment ends a claim and counts one more of Inquiries. The next inquiry
// is at due (zero: none), or earlier if the payment was hastened meanwhile. It
// returns ErrLeaseLost if another worker has the lease.
func (db *DB) ReschedulePayment(ctx context.Context, c PaymentClaim, due time.Time) error {
	ours, err := db.changed(ctx, "reschedule payment "+c.ID, func(tx *Tx) (int64, error) {
		return tx.q.ReschedulePayment(tx.ctx, queries.ReschedulePaymentParams{
			MerchantID: c.MerchantID, ID: c.ID, Lease: c.Lease, Due: ms(due), Claimed: ms(c.DueAt),
		})
	})
	if err == nil && !ours {
		return ErrLeaseLost
	}
	return err
}

// Movements lists a payment's lines of the money record, oldest first.
func (db *DB) Movements(ctx context.Context, merchantID, paymentID string) ([]pay.Movement, error) {
	return list(toMovement)(db.read.Movements(ctx, queries.MovementsParams{
		MerchantID: merchantID, PaymentID: paymentID,
	}))
}

func fromMovement(m pay.Movement) queries.AddMovementParams {
	return queries.AddMovementParams{
		MerchantID: m.MerchantID, ID: m.ID, PaymentID: m.PaymentID, RefundID: m.RefundID,
		Kind: string(m.Kind), Debit: m.Debit, Credit: m.Credit,
		Amount: m.Amount.Minor, Currency: string(m.Amount.Currency), TradeNo: clean(m.TradeNo), At: ms(m.At),
	}
}

func toMovement(m queries.Movement) pay.Movement {
	return pay.Movement{
		MerchantID: m.MerchantID, ID: m.ID, PaymentID: m.PaymentID, RefundID: m.RefundID,
		Kind: pay.MovementKind(m.Kind), Debit: m.Debit, Credit: m.Credit,
		Amount:  pay.Amount{Minor: m.Amount, Currency: pay.Currency(m.Currency)},
		TradeNo: m.TradeNo, At: at(m.At),
	}
}

// changed runs one statement and reports whether it changed a row.
func (db *DB) changed(ctx context.Context, what string, statement func(*Tx) (int64, error)) (bool, error) {
	var n int64
	err := db.one(ctx, func(tx *Tx) (err error) {
		n, err = statement(tx)
		return err
	})
	if n > 0 && err == nil {
		db.wrote()
	}
	return n > 0 && err == nil, wrap(what, err)
}
