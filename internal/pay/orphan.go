package pay

import (
	"slices"
	"time"
)

// Orphan is a wallet's word, confirmed by asking it, that money came in or went
// back under a number of ours that no payment has: the database was restored
// from a backup that is older than the order. It is no payment's money until an
// order turns out to be the one that it was paid for.
type Orphan struct {
	MerchantID string
	AccountID  string
	Number     string // 26 digits: the wallet's order number
	TradeNo    string
	RefundID   string // "" for money that came in, else the wallet's number of what went back
	Seq        int64  // 1, 2, … of the account's, as they were noticed; the store counts

	Amount  Amount // what came in or went back; zero for a refund of which the wallet does not say it
	BuyerID string // the wallet's masked id of the buyer, if it told

	At        time.Time // by the wallet's clock; zero if it did not tell
	NoticedAt time.Time
	DueAt     time.Time // next look; zero if none

	State     OrphanState
	PaymentID string    // with Matched: the payment whose money it turned out to be
	SettledAt time.Time // when it was open no more
	SettledBy Actor
	Note      string // why
}

// OrphanState is the state of an orphan.
type OrphanState string

// The states of an orphan. Only an open one moves.
const (
	OrphanOpen     OrphanState = "open"
	OrphanMatched  OrphanState = "matched"           // it is a payment's, and settled as that
	OrphanReturned OrphanState = "returned"          // the wallet has given all of it back
	OrphanSettled  OrphanState = "settled elsewhere" // a person has seen to it, past Sampan
)

// OrphanStates are all of them.
var OrphanStates = []OrphanState{OrphanOpen, OrphanMatched, OrphanReturned, OrphanSettled}

// CanBecome reports whether an orphan may move from s to next.
func (s OrphanState) CanBecome(next OrphanState) bool {
	return s == OrphanOpen && next != OrphanOpen && slices.Contains(OrphanStates, next)
}

// IsRefund reports whether money went back: else it came in.
func (o Orphan) IsRefund() bool { return o.RefundID != "" }
