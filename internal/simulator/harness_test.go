package simulator

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

const (
	testPartner = "2088000000000001"
	testKey     = "0123456789abcdefghijklmnopqrstuv" // as in the vectors
	shopNotify  = "https://shop.example/n"
	shopReturn  = "https://shop.example/r?table=7"
)

var testKeys = mapi.Keys{Type: mapi.MD5, Shared: testKey}

// harness is a simulator with a clock and a shop that the test controls.
type harness struct {
	t    *testing.T
	sim  *Simulator
	cfg  Config
	now  time.Time
	shop *shop
}

// shop is the receiver of notifications, without a network.
type shop struct {
	mu     sync.Mutex
	answer func(*http.Request) (*http.Response, error)
	got    []received
}

type received struct {
	at     time.Time
	header http.Header
	body   mapi.Message
	raw    string
}

func (s *shop) RoundTrip(r *http.Request) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	m, err := mapi.Parse(string(raw))
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.got = append(s.got, received{time.Now(), r.Header.Clone(), m, string(raw)})
	answer := s.answer
	s.mu.Unlock()
	return answer(r)
}

func (s *shop) all() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.got...)
}

func says(status int, text string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Location": {shopNotify}},
			Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
	}
}

// newHarness makes a simulator in memory with a stopped clock. change alters its configuration.
func newHarness(t *testing.T, change func(*Config)) *harness {
	t.Helper()
	h := &harness{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, beijing),
		shop: &shop{answer: says(200, "success")}}
	h.cfg = Config{
		Partners: []Partner{
			{ID: testPartner, Name: "Tea House", SignType: mapi.MD5, MD5Key: testKey,
				Currencies: []string{"USD", "HKD", "JPY", "EUR"}, TimeoutRules: []string{"5m"}},
			{ID: "2088000000000002", SignType: mapi.MD5, MD5Key: testKey, Currencies: []string{"USD"},
				Services: []string{singleQuery, notifyVerify}},
			{ID: "2088000000000003", SignType: mapi.MD5, MD5Key: testKey,
				Currencies: []string{"USD"}, Acquirer: true},
		},
		Now:  func() time.Time { return h.now },
		HTTP: &http.Client{Transport: h.shop},
	}
	if change != nil {
		change(&h.cfg)
	}
	h.start()
	return h
}

func (h *harness) start() {
	h.t.Helper()
	sim, err := New(h.cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	h.sim = sim
	h.t.Cleanup(func() { sim.Close() })
}

// orderFor returns a merchant's create request. pairs replace fields, or remove them with "".
func orderFor(number string, pairs ...string) mapi.Message {
	m := mapi.Message{
		"service": createWAP, "partner": testPartner, "_input_charset": "UTF-8",
		"subject": "Tea 茶", "out_trade_no": number, "currency": "USD", "total_fee": "12.34",
		"product_code": "NEW_WAP_OVERSEAS_SELLER", "notify_url": shopNotify, "return_url": shopReturn,
	}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	if m["service"] == createPC && m["product_code"] == "NEW_WAP_OVERSEAS_SELLER" {
		m["product_code"] = "NEW_OVERSEAS_SELLER"
	}
	return m
}

func signed(t *testing.T, m mapi.Message) mapi.Message {
	t.Helper()
	m = maps.Clone(m)
	if err := m.Sign(testKeys); err != nil {
		t.Fatal(err)
	}
	return m
}

func (h *harness) get(of http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	of.ServeHTTP(rec, r)
	return rec
}

func (h *harness) call(m mapi.Message) *httptest.ResponseRecorder {
	h.t.Helper()
	return h.get(h.sim.Wallet(), "/gateway.do?"+signed(h.t, m).Encode())
}

// open opens the cashier and returns its path.
func (h *harness) open(m mapi.Message) string {
	h.t.Helper()
	rec := h.call(m)
	if rec.Code != http.StatusFound {
		h.t.Fatalf("create answered %d: %s", rec.Code, rec.Body)
	}
	return rec.Header().Get("Location")
}

// does carries out a buyer's action in the cashier and returns the next page.
func (h *harness) does(path string, act Act, buyer string) string {
	h.t.Helper()
	rec := post(h.sim.Wallet(), path, url.Values{"act": {string(act)}, "buyer": {buyer}}.Encode())
	if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != path {
		h.t.Fatalf("%s answered %d: %s", act, rec.Code, rec.Body)
	}
	return h.get(h.sim.Wallet(), path).Body.String()
}

func wantOutcome(t *testing.T, page string, out Outcome) {
	t.Helper()
	if want := `data-outcome="` + string(out) + `"`; !strings.Contains(page, want) {
		t.Errorf("the page has no %s:\n%s", want, page)
	}
}

// status returns the trade's status by single_trade_query, or the error's code.
func (h *harness) status(number string) string {
	h.t.Helper()
	rec := h.call(mapi.Message{"service": singleQuery, "partner": testPartner, "_input_charset": "UTF-8",
		"out_trade_no": number})
	doc := rec.Body.String()
	for _, tag := range []string{"error", "trade_status"} {
		if _, rest, ok := strings.Cut(doc, "<"+tag+">"); ok {
			text, _, _ := strings.Cut(rest, "<")
			return text
		}
	}
	h.t.Fatalf("no status in %q", doc)
	return ""
}

// control calls the control API and decodes its answer.
func (h *harness) control(method, target, contentType, body string) (int, map[string]any) {
	h.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	rec := httptest.NewRecorder()
	h.sim.Control().ServeHTTP(rec, r)
	var got map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		h.t.Fatalf("%s %s answered %d, not JSON: %s", method, target, rec.Code, rec.Body)
	}
	return rec.Code, got
}

func post(h http.Handler, target, form string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", target, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}
