package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/simulator"
	"github.com/sampanpay/sampan/test/harness"
)

// bookkeeper is a merchant's server that compares every notification with what it has sold.
type bookkeeper struct {
	*sampan.Client
	sandbox *harness.Sandbox
	server  *httptest.Server

	mu       sync.Mutex
	sold     map[string]sampan.Transaction // by order number: what its notification must say
	notified map[string]bool
	wrong    []string
}

func newBookkeeper(t *testing.T, s *harness.Sandbox) *bookkeeper {
	t.Helper()
	b := &bookkeeper{
		Client:  &sampan.Client{BaseURL: s.Gateway, AppCode: s.AppCode, ClientKey: s.ClientKey},
		sandbox: s, sold: map[string]sampan.Transaction{}, notified: map[string]bool{},
	}
	b.server = httptest.NewServer(b)
	t.Cleanup(b.server.Close)
	return b
}

// ServeHTTP takes a notification.
func (b *bookkeeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, err := b.VerifyNotification(r)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.wrong = append(b.wrong, err.Error())
		return
	}
	if diff := cmp.Diff(b.sold[n.OrderNo], essence(n.Transaction)); diff != "" {
		b.wrong = append(b.wrong, "a notification (-sold +notified):\n"+diff)
	}
	b.notified[n.OrderNo] = true
	io.WriteString(w, "SUCCESS")
}

// essence is what a merchant compares.
func essence(x sampan.Transaction) sampan.Transaction {
	return sampan.Transaction{
		ID: x.ID, OrderNo: x.OrderNo, Amount: x.Amount, Currency: x.Currency,
		PayType: x.PayType, Code: x.Code,
	}
}

// record notes that an order was placed, and returns what must be said of it once it is paid.
func (b *bookkeeper) record(id string, order sampan.PaymentRequest) sampan.Transaction {
	x := sampan.Transaction{
		ID: id, OrderNo: order.OrderNo, Amount: order.Amount, Currency: order.Currency,
		PayType: order.PayType, Code: sampan.CodeSuccess,
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sold[order.OrderNo] = x
	return x
}

// awaitNotifications waits until every order was notified.
func (b *bookkeeper) awaitNotifications(t *testing.T) {
	t.Helper()
	harness.Eventually(t, "every notification", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for number := range b.sold {
			if !b.notified[number] {
				return false
			}
		}
		return true
	})
}

