package wallet

import (
	"fmt"
	"net/url"
	"time"
)

// Flow is how a buyer gets to a wallet. It decides when Pay is called, whether a
// merchant gets pay_url or pay_params, and which page the pay link shows.
type Flow string

// The flows.
const (
	// Link: we make the address of the wallet's page, without a call. The wallet
	// learns of the order when the buyer's browser arrives there.
	//
	// Pay needs no network, and the same order always gives the same address. It is
	// called at each opening of the pay link. Nothing of it is stored.
	Link Flow = "link"

	// Redirect: the wallet is asked and answers with the address of its page, which
	// may end sooner than the order.
	//
	// The order is stored within the merchant's request, and the wallet is asked
	// when the buyer opens the pay link, not before. So a slow or broken wallet
	// costs no merchant an order, an address that lives for minutes is not old when
	// the buyer comes, and an order that nobody opens is never at the wallet. The
	// opening is recorded before the wallet is asked: whatever becomes of the call,
	// the order is queried until its end. The address is stored and reused until
	// Checkout.EndsAt, then Pay is called again under the same number; never after
	// the order's end.
	Redirect Flow = "redirect"

	// InApp: the wallet is asked and answers with a reference, with which a page
	// inside the wallet's app opens the wallet's own cashier.
	//
	// The wallet is asked within the merchant's request, since a merchant's own
	// page may open the cashier: no opening of our link need come first. The order
	// must name its buyer (pay.PayType.NeedsOpenID).
	InApp Flow = "in_app"
)

// Known reports whether f is one of the flows.
func (f Flow) Known() bool { return f == Link || f == Redirect || f == InApp }

// Checkout is how the buyer of one order gets to the wallet.
type Checkout struct {
	URL string // Link, Redirect: the wallet's page, an absolute http or https address
	Ref string // InApp: what the wallet's cashier is opened with (tradeNO)

	// EndsAt is when URL ends; zero if not before the order does. Redirect only.
	EndsAt time.Time

	WalletID string // the wallet's own id of the order, if it gave one
}

// maxURL bounds an address; Antom's may have 2048 characters.
const maxURL = 4096

// Check returns an error unless a buyer of a wallet with flow f can get there by
// c.
func (c Checkout) Check(f Flow) error {
	switch {
	case !f.Known():
		return fmt.Errorf("no flow is called %q", f)
	case f == InApp && c.Ref == "":
		return fmt.Errorf("flow %s: no reference for the wallet's cashier", f)
	case f == InApp && c.URL != "", f != InApp && c.Ref != "":
		return fmt.Errorf("flow %s: must have either an address or a reference", f)
	case f != Redirect && !c.EndsAt.IsZero():
		return fmt.Errorf("flow %s: cannot end before the order", f)
	case f == InApp:
		return nil
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("flow %s: not an absolute http or https address", f)
	case len(c.URL) > maxURL:
		return fmt.Errorf("flow %s: an address of %d bytes, at most %d are taken", f, len(c.URL), maxURL)
	}
	return nil
}
