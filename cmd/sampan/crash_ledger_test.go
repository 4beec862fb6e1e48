package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// A ledger is what a merchant knows of its orders: what it asked for, what was
// acknowledged, what it was told. It is the merchant's server too, and
// acknowledges every notification of what the buyer has begun to pay.
type ledger struct {
	*sampan.Client
	t      *testing.T
	site   *site
	server *httptest.Server
	before func(*sampan.Notification) // an acknowledgement; set before anything is paid
	// transient reports whether the request that brought err is to be sent again.
	transient func(error) bool

	address string // that is given for notifications
	noisy   bool   // what arrives may be cut or changed

	faults  atomic.Int64 // found so far
	refused atomic.Int64 // notifications that were not believed

	mu     sync.Mutex
	orders map[string]*entry
}

// entry is one order.
type entry struct {
	request  sampan.PaymentRequest
	id, link string      // as acknowledged; "" if never
	buying   bool        // the buyer has begun to pay
	told     []time.Time // notifications
	body     string      // of them all
}

func newLedger(t *testing.T, s *site) *ledger {
	l := &ledger{t: t, site: s, orders: map[string]*entry{}, before: func(*sampan.Notification) {}, transient: away}
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
	e := l.orders[n.OrderNo]
	switch {
	case e == nil || !e.buying || n.Amount != e.request.Amount || n.Currency != e.request.Currency || n.ID != e.id:
		l.wrong("a false notification: %s", n.Raw)
	case len(e.told) > 0 && e.body != string(n.Raw):
		l.wrong("told of %s first\n%s\nand then\n%s", n.OrderNo, e.body, n.Raw)
	default:
		e.told, e.body = append(e.told, at), string(n.Raw)
	}
	l.mu.Unlock()
	l.before(n)
	io.WriteString(w, "SUCCESS")
}

// tally is what a check has counted.
type tally struct {
	orders, paid, told, repeats int
	wrong                       int64
}

// settled waits until the gateway has nothing left to tell.
func (l *ledger) settled(t *testing.T) {
	t.Helper()
	db := storetest.Open(t, l.site.dsn)
	eventually(t, "every notification to be acknowledged", func() bool {
		due, err := db.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryDue, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		return len(due) == 0 && !l.untold()
	})
}

// untold reports whether a buyer has paid and nobody was told.
func (l *ledger) untold() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.orders {
		if e.buying && len(e.told) == 0 {
			return true
		}
	}
	return false
}

// check compares what the merchant and the wallet know with what the gateway
// says and with what is in its database:
//   - every acknowledged order is there, under its id;
//   - it is paid if the wallet says so, and only then;
//   - its money came in once;
//   - the merchant was told of it, as one notification, and again only where
//     the acknowledgement could get lost.
func (l *ledger) check(t *testing.T) tally {
	t.Helper()
	db := storetest.Open(t, l.site.dsn)
	l.mu.Lock()
	defer l.mu.Unlock()
	said := l.ask(t)
	var c tally
	for number, e := range l.orders {
		if e.id == "" {
			l.wrong("%s was never acknowledged", number)
			continue
		}
		c.orders++
		wallet := l.site.sale(t, e.id)
		paid := wallet.Status == "TRADE_FINISHED"
		if paid != e.buying {
			l.wrong("%s: that the buyer pays is %t, and the wallet says %q", number, e.buying, wallet.Status)
		}
		want := sampan.Transaction{ID: e.id, Amount: e.request.Amount, Code: sampan.CodeNotPaidYet}
		if paid {
			c.paid++
			want.Code, want.WalletNo = sampan.CodeSuccess, wallet.Trade.TradeNo
		}
		s := said[number]
		if got := (sampan.Transaction{ID: s.ID, Amount: s.Amount, Code: s.Code, WalletNo: s.WalletNo}); got != want {
			l.wrong("%s: the gateway says %+v, want %+v", number, got, want)
		}
		l.checkMoney(t, db, e, paid, wallet.Trade.TradeNo)
		l.checkTold(t, db, e, paid)
		c.told += len(e.told)
		c.repeats += max(0, len(e.told)-1)
	}
	c.wrong = l.faults.Load()
	return c
}