// sell places an order and plays its buyer, who opens the link, pays and comes back to the result
// page. Then the merchant queries once.
func (b *bookkeeper) sell(t *testing.T, number string, payType sampan.PayType) {
	t.Helper()
	order := sampan.PaymentRequest{
		PayType: payType, Amount: int64(1000 + len(b.sold)), Currency: "HKD", OrderNo: number,
		GoodsName: "Oolong 烏龍茶", NotifyURL: b.server.URL, ReturnURL: b.server.URL + "/thanks",
	}
	p, err := b.Pay(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	sold := b.record(p.ID, order)
	harness.OpenLink(t, p.PayURL)
	b.sandbox.Act(t, p.ID, "pay")
	harness.Fetch(t, tradeOf(t, b.sandbox, p.ID).Attempts[0].ReturnURL)
	b.queryOnce(t, sold)
}

// find queries one order.
func (b *bookkeeper) find(t *testing.T, q sampan.QueryRequest) sampan.Transaction {
	t.Helper()
	found, err := b.Query(t.Context(), q)
	if err != nil || len(found.Transactions) != 1 {
		t.Fatalf("query: %+v %v", found, err)
	}
	return found.Transactions[0]
}

// queryOnce queries an order that its buyer has paid. It can still be pending.
func (b *bookkeeper) queryOnce(t *testing.T, sold sampan.Transaction) {
	t.Helper()
	got := essence(b.find(t, sampan.QueryRequest{IDs: []string{sold.ID}}))
	if got.Code == sampan.CodeNotPaidYet {
		got.Code = sampan.CodeSuccess // soon
	}
	if diff := cmp.Diff(sold, got); diff != "" {
		t.Errorf("the query's answer (-want +got):\n%s", diff)
	}
}

// awaitCallbacks waits until the wallet has sent each callback once, late and forged ones too, and
// returns the faults that it has drawn.
func (b *bookkeeper) awaitCallbacks(t *testing.T) (mishaps []simulator.Mishap) {
	t.Helper()
	for _, sold := range b.sold {
		var seen trade
		harness.Eventually(t, "the wallet's last callback", func() bool {
			seen = tradeOf(t, b.sandbox, sold.ID)
			return !slices.ContainsFunc(seen.Callbacks, func(n callback) bool {
				return len(n.Sends) == 0 || !n.Sends[0].Done
			})
		})
		mishaps = append(mishaps, seen.Mishaps...)
		for _, n := range seen.Callbacks {
			if strings.HasPrefix(n.Extra, "forged") && n.Sends[0].OK {
				t.Errorf("a forged callback was taken: %+v", n)
			}
		}
	}
	return mishaps
}

// audit compares the books: each order is paid by one movement of its amount, and no other money
// has moved.
func (b *bookkeeper) audit(t *testing.T, orders int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, wrong := range b.wrong {
		t.Error(wrong)
	}
	for number, want := range b.sold {
		got := b.find(t, sampan.QueryRequest{OrderNos: []string{number}})
		if diff := cmp.Diff(want, essence(got)); diff != "" {
			t.Errorf("in the end, %s (-want +got):\n%s", number, diff)
		}
	}
	db := harness.OpenSQL(t, "sqlite:"+filepath.Join(b.sandbox.Dir, "sampan.db"))
	defer db.Close()
	var movements, payments, right int
	err := db.QueryRowContext(t.Context(), `
		SELECT count(*), count(DISTINCT m.payment_id),
			count(CASE WHEN m.kind = 'payment' AND m.amount = p.amount AND p.flagged = 0 THEN 1 END)
		FROM movement m JOIN payment p ON p.merchant_id = m.merchant_id AND p.id = m.payment_id`).
		Scan(&movements, &payments, &right)
	if err != nil || movements != orders || payments != orders || right != orders {
		t.Errorf("%d movements of %d payments, %d of them right (%v), want %d", movements, payments,
			right, err, orders)
	}
}

// refundAll refunds everything that was sold, and waits until both sides say that it is done. The
// notifications of it are not compared.
func (b *bookkeeper) refundAll(t *testing.T) {
	t.Helper()
	for _, sold := range b.sold {
		refund := sampan.RefundRequest{PaymentID: sold.ID, OrderNo: sold.OrderNo + "-R", Amount: sold.Amount}
		if r, err := b.Refund(t.Context(), refund); err != nil ||
			r.Code != sampan.CodeSuccess && !r.Code.Pending() {
			t.Errorf("refund of %s: %+v, %v", sold.ID, r, err)
		}
	}
	for _, sold := range b.sold {
		harness.Eventually(t, "a refund", func() bool {
			found, err := b.Query(t.Context(), sampan.QueryRequest{OrderNos: []string{sold.OrderNo + "-R"}})
			return err == nil && len(found.Transactions) == 1 &&
				found.Transactions[0].Code == sampan.CodeSuccess
		})
		_, text := harness.Fetch(t, b.sandbox.Control+"/trades/"+sold.ID)
		// The number stands there once in the trade and once among the events.
		if !strings.Contains(text, `"status": "TRADE_CLOSED"`) ||
			strings.Count(text, `"out_return_no"`) != 2 {
			t.Errorf("the wallet has it as %s", text)
		}
	}
}

// trade is what the simulator's control API says of an order.
type trade struct {
	Attempts []struct {
		ReturnURL string `json:"return_url"`
	}
	Mishaps   []simulator.Mishap
	Callbacks []callback `json:"notifications"`
}

type callback struct {
	Extra string
	Sends []struct {
		Done bool
		OK   bool
	}
}

func tradeOf(t *testing.T, s *harness.Sandbox, id string) (v trade) {
	t.Helper()
	if _, text := harness.Fetch(t, s.Control+"/trades/"+id); json.Unmarshal([]byte(text), &v) != nil {
		t.Fatalf("not JSON: %s", text)
	}
	return v
}
