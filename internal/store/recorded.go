package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// Recorded returns everything that a wallet's word about a payment is judged by, or
// ErrNotFound if the payment does not exist. On PostgreSQL it takes one round trip.
//
// It holds the payment; the line of the money record for the trade at the account
// heldBy, and the refund with the given id, whichever payment's they are; and the
// events that flag the payment, or once did. With an empty tradeNo or refundID that
// part stays empty.
//
// Recorded locks nothing. If anything changes afterwards, Apply fails with
// ErrChanged or ErrTradeTaken.
func (db *DB) Recorded(
	ctx context.Context, merchantID, paymentID, heldBy, tradeNo, refundID string) (pay.Recorded, error) {
	ctx, cancel := context.WithTimeout(ctx, db.config.Deadline)
	defer cancel()
	rows, err := db.engine.recorded(ctx, recordedKey{merchantID, paymentID, heldBy, clean(tradeNo), clean(refundID)})
	if err = notFound(err); err != nil {
		return pay.Recorded{}, err
	}
	return rows.recorded(), nil
}

// Recorded is DB.Recorded within a transaction. It locks the payment.
func (tx *Tx) Recorded(merchantID, paymentID, heldBy, tradeNo, refundID string) (pay.Recorded, error) {
	p, err := tx.dialect.lockPayment(tx.ctx, tx.q, queries.PaymentParams{MerchantID: merchantID, ID: paymentID})
	if err != nil {
		return pay.Recorded{}, notFound(err)
	}
	rows, err := readRecorded(tx.ctx, tx.q, p,
		recordedKey{merchantID, paymentID, heldBy, clean(tradeNo), clean(refundID)})
	if err != nil {
		return pay.Recorded{}, wrap("read what is recorded of payment "+paymentID, err)
	}
	return rows.recorded(), nil
}

type recordedKey struct{ merchantID, paymentID, debit, tradeNo, refundID string }

// recordedRows are the rows of a pay.Recorded; those not found are empty. The
// payment is read first: if it is unchanged when a change is applied, so is the
// rest.
type recordedRows struct {
	payment  queries.Payment
	movement queries.Movement
	refund   queries.Refund
	flags    []queries.Event
}

func (r recordedRows) recorded() pay.Recorded {
	all := pay.Recorded{Payment: toPayment(r.payment), Movement: toMovement(r.movement), Refund: toRefund(r.refund)}
	for _, row := range r.flags {
		all.Flags = append(all.Flags, toEvent(row))
	}
	return all
}

// readRecorded reads the other rows for a payment, with one statement each.
func readRecorded(
	ctx context.Context, q *queries.Queries, p queries.Payment, k recordedKey) (r recordedRows, err error) {
	r.payment = p
	if k.tradeNo != "" {
		r.movement, err = q.Movement(ctx, queries.MovementParams{
			MerchantID: k.merchantID, Debit: k.debit, TradeNo: k.tradeNo,
		})
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return r, err
		}
	}
	if k.refundID != "" {
		r.refund, err = q.Refund(ctx, queries.RefundParams{MerchantID: k.merchantID, ID: k.refundID})
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return r, err
		}
	}
	r.flags, err = q.EventsOfKinds(ctx, queries.EventsOfKindsParams{
		MerchantID: k.merchantID, PaymentID: k.paymentID, Kinds: flaggingKinds,
	})
	return r, err
}

// flaggingKinds are the kinds of events that flag a payment, as EventsOfKinds takes
// them.
var flaggingKinds = func() string {
	var kinds strings.Builder
	for _, k := range pay.EventKinds {
		if k.Flags() {
			kinds.WriteString("|" + string(k))
		}
	}
	return kinds.String() + "|"
}()
