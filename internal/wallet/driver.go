package wallet

import (
	"net/http"
	"slices"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// Driver is a kind of wallet: what it can do, and how to open an account.
type Driver struct {
	Name string
	Info Info

	// Open checks an account's settings and returns its connector. It does no I/O.
	// Its errors name the setting and the rule, never the value.
	Open func(Account) (Connector, error)
}

// Info is what a wallet can do, as data.
type Info struct {
	Title      string // for people
	Maturity   string // alpha, beta, stable
	PayTypes   []pay.PayType
	Currencies map[pay.PayType][]pay.Currency // that the wallet can settle in at all
	Flow       Flow                           // how a buyer gets to the wallet
	Can        []Capability
	LateMax    time.Duration // how long after an order's end a payment can still come in, at most
	Settings   []Setting     // what an account is made of
}

// Supports reports whether c is among Can.
func (i Info) Supports(c Capability) bool { return slices.Contains(i.Can, c) }

// Capability is something that not every wallet can do.
type Capability string

// The capabilities.
const (
	CanRefund      Capability = "refund"
	CanClose       Capability = "close"
	CanRefundQuery Capability = "refund_query"
)

// Setting is one value that an account needs or takes.
type Setting struct {
	Name     string
	Help     string
	Secret   bool
	Required bool
	Default  string
}

// RefundDays is a setting that every account may have. Its driver lists it, and
// the gateway reads it.
var RefundDays = Setting{
	Name: "refund_days",
	Help: "Days after the payment in which the contract lets it be refunded; the deployment's " +
		"refund_days if absent.",
}

// Account is what Driver.Open is given.
type Account struct {
	pay.WalletAccount
	HTTP *http.Client     // with the timeout, the dialer and the limits of the deployment
	Now  func() time.Time // the clock
}
