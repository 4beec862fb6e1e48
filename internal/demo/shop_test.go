package demo

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/sampanpay/sampan"
)

const (
	testKey = "abcd1234"
	payURL  = "https://pay.example/pay/x"
)

// harness is a shop with a browser in front of it and a gateway behind it.
type harness struct {
	t       *testing.T
	shop    *httptest.Server
	browser *http.Client
	order   url.Values // the latest request to the gateway
	answer  string     // of the gateway; "" for success
	before  func()     // runs before the gateway answers
}

func newHarness(t *testing.T) *harness {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h := &harness{t: t, browser: &http.Client{CheckRedirect: stay}}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		h.order = r.PostForm
		if h.before != nil {
			h.before()
		}
		if h.answer != "" {
			io.WriteString(w, h.answer)
			return
		}
		json.NewEncoder(w).Encode(map[string]string{"respcd": "0000",
			"out_trade_no": r.PostForm.Get("out_trade_no"), "pay_url": payURL})
	}))
	t.Cleanup(gateway.Close)
	var handler http.Handler
	h.shop = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) {
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(h.shop.Close)
	handler = New(Config{
		Client:  &sampan.Client{BaseURL: gateway.URL, AppCode: "APP1", ClientKey: testKey, Attempts: 1},
		BaseURL: h.shop.URL, Log: slog.New(slog.DiscardHandler),
	})
	return h
}

func (h *harness) do(r *http.Request, err error) (*http.Response, string) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	res, err := h.browser.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return res, string(body)
}

func (h *harness) get(path string) (*http.Response, string) {
	h.t.Helper()
	return h.do(http.NewRequest("GET", h.shop.URL+path, nil))
}

