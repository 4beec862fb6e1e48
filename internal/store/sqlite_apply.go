package store

import (
	"cmp"
	"context"

	"github.com/sampanpay/sampan/internal/store/queries"
)

func (e *sqliteEngine) apply(ctx context.Context, c *changeRows) error {
	return e.run(ctx, func(ctx context.Context, db queries.DBTX) error { return e.applyIn(ctx, db, c) })
}

func (sqliteDialect) applyIn(ctx context.Context, db queries.DBTX, c *changeRows) error {
	q := queries.New(db)
	if n, err := q.ApplyPayment(ctx, c.payment); err != nil || n == 0 {
		return cmp.Or(err, ErrChanged)
	}
	if c.newRefund != nil {
		if n, err := q.AddRefund(ctx, queries.AddRefundParams(*c.newRefund)); err != nil || n == 0 {
			return cmp.Or(err, ErrIDClash)
		}
	}
	if c.refund != nil {
		if n, err := q.ApplyRefund(ctx, *c.refund); err != nil || n == 0 {
			return cmp.Or(err, ErrChanged)
		}
	}
	if c.movement != nil {
		if n, err := q.AddMovement(ctx, *c.movement); err != nil || n == 0 {
			return cmp.Or(err, ErrTradeTaken)
		}
	}
	for _, e := range c.events {
		if err := q.PutEvent(ctx, queries.PutEventParams(e)); err != nil {
			return err
		}
	}
	if c.delivery != nil {
		return q.AddDelivery(ctx, *c.delivery)
	}
	return nil
}
