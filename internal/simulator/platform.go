package simulator

import (
	"time"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// platform holds the rules that differ between the vendor's global gateway ("mapi") and its open
// platform, for one merchant. Except for the handlers of each platform's own calls, nothing else in
// this package asks on which of the two a merchant is.
type platform interface {
	// name returns the merchant's name, "" if unknown.
	name() string
	// hasFault reports whether the fault exists on this platform.
	hasFault(f Fault) bool

	// buyer finds the test account that an id means in an attempt.
	buyer(a *Attempt, id string) (Buyer, bool)
	// namesBuyer reports whether the merchant names the buyer when it creates an order.
	namesBuyer() bool
	// logIn logs the buyer in to an attempt at trade t, which may be nil. It returns an outcome
	// that ends the login, or "".
	logIn(a *Attempt, t *Trade, b Buyer, now time.Time) Outcome
	// createsTrade reports whether an unpaid outcome of an attempt creates the trade.
	createsTrade(service string, out Outcome) bool
	// deadline returns when an order with these terms ends for a buyer who logs in at login.
	deadline(t Terms, login time.Time) time.Time
	// paid returns the status of a trade paid at now, and when the wallet finishes it: zero for
	// never.
	paid(now time.Time) (status Status, finish time.Time)
	// returnURL returns the address to which the browser returns after payment, "" if the order has
	// none.
	returnURL(a *Attempt, t *Trade) (string, error)

	// unlistedStatus returns a trade_status that the platform's documents do not list.
	unlistedStatus() string
	// tradeNotice returns the fields of a notification about a trade's state.
	tradeNotice(t *Trade, a *Attempt) mapi.Message
	// refundNotice returns the fields of a notification about a refund that is done.
	refundNotice(t *Trade, a *Attempt, r Refund) mapi.Message
	// charsetField names the field of a notification that holds its charset.
	charsetField() string
	// amountField names the field of a notification that holds the trade's amount.
	amountField() string
	// sign adds the signature to a notification. It fails if the merchant has no contract.
	sign(m mapi.Message) error
	// retryGaps returns the waits between the sends of a notification.
	retryGaps() []time.Duration
	// acknowledges reports whether the merchant's answer to a notification ends its sends.
	acknowledges(answer string) bool
}

// platform returns the platform of the merchant with this partner or application id. Trades in the
// journal may belong to a merchant that is not configured any more: its orders keep the rules that
// fit the form of the id, and its notifications cannot be signed.
func (s *Simulator) platform(id string) platform {
	p, isPartner := s.partners[id]
	app, isApp := s.apps[id]
	if isApp || !isPartner && appID.MatchString(id) && !partnerID.MatchString(id) {
		return openPlatform{app, s.cfg.AppRetryGaps}
	}
	return globalGateway{p, s.cfg.RetryGaps}
}
