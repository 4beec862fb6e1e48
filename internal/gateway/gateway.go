// Package gateway holds the use cases: Pay, Query, Refund, Close, Settle, Recover
// and what a buyer's browser needs. It is the only code that changes the state of
// a payment or a refund.
//
// Whatever is learnt of a payment (a wallet's notification, a merchant's query,
// a look by Recover) ends in settle, and of a refund in settleRefund: one
// transaction that moves the state and writes everything that follows from it.
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

// Config is what New needs. The fields without a default are required.
type Config struct {
	Store   *store.DB
	Wallets map[string]wallet.Driver // by name
	BaseURL string                   // of this deployment, as buyers and wallets reach it
	LinkKey []byte                   // authenticates pay links; at least 16 bytes
	HTTP    *http.Client             // for calls to wallets
	Zone    *time.Location           // of the dates in payments' ids

	// Notification and RefundNotification write the bodies of a merchant's
	// notifications.
	Notification       func(pay.Payment) []byte
	RefundNotification func(pay.Refund, pay.Payment) []byte

	Wake         func()           // called after a commit that made a delivery due; may be nil
	Now          func() time.Time // time.Now if nil
	Rand         io.Reader        // crypto/rand if nil
	Log          *slog.Logger     // slog.Default() if nil
	Turned       func()           // called after each of Run's looks at what is due, also where that failed; may be nil
	DirectPayURL bool             // hand out the wallet's own address as pay URL

	Late         map[pay.Status]LatePolicy // by the state of the order; DefaultLate for those that are not in it
	RefundWindow time.Duration             // after the payment, for accounts that say nothing of it

	InquiryGaps   []time.Duration // gaps between looks at the wallet once the link was opened; the last one repeats
	Margin        time.Duration   // after its life, before an opened order may be called expired
	WalletTimeout time.Duration   // for one call to a wallet
	Lease         time.Duration   // on a payment that is looked at: after a crash, others leave it alone for so long
	Poll          time.Duration   // at most this long between two reads of the schedule, for what other replicas add to it
}

// The defaults of Config.
var (
	DefaultInquiryGaps   = []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute}
	DefaultMargin        = time.Minute
	DefaultWalletTimeout = 10 * time.Second
	DefaultLease         = time.Minute // outlasts a look's timeouts and the clocks' differences
	DefaultPoll          = 5 * time.Second
	DefaultRefundWindow  = 365 * 24 * time.Hour
)

// Gateway is the use cases over one store. Its methods may be called at the
// same time.
type Gateway struct {
	Config
	connectors connectors
	postponed  postponedNotices // messages that were put off
	orphans    orphanCache
	foreign    foreignCounter
	throttle   throttle
	openings   openings       // calls for the addresses of wallets' pages
	rows       atomic.Uint32  // ids drawn for rows
	basePath   string         // BaseURL's, without a slash at its end
	numberKey  []byte         // makes the digits of our numbers
	runner     *work.Runner   // of Run
	background sync.WaitGroup // questions to wallets that outlive who asked
}

// Wait returns when no question to a wallet is in flight. It is called after the
// last request was answered and Run has returned, before the store is closed.
func (g *Gateway) Wait() { g.background.Wait() }

// New checks the configuration and makes a Gateway.
func New(c Config) (*Gateway, error) {
	if c.Store == nil || c.Wallets == nil || c.HTTP == nil || c.Zone == nil || c.Notification == nil || c.RefundNotification == nil {
		return nil, errors.New("gateway: Store, Wallets, HTTP, Zone, Notification and RefundNotification are required")
	}
	if len(c.LinkKey) < 16 {
		return nil, errors.New("gateway: the link key is too short")
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") || strings.ContainsAny(c.BaseURL, "?&=#") {
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
		return nil, fmt.Errorf("gateway: a lease of %s does not outlast a call to the wallet, which may take %s", c.Lease, c.WalletTimeout)
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

// Order is a payment and where its buyer is to be sent.
type Order struct {
	pay.Payment
	PayURL string // "" where the payment can no longer be paid
	InApp  bool   // paid within the wallet's app: Checkout is the reference for its cashier
}

// Way is how a buyer's browser gets to the wallet. It has at most one of its
// fields; none if the payment cannot be paid.
type Way struct {
	URL string // the wallet's page
	Ref string // what the cashier of the wallet's app is opened with, by a page of ours
}
