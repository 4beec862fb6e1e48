package pay

import "time"

// Movement is one line of the money record: an amount that went from one
// account to another because of a payment or a refund. It is written once and
// never changed.
type Movement struct {
	MerchantID string
	ID         string
	PaymentID  string
	RefundID   string // "" unless the movement is a refund's
	Kind       MovementKind
	Debit      string // account that received, e.g. "wallet:ACCOUNT"
	Credit     string // account that gave, e.g. "merchant"
	Amount     Amount
	TradeNo    string // the wallet's number of the trade
	At         time.Time
}

// MovementKind says what made the money move.
type MovementKind string

// The kinds of movement.
const (
	MovementPayment MovementKind = "payment" // the order's own money
	MovementSurplus MovementKind = "surplus" // money beyond the order: a second trade, another amount
	MovementRefund  MovementKind = "refund"
)
