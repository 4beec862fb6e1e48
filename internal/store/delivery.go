package store

import (
	"context"
	"time"
)

// DeliveryState is the state of a delivery.
type DeliveryState string

// The states of a delivery. One that is leased is Due with a lease.
const (
	DeliveryDue  DeliveryState = "due"
	DeliveryDone DeliveryState = "done" // acknowledged
	DeliveryDead DeliveryState = "dead" // every attempt failed; can be sent again by hand
)

// Delivery is a notification for a merchant: a row that is the work item.
type Delivery struct {
	MerchantID string
	ID         string
	PaymentID  string
	RefundID   string // "" for a payment's
	AppCode    string // whose key signs it, at sending
	Kind       string // payment or refund
	URL        string
	Receiver   string // scheme://host:port of URL, lower case: who is slow or fast
	Body       []byte // frozen
	State      DeliveryState
	Attempts   int       // finished ones of the current plan
	CreatedAt  time.Time // of the commit
	DueAt      time.Time // next attempt
	DoneAt     time.Time // acknowledged or given up
	Lease      string    // of the claim in hand, else ""
}

// DeliveryAttempt is one try at a delivery.
type DeliveryAttempt struct {
	DeliveryID string
	Number     int // 1, 2, … over the delivery's whole life
	StartedAt  time.Time
	Took       time.Duration
	Status     int    // HTTP status; 0 if there was no answer
	Answer     string // the first 1 KiB of the answer, as valid UTF-8
	Error      string // why it does not count as delivered; "" if it does
	Manual     bool   // asked for by hand
}

// DeliveryClaim says which deliveries to take.
type DeliveryClaim struct {
	Now         time.Time
	Lease       time.Duration
	Limit       int
	PerReceiver int      // at most so many of one receiver in this claim
	Skip        []string // receivers that have enough in hand
}

// ClaimDeliveries takes due deliveries that nobody has, oldest due first, each
// with a lease of its own.
func (db *DB) ClaimDeliveries(ctx context.Context, c DeliveryClaim) ([]Delivery, error) {
	panic("stub")
}

// FinishAttempt writes the attempt and the delivery's new State, Attempts,
// DueAt and DoneAt, and ends the lease. If the lease is no longer ours the
// attempt is written all the same and ErrLeaseLost is returned.
// Calls that come at the same time are committed together.
func (db *DB) FinishAttempt(ctx context.Context, d Delivery, a DeliveryAttempt) error {
	panic("stub")
}

// NextDelivery returns the earliest time at which a delivery that is not to be
// skipped becomes claimable, zero if there is none.
func (db *DB) NextDelivery(ctx context.Context, skip []string) (time.Time, error) { panic("stub") }

// DeliveryFilter chooses deliveries. Zero fields do not restrict.
type DeliveryFilter struct {
	MerchantID string
	PaymentID  string
	State      DeliveryState
	Limit      int // 100 if zero
}

// Deliveries lists deliveries, newest first.
func (db *DB) Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error) { panic("stub") }

// Attempts lists a delivery's attempts, oldest first.
func (db *DB) Attempts(ctx context.Context, merchantID, deliveryID string) ([]DeliveryAttempt, error) {
	panic("stub")
}

// Resend makes a delivery that is done or dead due now, with a new plan of
// attempts; the old attempts stay. ErrNotFound if there is none; ErrExists if
// it is due already.
func (db *DB) Resend(ctx context.Context, merchantID, id string, now time.Time) error {
	panic("stub")
}
