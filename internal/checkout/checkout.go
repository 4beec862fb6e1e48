// Package checkout is what the buyer's browser sees of Sampan: the pay link,
// the guidance for browsers inside chat apps, the page that pays inside the
// Alipay app, the one that a buyer comes back to from the wallet, and the
// authorisation link. It shows what the gateway knows and decides nothing: no
// request here changes a payment, but for the time of its first opening.
package checkout

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
)

// Payments is what the pages need to know; a gateway.Gateway has it. An error
// of the code pay.NotFound means a token that was never given out.
type Payments interface {
	Lookup(ctx context.Context, token string) (pay.Payment, error)
	Visit(ctx context.Context, token string) (p pay.Payment, walletURL string, err error)
	Returned(ctx context.Context, token string) (pay.Payment, error)
	// Payable is pay.StoreDisabled for an open payment whose link is shut. Visit asks it by itself.
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
	mux.Handle("GET /pay/{token}", guarded(c.payLink))
	mux.Handle("GET /pay/{token}/status", guarded(c.status))
	mux.Handle("GET /return/{token}", guarded(c.result))
	mux.Handle("GET /authorize/alipay", guarded(c.authorize))
	mux.Handle("GET "+gateway.AuthorizedPath, guarded(c.authorized))
	mux.Handle("GET /checkout/{file}", guarded(asset))
}

// policy lets a page load its own style sheet, script and icon and ask for the
// payment's status, and nothing else: no inline code, no forms, no frames.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

// guarded sets the headers of every answer. A handler may relax the caching of
// what is no buyer's business.
func guarded(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		h.Set("Cache-Control", "no-store")
		next(w, r)
	})
}

// payLink sends a browser that can open the wallet on to it. Where the wallet
// would not open it shows the way out, and where there is nothing to pay (any
// more) it says so. Programs that only look at the link leave no trace.
func (c *Checkout) payLink(w http.ResponseWriter, r *http.Request) {
	token := r.PathValue("token")
	from := browserOf(r.UserAgent())
	v := c.view(r, from)
	insists := r.FormValue("open") == "1"
	looks := onlyLooks(r, from)
	inside := from.app != nil && !insists

	var p pay.Payment
	var wallet string
	var err error
	if looks || inside {
		p, err = c.Payments.Lookup(r.Context(), token)
	} else {
		p, wallet, err = c.Payments.Visit(r.Context(), token)
	}
	switch {
	case err != nil:
		c.fail(w, r, v, p, err)
		return
	case looks:
		v.show(w, http.StatusOK, "preview")
		return
	case wallet != "":
		http.Redirect(w, r, wallet, http.StatusFound)
		return
	}
	v.order(p)
	if end := c.ending(p); end != "" {
		v.show(w, http.StatusOK, end)
		return
	}
	if inside {
		if err := c.Payments.Payable(r.Context(), p); err != nil {
			c.fail(w, r, v, p, err)
			return
		}
		v.guide(c.BaseURL, token)
		v.show(w, http.StatusOK, "guide")
		return
	}
	if p.Status == pay.Pending && p.Checkout != "" {
		c.inApp(w, v, token, p, from.alipay || insists)
		return
	}
	c.Log.WarnContext(r.Context(), "pay link leads nowhere", "syssn", p.ID, "status", p.Status)
	v.show(w, http.StatusServiceUnavailable, "trouble")
}

// ending is the page for a payment that cannot be paid, "" for one that can.
// One that is being called off, or is past its life but was not given up yet, is
// as good as that.
func (c *Checkout) ending(p pay.Payment) string {
	switch {
	case !p.Status.Open():
		return known(p)
	case p.CloseID != "":
		return string(pay.Closed)
	case !c.Now().Before(p.ExpiresAt):
		return string(pay.Expired)
	}
	return ""
}

// fail shows that a payment cannot be shown.
func (c *Checkout) fail(w http.ResponseWriter, r *http.Request, v *view, p pay.Payment, err error) {
	switch pay.CodeOf(err) {
	case pay.NotFound:
		v.show(w, http.StatusNotFound, "missing")
		return
	case pay.StoreDisabled:
		v.order(p)
		v.show(w, http.StatusOK, "shut")
		return
	}
	c.logTrouble(r, p, err)
	v.show(w, http.StatusServiceUnavailable, "trouble")
}

// logTrouble names the payment but never the token, which opens it.
func (c *Checkout) logTrouble(r *http.Request, p pay.Payment, err error) {
	if r.Context().Err() == nil {
		c.Log.ErrorContext(r.Context(), "checkout", "page", r.Pattern, "syssn", p.ID, "error", err)
	}
}

// status answers the script of a page that follows a payment. The wallet is
// asked too if the script has reason to: once its cashier has failed.
func (c *Checkout) status(w http.ResponseWriter, r *http.Request) {
	type answer struct {
		Status    string `json:"status"` // waiting, paid, returned, failed, closed, expired; or missing, trouble
		Amount    string `json:"amount,omitempty"`
		Currency  string `json:"currency,omitempty"`
		ReturnURL string `json:"return_url,omitempty"`
	}
	look := c.Payments.Lookup
	if r.FormValue("ask") == "1" && r.Method == http.MethodGet {
		look = c.Payments.Returned
	}
	code, a := http.StatusOK, answer{}
	switch p, err := look(r.Context(), r.PathValue("token")); {
	case pay.CodeOf(err) == pay.NotFound:
		code, a.Status = http.StatusNotFound, "missing"
	case err != nil:
		c.logTrouble(r, p, err)
		code, a.Status = http.StatusServiceUnavailable, "trouble"
	default:
		a = answer{Status: known(p), Amount: p.Amount.Decimal(), Currency: string(p.Amount.Currency), ReturnURL: returnURL(p)}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(a) // the browser may be gone
}

// known is how a payment stands in the buyer's terms: to a buyer, all that is
// open waits, and what is paid may be on its way back.
func known(p pay.Payment) string {
	switch {
	case p.Status.Open():
		return "waiting"
	case p.GoesBack():
		return "returned"
	}
	return string(p.Status)
}

// returnURL is where the merchant wants the buyer in the end, "" if nowhere. It
// was checked when the order was taken; a page must not lead anywhere but to a
// web address even if that check had a hole.
func returnURL(p pay.Payment) string {
	u, err := url.Parse(p.ReturnURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return p.ReturnURL
}
