// Package wallet is the contract between the gateway and the connectors that
// talk to wallets, each in a folder of its own below this one.
//
// A connector translates: our orders into the wallet's requests, the wallet's
// answers into states. It keeps no state, retries nothing and decides nothing;
// timeouts, repeats, idempotency and logging live in the gateway, once.
package wallet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// Connector talks to one wallet account.
//
// Apart from what each method says, every error is one of: *Rejection, the
// wallet said no; ErrNotSent, nothing left this machine and the call can be
// repeated; ErrUnknown, it may have happened, so the order stays as it is and
// is asked about again; ErrUnsupported. A status or a code that the wallet's
// documents do not list is ErrUnknown, never a failure and never a success; a
// status is ErrUnlisted as well.
type Connector interface {
	// Pay returns how the buyer gets to the wallet, by the wallet's Flow. It never
	// means that anything is paid.
	//
	// The gateway calls it again for the same order and number after silence, after
	// a crash and when the Checkout has ended, and two calls may be in flight at
	// once. A repeat must mean the same order to the wallet. Where the wallet cannot
	// rule out that two of its pages are paid, the second payment is booked as
	// surplus.
	Pay(ctx context.Context, o Order) (Checkout, error)

	// Query asks for the state of an order. An order that the wallet does not
	// know is Outcome NotFound, not an error.
	Query(ctx context.Context, o Order) (State, error)

	// Refund gives money back; the same Refund.ID is never paid out twice. The
	// state's outcome is Succeeded, Failed or Unknown.
	Refund(ctx context.Context, r Refund) (State, error)

	// QueryRefund asks for the state of a refund: Succeeded, Failed, Unknown
	// while the wallet works on it, or NotFound: the wallet has not taken it, and
	// the same refund is to be sent again under the same number.
	QueryRefund(ctx context.Context, r Refund) (State, error)

	// Close makes an order that is not paid unpayable. The state's outcome is
	// Closed if it now is, Paid if the buyer was faster, NotFound if the wallet
	// knows no such order (yet), Unknown otherwise.
	Close(ctx context.Context, o Order) (State, error)

	// Notification verifies and decodes what was posted to the callback
	// address. It has no effects. An error means: not from the wallet, or not
	// readable; nothing may follow from it.
	Notification(header http.Header, body []byte) (Notice, error)
}

// Authorizer is what a Connector also is if its wallet must be told beforehand
// who the buyer is, and tells it to a page that the buyer authorises.
type Authorizer interface {
	// Authorize gives the wallet's address that sends the buyer on to
	// redirectURL with a code and the state, without network.
	Authorize(redirectURL, state string) (string, error)

	// Identify exchanges what the buyer's browser brought back to redirectURL
	// for the buyer's id: an Order's OpenID. The code in it serves once. A
	// *Rejection: the buyer said no, or the code is not good any more.
	Identify(ctx context.Context, query url.Values) (openID string, err error)
}

// Paced is what a Connector also is if its wallet wants time between refunds.
type Paced interface {
	// RefundGap is the least time between two refunds sent under the same key:
	// accounts that share a contract share the key.
	RefundGap() (key string, gap time.Duration)
}

// Order is a payment as a wallet sees it.
type Order struct {
	Number          string // the wallet's order number: 26 digits
	PayType     pay.PayType
	Amount      pay.Amount
	Subject     string // for the buyer; the connector replaces what its wallet cannot take
	CreatedAt   time.Time
	ExpiresAt   time.Time
	CallbackURL   string // ours: where the wallet posts to; holds neither & nor = nor ?
	ReturnURL   string // ours: where the wallet sends the browser; the same
	OpenID      string // the buyer, for wallets that must know beforehand
	NoCredit    bool
	WalletID    string // the wallet's own id of the order, if it gave one
	TradeNo     string // the wallet's trade number, if known
	SubMerchant SubMerchant
}

// SubMerchant is who sells, as a payment company must tell the wallet.
type SubMerchant struct {
	ID, Name, MCC string
}

