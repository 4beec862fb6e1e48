// Package api is what merchants' servers and wallets' servers talk to: the trade API
// (payment, query, refund, close, add_note) and the wallets' callback addresses. It
// reads a request, authenticates it, checks the shapes of its values, hands it to the
// gateway, and writes the answer. It decides nothing about payments.
//
// Read api.go (the paths) and middleware.go first. A merchant's request then passes
// form.go (parameters), auth.go (signature), rate.go and source.go (limits),
// purpose.go and values.go (shapes), and its call: payment.go, query.go or refund.go.
// errors.go and answer.go write the answer. callback.go is the way of a wallet's
// callback.
package api

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/web"
)

// Config is what New needs. Gateway and Store must be set.
type Config struct {
	Gateway *gateway.Gateway
	Store   *store.DB
	// Zone is the time zone of the times in answers; UTC+8 if nil.
	Zone *time.Location
	// TrustedProxies are the networks whose X-Forwarded-For is trusted. Behind a
	// proxy that is not among them, all requests seem to come from the proxy.
	TrustedProxies []netip.Prefix
	// TroubleStatus is the HTTP status of answers to merchants if the trouble is
	// ours; 503 if 0.
	TroubleStatus int
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	// Random is where request ids come from; crypto/rand if nil.
	Random io.Reader
	// Log takes one line for each request; slog.Default() if nil.
	Log *slog.Logger
}

// API serves the trade API and the callbacks.
type API struct {
	Config
	rates    *rates
	failures *failures
}

// New makes an API, filling in the defaults of c.
func New(c Config) *API {
	if c.Zone == nil {
		c.Zone = time.FixedZone("UTC+8", 8*60*60)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &API{
		Config:   c,
		rates:    &rates{take: c.Store.TakeRate, now: c.Now},
		failures: &failures{now: c.Now},
	}
}

// Register adds the API's paths to mux.
func (a *API) Register(mux *http.ServeMux) {
	for path, serve := range map[string]func(context.Context, call, *web.Entry) answer{
		"payment": a.pay, "query": a.query, "refund": a.refund, "close": a.close, "reversal": a.close,
		"add_note": a.addNote,
	} {
		mux.Handle("/trade/v1/"+path, a.trade(callsByPath[path], serve))
	}
	mux.Handle("/trade/", a.observed(a.broken, a.unknownPath))
	mux.Handle("/callback/{merchant}/{account}", a.observed(callbackBroken, a.callback))
}

// unknownPath answers requests for other paths below /trade/.
func (a *API) unknownPath(_ http.ResponseWriter, _ *http.Request, entry *web.Entry) answer {
	return a.refuse(&pay.Error{
		Code: pay.BadRequest, Message: "there is no such path", Err: errNoPath,
	}, "", entry)
}

// Handler serves the API's paths and nothing else.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	a.Register(mux)
	return mux
}

// What has an HTTP status of its own; every other refusal is 200 (trade API,
// transport).
var (
	errNoPath   = errors.New("no such path")
	errMethod   = errors.New("method not allowed")
	errTooLarge = errors.New("request too large")
)
