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

// The accounts of the money record, beside HeldBy's. Debit is who receives, Credit
// who gives: a payment makes the wallet owe us and us owe the merchant, and a
// refund undoes as much of it.
const (
	OwedToMerchant = "merchant"
	OwedToSomebody = "surplus" // whoever turns out to own it
)

// HeldBy is the account of what a wallet account owes us.
func HeldBy(accountID string) string { return "wallet:" + accountID }

// HeldBy is the account of what the payment's wallet account owes us.
func (p Payment) HeldBy() string { return HeldBy(p.AccountID) }
