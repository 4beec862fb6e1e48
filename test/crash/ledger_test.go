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

// ledger is what a merchant records of its orders: its requests, their acknowledgements, and the
// notifications that came. It is the merchant's server too, and acknowledges every notification of
// something that can have happened.
type ledger struct {
	*sampan.Client
	t      *testing.T
	at     *deployment
	server *httptest.Server
	// beforeAck runs before a notification is acknowledged. Set it before any order is paid.
	beforeAck func(*sampan.Notification)
	// transient reports whether to repeat the request that failed with err.
	transient func(err error) bool
	notifyURL string
	noisy     bool // messages can be cut or changed on their way

	wrongCount   atomic.Int64
	unverifiable atomic.Int64 // notifications whose signature was wrong

	mu      sync.Mutex
	orders  map[string]*order // by number
	refunds map[string]*refund
}

// order is one order as its merchant knows it.
type order struct {
	request  sampan.PaymentRequest
	id, link string // as acknowledged; "" if it never was
	paying   bool   // the buyer has begun to pay
	closing  bool   // the merchant has asked to close it
	closed   bool   // and the gateway has confirmed that
	received receipts
	refunds  []*refund
}

// refund is one refund as its merchant knows it.
type refund struct {
	request  sampan.RefundRequest
	id       string // as acknowledged; "" if it never was
	refused  bool   // for good
	received receipts
}

// receipts are the times at which notifications of one thing came, and the body that all of them
// have.
type receipts struct {
	at   []time.Time
	body string
}

// add records a notification, and reports whether it has the same body as those before.
func (r *receipts) add(at time.Time, body []byte) bool {
	if len(r.at) > 0 && r.body != string(body) {
		return false
	}
	r.at, r.body = append(r.at, at), string(body)
	return true
}

func newLedger(t *testing.T, d *deployment) *ledger {
	l := &ledger{
		t: t, at: d, orders: map[string]*order{}, refunds: map[string]*refund{},
		beforeAck: func(*sampan.Notification) {}, transient: unreachable,
	}
	l.Client = &sampan.Client{
		BaseURL: d.Gateway, AppCode: d.AppCode, ClientKey: d.ClientKey, Attempts: 1,
		HTTPClient: &http.Client{Timeout: 15 * time.Second,
			Transport: &http.Transport{MaxIdleConnsPerHost: 100}},
	}
	l.server = httptest.NewServer(l)
	t.Cleanup(l.server.Close)
	l.notifyURL = l.server.URL
	return l
}

// wrong reports what was lost, came twice or is not true.
func (l *ledger) wrong(format string, args ...any) {
	l.t.Helper()
	l.wrongCount.Add(1)
	l.t.Errorf(format, args...)
}

// newOrder makes an order with that number.
func (l *ledger) newOrder(number string) *order {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := &order{request: sampan.PaymentRequest{
		PayType: sampan.Alipay, Amount: int64(1000 + len(l.orders)), Currency: "HKD", OrderNo: number,
		GoodsName: "Wonton 雲吞", ReturnURL: l.server.URL + "/thanks", NotifyURL: l.notifyURL, Time: time.Now(),
	}}
	l.orders[number] = o
	return o
}

// place sends an order once, and records the acknowledgement. However often an order is sent, its
// id and its link stay the same.
func (l *ledger) place(o *order) error {
	p, err := l.Pay(l.t.Context(), o.request)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.id != "" && (o.id != p.ID || o.link != p.PayURL) {
		l.wrong("%s was acknowledged as %s, and now as %s", o.request.OrderNo, o.id, p.ID)
	}
	o.id, o.link = p.ID, p.PayURL
	return nil
}

// errTooSoon: the gateway does not know yet what the wallet knows.
var errTooSoon = errors.New("too soon")

// sendClose asks once to close an order. If the buyer was faster, that is not an error.
func (l *ledger) sendClose(o *order) error {
	l.mu.Lock()
	o.closing = true
	l.mu.Unlock()
	c, err := l.Close(l.t.Context(), sampan.CloseRequest{PaymentID: o.id, Amount: o.request.Amount})
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
	o.closed = true
	return nil
}

