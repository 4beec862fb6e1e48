package pay

import "time"

// Refund gives a part or all of a payment back, once.
type Refund struct {
	Scope
	ID          string // 26 digits (syssn), like a payment's; also the refund number at the wallet
	OrderNo     string // the merchant's own number, unique within Scope among payments and refunds
	Fingerprint string // of the request that made it; a repeat must have the same
	PaymentID   string
	AccountID   string // the wallet account that the payment was paid to

	Amount     Amount
	ClientTime string
	DeviceID   string

	Status  RefundStatus
	Failure string // the wallet's code, if the refund failed
	Cause   Code   // the error that merchants read; "" unless it failed
	Sends   int    // how often it was, or may have been, sent to the wallet

	CreatedAt time.Time
	DoneAt    time.Time // when it failed, or succeeded by the wallet's clock if it stated a time
	DueAt     time.Time // next inquiry at the wallet; zero if none
	Inquiries int       // made by Recover
}

// RefundStatus is the state of a refund.
type RefundStatus string

// The states of a refund.
const (
	RefundPending   RefundStatus = "pending"
	RefundSucceeded RefundStatus = "succeeded"
	RefundFailed    RefundStatus = "failed"
)

// Automatic reports whether the refund gives late money back, without a merchant's
// request. Its order number is its own id.
func (r Refund) Automatic() bool { return r.OrderNo == r.ID }

// CanBecome reports whether a refund may move from s to next.
func (s RefundStatus) CanBecome(next RefundStatus) bool {
	return s == RefundPending && (next == RefundSucceeded || next == RefundFailed)
}

// Known reports whether s is one of the states above.
func (s RefundStatus) Known() bool {
	return s == RefundPending || s == RefundSucceeded || s == RefundFailed
}
