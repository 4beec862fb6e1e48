// Package checkout is what the buyer's browser sees of Sampan: the pay link, the
// guidance for browsers inside chat apps, the page that pays inside the Alipay app,
// the result page to which a buyer comes back from the wallet, and the authorisation
// link.
//
// It shows what the gateway knows and decides nothing. Opening a pay link is the only
// request here that changes a payment: the gateway records the first opening, and
// asks some wallets for the address of their page.
//
// Read checkout.go (the routes and the pay link) first, then result.go, authorize.go
// and page.go (what every page is made of). browser.go tells chat apps from browsers.
package checkout

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/web"
)

// Payments is what the pages need of a gateway.Gateway. An error with the code
// pay.NotFound means that the token was never given out.
type Payments interface {
	Lookup(ctx context.Context, token string) (pay.Payment, error)
	Visit(ctx context.Context, token string) (pay.Payment, gateway.Way, error)
	Returned(ctx context.Context, token string) (pay.Payment, error)
	// Payable returns pay.StoreDisabled for an open payment whose link is closed.
	// Visit checks it too.
	Payable(ctx context.Context, p pay.Payment) error
}

// Config is what New needs.
type Config struct {
	Payments       Payments
	Authorizations Authorizations
	BaseURL        string // of this deployment, as buyers reach it; no trailing slash
	Now            func() time.Time
	Log            *slog.Logger
}

// Checkout serves the buyer's pages.
type Checkout struct{ Config }

// New makes a Checkout.
func New(c Config) *Checkout { return &Checkout{c} }

// Register adds the pages' routes to mux.
func (c *Checkout) Register(mux *http.ServeMux) {
	for pattern, serve := range map[string]web.Handler{
		"GET /pay/{token}":              c.payLink,
		"GET /pay/{token}/status":       c.status,
		"GET /return/{token}":           c.result,
		"GET /authorize/alipay":         c.authorize,
		"GET " + gateway.AuthorizedPath: c.authorized,
		"GET /checkout/{file}":          asset,
	} {
		mux.Handle(pattern, c.observed(serve))
	}
}

// observed serves requests with serve, each with the pages' security headers, an
// id and a line in the log. The line has the route as its path: a token in the
// address opens its payment.
func (c *Checkout) observed(serve web.Handler) http.Handler {
	return web.Observer{Log: c.Log, Now: c.Now}.Handle(
		func(w http.ResponseWriter, r *http.Request, entry *web.Entry) {
			_, entry.Path, _ = strings.Cut(r.Pattern, " ")
			web.PageHeaders(w.Header(), policy)
			serve(w, r, entry)
		},
		func(w http.ResponseWriter, r *http.Request, entry *web.Entry, err error) {
			entry.Fail(err)
			if strings.HasPrefix(entry.Path, "/authorize") {
				c.authorizing(r).show(w, http.StatusServiceUnavailable, "untold")
				return
			}
			c.view(r, browserOf(r.UserAgent())).show(w, http.StatusServiceUnavailable, "trouble")
		})
}

// policy lets a page load its own style sheet, script and icon and ask for the
// payment's status, and nothing else: no inline code, no forms, no frames.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
	"connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

// payLink sends a browser that can open the wallet on to the wallet. If the wallet
// would not open from this browser, it shows how to leave the app; if there is
// nothing to pay (any more), it says so. Programs that only preview the link leave no
// trace.
func (c *Checkout) payLink(w http.ResponseWriter, r *http.Request, entry *web.Entry) {
	token := r.PathValue("token")
	from := browserOf(r.UserAgent())
	v := c.view(r, from)
	goOn := r.FormValue("open") == "1"
	preview := isPreview(r, from)
	inside := from.app != nil && !goOn

	var p pay.Payment
	var way gateway.Way
	var err error
	if preview || inside {
		p, err = c.Payments.Lookup(r.Context(), token)
	} else {
		p, way, err = c.Payments.Visit(r.Context(), token)
	}
	entry.Add("syssn", p.ID)
	switch {
	case err != nil:
		c.fail(w, r, v, p, err, entry)
		return
	case preview:
		v.show(w, http.StatusOK, "preview")
		return
	case way.URL != "":
		http.Redirect(w, r, way.URL, http.StatusFound)
		return
	}
	v.order(p)
	if end := c.ending(p); end != "" {
		v.show(w, http.StatusOK, end)
		return
	}
	if inside {
		if err := c.Payments.Payable(r.Context(), p); err != nil {
			c.fail(w, r, v, p, err, entry)
			return
		}
		v.guide(c.BaseURL, token)
		v.show(w, http.StatusOK, "guide")
		return
	}
	if way.Ref != "" {
		c.inApp(w, v, token, way.Ref, from.alipay || goOn)
		return
	}
	c.Log.WarnContext(r.Context(), "pay link leads nowhere", "syssn", p.ID, "status", p.Status)
	v.show(w, http.StatusServiceUnavailable, "trouble")
}

