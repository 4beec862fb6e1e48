package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func (e *postgresEngine) recorded(ctx context.Context, k recordedKey) (r recordedRows, err error) {
	if r, err = e.tryRecorded(ctx, k); pgconn.SafeToRetry(err) && ctx.Err() == nil {
		r, err = e.tryRecorded(ctx, k) // the connection was found broken before anything was sent
	}
	return r, err
}

// tryRecorded sends all statements at once.
func (e *postgresEngine) tryRecorded(ctx context.Context, k recordedKey) (r recordedRows, err error) {
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return r, err
	}
	defer conn.Close()
	var all pgx.Batch
	all.Queue(recordedPaymentText, k.merchantID, k.paymentID).Query(one(paymentTable, &r.payment))
	if k.tradeNo != "" {
		all.Queue(recordedMovementText, k.merchantID, k.debit, k.tradeNo).
			Query(one(movementTable, &r.movement))
	}
	if k.refundID != "" {
		all.Queue(recordedRefundText, k.merchantID, k.refundID).Query(one(refundTable, &r.refund))
	}
	all.Queue(flagsText, k.merchantID, k.paymentID).Query(func(rows pgx.Rows) (err error) {
		r.flags, err = pgx.CollectRows(rows, scan(eventTable))
		return err
	})
	err = raw(conn, func(c *pgx.Conn) error { return c.SendBatch(ctx, &all).Close() })
	if err == nil && r.payment.ID == "" {
		err = sql.ErrNoRows
	}
	return r, err
}

// one reads the row of a query into into, if there is a row.
func one[R any](t table[R], into *R) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		row, err := pgx.CollectOneRow(rows, scan(t))
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		*into = row
		return err
	}
}

func scan[R any](t table[R]) func(pgx.CollectableRow) (R, error) {
	return func(row pgx.CollectableRow) (r R, err error) {
		err = row.Scan(t.fields(&r)...)
		return r, err
	}
}

var (
	recordedPaymentText = "SELECT " + paymentTable.list("") +
		" FROM payment WHERE merchant_id = $1 AND id = $2"
	recordedMovementText = "SELECT " + movementTable.list("") +
		" FROM movement WHERE merchant_id = $1 AND debit = $2 AND trade_no = $3 AND refund_id = ''"
	recordedRefundText = "SELECT " + refundTable.list("") + " FROM refund WHERE merchant_id = $1 AND id = $2"
)
