package server

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/audit"
	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/wallettest/lantern"
)

const walletKey = "the key of both sides"

// market is a server behind a proxy that takes /gate off the path, a wallet that
// redirects, a merchant's shop and a buyer's browser, each on a port of its own.
type market struct {
	*testing.T
	server  *Server
	wallet  *lantern.Wallet
	client  *sampan.Client
	shop    string // the address of the merchant's notifications
	browser *http.Client

	mu   sync.Mutex
	told []string // what the merchant is notified of
}

func newMarket(t *testing.T, dsn string) *market {
	m := &market{T: t, wallet: &lantern.Wallet{Key: walletKey, HTTP: http.DefaultClient}}
	m.browser = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	m.wallet.Set(14*time.Minute, "", false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inside := &url.URL{Scheme: "http", Host: l.Addr().String()}
	proxy := httptest.NewServer(http.StripPrefix("/gate", httputil.NewSingleHostReverseProxy(inside)))
	c := config.Config{
		Database: dsn, MasterKey: storetest.MasterKey, BaseURL: proxy.URL + "/gate",
		Delivery: config.Delivery{Allow: []outbound.Allow{{Prefix: netip.MustParsePrefix("127.0.0.0/8")}}},
	}
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	drivers := map[string]wallet.Driver{lantern.Driver.Name: lantern.Driver}
	if m.server, err = New(t.Context(), c, drivers, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	m.seed(c)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- m.server.Run(ctx, l) }()
	t.Cleanup(func() {
		proxy.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return m
}

// seed makes the merchant, whose account is at the wallet.
func (m *market) seed(c config.Config) {
	merchant, credential := storetest.Merchant(m, m.server.Store)
	m.client = &sampan.Client{
		BaseURL: c.BaseURL, AppCode: credential.AppCode,
		ClientKey: credential.ClientKey.Reveal(), Attempts: 1,
	}
	shop := httptest.NewServer(m.client.NotificationHandler(
		func(_ context.Context, n *sampan.Notification) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.told = append(m.told, n.OrderNo)
			return nil
		}))
	m.Cleanup(shop.Close)
	m.shop = shop.URL
	wallets := httptest.NewServer(m.wallet)
	m.Cleanup(wallets.Close)
	if err := m.server.Store.PutWalletAccount(m.Context(), pay.WalletAccount{
		MerchantID: merchant.ID, ID: "lantern", Wallet: lantern.Driver.Name,
		PayTypes: []pay.PayType{pay.AlipayHK}, Currencies: []pay.Currency{"HKD"},
		Settings: map[string]string{"gateway": wallets.URL + "/api"},
		Secrets:  map[string]pay.Secret{"key": walletKey}, CreatedAt: merchant.CreatedAt,
		UpdatedAt: merchant.CreatedAt,
	}); err != nil {
		m.Fatal(err)
	}
	if err := m.server.Store.SetWalletAccountDisabled(m.Context(), merchant.ID, "main", true); err != nil {
		m.Fatal(err)
	}
}

// order places an order and returns its pay link.
func (m *market) order(number string) string {
	m.Helper()
	p, err := m.client.Pay(m.Context(), sampan.PaymentRequest{
		PayType: sampan.AlipayHK, Amount: 1230, Currency: "HKD", OrderNo: number,
		NotifyURL: m.shop, ReturnURL: "https://shop.example/thanks",
	})
	if err != nil {
		m.Fatal(err)
	}
	return p.PayURL
}

// visit does what a phone's browser does with an address, and returns the status,
// where it is sent next, and the page.
func (m *market) visit(method, address string) (status int, next, page string) {
	m.Helper()
	r, err := http.NewRequestWithContext(m.Context(), method, address, nil)
	if err != nil {
		m.Fatal(err)
	}
	r.Header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "+
		"(KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1")
	r.Header.Set("Accept-Language", "en")
	res, err := m.browser.Do(r)
	if err != nil {
		m.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		m.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("Location"), string(body)
}

// opens opens the pay link and returns the wallet's page, to which it must lead.
func (m *market) opens(link string) string {
	m.Helper()
	status, walletPage, body := m.visit("GET", link)
	if status != http.StatusFound || walletPage == "" {
		m.Fatalf("the pay link answers %d: %s", status, body)
	}
	return walletPage
}

// shows opens the pay link, which must lead to a page of ours.
func (m *market) shows(link string, wantStatus int, wantText string) {
	m.Helper()
	if status, _, body := m.visit("GET", link); status != wantStatus || !strings.Contains(body, wantText) {
		m.Errorf("the pay link answers %d, want %d with %q: %s", status, wantStatus, wantText, body)
	}
}

// pays consents on the wallet's page and follows the way back, to a page that knows
// of it.
func (m *market) pays(walletPage string) {
	m.Helper()
	status, back, body := m.visit("POST", walletPage)
	if status != http.StatusSeeOther {
		m.Fatalf("the wallet answers %d: %s", status, body)
	}
	if _, _, page := m.visit("GET", back); !strings.Contains(page, "Payment complete") {
		m.Errorf("the way back leads to %s", page)
	}
}

// settled waits until the merchant was notified of the order, once, and checks that
// it can query it and that the books are in order.
func (m *market) settled(number string) {
	m.Helper()
	for range 100 {
		m.mu.Lock()
		n := len(m.told)
		m.mu.Unlock()
		if n > 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if diff := cmp.Diff([]string{number}, m.told); diff != "" {
		m.Errorf("the merchant's notifications (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"S"}, m.wallet.Replies()); diff != "" {
		m.Errorf("the answers to the wallet's callbacks (-want +got):\n%s", diff)
	}
	found, err := m.client.Query(m.Context(), sampan.QueryRequest{OrderNos: []string{number}})
	if err != nil || len(found.Transactions) != 1 || !found.Transactions[0].Paid() {
		m.Errorf("the query gives %+v, %v", found, err)
	}
	if _, err := (audit.Audit{
		Store: m.server.Store, Zone: m.server.gateway.Zone,
		Found: func(d audit.Difference) { m.Errorf("audit: %+v", d) },
	}).Run(m.Context()); err != nil {
		m.Error(err)
	}
}

func TestRedirectWalletIsPaidFromEndToEnd(t *testing.T) {
	for name, walk := range map[string]func(t *testing.T, m *market, link string){
		"at its first address": func(_ *testing.T, m *market, link string) {
			first := m.opens(link)
			if again := m.opens(link); again != first {
				m.Errorf("reopened, the link leads to %s, not %s", again, first)
			}
			m.pays(first)
		},
		"at a later address, the first has ended": func(_ *testing.T, m *market, link string) {
			m.wallet.Set(time.Second, "", false)
			first := m.opens(link)
			time.Sleep(3100 * time.Millisecond) // a link has the wallet asked once in three seconds
			if status, _, _ := m.visit("POST", first); status != http.StatusGone {
				m.Errorf("the first address answers %d", status)
			}
			m.wallet.Set(14*time.Minute, "", false)
			second := m.opens(link)
			if second == first {
				m.Fatal("the link still leads to the address that has ended")
			}
			m.pays(second)
		},
		"though the wallet was out of order": func(_ *testing.T, m *market, link string) {
			m.wallet.Set(14*time.Minute, "", true)
			m.shows(link, http.StatusServiceUnavailable, "AlipayHK isn’t answering")
			m.wallet.Set(14*time.Minute, "", false)
			time.Sleep(3100 * time.Millisecond)
			m.pays(m.opens(link))
		},
		"though the wallet declined to be reopened": func(_ *testing.T, m *market, link string) {
			m.wallet.Set(2*time.Second, "", false)
			m.opens(link)
			time.Sleep(3100 * time.Millisecond)
			m.wallet.Set(14*time.Minute, "BLOCKED", false)
			m.shows(link, http.StatusOK, "AlipayHK won’t open this payment just now")
			m.wallet.Set(14*time.Minute, "", false)
			time.Sleep(3100 * time.Millisecond)
			m.pays(m.opens(link))
		},
		"and reopened afterwards": func(_ *testing.T, m *market, link string) {
			m.pays(m.opens(link))
			m.shows(link, http.StatusOK, "Payment complete")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachDSN(t, func(t *testing.T, dsn string) {
				m := newMarket(t, dsn)
				walk(t, m, m.order("A-1"))
				m.settled("A-1")
			})
		})
	}
}

// A callback that is not the wallet's is answered in the wallet's own form.
func TestRedirectWalletReadsRefusals(t *testing.T) {
	m := newMarket(t, "sqlite:"+t.TempDir()+"/sampan.db")
	link := m.order("A-1")
	page := m.opens(link)
	m.wallet.Key = "another key"
	if status, _, _ := m.visit("POST", page); status != http.StatusSeeOther {
		t.Errorf("the wallet answers %d", status)
	}
	if replies := m.wallet.Replies(); len(replies) != 1 || !strings.Contains(replies[0], `"result":"F"`) {
		t.Errorf("the forged callback is answered %q", replies)
	}
	m.shows(link, http.StatusFound, "")
}