// Refund is money to be given back.
type Refund struct {
	ID     string // ours, and the wallet's refund number
	Order  Order
	Amount pay.Amount
	At     time.Time
	Reason string
	Retry  bool // this same refund was sent before
}

// Outcome is what a wallet says of an order or a refund.
type Outcome string

// The outcomes.
const (
	Unknown   Outcome = "unknown"   // it said something else, or nothing
	NotFound  Outcome = "not_found" // it knows no such order (yet)
	Waiting   Outcome = "waiting"   // the buyer has not paid
	Paid      Outcome = "paid"
	Closed    Outcome = "closed"    // unpaid and never to be paid
	Succeeded Outcome = "succeeded" // a refund is done
	Failed    Outcome = "failed"    // a refund will never be done
)

// State is a wallet's answer about an order or a refund.
type State struct {
	Outcome Outcome
	TradeNo string     // the wallet's trade number
	Amount  pay.Amount // what was paid; zero where the source does not state amount and currency
	BuyerID string     // masked id of the buyer, "" if not told
	At      time.Time  // when, by the wallet's clock; zero if not told
	Code    string     // the wallet's own code behind the outcome, for the record

	// GivenBack: what was Paid has been given back in full since.
	GivenBack bool

	// Kind says whose trouble a Failed refund is, as a Rejection's would; "" is
	// RejectedOrder.
	Kind RejectionKind
}

// Notice is a verified notification.
type Notice struct {
	Number  string // our order
	RefundID string // our refund, if the notice is about one
	ID       string // the wallet's number of the notice, for the log
	State    State
	Reply    []byte // the body that makes the wallet stop repeating it

	// Confirm is nil where the signature alone proves the notice. Otherwise the
	// notice settles nothing until Confirm has asked the wallet itself. It gives
	// the notice's State, with GivenBack if the wallet says that of it now.
	// *Rejection: the wallet does not stand by it; any other error: not known.
	Confirm func(ctx context.Context, o Order) (State, error)
}

// The failures that are values.
var (
	ErrNotSent     = errors.New("wallet: not sent")
	ErrUnknown     = errors.New("wallet: outcome unknown")
	ErrUnsupported = errors.New("wallet: not supported")
)

// ErrUnlisted is an ErrUnknown too: the wallet has answered, signed, with a
// status that its documents do not list. The State's Code has it. It may stay so
// for ever, so a person has to look.
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

// Capability is something that not every wallet can do.
type Capability string

// The capabilities.
const (
	CanRefund      Capability = "refund"
	CanClose       Capability = "close"
	CanRefundQuery Capability = "refund_query"
)

// Driver is a kind of wallet: what it can do, and how to open an account.
type Driver struct {
	Name string
	Info Info
	// Open checks the account's settings and gives its connector. It does no I/O.
	Open func(Account) (Connector, error)
}

// Info is what a wallet can do, as data.
type Info struct {
	Title      string // for people
	Maturity   string // alpha, beta, stable
	PayTypes   []pay.PayType
	Currencies map[pay.PayType][]pay.Currency // that the wallet can settle in at all
	Can        []Capability
	Flow       Flow          // how a buyer gets to the wallet
	LateMax    time.Duration // how long after an order's end a payment can still come in, at most
	Settings   []Setting     // what an account is made of
}

// Supports reports whether c is among Can.
func (i Info) Supports(c Capability) bool {
	for _, have := range i.Can {
		if have == c {
			return true
		}
	}
	return false
}

// Setting is one value that an account needs or takes.
type Setting struct {
	Name     string
	Help     string
	Secret   bool
	Required bool
	Default  string
}

// RefundDays is a setting that every account may have: its driver lists it, and
// the gateway reads it.
var RefundDays = Setting{Name: "refund_days", Help: "Days after the payment in which it can be refunded, by the contract; the deployment's refund_days if absent."}

// Account is what Driver.Open is given.
type Account struct {
	pay.WalletAccount
	HTTP *http.Client     // with the timeout, the dialer and the limits of the deployment
	Now  func() time.Time // the clock
}
