package wallet

import (
	"errors"
	"fmt"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// Outcome is what a wallet says of an order or a refund.
type Outcome string

// The outcomes.
const (
	Unknown   Outcome = "unknown"   // it said something else, or nothing
	NotFound  Outcome = "not_found" // it knows no such order (yet)
	Waiting   Outcome = "waiting"   // the buyer has not paid
	Paid      Outcome = "paid"
	Closed    Outcome = "closed"    // not paid, and can never be paid
	Succeeded Outcome = "succeeded" // a refund is done
	Failed    Outcome = "failed"    // a refund will never be done
)

// State is a wallet's answer about an order or a refund.
type State struct {
	Outcome Outcome
	TradeNo string     // the wallet's number of the trade
	Amount  pay.Amount // what was paid; zero where the source does not state amount and currency
	BuyerID string     // masked id of the buyer; "" if the wallet did not tell
	At      time.Time  // when, by the wallet's clock; zero if it did not tell
	Code    string     // the wallet's own code behind the outcome, for the record

	// GivenBack says that what was Paid has been given back in full since.
	GivenBack bool

	// Kind says whose trouble a Failed refund is, as a Rejection's would; "" is
	// RejectedOrder.
	Kind RejectionKind
}

// The failures that are values.
var (
	ErrNotSent     = errors.New("wallet: not sent")
	ErrUnknown     = errors.New("wallet: outcome unknown")
	ErrUnsupported = errors.New("wallet: not supported")
)

// ErrUnlisted is an ErrUnknown too. The wallet has answered, signed, with a status
// that its documents do not list; the State's Code holds it. The status may never
// change, so a person has to look.
var ErrUnlisted = fmt.Errorf("%w: a status that the wallet's documents do not list", ErrUnknown)

// Rejection is a wallet's refusal: a definite no, by a code that its documents
// list as one.
type Rejection struct {
	Code string // the wallet's
	Text string // for people; may be empty
	Kind RejectionKind
}

// Error implements error.
func (r *Rejection) Error() string {
	if r.Text == "" {
		return fmt.Sprintf("wallet refused: %s", r.Code)
	}
	return fmt.Sprintf("wallet refused: %s: %s", r.Code, r.Text)
}

// RejectionKind sorts refusals by whose trouble they are.
type RejectionKind string

// The kinds of refusal.
const (
	RejectedOrder   RejectionKind = "order"   // this order or refund
	RejectedAccount RejectionKind = "account" // the account, its keys or its contract: the operator's trouble
	RejectedFunds   RejectionKind = "funds"   // a refund: the merchant's funds at the wallet do not cover it
	RejectedWindow  RejectionKind = "window"  // a refund: the time for it is over
	RejectedAmount  RejectionKind = "amount"  // a refund: more than the wallet has left of the payment
)