func (h *harness) buy(wallet, item string) (*http.Response, string) {
	h.t.Helper()
	r, err := http.NewRequest("POST", h.shop.URL+"/buy",
		strings.NewReader(url.Values{"wallet": {wallet}, "item": {item}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return h.do(r, err)
}

// bought buys a tea and returns the order's path.
func (h *harness) bought() string {
	h.t.Helper()
	if res, body := h.buy("801107", "oolong"); res.StatusCode != http.StatusSeeOther {
		h.t.Fatalf("not sold: %d %s", res.StatusCode, body)
	}
	return "/orders/" + h.order.Get("out_trade_no")
}

func (h *harness) state(path string) string {
	h.t.Helper()
	_, body := h.get(path + "/status")
	var answer struct{ State string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		h.t.Fatalf("%v in %q", err, body)
	}
	return answer.State
}

// notification returns the gateway's notification of an order. changed is pairs of old and new
// text.
func notification(path string, changed ...string) string {
	body := fmt.Sprintf(
		`{"status": "1", "txcurrcd": "HKD", "txamt": "4800", "out_trade_no": %q, "syssn": "S1", `+
			`"respcd": "0000", "notify_type": "payment", "goods_name": "<b>&"}`,
		strings.TrimPrefix(path, "/orders/"))
	return strings.NewReplacer(changed...).Replace(body)
}

func (h *harness) notify(body, key string) (int, string) {
	h.t.Helper()
	r, err := http.NewRequest("POST", h.shop.URL+"/notify", strings.NewReader(body))
	r.Header.Set("X-QF-SIGN", fmt.Sprintf("%X", md5.Sum([]byte(body+key))))
	res, answer := h.do(r, err)
	return res.StatusCode, answer
}

func TestBuyCreatesThePayment(t *testing.T) {
	for _, wallet := range []string{"801107", "801512"} {
		h := newHarness(t)
		res, _ := h.buy(wallet, "puer")
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != payURL {
			t.Errorf("answered %d to %q", res.StatusCode, res.Header.Get("Location"))
		}
		number := h.order.Get("out_trade_no")
		for name, want := range map[string]string{
			"pay_type": wallet, "txamt": "6850", "txcurrcd": "HKD", "goods_name": "Aged pu-erh",
			"return_url": h.shop.URL + "/orders/" + number, "notify_url": h.shop.URL + "/notify",
		} {
			if got := h.order.Get(name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
	}
}

func TestOnlyTheNotificationMakesAnOrderPaid(t *testing.T) {
	h := newHarness(t)
	path := h.bought()
	for range 3 {
		if _, page := h.get(path); !strings.Contains(page, `data-state="waiting"`) ||
			!strings.Contains(page, payURL) || strings.Contains(page, `id="notification"`) {
			t.Fatalf("after a return without a notification: %s", page)
		}
	}
	if h.state(path) != "waiting" {
		t.Fatal("the browser's return made it paid")
	}
	if status, answer := h.notify(notification(path), testKey); status != 200 || answer != "SUCCESS" {
		t.Fatalf("notification answered with %d %q", status, answer)
	}
	_, page := h.get(path)
	if h.state(path) != "paid" || !strings.Contains(page, `data-state="paid"`) ||
		strings.Contains(page, payURL) {
		t.Errorf("after the notification: %s", page)
	}
	if !strings.Contains(page, `id="notification"`) ||
		!strings.Contains(page, "&#34;goods_name&#34;: &#34;&lt;b&gt;&amp;&#34;") {
		t.Errorf("the notification is not shown, or not escaped: %s", page)
	}
}

func TestNotificationBeforeTheAnswerCounts(t *testing.T) {
	h := newHarness(t)
	h.before = func() {
		if status, answer := h.notify(notification(h.order.Get("out_trade_no")), testKey); status != 200 {
			t.Errorf("answered %d %q", status, answer)
		}
	}
	if path := h.bought(); h.state(path) != "paid" {
		t.Error("the notification is lost")
	}
}

func TestFalseNotificationsChangeNothing(t *testing.T) {
	h := newHarness(t)
	path := h.bought()
	for name, c := range map[string]struct {
		body, key string
		status    int
	}{
		"forged":           {notification(path), "guessed", 401},
		"another amount":   {notification(path, `"4800"`, `"4799"`), testKey, 500},
		"another currency": {notification(path, `"HKD"`, `"JPY"`), testKey, 500},
		"another order":    {notification("/orders/TEA-OTHER"), testKey, 500},
		"of a refund":      {notification(path, `"payment"`, `"refund"`), testKey, 500},
	} {
		if status, _ := h.notify(c.body, c.key); status != c.status {
			t.Errorf("%s: answered %d, want %d", name, status, c.status)
		}
		if h.state(path) != "waiting" {
			t.Fatalf("%s: it became paid", name)
		}
	}
}

func TestRepeatedNotificationsChangeNothing(t *testing.T) {
	h := newHarness(t)
	path := h.bought()
	h.notify(notification(path), testKey)
	_, before := h.get(path)
	var repeats sync.WaitGroup
	for i := range 8 {
		repeats.Go(func() {
			status, answer := h.notify(notification(path, "S1", fmt.Sprint("S", i)), testKey)
			if status != 200 ||
				answer != "SUCCESS" {
				t.Errorf("answered %d %q", status, answer)
			}
		})
	}
	repeats.Wait()
	if _, after := h.get(path); after != before {
		t.Errorf("the page changed from\n%s\nto\n%s", before, after)
	}
}

func TestFailedPaymentShowsTheError(t *testing.T) {
	h := newHarness(t)
	h.answer = `{"respcd": "1250", "resperr": "not <enabled>"}`
	res, page := h.buy("801512", "milk")
	if res.StatusCode != http.StatusBadGateway || !strings.Contains(page, `id="trouble"`) ||
		!strings.Contains(page, "1250 not &lt;enabled&gt;") {
		t.Errorf("%d %s", res.StatusCode, page)
	}
}

func TestShopSellsOnlyWhatItHas(t *testing.T) {
	h := newHarness(t)
	for _, c := range [][2]string{{"801107", "coffee"}, {"800108", "milk"}, {"", "milk"}, {"801107", ""},
		{"801107", strings.Repeat("x", 1<<16)}} {
		if res, _ := h.buy(c[0], c[1]); res.StatusCode != http.StatusBadRequest || h.order != nil {
			t.Errorf("%.20q: %d", c, res.StatusCode)
		}
	}
	for _, path := range []string{"/orders/TEA-NONE", "/orders/TEA-NONE/status", "/nothing"} {
		if res, _ := h.get(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

func TestOldestOrdersAreDropped(t *testing.T) {
	var os orders
	for i := range maxOrders + 10 {
		os.add(order{Number: fmt.Sprint(i)})
	}
	if _, ok := os.find("9"); ok || len(os.byNumber) != maxOrders || len(os.oldest) != maxOrders {
		t.Errorf("%d orders kept", len(os.byNumber))
	}
	if _, ok := os.find("10"); !ok {
		t.Error("a recent order is lost")
	}
}

func TestPageLanguage(t *testing.T) {
	h := newHarness(t)
	for accept, want := range map[string]string{
		"": "en", "en-GB,en;q=0.9,zh;q=0.8": "en", "de-DE,de;q=0.9": "en",
		"fr, zh-HK;q=0.8": "zh-Hant", "*": "en",
		",;-":                     "en",
		"zh-HK,zh;q=0.9,en;q=0.8": "zh-Hant", "zh-TW": "zh-Hant", "zh-Hant-HK": "zh-Hant", "zh-MO": "zh-Hant",
		"zh-CN,zh;q=0.9": "zh-Hans", "zh": "zh-Hans", "ZH-sg": "zh-Hans", "zh-Hans-HK": "zh-Hans",
	} {
		r, err := http.NewRequest("GET", h.shop.URL+"/", nil)
		r.Header.Set("Accept-Language", accept)
		_, page := h.do(r, err)
		if !strings.Contains(page, `<html lang="`+want+`">`) {
			t.Errorf("%q: want %s, got %.60s", accept, want, page)
		}
		for _, id := range []string{`id="buy-801107"`, `id="buy-801512"`} {
			if !strings.Contains(page, id) {
				t.Errorf("%q: no %s", accept, id)
			}
		}
	}
	for _, tea := range teas {
		for _, w := range []words{english, traditional, simplified} {
			if tea.Name(w.Lang) == "" {
				t.Errorf("%s has no name in %s", tea.ID, w.Lang)
			}
		}
	}
}

func TestPagesLoadNothingForeign(t *testing.T) {
	h := newHarness(t)
	path := h.bought()
	for _, p := range []string{"/", path, "/orders/TEA-NONE", "/app.js", "/style.css"} {
		res, page := h.get(p)
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", p, policy)
		}
		for _, bad := range []string{"style=\"", "<style", "onclick", "src=\"http", "url(http"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s has %s", p, bad)
			}
		}
	}
}

func TestOrderNumbersCannotBeGuessed(t *testing.T) {
	h := newHarness(t)
	a, b := h.bought(), h.bought()
	if a == b || len(a) < len("/orders/TEA-")+26 {
		t.Errorf("%s, %s", a, b)
	}
}
