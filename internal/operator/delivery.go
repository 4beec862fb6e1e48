package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sampanpay/sampan/internal/store"
)

// Deliveries lists notifications, newest first.
func (d *Deployment) Deliveries(ctx context.Context, f store.DeliveryFilter) ([]store.Delivery, error) {
	return d.db.Deliveries(ctx, f)
}

// DeliveryHistory is a notification and every attempt to send it.
type DeliveryHistory struct {
	store.Delivery
	Tries []store.DeliveryAttempt
}

// DeliveryHistory reads a notification, or returns store.ErrNotFound.
func (d *Deployment) DeliveryHistory(
	ctx context.Context, merchantID, id string,
) (h DeliveryHistory, err error) {
	found, err := d.db.Deliveries(ctx, store.DeliveryFilter{MerchantID: merchantID, ID: id, Limit: 1})
	if err != nil {
		return h, err
	}
	if len(found) == 0 {
		return h, fmt.Errorf("delivery %s: %w", id, store.ErrNotFound)
	}
	h.Delivery = found[0]
	h.Tries, err = d.db.Attempts(ctx, merchantID, id)
	return h, err
}

// Resend makes a notification due now, with a new schedule of attempts. A running
// server sends it within seconds. It is an error if attempts are still to come.
func (a Acts) Resend(ctx context.Context, merchantID, id string) error {
	switch err := a.db.Resend(ctx, merchantID, id, a.Now()); {
	case errors.Is(err, store.ErrExists):
		return fmt.Errorf("delivery %s is still being sent by its plan; show tells when", id)
	case err != nil:
		return fmt.Errorf("delivery %s: %w", id, err)
	}
	return nil
}

// NextAttempt is when a notification is sent again; zero if it is not.
func NextAttempt(d store.Delivery) time.Time {
	if d.State != store.DeliveryDue {
		return time.Time{}
	}
	return d.DueAt
}
