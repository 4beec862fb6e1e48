// Package demo is a small tea shop: a merchant on the public client, to try a
// gateway with and to read before writing another one. What it keeps, it keeps
// in memory.
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

// Config is what a shop needs.
type Config struct {
	Client  *sampan.Client
	BaseURL string // where browsers and the gateway reach the shop
	Log     *slog.Logger
	Number  func() string // makes order numbers; random ones, not to be guessed, if nil
}

type shop struct {
	Config
	orders orders
}

//go:embed web
var web embed.FS

var pages = template.Must(template.ParseFS(web, "web/*.html"))

// New opens the shop.
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
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, web, "web/"+name) })
	}
	return guard(http.NewCrossOriginProtection().Handler(mux))
}

// guard sets what holds for every answer. There is no form-action: browsers
// apply it to redirects too, and a purchase is one that ends at the wallet,
// whose address only the gateway knows.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (s *shop) front(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, "front.html", teas)
}

// buy takes an order. To pay inside the Alipay app, the gateway must first be
// told who the buyer is: they go through its authorisation and come back to
// authorized.
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
	link, err := s.Client.AuthorizeURL(sampan.AuthorizationRequest{ReturnURL: s.BaseURL + "/alipay?item=" + tea.ID, State: o.Number})
	if err != nil {
		s.Log.ErrorContext(r.Context(), "shop: no authorisation", "err", err)
		s.show(w, r, http.StatusInternalServerError, "trouble.html", err)
		return
	}
	//nolint:gosec // the shop of a sandbox speaks plain HTTP, on loopback
	http.SetCookie(w, &http.Cookie{Name: visit, Value: o.Number, Path: "/alipay", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, link, http.StatusSeeOther)
}

// visit is the cookie with the number of the order that a buyer has gone to be
// authorised for: who comes back with another's is not sold anything.
const visit = "visit"

// authorized is where a buyer inside the Alipay app comes back to, known.
func (s *shop) authorized(w http.ResponseWriter, r *http.Request) {
	tea, ok := teas.find(r.FormValue("item"))
	cookie, err := r.Cookie(visit)
	if !ok || err != nil {
		s.show(w, r, http.StatusBadRequest, "trouble.html", nil)
		return
	}
	buyer, err := s.Client.VerifyAuthorization(r, cookie.Value)
	if err != nil {
		s.Log.WarnContext(r.Context(), "shop: not authorised", "err", err)
		s.show(w, r, http.StatusBadRequest, "trouble.html", err)
		return
	}
	s.sell(w, r, order{Number: cookie.Value, Tea: tea, Wallet: sampan.AlipayServiceWindow}, buyer.OpenID)
}

// sell has the gateway make a payment of an order, and sends the browser there.
// The order is kept first: the notification may be faster than the gateway's
// answer. Selling an order again is selling it once.
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
		s.Log.ErrorContext(r.Context(), "shop: order not accepted", "order", o.Number, "err", err)
		s.show(w, r, http.StatusBadGateway, "trouble.html", err)
		return
	}
	_ = s.orders.change(o.Number, func(o *order) error { o.ID, o.PayURL = payment.ID, payment.PayURL; return nil })
	http.Redirect(w, r, payment.PayURL, http.StatusSeeOther)
}

// refund gives back all that is left of an order's money. Pressed twice it is one
// refund, since it goes under one number.
func (s *shop) refund(w http.ResponseWriter, r *http.Request) {
	o, ok := s.orders.find(r.PathValue("number"))
	if !ok {
		s.show(w, r, http.StatusNotFound, "missing.html", nil)
		return
	}
	ask := sampan.RefundRequest{PaymentID: o.ID}
	_ = s.orders.change(o.Number, func(o *order) error {
		ask.OrderNo, ask.Amount = o.ask()
		return nil
	})
	if ask.Amount == 0 { // all of it went back in the meantime
		http.Redirect(w, r, "/orders/"+o.Number, http.StatusSeeOther)
		return
	}
	back, err := s.Client.Refund(r.Context(), ask)
	if err == nil {
		err = s.orders.change(o.Number, func(o *order) error {
			if _, counted := o.back[back.ID]; back.Code.Pending() && !counted { // the notification may have been faster
				o.waiting = ask.OrderNo
				return nil
			}
			return o.giveBack(back.ID, ask.OrderNo, ask.Amount)
		})
	}
	if err != nil {
		s.Log.ErrorContext(r.Context(), "shop: no refund", "order", o.Number, "err", err)
		page := "kept.html"
		if failed(err) {
			_ = s.orders.change(o.Number, func(o *order) error {
				o.refused = with(o.refused, ask.OrderNo, ask.Amount)
				return nil
			})
		}
		if sampan.Repeat(err) { // the same refund is asked for again, by whoever presses the button
			page = "unsure.html"
		}
		s.show(w, r, http.StatusBadGateway, page, err)
		return
	}
	http.Redirect(w, r, "/orders/"+o.Number, http.StatusSeeOther)
}

// failed reports whether the gateway says that a refund has failed for good, so that its number is used up. Other
// refusals are of the request alone.
func failed(err error) bool {
	var e *sampan.Error
	return errors.As(err, &e) && slices.Contains([]sampan.Code{
		sampan.CodeRefundDenied, sampan.CodeFundsShort, sampan.CodeRefundTooLate, sampan.CodeRefundTooLarge,
	}, e.Code)
}

// notified is what makes an order paid, and nothing else does: a payment must be
// of the order's price. A refund's amount is its own, and what went back adds up.
// A repeat changes nothing.
func (s *shop) notified(ctx context.Context, n *sampan.Notification) error {
	number := n.OrderNo
	if n.Refund {
		number = n.OriginalOrderNo
	}
	return s.orders.change(number, func(o *order) error {
		currency := currencies[o.Wallet][0]
		switch {
		case n.Currency != currency:
			return fmt.Errorf("order %s is in %s, but the notification in %s", o.Number, currency, n.Currency)
		case n.Refund:
			if err := o.giveBack(n.ID, n.OrderNo, n.Amount); err != nil {
				return err
			}
		case n.Amount != o.Tea.Price:
			return fmt.Errorf("order %s costs %d, but the notification is of %d", o.Number, o.Tea.Price, n.Amount)
		case o.Paid:
			return nil
		default:
			o.Paid = true
		}
		if _, again := o.told[n.ID]; again {
			return nil
		}
		o.told, o.Notification = with(o.told, n.ID, n.Amount), pretty(n.Raw)
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

// order is where the buyer comes back to, which proves nothing.
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

// show renders a page in the language of the browser.
func (s *shop) show(w http.ResponseWriter, r *http.Request, status int, page string, about any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, page, struct{ Words, About any }{wordsFor(r), about}); err != nil {
		s.Log.ErrorContext(r.Context(), "shop: page", "page", page, "err", err)
		http.Error(w, "the shop is in disorder", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}
