package pay

import "time"

// Event is one line of what happened to a payment, for the people who look it
// up. Events are written once and never changed. Detail holds no secret.
type Event struct {
	MerchantID string
	PaymentID  string
	ID         string
	Seq        int // 1, 2, … of the payment's, as they were written; the store counts
	At         time.Time
	Kind       string // registered, failed, paid, paid_late, expired, surplus, close_asked, closed, refund_asked, refunded, refund_failed, refund_contradicted, refund_foreign, orphan, note
	Actor      string // merchant, wallet, recover: whose request brought it to light; late: the policy for late money
	Detail     string
}
