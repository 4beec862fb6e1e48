// Package gateway holds the use cases. It is the only code that changes the state of
// a payment, a refund or an orphan.
//
// Merchants' requests come from package api (Pay, Query, Refund, Close, Note), the
// buyer's browser from package checkout (Visit, Returned, Authorize), and a wallet's
// callbacks from package api too (Callback). Run makes the inquiries that are due.
// Everything that a wallet says of a payment or a refund ends in settle. It reads
// what is recorded, has pay.Judge decide what follows, and applies all of that as one
// change: state, money record, events, and the merchant's notification.
//
// Read the files in this order:
//
//   - pay.go takes an order, visit.go and redirect.go send the buyer to the wallet,
//     and link.go makes the pay link;
//   - callback.go takes a wallet's callback, and postpone.go the one that cannot be
//     confirmed now;
//   - settle.go reads, judges and applies; late.go refunds unwanted late money, and
//     notify.go writes the merchant's notification;
//   - query.go asks the wallet for a merchant, recover.go when an inquiry is due;
//   - refund.go takes a refund, and pursue.go sends it and follows it to its outcome;
//   - close.go closes an order, note.go stores a note;
//   - orphan.go, orphaninquiry.go and orphanmatch.go keep money that no order has;
//   - authorize.go finds out who a buyer is.
//
// All of them use connectors.go and calls.go (the wallets), signer.go and standing.go
// (who may do what), id.go (numbers) and trouble.go (what a merchant reads when the
// database fails).
package gateway

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/work"
)

// Config configures New. Store, Wallets, BaseURL, LinkKey, HTTP, Zone, Notification
// and RefundNotification are required.
type Config struct {
	Store   *store.DB
	Wallets map[string]wallet.Driver // by name
	BaseURL string                   // of this deployment, as buyers and wallets reach it
	LinkKey []byte                   // authenticates pay links; at least 16 bytes
	HTTP    *http.Client             // for calls to wallets
	Zone    *time.Location           // of the dates in our numbers

	// Notification and RefundNotification return the body of a merchant's notification.
	Notification       func(pay.Payment) []byte
	RefundNotification func(pay.Refund, pay.Payment) []byte

	Wake         func()           // called after a commit that made a delivery due; may be nil
	Now          func() time.Time // time.Now if nil
	Rand         io.Reader        // crypto/rand if nil
	Log          *slog.Logger     // slog.Default() if nil
	Turned       func()           // called after each read of the schedule by Run, failed or not; may be nil
	DirectPayURL bool             // the pay URL is the wallet's own address where that needs no call

	Late         map[pay.Status]LatePolicy // by the state at its arrival; DefaultLate for missing ones
	RefundWindow time.Duration             // after the payment, for accounts without a window of their own

	InquiryGaps   []time.Duration // between inquiries of an order whose buyer may pay; the last one repeats
	Margin        time.Duration   // from the order's end until it may expire, if its link was opened
	WalletTimeout time.Duration   // of one call to a wallet
	Lease         time.Duration   // for which other replicas leave a claimed row alone, also after a crash
	Poll          time.Duration   // longest time between reads of the schedule, to which other replicas add
}

// The defaults of Config.
var (
	DefaultInquiryGaps = []time.Duration{
		15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	}
	DefaultMargin        = time.Minute
	DefaultWalletTimeout = 10 * time.Second
	DefaultLease         = time.Minute // longer than an inquiry's timeouts and the differences between clocks
	DefaultPoll          = 5 * time.Second
	DefaultRefundWindow  = 365 * 24 * time.Hour
)

// Gateway runs the use cases over one store. Its methods may be called concurrently.
type Gateway struct {
	Config
	connectors connectors
	postponed  postponedNotices
	orphans    orphanCache
	foreign    foreignCounter
	throttle   throttle
	openings   openings       // calls for the addresses of wallets' pages
	rows       atomic.Uint32  // counts the ids of rows
	basePath   string         // the path of BaseURL, without a slash at its end
	numberKey  []byte         // of the MAC in our numbers
	runner     *work.Runner   // makes the inquiries that are due
	background sync.WaitGroup // calls to wallets that go on after the request
}

// Wait returns when no call to a wallet is running in the background. Call it after
// the last request is answered and Run has returned, and before the store is closed.
func (g *Gateway) Wait() { g.background.Wait() }

// New checks the configuration and returns a Gateway.
func New(c Config) (*Gateway, error) {
	if c.Store == nil || c.Wallets == nil || c.HTTP == nil || c.Zone == nil ||
		c.Notification == nil || c.RefundNotification == nil {
		return nil, errors.New(
			"gateway: Store, Wallets, HTTP, Zone, Notification and RefundNotification are required",
		)
	}
	if len(c.LinkKey) < 16 {
		return nil, errors.New("gateway: the link key is too short")
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") ||
		strings.ContainsAny(c.BaseURL, "?&=#") {
		return nil, fmt.Errorf("gateway: base URL %q must be http(s)://host[/path] without query", c.BaseURL)
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if c.Wake == nil {
		c.Wake = func() {}
	}
	if c.Turned == nil {
		c.Turned = func() {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if len(c.InquiryGaps) == 0 {
		c.InquiryGaps = DefaultInquiryGaps
	}
	if c.Margin == 0 {
		c.Margin = DefaultMargin
	}
	if c.WalletTimeout == 0 {
		c.WalletTimeout = DefaultWalletTimeout
	}
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.Lease <= c.WalletTimeout {
		return nil, fmt.Errorf("gateway: the lease (%s) must be longer than the timeout of a call to "+
			"a wallet (%s)",
			c.Lease, c.WalletTimeout)
	}
	if c.Poll == 0 {
		c.Poll = DefaultPoll
	}
	if c.RefundWindow == 0 {
		c.RefundWindow = DefaultRefundWindow
	}
	if c.Late, err = latePolicies(c.Late); err != nil {
		return nil, err
	}
	numberKey, err := c.Store.DeriveKey("sampan gateway: numbers of orders and refunds")
	if err != nil {
		return nil, err
	}
	g := &Gateway{Config: c, basePath: strings.TrimRight(base.EscapedPath(), "/"), numberKey: numberKey}
	g.runner, err = g.newRunner()
	return g, err
}

// Order is a payment, and the address for its buyer.
type Order struct {
	pay.Payment
	PayURL string // "" if the payment cannot be paid any more
	InApp  bool   // paid within the wallet's app: Checkout is the reference for its cashier
}

// Way is how a buyer's browser gets to the wallet. At most one field is set, and none
// if the payment cannot be paid.
type Way struct {
	URL string // the wallet's page
	Ref string // the reference with which a page of ours opens the cashier in the wallet's app
}
