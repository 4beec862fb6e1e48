package pay

import "time"

// Refund is a part or all of a payment given back once.
type Refund struct {
	Scope
	ID          string // 26 digits, as a payment's (syssn); the wallet's refund number too
	OrderNo     string // the merchant's own number of the refund, unique within Scope over payments and refunds
	Fingerprint string // of the request that made it; a repeat must have the same
	PaymentID   string
	AccountID   string // the wallet account that the payment was paid to

	Amount     Amount
	ClientTime string
	DeviceID   string

	Status  RefundStatus
	Failure string // why it failed: the wallet's code
	Cause   Code   // the same as merchants are told it; "" unless it failed
	Sends   int    // how often the wallet was, or may have been, asked for it

	CreatedAt time.Time
	DoneAt    time.Time // when it succeeded, by the wallet's clock if it told, or failed
	DueAt     time.Time // next inquiry at the wallet; zero if none
	Inquiries int       // how often the wallet was asked by Recover
}

// RefundStatus is the state of a refund.
type RefundStatus string

// The states of a refund.
const (
	RefundPending   RefundStatus = "pending"
	RefundSucceeded RefundStatus = "succeeded"
	RefundFailed    RefundStatus = "failed"
)

// Automatic reports whether no merchant asked for the refund: late money that
// was given back. It has no number but its own id.
func (r Refund) Automatic() bool { return r.OrderNo == r.ID }

// CanBecome reports whether a refund may move from s to next.
func (s RefundStatus) CanBecome(next RefundStatus) bool {
	return s == RefundPending && (next == RefundSucceeded || next == RefundFailed)
}

// Known reports whether s is one of the states above.
func (s RefundStatus) Known() bool {
	return s == RefundPending || s == RefundSucceeded || s == RefundFailed
}
