package pay

import "time"

// Movement is one line of the money record: an amount that a payment or a refund
// moved from one account to another. It is written once and never changed.
type Movement struct {
	MerchantID string
	ID         string
	PaymentID  string
	RefundID   string // "" unless the movement is a refund's
	Kind       MovementKind
	Debit      string // the account that received, such as "wallet:ACCOUNT"
	Credit     string // the account that gave, such as "merchant"
	Amount     Amount
	TradeNo    string // the wallet's number of the trade
	At         time.Time
}

// MovementKind says why the money moved.
type MovementKind string

// The kinds of movement.
const (
	MovementPayment MovementKind = "payment" // the order's own money
	MovementSurplus MovementKind = "surplus" // money beyond the order: a second trade, another amount
	MovementRefund  MovementKind = "refund"
)

// The accounts of the money record, besides those that HeldBy names. By a payment
// the wallet owes us, and we owe the merchant; a refund undoes as much of both.
const (
	OwedToMerchant = "merchant"
	OwedToSomebody = "surplus" // its owner is not known yet
)

// HeldBy returns the account of what a wallet account owes us.
func HeldBy(accountID string) string { return "wallet:" + accountID }

// HeldBy returns the account of what the payment's wallet account owes us.
func (p Payment) HeldBy() string { return HeldBy(p.AccountID) }
