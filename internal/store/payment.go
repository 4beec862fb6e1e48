package store

import (
	"context"
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// CreatePayment stores a new payment durably and returns it, with isNew. If its
// order number is taken within its scope, nothing is stored and the payment
// that has the number is returned, with isNew false. A number that a refund has
// is a pay.Error of code NumberUsed; ErrIDClash asks for another id;
// ErrOrphansUnseen says that the account has open orphans, one of which the order
// may be the order of. Creations that come at the same time are committed
// together. Times are kept in whole milliseconds, here as everywhere.
func (db *DB) CreatePayment(ctx context.Context, p pay.Payment) (stored pay.Payment, isNew bool, err error) {
	return db.CreatePaymentKnowing(ctx, p, 0)
}

// CreatePaymentKnowing is CreatePayment by a caller that has compared the payment
// with all open orphans of its account whose Seq is at most orphansSeen.
func (db *DB) CreatePaymentKnowing(ctx context.Context, p pay.Payment, orphansSeen int64) (stored pay.Payment, isNew bool, err error) {
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
		return pay.Payment{}, false, &pay.Error{Code: pay.NumberUsed, Field: "order_no", Message: "the order number is a refund's"}
	case !errors.Is(err, ErrNotFound):
		return pay.Payment{}, false, err
	}
	unseen, err := db.read.OrphansUnseen(ctx, queries.OrphansUnseenParams{MerchantID: p.MerchantID, AccountID: p.AccountID, Seen: orphansSeen})
	switch {
	case err != nil:
		return pay.Payment{}, false, wrap("look for orphans", err)
	case unseen > 0:
		return pay.Payment{}, false, ErrOrphansUnseen
	}
	return pay.Payment{}, false, ErrIDClash
}

// Payment returns one payment or ErrNotFound.
func (db *DB) Payment(ctx context.Context, merchantID, id string) (pay.Payment, error) {
	row, err := db.read.Payment(ctx, queries.PaymentParams{MerchantID: merchantID, ID: id})
	return toPayment(row), notFound(err)
}

// PaymentByOrderNo returns one payment or ErrNotFound.
func (db *DB) PaymentByOrderNo(ctx context.Context, s pay.Scope, orderNo string) (pay.Payment, error) {
	row, err := db.read.PaymentByOrderNo(ctx, queries.PaymentByOrderNoParams{
		MerchantID: s.MerchantID, AppCode: s.AppCode, StoreID: s.StoreID, OrderNo: orderNo,
	})
	return toPayment(row), notFound(err)
}

// MarkOpened records the first opening of a pay link and when the wallet is to
// be asked, if the payment is open and was never opened; else it does nothing
// and reports false. Whoever has claimed the payment loses the lease, since the
// DueAt is a new one.
func (db *DB) MarkOpened(ctx context.Context, merchantID, id string, at, due time.Time) (bool, error) {
	return db.changed(ctx, "mark opened payment "+id, func(tx *Tx) (int64, error) {
		return tx.q.MarkOpened(tx.ctx, queries.MarkOpenedParams{MerchantID: merchantID, ID: id, At: ms(at), Due: ms(due)})
	})
}

// MarkAsked sets AskedAt to at if it is older than at minus gap, and reports
// whether it did: of several callers at once one wins. One that is later by
// more than clocks may differ is of one that was ahead, and does not count.
func (db *DB) MarkAsked(ctx context.Context, merchantID, id string, at time.Time, gap time.Duration) (bool, error) {
	return db.changed(ctx, "mark asked payment "+id, func(tx *Tx) (int64, error) {
		return tx.q.MarkAsked(tx.ctx, queries.MarkAskedParams{MerchantID: merchantID, ID: id, At: ms(at), OlderThan: ms(at.Add(-gap)), NewerThan: ms(at.Add(gap + clocksDiffer))})
	})
}

// MarkConfirmed is MarkAsked for ConfirmedAt: the two gaps do not touch each other.
func (db *DB) MarkConfirmed(ctx context.Context, merchantID, id string, at time.Time, gap time.Duration) (bool, error) {
	return db.changed(ctx, "mark confirmed payment "+id, func(tx *Tx) (int64, error) {
		return tx.q.MarkConfirmed(tx.ctx, queries.MarkConfirmedParams{MerchantID: merchantID, ID: id, At: ms(at), OlderThan: ms(at.Add(-gap)), NewerThan: ms(at.Add(gap + clocksDiffer))})
	})
}

// HastenPayment makes a payment, in whatever state, due at the given time, if it is not
// due before, and reports whether it did. A lease stays what it is: who has it
// finds the time when it reschedules the payment.
func (db *DB) HastenPayment(ctx context.Context, merchantID, id string, due, now time.Time) (bool, error) {
	return db.changed(ctx, "hasten payment "+id, func(tx *Tx) (int64, error) {
		return tx.q.HastenPayment(tx.ctx, queries.HastenPaymentParams{MerchantID: merchantID, ID: id, Due: ms(due), Now: ms(now)})
	})
}

// clocksDiffer is how much the replicas' clocks may differ.
const clocksDiffer = 30 * time.Second

// PaymentClaim is a payment that is due and is ours until the lease ends.
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

// ReschedulePayment ends a claim: the next look is at due (zero: none), or
// earlier where it was hastened meanwhile, and Inquiries counts one more.
// ErrLeaseLost if the lease is no longer ours.
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
	return list(toMovement)(db.read.Movements(ctx, queries.MovementsParams{MerchantID: merchantID, PaymentID: paymentID}))
}

// Movement returns the line of the money record with the debited account, trade
// number and refund, whichever payment's it is, or ErrNotFound.
func (db *DB) Movement(ctx context.Context, merchantID, debit, tradeNo, refundID string) (pay.Movement, error) {
	return movement(ctx, db.read, merchantID, debit, tradeNo, refundID)
}

func movement(ctx context.Context, q *queries.Queries, merchantID, debit, tradeNo, refundID string) (pay.Movement, error) {
	row, err := q.Movement(ctx, queries.MovementParams{
		MerchantID: merchantID, Debit: debit, TradeNo: clean(tradeNo), RefundID: refundID,
	})
	return toMovement(row), notFound(err)
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
		Amount: pay.Amount{Minor: m.Amount, Currency: pay.Currency(m.Currency)}, TradeNo: m.TradeNo, At: at(m.At),
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