// newRefund makes a refund with that number.
func (l *ledger) newRefund(o *order, number string, amount int64) *refund {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &refund{request: sampan.RefundRequest{PaymentID: o.id, OrderNo: number, Amount: amount,
		Time: time.Now()}}
	l.refunds[number] = r
	o.refunds = append(o.refunds, r)
	return r
}

// sendRefund sends a refund once, and records that it is acknowledged, or refused for good.
func (l *ledger) sendRefund(r *refund) error {
	got, err := l.Refund(l.t.Context(), r.request)
	l.mu.Lock()
	defer l.mu.Unlock()
	tooMuch := harness.IsCode(err, sampan.CodeRefundTooLarge) ||
		harness.IsCode(err, sampan.CodeAlreadyRefunded)
	// Because of the network, the wallet could not read the refund, and refused it.
	unread := l.noisy && (harness.IsCode(err, "1203") || harness.IsCode(err, sampan.CodeRefundDenied))
	switch {
	case err == nil && (r.refused || r.id != "" && r.id != got.ID):
		l.wrong("refund %s was %+v, and now is %s", r.request.OrderNo, r, got.ID)
	case err == nil:
		r.id = got.ID
	case harness.IsCode(err, sampan.CodeNotPaid):
		return errTooSoon
	case tooMuch, unread:
		r.refused = true
		return nil
	}
	return err
}

// unreachable reports whether err means that the gateway was down, or died before it could answer.
func unreachable(err error) bool {
	var e *sampan.Error
	return !errors.As(err, &e) || e.HTTPStatus == http.StatusBadGateway
}

// unavailable reports whether err means that the gateway was down, or that its database was: then
// the gateway says that it does not know the outcome, and never that the request is done.
func unavailable(err error) bool {
	var e *sampan.Error
	return unreachable(err) || errors.As(err, &e) &&
		(e.HTTPStatus == http.StatusServiceUnavailable && sampan.Repeat(err) ||
			e.Code == sampan.CodeOutcomeUnknown)
}

// startPaying records that the buyer begins to pay. From now on a notification can be true.
func (l *ledger) startPaying(o *order) {
	l.mu.Lock()
	defer l.mu.Unlock()
	o.paying = true
}

// ServeHTTP takes notifications.
func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	n, err := l.VerifyNotification(r)
	if err != nil {
		if l.unverifiable.Add(1); !l.noisy {
			l.wrong("a notification that cannot be verified: %v", err)
		}
		return
	}
	l.mu.Lock()
	if received := l.receiptsFor(n); received == nil {
		l.wrong("a false notification: %s", n.Raw)
	} else if !received.add(at, n.Raw) {
		l.wrong("the first notification of %s was\n%s\nand another is\n%s", n.OrderNo, received.body, n.Raw)
	}
	l.mu.Unlock()
	l.beforeAck(n)
	io.WriteString(w, "SUCCESS")
}

// receiptsFor returns where to record a notification, or nil if what it says cannot have happened.
// Money that comes for a closed order is refunded automatically.
func (l *ledger) receiptsFor(n *sampan.Notification) *receipts {
	number := n.OrderNo
	if n.Refund {
		number = n.OriginalOrderNo
	}
	o := l.orders[number]
	if o == nil || !o.paying || n.Currency != o.request.Currency {
		return nil
	}
	if !n.Refund {
		if n.Amount != o.request.Amount || n.ID != o.id {
			return nil
		}
		return &o.received
	}
	r := l.refunds[n.OrderNo]
	if r == nil && o.closing && n.OrderNo == n.ID {
		r = &refund{id: n.ID, request: sampan.RefundRequest{PaymentID: o.id, OrderNo: n.ID,
			Amount: o.request.Amount}}
		l.refunds[n.OrderNo] = r
		o.refunds = append(o.refunds, r)
	}
	if r == nil || r.refused || n.OriginalID != o.id || r.request.PaymentID != o.id ||
		n.Amount != r.request.Amount {
		return nil
	}
	return &r.received
}

// open opens the pay link as the buyer does, and reports whether it led to the cashier.
func (l *ledger) open(o *order) bool {
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, o.link, nil)
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
	return res.StatusCode == http.StatusOK &&
		strings.HasPrefix(res.Request.URL.String(), l.at.Wallet+"/cashier/")
}
