// Package demo is a small tea shop: a merchant that uses the public client. Use it to try a
// gateway, and read it before you write a shop of your own. It keeps its orders in memory.
//
// A purchase passes through shop.go: buy (with authorized for payments inside the Alipay app),
// sell, and notified, which alone makes an order paid. refund returns money. orders.go holds the
// orders and their refunds, words.go the texts of the pages in web.
package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/sampanpay/sampan"
)

// Config configures a shop.
type Config struct {
	Client  *sampan.Client
	BaseURL string // where browsers and the gateway reach the shop
	Log     *slog.Logger
	Number  func() string // makes order numbers; nil means random ones that cannot be guessed
}

type shop struct {
	Config
	orders orders
}

//go:embed web
var web embed.FS

var pages = template.Must(template.ParseFS(web, "web/*.html"))

// New returns the shop's handler.
func New(c Config) http.Handler {
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if c.Number == nil {
		c.Number = func() string { return "TEA-" + rand.Text() }
	}
	s := &shop{Config: c}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.front)
	mux.HandleFunc("POST /buy", s.buy)
	mux.HandleFunc("GET /orders/{number}", s.order)
	mux.HandleFunc("GET /orders/{number}/status", s.status)
	mux.HandleFunc("POST /orders/{number}/refund", s.refund)
	mux.HandleFunc("GET /alipay", s.authorized)
	mux.Handle("/notify", c.Client.NotificationHandler(s.notified))
	for _, name := range []string{"app.js", "style.css"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, web, "web/"+name)
		})
	}
	return secured(http.NewCrossOriginProtection().Handler(mux))
}

// secured adds the security headers. The policy has no form-action: browsers apply it to redirects
// too, and a purchase is a form whose redirects end at the wallet, whose address only the gateway
// knows.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; "+
			"connect-src 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (s *shop) front(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, "front.html", teas)
}

// buy accepts an order. For a payment inside the Alipay app the gateway needs the buyer's id first:
// the buyer goes through the gateway's authorisation and returns to authorized.
func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	wallet, item := sampan.PayType(r.PostFormValue("wallet")), r.PostFormValue("item")
	tea, ok := teas.find(item)
	if _, known := currencies[wallet]; !ok || !known {
		s.show(w, r, http.StatusBadRequest, "trouble.html", nil)
		return
	}
	o := order{Number: s.Number(), Tea: tea, Wallet: wallet}
	if wallet != sampan.AlipayServiceWindow {
		s.sell(w, r, o, "")
		return
	}
	link, err := s.Client.AuthorizeURL(sampan.AuthorizationRequest{
		ReturnURL: s.BaseURL + "/alipay?item=" + tea.ID,
		State:     o.Number,
	})
	if err != nil {
		s.Log.ErrorContext(r.Context(), "shop: no authorisation", "error", err)
		s.show(w, r, http.StatusInternalServerError, "trouble.html", err)
		return
	}
	//nolint:gosec // the shop of a sandbox speaks plain HTTP, on loopback
	http.SetCookie(w, &http.Cookie{
		Name: visit, Value: o.Number, Path: "/alipay", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, link, http.StatusSeeOther)
}

// visit is the cookie that holds the number of the order for which a buyer went to the
// authorisation. The shop sells nothing to a buyer who returns with another order's number.
const visit = "visit"

// authorized receives a buyer inside the Alipay app after the authorisation.
func (s *shop) authorized(w http.ResponseWriter, r *http.Request) {
	tea, ok := teas.find(r.FormValue("item"))
	cookie, err := r.Cookie(visit)
	if !ok || err != nil {
		s.show(w, r, http.StatusBadRequest, "trouble.html", nil)
		return
	}
	buyer, err := s.Client.VerifyAuthorization(r, cookie.Value)
	if err != nil {
		s.Log.WarnContext(r.Context(), "shop: not authorised", "error", err)
		s.show(w, r, http.StatusBadRequest, "trouble.html", err)
		return
	}
	s.sell(w, r, order{Number: cookie.Value, Tea: tea, Wallet: sampan.AlipayServiceWindow}, buyer.OpenID)
}

// sell creates a payment for an order at the gateway and redirects the browser to it. It stores the
// order first, because the notification may arrive before the gateway's answer. Selling an order
// twice makes one payment.
func (s *shop) sell(w http.ResponseWriter, r *http.Request, o order, openID string) {
	if _, again := s.orders.find(o.Number); !again {
		s.orders.add(o)
	}
	payment, err := s.Client.Pay(r.Context(), sampan.PaymentRequest{
		PayType:   o.Wallet,
		Amount:    o.Tea.Price,
		Currency:  currencies[o.Wallet][0],
		OrderNo:   o.Number,
		GoodsName: o.Tea.Name(wordsFor(r).Lang),
		ReturnURL: s.BaseURL + "/orders/" + o.Number,
		NotifyURL: s.BaseURL + "/notify",
		OpenID:    openID,
	})
	if err != nil {
		s.Log.ErrorContext(r.Context(), "shop: payment not created", "order", o.Number, "error", err)
		s.show(w, r, http.StatusBadGateway, "trouble.html", err)
		return
	}
	_ = s.orders.change(o.Number, func(o *order) error {
		o.ID, o.PayURL = payment.ID, payment.PayURL
		return nil
	})
	http.Redirect(w, r, payment.PayURL, http.StatusSeeOther)
}

