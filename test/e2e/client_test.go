package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan"
)

// A merchant's server places an order, repeats itself, sees it pending, is told
// that it is paid, and sees it paid.
func TestAMerchantsServerIsToldOfAPayment(t *testing.T) {
	s := startSandbox(t)
	for _, wallet := range []sampan.PayType{sampan.Alipay, sampan.AlipayHK} {
		t.Run(string(wallet), func(t *testing.T) {
			shop := startMerchant(t, s)
			order := shop.order("E2E-"+string(wallet), wallet)

			payment, err := shop.Pay(t.Context(), order)
			if err != nil {
				t.Fatal(err)
			}
			again, err := shop.Pay(t.Context(), order)
			if err != nil || again.ID != payment.ID || again.PayURL != payment.PayURL {
				t.Errorf("repeated, the order is %+v (%v), was %+v", again, err, payment)
			}
			other := order
			other.Amount++
			if _, err := shop.Pay(t.Context(), other); !isCode(err, sampan.CodeNumberUsed) {
				t.Errorf("another amount under the same number: %v, want code %s", err, sampan.CodeNumberUsed)
			}
			if code := shop.state(t, order.OrderNo); code != sampan.CodeNotPaidYet {
				t.Errorf("before the buyer has paid, the order is %s, want %s", code, sampan.CodeNotPaidYet)
			}

			openLink(t, payment.PayURL)
			s.act(t, payment.ID, "pay")
			told := shop.notification(t)
			want := sampan.Transaction{ID: payment.ID, OrderNo: order.OrderNo, Amount: order.Amount, Currency: order.Currency, PayType: wallet, Code: sampan.CodeSuccess}
			got := sampan.Transaction{ID: told.ID, OrderNo: told.OrderNo, Amount: told.Amount, Currency: told.Currency, PayType: told.PayType, Code: told.Code}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("notification (-want +got):\n%s", diff)
			}
			if code := shop.state(t, order.OrderNo); code != sampan.CodeSuccess {
				t.Errorf("after the notification the order is %s, want %s", code, sampan.CodeSuccess)
			}
			if _, err := shop.Pay(t.Context(), order); !isCode(err, sampan.CodeAlreadyPaid) {
				t.Errorf("placed once more: %v, want code %s", err, sampan.CodeAlreadyPaid)
			}
		})
	}
}

// What was acknowledged before a power cut is there after it, on both sides:
// the same order, the same link, and it can still be paid.
func TestAPowerCutLosesNoOrder(t *testing.T) {
	before := startSandbox(t)
	shop := startMerchant(t, before)
	order := shop.order("BEFORE-THE-CUT", sampan.Alipay)
	payment, err := shop.Pay(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	openLink(t, payment.PayURL)
	before.kill(t)

	after := before.again(t)
	if after.AppCode != before.AppCode || after.ClientKey != before.ClientKey {
		t.Fatal("the demo merchant's credentials changed")
	}
	again, err := shop.Pay(t.Context(), order)
	if err != nil || again.ID != payment.ID || again.PayURL != payment.PayURL {
		t.Fatalf("after the cut, the order is %+v (%v), was %+v", again, err, payment)
	}
	openLink(t, again.PayURL)
	after.act(t, payment.ID, "pay")
	if told := shop.notification(t); told.ID != payment.ID {
		t.Errorf("told of %s, want %s", told.ID, payment.ID)
	}
	after.kill(t)

	before.again(t)
	if code := shop.state(t, order.OrderNo); code != sampan.CodeSuccess {
		t.Errorf("after another cut the paid order is %s, want %s", code, sampan.CodeSuccess)
	}
}

// A merchant is a shop's server: the client, and the address it is notified at.
type merchant struct {
	*sampan.Client
	server *httptest.Server
	told   chan *sampan.Notification
}

func startMerchant(t testing.TB, s *sandbox) *merchant {
	t.Helper()
	m := &merchant{
		Client: &sampan.Client{BaseURL: s.Gateway, AppCode: s.AppCode, ClientKey: s.ClientKey},
		told:   make(chan *sampan.Notification, 10),
	}
	m.server = httptest.NewServer(m.NotificationHandler(func(_ context.Context, n *sampan.Notification) error {
		m.told <- n
		return nil
	}))
	t.Cleanup(m.server.Close)
	return m
}

// order is a request that both wallets can pay.
func (m *merchant) order(number string, wallet sampan.PayType) sampan.PaymentRequest {
	return sampan.PaymentRequest{
		PayType: wallet, Amount: 1230, Currency: "HKD", OrderNo: number, GoodsName: "Oolong 烏龍茶",
		ReturnURL: m.server.URL + "/thanks", NotifyURL: m.server.URL,
	}
}

// state is the order's code in a query.
func (m *merchant) state(t *testing.T, number string) sampan.Code {
	t.Helper()
	result, err := m.Query(t.Context(), sampan.QueryRequest{OrderNos: []string{number}})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Transactions) != 1 {
		t.Fatalf("%d transactions have the number %s, want 1", len(result.Transactions), number)
	}
	return result.Transactions[0].Code
}

// notification waits for the next verified notification.
func (m *merchant) notification(t *testing.T) *sampan.Notification {
	t.Helper()
	select {
	case n := <-m.told:
		return n
	case <-time.After(patience):
		t.Fatal("no notification came")
		return nil
	}
}

func isCode(err error, code sampan.Code) bool {
	var e *sampan.Error
	return errors.As(err, &e) && e.Code == code
}

// openLink opens a pay link as a phone's browser does, and returns where the
// redirects end.
func openLink(t *testing.T, link string) *url.URL {
	t.Helper()
	at, _ := fetch(t, link)
	return at
}

// fetch reads a page, and returns where the redirects have led.
func fetch(t *testing.T, address string) (at *url.URL, page string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", safari)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("%s leads to %s: %s %v", address, res.Request.URL, res.Status, err)
	}
	return res.Request.URL, string(body)
}

// act does at the simulator what the buyer of an opened trade does: pay, fail
// or cancel.
func (s *sandbox) act(t *testing.T, trade, what string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Control+"/trades/"+trade+"/"+what, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer any
	err = json.NewDecoder(res.Body).Decode(&answer)
	if res.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("%s %s: %s %v %v", what, trade, res.Status, answer, err)
	}
}
