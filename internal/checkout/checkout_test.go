package checkout

import (
	"bytes"
	"context"
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

const walletURL = "https://wallet.example/gateway.do?service=x&sign=y"

// trueToken looks like the gateway's.
const trueToken = "AAEMKq5ZzY0P3hYx1m9b2Jt7QfC8sVwKd0Lr"

// payments is a gateway with one payment, reached by the tokens "tok" and
// trueToken.
type payments struct {
	pay.Payment
	err    error    // of everything
	wallet string   // "" unless the payment can be paid
	shut   error    // of its link
	calls  []string // in order
}

func (f *payments) find(call, token string) (pay.Payment, error) {
	f.calls = append(f.calls, call)
	if token != "tok" && token != trueToken {
		return pay.Payment{}, &pay.Error{Code: pay.NotFound}
	}
	return f.Payment, f.err
}

func (f *payments) Lookup(_ context.Context, token string) (pay.Payment, error) {
	return f.find("Lookup", token)
}

func (f *payments) Returned(_ context.Context, token string) (pay.Payment, error) {
	return f.find("Returned", token)
}

func (f *payments) Visit(_ context.Context, token string) (pay.Payment, gateway.Way, error) {
	p, err := f.find("Visit", token)
	switch {
	case err != nil:
		return p, gateway.Way{}, err
	case f.shut != nil:
		return p, gateway.Way{}, f.shut
	case f.wallet == "" && p.Status == pay.Pending && noon.Before(p.ExpiresAt):
		return p, gateway.Way{Ref: p.Checkout}, nil
	}
	return p, gateway.Way{URL: f.wallet}, nil
}

func (f *payments) Payable(context.Context, pay.Payment) error { return f.shut }

// pending is a payment that can be paid.
func pending() *payments {
	return &payments{wallet: walletURL, Payment: pay.Payment{
		ID: "20260504100001000000000001", PayType: pay.AlipayHK, Status: pay.Pending,
		Goods:     "Iron Buddha oolong, 100 g",
		Amount:    pay.Amount{Minor: 123450, Currency: "HKD"},
		ReturnURL: "https://shop.example/orders/7?a=1&b=2", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour),
	}}
}

// ended is a payment that has come to an end.
func ended(s pay.Status) *payments {
	f := pending()
	f.Status, f.wallet = s, ""
	return f
}

// unreached is a payment whose wallet gives no address.
func unreached(code pay.Code) *payments {
	f := pending()
	f.err = &pay.Error{Code: code, Message: "secret of the wallet's"}
	return f
}

// get asks for a page. Headers are name, value, name, value …
func get(t *testing.T, f *payments, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(t, f, io.Discard, http.MethodGet, target, headers...)
}

