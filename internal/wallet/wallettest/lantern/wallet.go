package lantern

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Wallet is the other side: it takes orders, shows buyers its page, and posts
// callbacks. It serves HTTP at any path below which "/api" is its gateway.
type Wallet struct {
	Key  string
	HTTP *http.Client // posts callbacks

	mu      sync.Mutex
	orders  map[string]*order
	pages   map[string]*page
	life    time.Duration
	refusal string
	silent  bool
	replies []string
}

// order is what the wallet knows of an order. Its state is WAITING, PAID or CLOSED.
type order struct {
	message
	page *page // the newest
}

// page is one address of an order.
type page struct {
	path, order string
	endsAt      time.Time
}

// Set decides what the wallet does from now on: how long its addresses last, with
// which code it refuses orders ("" if it takes them), and whether it is out of
// order, and answers nothing that can be read.
func (w *Wallet) Set(life time.Duration, refusal string, silent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life, w.refusal, w.silent = life, refusal, silent
}

// Replies are the answers to the wallet's callbacks: S, F, or what was wrong.
func (w *Wallet) Replies() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.replies...)
}

// ServeHTTP implements http.Handler.
func (w *Wallet) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/page/") {
		w.buyer(to, r)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || w.silent {
		http.Error(to, "out of order", http.StatusInternalServerError)
		return
	}
	answer := message{Result: "F", Code: "BAD_SIGNATURE"}
	if m, err := unseal(w.Key, r.URL.Path, r.Header, body); err == nil {
		answer = w.answer(r, m)
		answer.Number = m.Number
	}
	header, body := seal(w.Key, r.URL.Path, time.Now(), answer)
	for name := range header {
		to.Header().Set(name, header.Get(name))
	}
	to.Write(body)
}

func (w *Wallet) answer(r *http.Request, m message) message {
	o := w.orders[m.Number]
	call := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	switch {
	case call == "pay" && w.refusal != "":
		return message{Result: "F", Code: w.refusal}
	case call == "pay":
		return w.take(r, o, m)
	case o == nil:
		return message{Result: "F", Code: "UNKNOWN_NUMBER"}
	case call == "cancel" && o.State == "WAITING":
		o.State = "CLOSED"
	}
	return o.says("S")
}

// take makes an order or finds it, and gives it a new page once the last one has
// ended.
func (w *Wallet) take(r *http.Request, o *order, m message) message {
	if o == nil {
		m.State, m.ID = "WAITING", fmt.Sprint("L", len(w.orders)+1)
		o = &order{message: m}
		if w.orders == nil {
			w.orders, w.pages = map[string]*order{}, map[string]*page{}
		}
		w.orders[m.Number] = o
	}
	if o.State != "WAITING" || o.Amount != m.Amount || o.Currency != m.Currency {
		return message{Result: "F", Code: o.State}
	}
	if o.page == nil || !time.Now().Before(o.page.endsAt) {
		path := fmt.Sprint("/page/", len(w.pages)+1)
		o.page = &page{path, m.Number, time.Now().Add(w.life)}
		w.pages[path] = o.page
	}
	answer := o.says("S")
	answer.URL, answer.EndsAt = "http://"+r.Host+o.page.path, o.page.endsAt.Format(time.RFC3339Nano)
	return answer
}

func (o *order) says(result string) message {
	return message{
		Result: result, Number: o.Number, ID: o.ID, State: o.State, TradeNo: o.TradeNo,
		Amount: o.Amount, Currency: o.Currency,
	}
}

// buyer serves a page: GET shows it, POST is the buyer's consent. A page that has
// ended is gone.
func (w *Wallet) buyer(to http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	p := w.pages[r.URL.Path]
	gone := p == nil || !time.Now().Before(p.endsAt) || w.orders[p.order].State != "WAITING"
	if gone || r.Method != http.MethodPost {
		w.mu.Unlock()
		if gone {
			http.Error(to, "this page has ended", http.StatusGone)
		}
		return
	}
	o := w.orders[p.order]
	o.State, o.TradeNo = "PAID", "T"+o.ID
	callback, returnURL := o.says(""), o.ReturnURL
	address := o.CallbackURL
	w.mu.Unlock()
	w.post(address, callback)
	http.Redirect(to, r, returnURL, http.StatusSeeOther)
}

// post posts a callback and keeps what it was answered.
func (w *Wallet) post(address string, m message) {
	reply, err := w.deliver(address, m)
	if err != nil {
		reply = err.Error()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.replies = append(w.replies, reply)
}

func (w *Wallet) deliver(address string, m message) (string, error) {
	r, err := http.NewRequest(http.MethodPost, address, nil)
	if err != nil {
		return "", err
	}
	header, body := seal(w.Key, r.URL.RequestURI(), time.Now(), m)
	r.Header, r.Body, r.ContentLength = header, io.NopCloser(bytes.NewReader(body)), int64(len(body))
	res, err := w.HTTP.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	signed, err := unseal(w.Key, r.URL.RequestURI(), res.Header, answer)
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", res.Status, err, answer)
	}
	return signed.Result, nil
}
