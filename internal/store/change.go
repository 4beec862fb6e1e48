package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// The errors of Apply, for errors.Is. ErrIDClash is one too: the id or order number
// of a new Refund is taken.
var (
	// ErrChanged: the payment or the refund has changed since it was read. Read it
	// and judge again.
	ErrChanged = errors.New("store: changed since it was read")
	// ErrTradeTaken: the money record already has a line of the movement's debited
	// account, trade number and refund.
	ErrTradeTaken = errors.New("store: the movement is in the money record already")
)

// Change is everything that follows from one occasion at a payment. It is applied
// as a whole or not at all.
type Change struct {
	// Was is the payment as it was read, Payment as it becomes. The change is made
	// only if status, number of events and first opening are still those of Was.
	//
	// These fields of Payment are written: Status, Checkout, CheckoutEndsAt,
	// WalletID, WalletNumber, TradeNo, BuyerID, Failure, Late, Flagged, Reserved,
	// Refunded, PaidAt, ClosedAt, CloseID and CloseAskedAt. The number of events
	// follows from Events. DueAt is written only if it differs from Was.DueAt; then
	// a worker that has claimed the payment loses its lease.
	Was, Payment pay.Payment

	// Refund is a refund of the payment as it becomes; nil if none changes. If
	// WasRefund is nil, the refund is new, unclaimed and due at its DueAt.
	// Otherwise Status, Failure, Cause, DoneAt and DueAt are written if its status
	// is still WasRefund's, and a worker that has claimed it loses its lease.
	Refund, WasRefund *pay.Refund

	Movement *pay.Movement // a new line of the money record, nil if none
	Events   []pay.Event   // with ids; they get the payment's next numbers
	Delivery *Delivery     // a new notification, as Tx.AddDelivery takes it; nil if none
}

// Apply makes a change durable. If it returns ErrChanged, ErrTradeTaken, ErrIDClash
// or another error, nothing has changed. After ErrOutcomeUnknown the change may or
// may not have been made: reading and judging again finds out. Concurrent changes
// are committed together, and one that fails fails alone.
func (db *DB) Apply(ctx context.Context, c Change) error {
	rows, err := c.rows(db.config.Now)
	if err != nil {
		return err
	}
	if err := db.noted(db.engine.apply(ctx, rows)); err != nil {
		return wrap("change payment "+c.Was.ID, err)
	}
	db.wrote()
	return nil
}

// Apply is DB.Apply within a transaction. After an error the transaction must be
// abandoned.
func (tx *Tx) Apply(c Change) error {
	rows, err := c.rows(tx.now)
	if err != nil {
		return err
	}
	return wrap("change payment "+c.Was.ID, tx.dialect.applyIn(tx.ctx, tx.db, rows))
}

// changeRows is a change as rows and parameters.
type changeRows struct {
	payment   queries.ApplyPaymentParams
	newRefund *queries.Refund
	refund    *queries.ApplyRefundParams
	movement  *queries.AddMovementParams
	events    []queries.Event
	delivery  *queries.AddDeliveryParams
}

func (c Change) rows(now func() time.Time) (*changeRows, error) {
	was, p := c.Was, c.Payment
	if was.MerchantID != p.MerchantID || was.ID != p.ID {
		return nil, fmt.Errorf("store: a change of payment %s cannot make it payment %s", was.ID, p.ID)
	}
	rows := &changeRows{payment: queries.ApplyPaymentParams{
		MerchantID: p.MerchantID, ID: p.ID,
		WasStatus: string(was.Status), WasEvents: int64(was.Events), WasOpenedAt: ms(was.OpenedAt),
		Status: string(p.Status), Checkout: clean(p.Checkout), CheckoutEndsAt: ms(p.CheckoutEndsAt),
		WalletID: clean(p.WalletID), WalletNumber: clean(p.WalletNumber), TradeNo: clean(p.TradeNo),
		BuyerID: clean(p.BuyerID), Failure: clean(p.Failure), Late: bit(p.Late), Flagged: bit(p.Flagged),
		Reserved: p.Reserved, Refunded: p.Refunded, PaidAt: ms(p.PaidAt), ClosedAt: ms(p.ClosedAt),
		CloseID: p.CloseID, CloseAskedAt: ms(p.CloseAskedAt),
		Events:     int64(was.Events + len(c.Events)),
		Reschedule: bit(!p.DueAt.Equal(was.DueAt)), DueAt: ms(p.DueAt),
	}}
	switch r := c.Refund; {
	case r != nil && c.WasRefund == nil:
		row := fromRefund(*r)
		rows.newRefund = &row
	case r != nil:
		rows.refund = &queries.ApplyRefundParams{
			MerchantID: r.MerchantID, ID: r.ID,
			WasStatus: string(c.WasRefund.Status), Status: string(r.Status),
			Failure: clean(r.Failure), Cause: string(r.Cause), DoneAt: ms(r.DoneAt), DueAt: ms(r.DueAt),
		}
	}
	if c.Movement != nil {
		row := fromMovement(*c.Movement)
		rows.movement = &row
	}
	for i, e := range c.Events {
		e.MerchantID, e.PaymentID = p.MerchantID, p.ID
		row := fromEvent(e)
		row.Seq = int64(was.Events + 1 + i)
		rows.events = append(rows.events, row)
	}
	if c.Delivery != nil {
		row := fromDelivery(*c.Delivery, now)
		rows.delivery = &row
	}
	return rows, nil
}