// ending returns the page for a payment that cannot be paid, "" for one that can. A
// payment that is being closed, or is past its life but not expired yet, cannot be
// paid.
func (c *Checkout) ending(p pay.Payment) string {
	switch {
	case !p.Status.Open():
		return buyerStatus(p)
	case p.CloseID != "":
		return string(pay.Closed)
	case !c.Now().Before(p.ExpiresAt):
		return string(pay.Expired)
	}
	return ""
}

// fail shows why the link does not lead to the wallet.
func (c *Checkout) fail(
	w http.ResponseWriter, r *http.Request, v *view, p pay.Payment, err error, entry *web.Entry,
) {
	switch pay.CodeOf(err) {
	case pay.NotFound:
		v.show(w, http.StatusNotFound, "missing")
		return
	case pay.StoreDisabled:
		v.order(p)
		v.show(w, http.StatusOK, "shut")
		return
	case pay.WalletRejected:
		entry.Add("code", string(pay.WalletRejected))
		v.order(p)
		v.show(w, http.StatusOK, "declined")
		return
	case pay.WalletTrouble, pay.WalletBusy, pay.OutcomeUnknown: // the gateway has logged it
		entry.Add("code", string(pay.CodeOf(err)))
		v.order(p)
		v.show(w, http.StatusServiceUnavailable, "silent")
		return
	}
	enter(r, entry, err)
	v.show(w, http.StatusServiceUnavailable, "trouble")
}

// enter adds an error of ours to the request's entry.
func enter(r *http.Request, entry *web.Entry, err error) {
	if r.Context().Err() != nil {
		entry.ClientLeft()
		return
	}
	entry.Fail(err)
}

// status answers the script of a page that follows a payment. The script has the
// wallet asked too when its cashier has failed.
func (c *Checkout) status(w http.ResponseWriter, r *http.Request, entry *web.Entry) {
	type answer struct {
		// Status is waiting, paid, returned, failed, closed or expired; or missing, or trouble.
		Status    string `json:"status"`
		Amount    string `json:"amount,omitempty"`
		Currency  string `json:"currency,omitempty"`
		ReturnURL string `json:"return_url,omitempty"`
	}
	look := c.Payments.Lookup
	if r.FormValue("ask") == "1" && r.Method == http.MethodGet {
		look = c.Payments.Returned
	}
	code, a := http.StatusOK, answer{}
	p, err := look(r.Context(), r.PathValue("token"))
	entry.Add("syssn", p.ID)
	switch {
	case pay.CodeOf(err) == pay.NotFound:
		code, a.Status = http.StatusNotFound, "missing"
	case err != nil:
		enter(r, entry, err)
		code, a.Status = http.StatusServiceUnavailable, "trouble"
	default:
		entry.Level = slog.LevelDebug // every page that waits asks every few seconds
		a = answer{Status: buyerStatus(p), Amount: p.Amount.Decimal(), Currency: string(p.Amount.Currency),
			ReturnURL: returnURL(p)}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(a) // the browser may be gone
}

// buyerStatus returns the status of a payment in the buyer's terms: every open payment is
// waiting, and a paid one may be on its way back.
func buyerStatus(p pay.Payment) string {
	switch {
	case p.Status.Open():
		return "waiting"
	case p.GoesBack():
		return "returned"
	}
	return string(p.Status)
}

// returnURL returns where the merchant wants the buyer in the end, "" if nowhere. It
// was checked when the order was taken. A page must lead to nothing but a web address
// even if that check had a hole.
func returnURL(p pay.Payment) string {
	u, err := url.Parse(p.ReturnURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return p.ReturnURL
}
