package store

import (
	"context"
	"time"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// DeliveryState is the state of a delivery.
type DeliveryState string

// The states of a delivery. A claimed one is Due and has a lease.
const (
	DeliveryDue  DeliveryState = "due"
	DeliveryDone DeliveryState = "done" // acknowledged
	DeliveryDead DeliveryState = "dead" // every attempt failed; can be sent again by hand
)

// Delivery is a notification to a merchant. The row is the work item.
type Delivery struct {
	MerchantID string
	ID         string
	PaymentID  string
	RefundID   string // "" for a payment's
	AppCode    string // whose key signs it, at sending
	Kind       string // payment or refund
	URL        string
	Receiver   string // scheme://host:port of URL, lower case
	Body       []byte // never changes
	State      DeliveryState
	Attempts   int       // finished ones of the current plan
	CreatedAt  time.Time // of the commit
	DueAt      time.Time // next attempt
	DoneAt     time.Time // acknowledged or given up
	Manual     bool      // the next attempt was asked for by hand, with Resend
	Lease      string    // of the current claim, else ""
}

// DeliveryAttempt is one attempt to send a delivery.
type DeliveryAttempt struct {
	DeliveryID string
	Number     int // 1, 2, … over the delivery's whole life; FinishAttempt counts
	StartedAt  time.Time
	Took       time.Duration
	Status     int    // HTTP status; 0 if there was no answer
	Answer     string // the first 1 KiB of the answer, as valid UTF-8
	Error      string // why it does not count as delivered; "" if it does
	Manual     bool   // asked for by hand
}

// ClaimDeliveries claims deliveries that are due, oldest due first. Their keys
// are receivers.
func (db *DB) ClaimDeliveries(ctx context.Context, c Claim) ([]Delivery, error) {
	return list(toDelivery)(claim(ctx, db, deliveryQueue, c))
}

// NextDeliveries returns when the first delivery of each receiver can be
// claimed.
func (db *DB) NextDeliveries(ctx context.Context) (map[string]time.Time, error) {
	return nextByKey(ctx, db, deliveryQueue)
}

// FinishAttempt records an attempt under the delivery's next number, writes the
// delivery's State, Attempts, DueAt and DoneAt, and ends the lease. If another
// worker has the lease, it records the attempt only and returns ErrLeaseLost.
// Concurrent calls are committed together.
func (db *DB) FinishAttempt(ctx context.Context, d Delivery, a DeliveryAttempt) error {
	f := finish{
		MerchantID: d.MerchantID, ID: d.ID, Lease: d.Lease,
		State: string(d.State), Attempts: int64(d.Attempts), DueAt: ms(d.DueAt), DoneAt: ms(d.DoneAt),
		StartedAt: ms(a.StartedAt), Took: int64(a.Took),
		Status: int64(a.Status), Answer: clean(a.Answer), Error: clean(a.Error), Manual: bit(a.Manual),
	}
	if d.State == DeliveryDue {
		f.ClaimableAt = f.DueAt
	}
	ours, err := db.finishAttempt(ctx, f)
	if db.noted(err) == nil {
		db.wrote()
	}
	if err == nil && !ours {
		return ErrLeaseLost
	}
	return wrap("finish attempt of delivery "+d.ID, err)
}

// finish is a finished attempt and the delivery as it becomes.
type finish struct {
	MerchantID  string `db:"merchant_id"`
	ID          string `db:"id"`
	Lease       string `db:"lease"`
	State       string `db:"state"`
	Attempts    int64  `db:"attempts"`
	DueAt       int64  `db:"due_at"`
	DoneAt      int64  `db:"done_at"`
	ClaimableAt int64  `db:"claimable_at"`

	StartedAt int64  `db:"started_at"`
	Took      int64  `db:"took"`
	Status    int64  `db:"status"`
	Answer    string `db:"answer"`
	Error     string `db:"error"`
	Manual    int64  `db:"manual"`
}

var finishTable = tableOf[finish]()

// DeliveryFilter selects deliveries. Zero fields select everything.
type DeliveryFilter struct {
	MerchantID string
	ID         string
	PaymentID  string
	State      DeliveryState
	Limit      int // 100 if zero
}

// Deliveries lists deliveries, newest first.
func (db *DB) Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error) {
	var w where
	if f.MerchantID != "" {
		w.and("merchant_id = ?", f.MerchantID)
	}
	if f.ID != "" {
		w.and("id = ?", f.ID)
	}
	if f.PaymentID != "" {
		w.and("payment_id = ?", f.PaymentID)
	}
	if f.State != "" {
		w.and("state = ?", string(f.State))
	}
	if f.Limit == 0 {
		f.Limit = 100
	}
	text := "SELECT " + deliveryTable.list("") + " FROM delivery" +
		w.page("created_at DESC, id DESC", f.Limit, 0)
	rows, err := db.pool().QueryContext(ctx, text, w.args...)
	return list(toDelivery)(collect(rows, err, deliveryTable.fields))
}

// Attempts lists a delivery's attempts, oldest first.
func (db *DB) Attempts(ctx context.Context, merchantID, deliveryID string) ([]DeliveryAttempt, error) {
	return list(func(a queries.DeliveryAttempt) DeliveryAttempt {
		return DeliveryAttempt{
			DeliveryID: a.DeliveryID, Number: int(a.Number),
			StartedAt: at(a.StartedAt), Took: time.Duration(a.Took),
			Status: int(a.Status), Answer: a.Answer, Error: a.Error, Manual: a.Manual != 0,
		}
	})(db.read.Attempts(ctx, queries.AttemptsParams{MerchantID: merchantID, DeliveryID: deliveryID}))
}

// Resend makes a delivery that is done or dead due now, with a new plan of
// attempts. Its old attempts stay. It returns ErrNotFound if there is no such
// delivery, and ErrExists if it is due already.
func (db *DB) Resend(ctx context.Context, merchantID, id string, now time.Time) error {
	resent, err := db.changed(ctx, "resend delivery "+id, func(tx *Tx) (int64, error) {
		return tx.q.Resend(tx.ctx, queries.ResendParams{MerchantID: merchantID, ID: id, Now: ms(now)})
	})
	if err != nil || resent {
		return err
	}
	if _, err := db.read.DeliveryState(ctx, queries.DeliveryStateParams{
		MerchantID: merchantID, ID: id,
	}); err != nil {
		return notFound(err)
	}
	return ErrExists
}

// fromDelivery returns the row of a new delivery. A zero CreatedAt becomes now.
func fromDelivery(d Delivery, now func() time.Time) queries.AddDeliveryParams {
	if d.CreatedAt.IsZero() {
		d.CreatedAt = now()
	}
	return queries.AddDeliveryParams{
		MerchantID: d.MerchantID, ID: d.ID, PaymentID: d.PaymentID, RefundID: d.RefundID,
		AppCode: d.AppCode, Kind: d.Kind, URL: d.URL,
		Receiver: d.Receiver, Body: d.Body, CreatedAt: ms(d.CreatedAt),
	}
}

func toDelivery(d queries.Delivery) Delivery {
	return Delivery{
		MerchantID: d.MerchantID, ID: d.ID, PaymentID: d.PaymentID, RefundID: d.RefundID, AppCode: d.AppCode,
		Kind: d.Kind, URL: d.URL, Receiver: d.Receiver, Body: d.Body,
		State: DeliveryState(d.State), Attempts: int(d.Attempts), Manual: d.Manual != 0,
		CreatedAt: at(d.CreatedAt), DueAt: at(d.DueAt), DoneAt: at(d.DoneAt), Lease: d.Lease,
	}
}
