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
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
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
	mux.Handle("/notify", c.Client.NotificationHandler(s.notified))
	for _, name := range []string{"app.js", "style.css"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, web, "web/"+name) })
	}
	return guard(mux)
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

// buy takes an order, has the gateway make a payment of it, and sends the
// browser there. The order is kept first: the notification may be faster than
// the gateway's answer.
func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	wallet, item := sampan.PayType(r.PostFormValue("wallet")), r.PostFormValue("item")
	tea, ok := teas.find(item)
	if !ok || wallet != sampan.Alipay && wallet != sampan.AlipayHK {
		s.show(w, r, http.StatusBadRequest, "trouble.html", nil)
		return
	}
	o := order{Number: s.Number(), Tea: tea, Wallet: wallet}
	s.orders.add(o)
	payment, err := s.Client.Pay(r.Context(), sampan.PaymentRequest{
		PayType:   wallet,
		Amount:    tea.Price,
		Currency:  currency,
		OrderNo:   o.Number,
		GoodsName: tea.Name(wordsFor(r).Lang),
		ReturnURL: s.BaseURL + "/orders/" + o.Number,
		NotifyURL: s.BaseURL + "/notify",
	})
	if err != nil {
		s.Log.ErrorContext(r.Context(), "shop: order not accepted", "order", o.Number, "err", err)
		s.show(w, r, http.StatusBadGateway, "trouble.html", err)
		return
	}
	_ = s.orders.change(o.Number, func(o *order) error { o.PayURL = payment.PayURL; return nil })
	http.Redirect(w, r, payment.PayURL, http.StatusSeeOther)
}

// notified is what makes an order paid, and nothing else does. A repeat finds
// it paid and changes nothing.
func (s *shop) notified(ctx context.Context, n *sampan.Notification) error {
	if n.Refund {
		return nil // the shop gives no money back, so this was a person's decision
	}
	return s.orders.change(n.OrderNo, func(o *order) error {
		if n.Amount != o.Tea.Price || n.Currency != currency {
			return fmt.Errorf("order %s costs %d %s, but %d %s were paid", o.Number, o.Tea.Price, currency, n.Amount, n.Currency)
		}
		if !o.Paid {
			o.Paid, o.Notification = true, pretty(n.Raw)
			s.Log.InfoContext(ctx, "shop: order paid", "order", o.Number, "syssn", n.ID)
		}
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
