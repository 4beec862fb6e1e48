// Package gateway holds the use cases: Pay, Query, Settle, Recover. It is the
// only code that changes a payment's state.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// Config is what New needs.
type Config struct {
	Store   *store.DB
	Wallets map[string]wallet.Driver
	BaseURL string // of this deployment, as buyers and wallets reach it; no trailing slash
	LinkKey []byte // authenticates pay links
	HTTP    *http.Client
	Now     func() time.Time
	Log     *slog.Logger
	Zone    *time.Location // of dates in payments' ids

	// Notification writes the frozen body of a merchant's notification.
	Notification func(pay.Payment) []byte
	// Wake is called after a commit that made a delivery due.
	Wake func()

	DirectPayURL bool            // hand out the wallet's own address as pay_url
	Looks        []time.Duration // after opening: gaps between looks at the wallet
}

// Gateway is the use cases over one store.
type Gateway struct{ Config }

// New checks the configuration and makes a Gateway.
func New(c Config) (*Gateway, error) { panic("stub") }

// Run looks at open payments when they are due, until ctx ends. It returns when
// all that it started has ended.
func (g *Gateway) Run(ctx context.Context) error { panic("stub") }

// PayRequest is a merchant's order, its shapes checked: what each field may
// look like is the API's business, what may be ordered is Pay's.
type PayRequest struct {
	Credential  pay.Credential
	StoreID     string
	OrderNo     string
	Fingerprint string // of all that the merchant asked for
	PayType     pay.PayType
	Amount      pay.Amount
	Goods       string
	ClientTime  string
	DeviceID    string
	ReturnURL   string
	NotifyURL   string // "" falls back to the credential's
	OpenID      string
	Life        time.Duration
	NoCredit    bool
}

// Order is a payment and where its buyer is to be sent.
type Order struct {
	pay.Payment
	PayURL string
}

// Pay takes an order. A repeat with the same fingerprint gives the same order
// back, with the error AlreadyPaid, AlreadyClosed, AlreadyExpired or what it
// failed with if it is no longer open. Other errors are *pay.Error of
// StoreUnknown, StoreNotSetUp, StoreDisabled, Forbidden, NumberUsed,
// InProgress, OutcomeUnknown, Wallet…
func (g *Gateway) Pay(ctx context.Context, r PayRequest) (Order, error) { panic("stub") }

// QueryRequest chooses what a merchant wants to know of.
type QueryRequest struct {
	Credential pay.Credential
	Filter     store.PaymentFilter // its Scope is set by Query from Credential and StoreID
	StoreID    string
}

// Query lists a merchant's own payments, newest first. Open ones are asked for
// at the wallet first, at most once in three seconds each, and the answer comes
// within two seconds whatever the wallet does.
func (g *Gateway) Query(ctx context.Context, r QueryRequest) ([]pay.Payment, error) { panic("stub") }

// CheckStore tells whether the credential and store id go together: StoreUnknown,
// StoreNotSetUp or StoreDisabled.
func (g *Gateway) CheckStore(ctx context.Context, c pay.Credential, storeID string) error {
	panic("stub")
}

// Callback takes what a wallet posted for an account and returns what to answer.
// With an error nothing has changed and the wallet must be answered so that it
// sends again: NotFound for an address that leads nowhere, BadSignature for a
// message that is refused for good, anything else for trouble of our own.
func (g *Gateway) Callback(ctx context.Context, merchantID, accountID string, header http.Header, body []byte) (reply []byte, err error) {
	panic("stub")
}

// Lookup finds the payment of a pay link's token: NotFound for anything but a
// token that this deployment made, strictly decoded.
func (g *Gateway) Lookup(ctx context.Context, token string) (pay.Payment, error) { panic("stub") }

// Visit is Lookup for a browser that is about to be sent on: it records the
// first opening, and gives the wallet's address if the payment can be paid, ""
// otherwise (its Status says why).
func (g *Gateway) Visit(ctx context.Context, token string) (p pay.Payment, walletURL string, err error) {
	panic("stub")
}

// Returned is Lookup for a browser that came back from the wallet: if the
// payment is open the wallet is asked, under Query's limits.
func (g *Gateway) Returned(ctx context.Context, token string) (pay.Payment, error) { panic("stub") }