// ask queries every order, by number.
func (l *ledger) ask(t *testing.T) map[string]sampan.Transaction {
	t.Helper()
	said := map[string]sampan.Transaction{}
	for some := range slices.Chunk(slices.Collect(maps.Keys(l.orders)), 50) {
		result, err := l.Query(t.Context(), sampan.QueryRequest{OrderNos: some, PageSize: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range result.Transactions {
			if _, twice := said[x.OrderNo]; twice {
				l.wrong("%s is there twice", x.OrderNo)
			}
			said[x.OrderNo] = x
		}
	}
	return said
}

func (l *ledger) checkMoney(t *testing.T, db *store.DB, e *entry, paid bool, tradeNo string) {
	t.Helper()
	p, err := db.Payment(t.Context(), "100002", e.id)
	if err != nil {
		l.wrong("%s: %v", e.request.OrderNo, err)
		return
	}
	lines, err := db.Movements(t.Context(), "100002", e.id)
	if err != nil {
		t.Fatal(err)
	}
	events, err := db.Events(t.Context(), "100002", e.id)
	if err != nil {
		t.Fatal(err)
	}
	moves := 0
	for _, x := range events {
		if x.Kind == "paid" {
			moves++
		}
	}
	switch {
	case !paid && (p.Status != pay.Pending || len(lines)+moves > 0):
		l.wrong("%s is not paid, and here it is %s, with money %+v and events %+v", e.request.OrderNo, p.Status, lines, events)
	case paid && (p.Status != pay.Paid || p.Surplus || p.Late || len(lines) != 1 || moves != 1):
		l.wrong("%s is paid once, and here it is %s (surplus %t, late %t), with money %+v and events %+v",
			e.request.OrderNo, p.Status, p.Surplus, p.Late, lines, events)
	case paid && (lines[0].Kind != pay.MovementPayment || lines[0].Amount != p.Amount || lines[0].TradeNo != tradeNo):
		l.wrong("%s was paid by trade %s, and the money is %+v", e.request.OrderNo, tradeNo, lines[0])
	}
}

func (l *ledger) checkTold(t *testing.T, db *store.DB, e *entry, paid bool) {
	t.Helper()
	number := e.request.OrderNo
	deliveries, err := db.Deliveries(t.Context(), store.DeliveryFilter{MerchantID: "100002", PaymentID: e.id})
	if err != nil {
		t.Fatal(err)
	}
	if !paid {
		if len(deliveries) > 0 || len(e.told) > 0 {
			l.wrong("%s is not paid, and its merchant is told so: %+v", number, deliveries)
		}
		return
	}
	if len(deliveries) != 1 || deliveries[0].State != store.DeliveryDone {
		l.wrong("%s has the notifications %+v, want one, acknowledged", number, deliveries)
		return
	}
	// What was written down as acknowledged is never sent again.
	attempts, err := db.Attempts(t.Context(), "100002", deliveries[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range attempts {
		if last := i == len(attempts)-1; (a.Error == "") != last {
			l.wrong("%s: attempts %+v, want only the last acknowledged", number, attempts)
		} else if _, lossy := l.site.troubled(a.StartedAt.Add(-time.Second), a.StartedAt.Add(a.Took)); !last && !lossy {
			l.wrong("%s: attempt %+v failed, and everybody was there", number, a)
		}
	}
	if len(e.told) == 0 || len(attempts) == 0 {
		l.wrong("%s is paid, and nobody was told", number)
	}
	for i := 1; i < len(e.told); i++ {
		before, again := e.told[i-1], e.told[i]
		// What a process had sent is read within a second of its end.
		switch was, lossy := l.site.troubled(before.Add(-time.Second), again); {
		case !was:
			l.wrong("%s: told at %s and again at %s, and there was no trouble between", number, before, again)
		case !lossy && again.Sub(before) < sendTimeout:
			l.wrong("%s: told again after %s, while the first attempt could have been under way", number, again.Sub(before))
		}
	}
}

// sale is what the wallet says of an order.
type sale struct {
	Status string `json:"status"`
	Trade  struct {
		TradeNo string `json:"trade_no"`
	} `json:"trade"`
	Notices []struct {
		Answered time.Time `json:"answered_at"`
	} `json:"notifications"`
}

// answered reports whether an answer to a notification has reached the wallet.
func (x sale) answered() bool {
	for _, n := range x.Notices {
		if !n.Answered.IsZero() {
			return true
		}
	}
	return false
}

func (s *site) sale(t *testing.T, id string) sale {
	t.Helper()
	x, err := s.look(id)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (s *site) look(id string) (x sale, err error) {
	res, err := http.Get(s.Control + "/trades/" + id)
	if err != nil {
		return x, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotFound { // the cashier was never opened
		return x, nil
	}
	if err := json.NewDecoder(res.Body).Decode(&x); err != nil || res.StatusCode != http.StatusOK {
		return x, fmt.Errorf("the wallet's order %s: %s %w", id, res.Status, err)
	}
	return x, nil
}

// opens opens the pay link as the buyer does, and reports whether it led to the
// cashier.
func (l *ledger) opens(e *entry) bool {
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, e.link, nil)
	if err != nil {
		l.t.Error(err)
		return false
	}
	req.Header.Set("User-Agent", safari)
	res, err := l.HTTPClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return res.StatusCode == http.StatusOK && strings.HasPrefix(res.Request.URL.String(), l.site.Wallet+"/cashier/")
}
