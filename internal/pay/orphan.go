package pay

import (
	"slices"
	"time"
)

// Orphan is money that came in or went back, as the wallet confirmed, under a number
// of ours that no payment has. The database was restored from a backup that is older
// than the order. An orphan belongs to no payment until an order turns out to be the
// one that it was paid for.
type Orphan struct {
	MerchantID string
	AccountID  string
	Number     string // 26 digits: the wallet's order number
	TradeNo    string
	RefundID   string // the wallet's number of the refund; "" if the money came in
	Seq        int64  // 1, 2, … within the account, in the order of arrival; the store counts

	Amount  Amount // zero for a refund whose amount the wallet does not state
	BuyerID string // the wallet's masked id of the buyer, if it stated one

	At        time.Time // by the wallet's clock; zero if it stated none
	NoticedAt time.Time
	DueAt     time.Time // next inquiry; zero if none

	State     OrphanState
	PaymentID string    // with OrphanMatched: the payment whose money it is
	SettledAt time.Time // when it left OrphanOpen
	SettledBy Actor
	Note      string // why it was settled so
}

// OrphanState is the state of an orphan.
type OrphanState string

// The states of an orphan. Only an open one moves.
const (
	OrphanOpen     OrphanState = "open"
	OrphanMatched  OrphanState = "matched"           // settled as a payment's money
	OrphanReturned OrphanState = "returned"          // the wallet has given all of it back
	OrphanSettled  OrphanState = "settled elsewhere" // a person has settled it outside of Sampan
)

// OrphanStates lists all states.
var OrphanStates = []OrphanState{OrphanOpen, OrphanMatched, OrphanReturned, OrphanSettled}

// CanBecome reports whether an orphan may move from s to next.
func (s OrphanState) CanBecome(next OrphanState) bool {
	return s == OrphanOpen && next != OrphanOpen && slices.Contains(OrphanStates, next)
}

// IsRefund reports whether the money went back. Otherwise it came in.
func (o Orphan) IsRefund() bool { return o.RefundID != "" }
