package harness

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/sampanpay/sampan"
)

// Safari is the user agent of a phone's browser.
const Safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, " +
	"like Gecko) " +
	"Version/18.5 Mobile/15E148 Safari/604.1"

// Merchant is a shop's server: the client, and the address that notifications go to.
type Merchant struct {
	*sampan.Client
	Server        *httptest.Server
	Notifications chan *sampan.Notification // verified ones
}

// NewMerchant starts a merchant's server with the credential of the endpoints.
func NewMerchant(t testing.TB, e Endpoints) *Merchant {
	t.Helper()
	m := &Merchant{
		Client:        &sampan.Client{BaseURL: e.Gateway, AppCode: e.AppCode, ClientKey: e.ClientKey},
		Notifications: make(chan *sampan.Notification, 10),
	}
	notified := func(_ context.Context, n *sampan.Notification) error {
		m.Notifications <- n
		return nil
	}
	m.Server = httptest.NewServer(m.NotificationHandler(notified))
	t.Cleanup(m.Server.Close)
	return m
}

// Order returns a request that both wallets can pay.
func (m *Merchant) Order(number string, wallet sampan.PayType) sampan.PaymentRequest {
	return sampan.PaymentRequest{
		PayType: wallet, Amount: 1230, Currency: "HKD", OrderNo: number, GoodsName: "Oolong 烏龍茶",
		ReturnURL: m.Server.URL + "/thanks", NotifyURL: m.Server.URL,
	}
}

// State returns the order's code in a query.
func (m *Merchant) State(t testing.TB, number string) sampan.Code {
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

// Notification waits for the next verified notification.
func (m *Merchant) Notification(t testing.TB) *sampan.Notification {
	t.Helper()
	select {
	case n := <-m.Notifications:
		return n
	case <-time.After(Patience):
		t.Fatal("no notification came")
		return nil
	}
}

// IsCode reports whether err is the gateway's answer with that code.
func IsCode(err error, code sampan.Code) bool {
	var e *sampan.Error
	return errors.As(err, &e) && e.Code == code
}

// OpenLink opens a pay link as a phone's browser does, and returns where the redirects end.
func OpenLink(t testing.TB, link string) *url.URL {
	t.Helper()
	at, _ := Fetch(t, link)
	return at
}

// Fetch reads a page as a phone's browser does. at is where the redirects end.
func Fetch(t testing.TB, address string) (at *url.URL, page string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", Safari)
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