func ask(t *testing.T, f *payments, log io.Writer, method, target string,
	headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	New(Config{
		Payments: f, BaseURL: "https://pay.example.com", Now: func() time.Time { return noon },
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}).Register(mux)
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

// shows fails unless the page has a text, written as HTML writes it.
func shows(t *testing.T, w *httptest.ResponseRecorder, text string) {
	t.Helper()
	if !strings.Contains(html.UnescapeString(w.Body.String()), text) {
		t.Errorf("the page does not show %q:\n%s", text, w.Body)
	}
}

func hides(t *testing.T, w *httptest.ResponseRecorder, text string) {
	t.Helper()
	if strings.Contains(html.UnescapeString(w.Body.String()), text) {
		t.Errorf("the page shows %q:\n%s", text, w.Body)
	}
}

func TestACapableBrowserIsSentOnAtOnce(t *testing.T) {
	for _, who := range []string{"ios -", "android -", "desktop -", "phone -"} {
		f := pending()
		w := get(t, f, "/pay/tok", "User-Agent", agent(t, who))
		if w.Code != http.StatusFound || w.Header().Get("Location") != walletURL {
			t.Errorf("%s: got %d to %q", who, w.Code, w.Header().Get("Location"))
		}
		if diff := cmp.Diff([]string{"Visit"}, f.calls); diff != "" {
			t.Errorf("%s: calls (-want +got):\n%s", who, diff)
		}
	}
}

func TestAnInAppBrowserIsShownTheWayOut(t *testing.T) {
	for _, tt := range []struct{ who, say, corner string }{
		{"ios wechat", "doesn’t open inside WeChat", "guide top"},
		{"android facebook", "doesn’t open inside Facebook", "guide top"},
		{"ios facebook", "Open in Safari to pay", "guide bottom"},
		{"android unknown", "doesn’t open inside this app", "guide"},
		{"phone wechat", "Open in your browser to pay", "guide any"},
		{"desktop wechat", "doesn’t open inside WeChat", "<details open>"},
	} {
		t.Run(tt.who, func(t *testing.T) {
			f := pending()
			w := get(t, f, "/pay/tok", "User-Agent", agent(t, tt.who))
			if w.Code != http.StatusOK {
				t.Fatalf("got %d", w.Code)
			}
			shows(t, w, tt.say)
			shows(t, w, tt.corner)
			shows(t, w, `id="link" aria-labelledby="or">https://pay.example.com/pay/tok<`)
			shows(t, w, `href="?open=1"`)
			shows(t, w, `<svg class="qr"`)
			if android := strings.HasPrefix(tt.who, "android"); android != strings.Contains(w.Body.String(),
				`href="intent://pay.example.com/pay/tok#Intent;`) {
				t.Errorf("the intent link is on the page only on Android:\n%s", w.Body)
			}
			if diff := cmp.Diff([]string{"Lookup"}, f.calls); diff != "" {
				t.Errorf("guidance must not count as opening (-want +got):\n%s", diff)
			}
		})
	}
}

func TestABuyerWhoInsistsGoesOn(t *testing.T) {
	for _, who := range []string{"ios wechat", "android unknown", "preview"} {
		w := get(t, pending(), "/pay/tok?open=1", "User-Agent", agent(t, who))
		if w.Code != http.StatusFound || w.Header().Get("Location") != walletURL {
			t.Errorf("%s: got %d to %q", who, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestAPreviewOfTheLinkLeavesNoTrace(t *testing.T) {
	for _, a := range agents(t) {
		if a[0] != "preview" {
			continue
		}
		for _, path := range []string{"/pay/tok", "/return/tok"} {
			f := pending()
			w := get(t, f, path, "User-Agent", a[1])
			if w.Code != http.StatusOK || !cmp.Equal(f.calls, []string{"Lookup"}) {
				t.Errorf("%s by %s: got %d, calls %q", path, a[1], w.Code, f.calls)
			}
			shows(t, w, "<title>Payment link</title>")
			hides(t, w, f.Goods)
			hides(t, w, "1,234.50")
		}
	}
}

func TestHEADLeavesNoTrace(t *testing.T) {
	for _, path := range []string{"/pay/tok", "/pay/tok?open=1", "/return/tok", "/pay/tok/status"} {
		f := pending()
		w := ask(t, f, io.Discard, http.MethodHead, path, "User-Agent", "curl/8.5.0")
		if w.Code != http.StatusOK || !cmp.Equal(f.calls, []string{"Lookup"}) {
			t.Errorf("%s: got %d, calls %q", path, w.Code, f.calls)
		}
	}
}

func TestWhatCannotBePaidSaysSo(t *testing.T) {
	for status, say := range map[pay.Status]string{
		pay.Paid: "Payment complete", pay.Expired: "This payment has expired",
		pay.Closed: "This payment was cancelled", pay.Failed: "The payment didn’t go through",
	} {
		for _, who := range []string{"ios -", "ios wechat"} {
			w := get(t, ended(status), "/pay/tok", "User-Agent", agent(t, who))
			if w.Code != http.StatusOK {
				t.Errorf("%s: got %d", status, w.Code)
			}
			shows(t, w, "<h1>"+say+"</h1>")
			shows(t, w, `href="https://shop.example/orders/7?a=1&b=2"`)
			shows(t, w, "HK$1,234.50")
			hides(t, w, "leaving")
		}
	}
}

func TestAPaymentPastItsLifeIsShownAsExpired(t *testing.T) {
	for _, who := range []string{"ios -", "ios wechat"} {
		f := ended(pay.Pending) // the gateway has not given it up yet
		f.ExpiresAt = noon
		shows(t, get(t, f, "/pay/tok", "User-Agent", agent(t, who)), "This payment has expired")
	}
}

func TestAnUnknownTokenIsNotFound(t *testing.T) {
	for _, path := range []string{"/pay/nope", "/return/nope", "/return/nope?again=3", "/pay/nope/status",
		"/pay/%2e%2e%2f", "/pay/%00", "/pay/tok%20"} {
		for _, who := range []string{"ios -", "ios wechat", "preview"} {
			if w := get(t, pending(), path, "User-Agent", agent(t, who)); w.Code != http.StatusNotFound {
				t.Errorf("%s by %s: got %d", path, who, w.Code)
			}
		}
	}
	shows(t, get(t, pending(), "/pay/nope"), "Payment not found")
}

func TestTroubleIsShownAndLoggedWithoutTheToken(t *testing.T) {
	for _, path := range []string{"/pay/tok", "/return/tok", "/pay/tok/status"} {
		f := pending()
		f.err = errors.New("disk is full")
		var log bytes.Buffer
		w := ask(t, f, &log, http.MethodGet, path)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: got %d", path, w.Code)
		}
		hides(t, w, "disk")
		if !strings.Contains(log.String(), "disk is full") || !strings.Contains(log.String(), f.ID) ||
			strings.Contains(log.String(), "tok ") || strings.Contains(log.String(), "/tok") {
			t.Errorf("%s: logged %s", path, log.String())
		}
	}
	f := pending()
	f.wallet = ""
	if w := get(t, f, "/pay/tok"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a payment that leads nowhere: got %d", w.Code)
	}
}

func TestPricesAreWrittenForBuyers(t *testing.T) {
	for _, tt := range []struct {
		minor    int64
		currency pay.Currency
		want     string
	}{
		{1230, "HKD", "HK$12.30"}, {1, "HKD", "HK$0.01"}, {100000, "CNY", "¥1,000.00"},
		{1200, "JPY", "¥1,200"},
		{999, "JPY", "¥999"},
		{123456789, "USD", "US$1,234,567.89"}, {99999, "EUR", "€999.99"}, {500, "MYR", "RM\u00a05.00"},
		{500, "AED", "5.00"},
	} {
		if got := price(pay.Amount{Minor: tt.minor, Currency: tt.currency}); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestAShutLinkSaysThatTheShopTakesNoOrders(t *testing.T) {
	for tag, text := range map[string]string{
		"en": "The shop takes no orders now", "zh-Hant": "商戶暫停接受訂單", "zh-Hans": "商家暂停接受订单",
	} {
		for _, who := range []string{"ios -", "ios wechat", "android -", "desktop -"} {
			f := pending()
			f.wallet, f.shut = "", &pay.Error{Code: pay.StoreDisabled}
			w := get(t, f, "/pay/tok?lang="+tag, "User-Agent", agent(t, who))
			if w.Code != http.StatusOK || w.Header().Get("Location") != "" {
				t.Errorf("%s: got %d to %q", who, w.Code, w.Header().Get("Location"))
			}
			shows(t, w, text)
			shows(t, w, "1,234.50")
			hides(t, w, walletURL)
		}
		// One that is paid, or over, says that.
		f := ended(pay.Paid)
		f.shut = &pay.Error{Code: pay.StoreDisabled}
		hides(t, get(t, f, "/return/tok?lang="+tag), text)
	}
}

// Where the wallet gives no address now, the buyer reads whose trouble it is and
// how to go on. The link itself stays good.
func TestNoAddressFromTheWallet(t *testing.T) {
	for code, want := range map[pay.Code]struct {
		kind, title string
		status      int
	}{
		pay.WalletRejected: {"declined", "AlipayHK won’t open this payment just now", http.StatusOK},
		pay.WalletTrouble:  {"silent", "AlipayHK isn’t answering", http.StatusServiceUnavailable},
		pay.WalletBusy:     {"silent", "AlipayHK isn’t answering", http.StatusServiceUnavailable},
		pay.OutcomeUnknown: {"silent", "AlipayHK isn’t answering", http.StatusServiceUnavailable},
	} {
		w := get(t, unreached(code), "/pay/tok?lang=en", "User-Agent", agent(t, "ios -"))
		if w.Code != want.status {
			t.Errorf("%s: got %d", code, w.Code)
		}
		shows(t, w, `<body class="`+want.kind+`">`)
		shows(t, w, want.title)
		shows(t, w, "If you have already paid, please don’t pay again")
		shows(t, w, `<a class="button" href="?lang=en&open=1">Try again</a>`)
		shows(t, w, `href="https://shop.example/orders/7?a=1&b=2">Back to the shop</a>`)
		shows(t, w, "HK$1,234.50")
		hides(t, w, "secret")
	}
}
