package crash_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sampanpay/sampan"

	"github.com/sampanpay/sampan/test/harness"
)

// A ledger is what a merchant knows of its orders: what it asked for, what was
// acknowledged, what it was told. It is the merchant's server too, and
// acknowledges every notification of what can have happened.
type ledger struct {
	*sampan.Client
	t      *testing.T
	on     *deployment
	server *httptest.Server
	before func(*sampan.Notification) // an acknowledgement; set before anything is paid
	// transient reports whether the request that brought err is to be sent again.
	transient func(error) bool
	address   string // that is given for notifications
	noisy     bool   // what is sent may be cut or changed on its way

	faults  atomic.Int64 // found so far
	refused atomic.Int64 // notifications that were not believed

	mu      sync.Mutex
	orders  map[string]*entry
	returns map[string]*giveback
}

// entry is one order.
type entry struct {
	request  sampan.PaymentRequest
	id, link string // as acknowledged; "" if never
	buying   bool   // the buyer has begun to pay
	closing  bool   // the merchant has begun to call it off
	closed   bool   // and was told that it is closed
	told     hearing
	refunds  []*giveback
}

// giveback is one refund.
type giveback struct {
	request sampan.RefundRequest
	id      string // as acknowledged; "" if never
	refused bool   // for good
	told    hearing
}

// hearing is when a merchant was told of one thing, and the body of them all.
type hearing struct {
	at   []time.Time
	body string
}

// hear adds one time, and reports whether the body is that of the others.
func (h *hearing) hear(at time.Time, body []byte) bool {
	if len(h.at) > 0 && h.body != string(body) {
		return false
	}
	h.at, h.body = append(h.at, at), string(body)
	return true
}

func newLedger(t *testing.T, s *deployment) *ledger {
	l := &ledger{t: t, on: s, orders: map[string]*entry{}, returns: map[string]*giveback{}, before: func(*sampan.Notification) {}, transient: away}
	l.Client = &sampan.Client{
		BaseURL: s.Gateway, AppCode: s.AppCode, ClientKey: s.ClientKey, Attempts: 1,
		HTTPClient: &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
	}
	l.server = httptest.NewServer(l)
	t.Cleanup(l.server.Close)
	l.address = l.server.URL
	return l
}

// wrong is for what was lost, came twice or is not true.
func (l *ledger) wrong(format string, args ...any) {
	l.t.Helper()
	l.faults.Add(1)
	l.t.Errorf(format, args...)
}

// order is a new order of that number.
func (l *ledger) order(number string) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &entry{request: sampan.PaymentRequest{
		PayType: sampan.Alipay, Amount: int64(1000 + len(l.orders)), Currency: "HKD", OrderNo: number, GoodsName: "Wonton 雲吞",
		ReturnURL: l.server.URL + "/thanks", NotifyURL: l.address,
		Time: time.Now(),
	}}
	l.orders[number] = e
	return e
}

// place sends an order, once, and writes down the acknowledgement. One order
// has one id and one link, however often it is sent.
func (l *ledger) place(e *entry) error {
	p, err := l.Pay(l.t.Context(), e.request)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.id != "" && (e.id != p.ID || e.link != p.PayURL) {
		l.wrong("%s was acknowledged as %s, and now as %s", e.request.OrderNo, e.id, p.ID)
	}
	e.id, e.link = p.ID, p.PayURL
	return nil
}

// errTooSoon: the gateway has yet to find out what the wallet knows.
var errTooSoon = errors.New("too soon")

// callOff closes an order, once. It is no error that the buyer was faster.
func (l *ledger) callOff(e *entry) error {
	l.mu.Lock()
	e.closing = true
	l.mu.Unlock()
	c, err := l.Close(l.t.Context(), sampan.CloseRequest{PaymentID: e.id, Amount: e.request.Amount})
	switch {
	case harness.IsCode(err, sampan.CodeAlreadyPaid):
		return nil
	case err != nil:
		return err
	case c.Code != sampan.CodeSuccess:
		return errTooSoon
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.closed = true
	return nil
}

// refund is a new refund of that number.
func (l *ledger) refund(e *entry, number string, amount int64) *giveback {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &giveback{request: sampan.RefundRequest{PaymentID: e.id, OrderNo: number, Amount: amount, Time: time.Now()}}
	l.returns[number] = r
	e.refunds = append(e.refunds, r)
	return r
}

// giveBack sends a refund, once, and writes down the acknowledgement, or that it
// is refused for good.
func (l *ledger) giveBack(r *giveback) error {
	got, err := l.Refund(l.t.Context(), r.request)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil && (r.refused || r.id != "" && r.id != got.ID):
		l.wrong("refund %s was %+v, and now is %s", r.request.OrderNo, r, got.ID)
	case err == nil:
		r.id = got.ID
	case harness.IsCode(err, sampan.CodeNotPaid):
		return errTooSoon
	case harness.IsCode(err, sampan.CodeRefundTooLarge), harness.IsCode(err, sampan.CodeAlreadyRefunded),
		l.noisy && (harness.IsCode(err, "1203") || harness.IsCode(err, sampan.CodeRefundDenied)): // the wallet could not read what arrived, and said no
		r.refused = true
		return nil
	}
	return err
}

// away reports whether err is that of a gateway that was not there, or died
// meanwhile.
func away(err error) bool {
	var e *sampan.Error
	return !errors.As(err, &e) || e.HTTPStatus == http.StatusBadGateway
}

// begins writes down that the buyer begins to pay: a notification is no lie
// from now on.
func (l *ledger) begins(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.buying = true
}

// ServeHTTP takes notifications.
func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	n, err := l.VerifyNotification(r)
	if err != nil {
		if l.refused.Add(1); !l.noisy {
			l.wrong("a notification that is none: %v", err)
		}
		return
	}
	l.mu.Lock()
	if h := l.heard(n); h == nil {
		l.wrong("a false notification: %s", n.Raw)
	} else if !h.hear(at, n.Raw) {
		l.wrong("told of %s first\n%s\nand then\n%s", n.OrderNo, h.body, n.Raw)
	}
	l.mu.Unlock()
	l.before(n)
	io.WriteString(w, "SUCCESS")
}

// heard is where a notification is to be written down, nil if what it says
// cannot have happened. Money that comes for a closed order goes back by itself.
func (l *ledger) heard(n *sampan.Notification) *hearing {
	number := n.OrderNo
	if n.Refund {
		number = n.OriginalOrderNo
	}
	e := l.orders[number]
	if e == nil || !e.buying || n.Currency != e.request.Currency {
		return nil
	}
	if !n.Refund {
		if n.Amount != e.request.Amount || n.ID != e.id {
			return nil
		}
		return &e.told
	}
	r := l.returns[n.OrderNo]
	if r == nil && e.closing && n.OrderNo == n.ID {
		r = &giveback{request: sampan.RefundRequest{PaymentID: e.id, OrderNo: n.ID, Amount: e.request.Amount}, id: n.ID}
		l.returns[n.OrderNo] = r
		e.refunds = append(e.refunds, r)
	}
	if r == nil || r.refused || n.OriginalID != e.id || r.request.PaymentID != e.id || n.Amount != r.request.Amount {
		return nil
	}
	return &r.told
}

// opens opens the pay link as the buyer does, and reports whether it led to the
// cashier.
func (l *ledger) opens(e *entry) bool {
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, e.link, nil)
	if err != nil {
		l.t.Error(err)
		return false
	}
	req.Header.Set("User-Agent", harness.Safari)
	res, err := l.HTTPClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK && strings.HasPrefix(res.Request.URL.String(), l.on.Wallet+"/cashier/")
}
