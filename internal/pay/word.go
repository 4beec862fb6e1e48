package pay

import "time"

// Word is what a wallet says of an order or of one of its refunds: in a callback,
// or in the answer to a question.
type Word struct {
	Outcome  Outcome
	RefundID string // the wallet's refund number; "" if the word is about the order
	TradeNo  string // the wallet's number of the trade; may be empty unless Outcome is WordPaid

	Amount  Amount    // what was paid or given back; zero where the source does not state it
	BuyerID string    // masked id of the buyer; may be empty
	At      time.Time // by the wallet's clock; zero if the source does not state it
	Code    string    // the wallet's own code or status behind Outcome

	// GivenBack says that an order that was paid has been given back in full since.
	GivenBack bool

	// Cause is why a refund failed, as merchants read it.
	Cause Code
}

// Outcome is what a wallet's word comes to.
type Outcome string

// The outcomes. The first five are an order's; a refund's are WordUnknown,
// WordNotFound, WordSucceeded and WordFailed.
const (
	WordUnknown   Outcome = "unknown"   // a status that the wallet's documents do not list
	WordNotFound  Outcome = "not_found" // the wallet knows no such order or refund (yet)
	WordWaiting   Outcome = "waiting"   // the buyer has not paid
	WordPaid      Outcome = "paid"
	WordClosed    Outcome = "closed"    // not paid, and can never be paid
	WordSucceeded Outcome = "succeeded" // a refund is done
	WordFailed    Outcome = "failed"    // a refund will never be done
)

// amountOr returns a word's amount, or the order's own where the word states none.
func (w Word) amountOr(own Amount) Amount {
	if w.Amount.Currency == "" {
		return own
	}
	return w.Amount
}

// differsFrom reports whether the word states an amount, and another one than a.
func (w Word) differsFrom(a Amount) bool { return w.Amount.Currency != "" && w.Amount != a }

// Postpones reports whether a refund stays pending although the wallet has refused
// it: late money that goes back, refused for a reason that an operator can mend.
// The funds can be filled up, the account be put right. Nobody asked for the
// refund, so nobody would ask again: it is tried again.
func (w Word) Postpones(r Refund) bool {
	return w.Outcome == WordFailed && r.Automatic() && (w.Cause == FundsShort || w.Cause == WalletTrouble)
}

// codeKept is how many characters an event keeps of a status that is not listed.
const codeKept = 64

// unlisted is the event of a status that the wallet's documents do not list: of
// the refund if the word is about one, else of the trade, else of the order.
func (w Word) unlisted() Event {
	code := []rune(w.Code)
	e := Event{Kind: EventUnlisted, RefundID: w.RefundID, Code: string(code[:min(len(code), codeKept)])}
	if w.RefundID == "" {
		e.TradeNo = w.TradeNo
	}
	return e
}
