package store

import (
	"context"
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// Refund returns a refund, or ErrNotFound.
func (db *DB) Refund(ctx context.Context, merchantID, id string) (pay.Refund, error) {
	return refund(db.read.Refund(ctx, queries.RefundParams{MerchantID: merchantID, ID: id}))
}

// RefundByOrderNo returns a refund, or ErrNotFound.
func (db *DB) RefundByOrderNo(ctx context.Context, s pay.Scope, orderNo string) (pay.Refund, error) {
	return refund(db.read.RefundByOrderNo(ctx, queries.RefundByOrderNoParams{
		MerchantID: s.MerchantID, AppCode: s.AppCode, StoreID: s.StoreID, OrderNo: orderNo,
	}))
}

// RefundsOf lists a payment's refunds, oldest first.
func (db *DB) RefundsOf(ctx context.Context, merchantID, paymentID string) ([]pay.Refund, error) {
	return list(toRefund)(db.read.RefundsOf(ctx, queries.RefundsOfParams{
		MerchantID: merchantID, PaymentID: paymentID,
	}))
}

// Refund returns a refund, or ErrNotFound. A transaction that changes refunds locks
// their payment first.
func (tx *Tx) Refund(merchantID, id string) (pay.Refund, error) {
	return refund(tx.q.Refund(tx.ctx, queries.RefundParams{MerchantID: merchantID, ID: id}))
}

// RefundByOrderNo returns a refund, or ErrNotFound.
func (tx *Tx) RefundByOrderNo(s pay.Scope, orderNo string) (pay.Refund, error) {
	return refund(tx.q.RefundByOrderNo(tx.ctx, queries.RefundByOrderNoParams{
		MerchantID: s.MerchantID, AppCode: s.AppCode, StoreID: s.StoreID, OrderNo: orderNo,
	}))
}

// HasPayment reports whether a payment has the order number.
func (tx *Tx) HasPayment(s pay.Scope, orderNo string) (bool, error) {
	_, err := tx.q.PaymentByOrderNo(tx.ctx, queries.PaymentByOrderNoParams{
		MerchantID: s.MerchantID, AppCode: s.AppCode, StoreID: s.StoreID, OrderNo: orderNo,
	})
	err = notFound(err)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// LockNumbers keeps a merchant's order numbers unchanged until the transaction
// ends: no payment takes one meanwhile. It must come before everything that the
// transaction reads.
func (tx *Tx) LockNumbers(merchantID string) error {
	return wrap("lock the order numbers of "+merchantID, tx.dialect.lockNumbers(tx.ctx, tx.db, merchantID))
}

// AddRefund stores a new refund. It is claimed until the given time; if that is
// zero, it is unclaimed and due at its DueAt. It returns ErrIDClash if the id or
// the order number is taken.
func (tx *Tx) AddRefund(r pay.Refund, until time.Time) (RefundClaim, error) {
	row := fromRefund(r)
	if !until.IsZero() {
		row.Lease, row.ClaimableAt = tx.token(), ms(until)
	}
	n, err := tx.q.AddRefund(tx.ctx, queries.AddRefundParams(row))
	if err == nil && n == 0 {
		return RefundClaim{}, ErrIDClash
	}
	return RefundClaim{toRefund(row), row.Lease}, wrap("add refund "+r.ID, err)
}

// MarkRefundSent counts one more sending of a refund, before it is sent. It returns
// ErrLeaseLost if another worker has the lease.
func (tx *Tx) MarkRefundSent(c RefundClaim) error {
	n, err := tx.q.MarkRefundSent(tx.ctx, queries.MarkRefundSentParams{
		MerchantID: c.MerchantID, ID: c.ID, Lease: c.Lease,
	})
	if err == nil && n == 0 {
		return ErrLeaseLost
	}
	return wrap("mark refund "+c.ID+" as sent", err)
}

// RefundClaim is a due refund that the caller has until the lease ends.
type RefundClaim struct {
	pay.Refund
	Lease string
}

// Account is the key of the refund's wallet account.
func (c RefundClaim) Account() string { return AccountKey(c.MerchantID, c.AccountID) }

// ClaimRefunds claims refunds that are due, oldest due first.
func (db *DB) ClaimRefunds(ctx context.Context, c Claim) ([]RefundClaim, error) {
	return list(func(row queries.Refund) RefundClaim {
		return RefundClaim{toRefund(row), row.Lease}
	})(claim(ctx, db, refundQueue, c))
}

// NextRefunds returns when the first refund of each wallet account can be
// claimed.
func (db *DB) NextRefunds(ctx context.Context) (map[string]time.Time, error) {
	return nextByKey(ctx, db, refundQueue)
}

// RescheduleRefund ends a claim, as ReschedulePayment does.
func (db *DB) RescheduleRefund(ctx context.Context, c RefundClaim, due time.Time) error {
	ours, err := db.changed(ctx, "reschedule refund "+c.ID, func(tx *Tx) (int64, error) {
		return tx.q.RescheduleRefund(tx.ctx, queries.RescheduleRefundParams{
			MerchantID: c.MerchantID, ID: c.ID, Lease: c.Lease, Due: ms(due), Claimed: ms(c.DueAt),
		})
	})
	if err == nil && !ours {
		return ErrLeaseLost
	}
	return err
}

// HastenRefund makes a pending refund due at the given time, as HastenPayment does
// for a payment.
func (db *DB) HastenRefund(ctx context.Context, merchantID, id string, due, now time.Time) (bool, error) {
	return db.changed(ctx, "hasten refund "+id, func(tx *Tx) (int64, error) {
		return tx.q.HastenRefund(tx.ctx, queries.HastenRefundParams{
			MerchantID: merchantID, ID: id, Due: ms(due), Now: ms(now),
		})
	})
}

func refund(row queries.Refund, err error) (pay.Refund, error) { return toRefund(row), notFound(err) }

func fromRefund(r pay.Refund) queries.Refund {
	return queries.Refund{
		MerchantID: r.MerchantID, ID: r.ID, AppCode: r.AppCode, StoreID: r.StoreID,
		OrderNo: r.OrderNo, Fingerprint: r.Fingerprint, PaymentID: r.PaymentID, AccountID: r.AccountID,
		Amount: r.Amount.Minor, Currency: string(r.Amount.Currency),
		ClientTime: r.ClientTime, DeviceID: r.DeviceID,
		Status: string(r.Status), Failure: r.Failure, Cause: string(r.Cause), Sends: int64(r.Sends),
		CreatedAt: ms(r.CreatedAt), DoneAt: ms(r.DoneAt), DueAt: ms(r.DueAt), Inquiries: int64(r.Inquiries),
		ClaimableAt: ms(r.DueAt),
	}
}

func toRefund(r queries.Refund) pay.Refund {
	return pay.Refund{
		Scope: pay.Scope{MerchantID: r.MerchantID, AppCode: r.AppCode, StoreID: r.StoreID},
		ID:    r.ID, OrderNo: r.OrderNo, Fingerprint: r.Fingerprint,
		PaymentID: r.PaymentID, AccountID: r.AccountID,
		Amount: pay.Amount{Minor: r.Amount, Currency: pay.Currency(r.Currency)}, ClientTime: r.ClientTime,
		DeviceID: r.DeviceID,
		Status:   pay.RefundStatus(r.Status), Failure: r.Failure,
		Cause: pay.Code(r.Cause), Sends: int(r.Sends),
		CreatedAt: at(r.CreatedAt), DoneAt: at(r.DoneAt), DueAt: at(r.DueAt), Inquiries: int(r.Inquiries),
	}
}
