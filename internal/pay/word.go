package pay

import "time"

// Word is a wallet's statement about an order or one of its refunds, in a callback
// or in the answer to an inquiry.
type Word struct {
	Outcome  Outcome
	RefundID string // the wallet's refund number; "" if the word is about the order
	TradeNo  string // the wallet's number of the trade; may be empty unless Outcome is WordPaid

	Amount  Amount    // what was paid or given back; zero where the source does not state it
	BuyerID string    // masked id of the buyer; may be empty
	At      time.Time // by the wallet's clock; zero if the source does not state it
	Code    string    // the wallet's own code or status behind Outcome

	// GivenBack says that the order was paid, and refunded in full since.
	GivenBack bool

	// Cause is the error that merchants read if a refund failed.
	Cause Code
}

// Outcome is the meaning of a wallet's word.
type Outcome string

// The outcomes. An order has the first five. A refund has WordUnknown, WordNotFound,
// WordSucceeded and WordFailed.
const (
	WordUnknown   Outcome = "unknown"   // a status that the wallet's documents do not list
	WordNotFound  Outcome = "not_found" // the wallet knows no such order or refund (yet)
	WordWaiting   Outcome = "waiting"   // the buyer has not paid
	WordPaid      Outcome = "paid"
	WordClosed    Outcome = "closed"    // not paid, and can never be paid
	WordSucceeded Outcome = "succeeded" // the refund is done
	WordFailed    Outcome = "failed"    // the refund will never be done
)

// amountOr returns the word's amount, or the order's own if the word states none.
func (w Word) amountOr(own Amount) Amount {
	if w.Amount.Currency == "" {
		return own
	}
	return w.Amount
}

// differsFrom reports whether the word states an amount other than a.
func (w Word) differsFrom(a Amount) bool { return w.Amount.Currency != "" && w.Amount != a }

// Postpones reports whether a refund stays pending although the wallet has refused
// it. That holds for an automatic refund whose cause an operator can mend: the funds
// can be filled up, the account can be corrected. No merchant asked for the refund,
// so no merchant would ask again.
func (w Word) Postpones(r Refund) bool {
	return w.Outcome == WordFailed && r.Automatic() && (w.Cause == FundsShort || w.Cause == WalletTrouble)
}

// codeKept is how many characters of an unlisted status an event keeps.
const codeKept = 64

// unlisted returns the event of a status that the wallet's documents do not list. It
// names the refund that the word is about, or else the trade, if any.
func (w Word) unlisted() Event {
	code := []rune(w.Code)
	e := Event{Kind: EventUnlisted, RefundID: w.RefundID, Code: string(code[:min(len(code), codeKept)])}
	if w.RefundID == "" {
		e.TradeNo = w.TradeNo
	}
	return e
}