// refund refunds all that is left of an order. Pressing the button twice makes one refund, under
// one number.
func (s *shop) refund(w http.ResponseWriter, r *http.Request) {
	o, ok := s.orders.find(r.PathValue("number"))
	if !ok {
		s.show(w, r, http.StatusNotFound, "missing.html", nil)
		return
	}
	refund := sampan.RefundRequest{PaymentID: o.ID}
	_ = s.orders.change(o.Number, func(o *order) error {
		refund.OrderNo, refund.Amount = o.nextRefund()
		return nil
	})
	if refund.Amount == 0 { // refunded in the meantime
		http.Redirect(w, r, "/orders/"+o.Number, http.StatusSeeOther)
		return
	}
	done, err := s.Client.Refund(r.Context(), refund)
	if err == nil {
		err = s.orders.change(o.Number, func(o *order) error {
			// The notification may have arrived before this answer.
			if _, counted := o.refunds[done.ID]; done.Code.Pending() && !counted {
				o.pending = refund.OrderNo
				return nil
			}
			return o.addRefund(done.ID, refund.OrderNo, refund.Amount)
		})
	}
	if err != nil {
		s.Log.ErrorContext(r.Context(), "shop: no refund", "order", o.Number, "error", err)
		page := "not-refunded.html"
		if failed(err) {
			_ = s.orders.change(o.Number, func(o *order) error {
				o.failed = withEntry(o.failed, refund.OrderNo, refund.Amount)
				return nil
			})
		}
		if sampan.Repeat(err) { // pressing the button again repeats the same refund
			page = "unknown.html"
		}
		s.show(w, r, http.StatusBadGateway, page, err)
		return
	}
	http.Redirect(w, r, "/orders/"+o.Number, http.StatusSeeOther)
}

// failed reports whether the gateway says that a refund has failed for good, which uses up its
// number. Other errors concern the request alone.
func failed(err error) bool {
	var e *sampan.Error
	return errors.As(err, &e) && slices.Contains([]sampan.Code{
		sampan.CodeRefundDenied, sampan.CodeFundsShort, sampan.CodeRefundTooLate, sampan.CodeRefundTooLarge,
	}, e.Code)
}

// notified handles a notification. Only a notification makes an order paid, and its amount must be
// the order's price. A refund adds its own amount. A repeat changes nothing.
func (s *shop) notified(ctx context.Context, n *sampan.Notification) error {
	number := n.OrderNo
	if n.Refund {
		number = n.OriginalOrderNo
	}
	return s.orders.change(number, func(o *order) error {
		currency := currencies[o.Wallet][0]
		switch {
		case n.Currency != currency:
			return fmt.Errorf("order %s is in %s, but the notification is in %s",
				o.Number, currency, n.Currency)
		case n.Refund:
			if err := o.addRefund(n.ID, n.OrderNo, n.Amount); err != nil {
				return err
			}
		case n.Amount != o.Tea.Price:
			return fmt.Errorf("order %s costs %d, but the notification is about %d",
				o.Number, o.Tea.Price, n.Amount)
		case o.Paid:
			return nil
		default:
			o.Paid = true
		}
		if _, again := o.notified[n.ID]; again {
			return nil
		}
		o.notified, o.Notification = withEntry(o.notified, n.ID, n.Amount), pretty(n.Raw)
		s.Log.InfoContext(ctx, "shop: order "+o.State(), "order", o.Number, "syssn", n.ID)
		return nil
	})
}

func pretty(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

// order serves the page to which the buyer returns. The return proves nothing.
func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	o, ok := s.orders.find(r.PathValue("number"))
	if !ok {
		s.show(w, r, http.StatusNotFound, "missing.html", nil)
		return
	}
	s.show(w, r, http.StatusOK, "order.html", o)
}

func (s *shop) status(w http.ResponseWriter, r *http.Request) {
	o, ok := s.orders.find(r.PathValue("number"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "{\"state\": %q}\n", o.State())
}

// show renders a page in the browser's language.
func (s *shop) show(w http.ResponseWriter, r *http.Request, status int, page string, about any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, page, struct{ Words, About any }{wordsFor(r), about}); err != nil {
		s.Log.ErrorContext(r.Context(), "shop: page", "page", page, "error", err)
		http.Error(w, "the page cannot be rendered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}
