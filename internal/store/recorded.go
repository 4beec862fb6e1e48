package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
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
	rows, err := db.engine.recorded(ctx,
		recordedKey{merchantID, paymentID, heldBy, clean(tradeNo), clean(refundID)})
	if err = notFound(err); err != nil {
		return pay.Recorded{}, err
	}
	return rows.recorded(), nil
}

// Recorded is DB.Recorded within a transaction. It locks the payment.
func (tx *Tx) Recorded(merchantID, paymentID, heldBy, tradeNo, refundID string) (pay.Recorded, error) {
	p, err := tx.dialect.lockPayment(tx.ctx, tx.q, queries.PaymentParams{
		MerchantID: merchantID, ID: paymentID,
	})
	if err != nil {
		return pay.Recorded{}, notFound(err)
	}
	rows, err := readRecorded(tx.ctx, tx.db, p,
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
	all := pay.Recorded{
		Payment: toPayment(r.payment), Movement: toMovement(r.movement), Refund: toRefund(r.refund),
	}
	for _, row := range r.flags {
		all.Flags = append(all.Flags, toEvent(row))
	}
	slices.SortFunc(all.Flags, func(a, b pay.Event) int { return a.Seq - b.Seq })
	return all
}

// readRecorded reads the other rows for a payment, with one statement each.
func readRecorded(
	ctx context.Context, db queries.DBTX, p queries.Payment, k recordedKey) (r recordedRows, err error) {
	q := queries.New(db)
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
	found, err := db.QueryContext(ctx, flagsText, k.merchantID, k.paymentID)
	r.flags, err = collect(found, err, eventTable.fields)
	return r, err
}

// flagsText reads a payment's events of the kinds that flag it. Its condition on
// the kind is one that the index on kinds serves: a payment may have ten thousand
// events.
var flagsText = func() string {
	var kinds []string
	for _, k := range pay.EventKinds {
		if k.Flags() {
			kinds = append(kinds, "'"+string(k)+"'")
		}
	}
	return "-- name: Flags\nSELECT " + eventTable.list("") +
		" FROM event WHERE merchant_id = $1 AND payment_id = $2" +
		" AND kind IN (" + strings.Join(kinds, ", ") + ")"
}()
