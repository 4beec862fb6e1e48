package api

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
)

// harness is an API over a real store and gateway, served over HTTP, with these
// merchants:
//
//	100001  app code "plain" without stores, with both wallets and Alipay inside its app;
//	        app code "tight" with a limit of 2 requests in a second
//	100002  app code "chain" with the stores M1 and M2, which is disabled
type harness struct {
	*API
	url    string
	log    *logbook
	window *windowWallet

	mu  sync.Mutex
	now time.Time
}

const clientKey = "abcd1234"

func newHarness(t *testing.T, options ...storetest.Option) *harness {
	t.Helper()
	return newHarnessOn(t, "sqlite:"+filepath.Join(t.TempDir(), "api.db"), options...)
}

func newHarnessOn(t *testing.T, dsn string, options ...storetest.Option) *harness {
	t.Helper()
	h := &harness{log: &logbook{}, window: &windowWallet{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	log := slog.New(slog.NewJSONHandler(h.log, nil))
	db := storetest.Open(t, dsn,
		append(options, storetest.Now(h.clock), func(c *store.Config) { c.Log, c.NoSync = log, true })...)
	for _, id := range []string{"100001", "100002"} {
		must(t, db.CreateMerchant(t.Context(), pay.Merchant{ID: id, Name: "Tea " + id, CreatedAt: h.now}))
		must(t, db.PutWalletAccount(t.Context(), pay.WalletAccount{
			MerchantID: id, ID: "main", Wallet: "paper", PayTypes: []pay.PayType{pay.AlipayCrossBorder},
			Currencies: []pay.Currency{"HKD", "JPY"}, CreatedAt: h.now, UpdatedAt: h.now,
		}))
		must(t, db.PutWalletAccount(t.Context(), pay.WalletAccount{
			MerchantID: id, ID: "hk", Wallet: "paper", PayTypes: []pay.PayType{pay.AlipayHK},
			Currencies: []pay.Currency{"HKD"}, CreatedAt: h.now, UpdatedAt: h.now,
		}))
	}
	must(t, db.PutWalletAccount(t.Context(), pay.WalletAccount{
		MerchantID: "100001", ID: "window", Wallet: "window",
		PayTypes: []pay.PayType{pay.AlipayServiceWindow}, Currencies: []pay.Currency{"CNY"},
		CreatedAt: h.now, UpdatedAt: h.now,
	}))
	for _, c := range []pay.Credential{
		{MerchantID: "100001", AppCode: "plain", PerSecond: 1000, PerMinute: 10000,
			NotifyURL: "https://shop.example/default"},
		{MerchantID: "100001", AppCode: "tight", PerSecond: 2, PerMinute: 100},
		{MerchantID: "100001", AppCode: "revoked", PerSecond: 1000, PerMinute: 10000, Disabled: true},
		{MerchantID: "100002", AppCode: "chain", PerSecond: 1000, PerMinute: 10000, HasStores: true},
	} {
		c.ClientKey, c.CreatedAt = clientKey, h.now
		must(t, db.CreateCredential(t.Context(), c))
	}
	must(t, db.CreateStore(t.Context(),
		pay.Store{MerchantID: "100002", AppCode: "chain", ID: "M1", Name: "North", CreatedAt: h.now}))
	must(t, db.CreateStore(t.Context(),
		pay.Store{MerchantID: "100002", AppCode: "chain", ID: "M2", Name: "South",
			Disabling: pay.Disabling{Disabled: true}, CreatedAt: h.now}))

	g, err := gateway.New(gateway.Config{
		Store: db, Wallets: map[string]wallet.Driver{"paper": paper, "window": h.window.driver()},
		BaseURL: "https://pay.example", LinkKey: bytes.Repeat([]byte{1}, 32),
		HTTP: http.DefaultClient, Zone: time.UTC, Now: h.clock, Log: log,
		Notification:       func(pay.Payment) []byte { return []byte("{}") },
		RefundNotification: func(pay.Refund, pay.Payment) []byte { return []byte("{}") },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Wait)
	h.API = New(Config{Gateway: g, Store: db, Now: h.clock, Log: log})
	server := httptest.NewServer(h.Handler())
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

func (h *harness) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *harness) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// stored counts the payments that there are.
func (h *harness) stored(t *testing.T) int {
	t.Helper()
	n := 0
	for _, scope := range []pay.Scope{
		{MerchantID: "100001", AppCode: "plain"}, {MerchantID: "100001", AppCode: "tight"},
		{MerchantID: "100002", AppCode: "chain"}, {MerchantID: "100002", AppCode: "chain", StoreID: "M1"},
	} {
		found, err := h.Store.Payments(t.Context(), store.Filter{Scope: scope, Limit: 1000})
		must(t, err)
		n += len(found)
	}
	return n
}

// paper is a wallet whose callbacks are "SIGNED order trade amount".
var paper = wallet.Driver{
	Name: "paper",
	Info: wallet.Info{
		Title: "Paper", Flow: wallet.Link, Can: []wallet.Capability{wallet.CanRefund},
		PayTypes: []pay.PayType{pay.AlipayCrossBorder, pay.AlipayHK},
		Currencies: map[pay.PayType][]pay.Currency{pay.AlipayCrossBorder: {"HKD", "JPY", "USD"},
			pay.AlipayHK: {"HKD"}},
	},
	Open: func(wallet.Account) (wallet.Connector, error) { return paperWallet{}, nil },
}

type paperWallet struct{}

func (paperWallet) Pay(context.Context, wallet.Order) (wallet.Checkout, error) {
	return wallet.Checkout{URL: "https://wallet.example/pay"}, nil
}
func (paperWallet) Query(context.Context, wallet.Order) (wallet.State, error) {
	return wallet.State{Outcome: wallet.NotFound}, nil
}

// Refund answers by the amount: of 1 nothing is known, 2 is more than the
// merchant has, anything else goes back at once.
func (paperWallet) Refund(_ context.Context, r wallet.Refund) (wallet.State, error) {
	switch r.Amount.Minor {
	case 1:
		return wallet.State{}, wallet.ErrUnknown
	case 2:
		return wallet.State{}, &wallet.Rejection{Code: "POOR", Kind: wallet.RejectedFunds}
	}
	return wallet.State{Outcome: wallet.Succeeded, Amount: r.Amount}, nil
}

func (paperWallet) QueryRefund(context.Context, wallet.Refund) (wallet.State, error) {
	return wallet.State{}, wallet.ErrUnsupported
}

func (paperWallet) Close(context.Context, wallet.Order) (wallet.State, error) {
	return wallet.State{}, wallet.ErrUnsupported
}
func (paperWallet) Callback(c wallet.Callback) (wallet.Notice, error) {
	words := strings.Fields(string(c.Body))
	if len(words) == 1 && words[0] == "PANIC" {
		panic("paper jam")
	}
	if len(words) != 3 || words[0] != "SIGNED" {
		return wallet.Notice{}, errors.New("wrong signature on the paper")
	}
	return wallet.Notice{Number: words[1],
		State: wallet.State{Outcome: wallet.Paid, TradeNo: words[2], BuyerID: "138****0001"},
		Reply: wallet.Reply{Body: []byte("success")}}, nil
}

// signature is the documented one, written out once more: sort, join, hash.
func signature(params map[string]string, sha bool) string {
	var parts []string
	for name, value := range params {
		parts = append(parts, name+"="+value)
	}
	slices.Sort(parts) // as good as by name for the names in these tests
	text := []byte(strings.Join(parts, "&") + clientKey)
	if sha {
		sum := sha256.Sum256(text)
		return strings.ToUpper(hex.EncodeToString(sum[:]))
	}
	sum := md5.Sum(text)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// reply is an answer of the trade API.
type reply struct {
	status int
	header http.Header
	raw    string
	fields map[string]any
}

func (r reply) get(name string) string { s, _ := r.fields[name].(string); return s }

// keys are the names in the answer's outermost object, in order.
func (r reply) keys(t *testing.T) []string { return keysOf(t, r.raw) }

func keysOf(t *testing.T, raw string) (keys []string) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(raw))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		key, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			t.Fatal("not a JSON object: " + raw)
		}
		keys = append(keys, key.(string))
	}
	return keys
}

// do sends a request and reads the trade API's answer to it.
func (h *harness) do(t *testing.T, r *http.Request) reply {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	must(t, err)
	got := reply{status: response.StatusCode, header: response.Header, raw: string(raw)}
	if err := json.Unmarshal(raw, &got.fields); err != nil {
		t.Fatalf("the answer is not JSON: %v: %s", err, raw)
	}
	return got
}

// request is a POST of body to a call, with the headers of a signed one.
func (h *harness) request(t *testing.T, path, body, appCode, sign string) *http.Request {
	t.Helper()
	r, err := http.NewRequest("POST", h.url+path, strings.NewReader(body))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-QF-APPCODE", appCode)
	r.Header.Set("X-QF-SIGN", sign)
	return r
}

// send makes a properly signed call.
func (h *harness) send(t *testing.T, path, appCode string, params map[string]string) reply {
	t.Helper()
	return h.do(t, h.request(t, path, encode(params), appCode, signature(params, false)))
}

func encode(params map[string]string) string {
	values := url.Values{}
	for name, value := range params {
		values.Set(name, value)
	}
	return values.Encode()
}

func (h *harness) pay(t *testing.T, changes ...string) reply {
	t.Helper()
	return h.send(t, "/trade/v1/payment", "plain", order(changes...))
}

func wantCode(t *testing.T, r reply, status int, respcd, respmsg string) {
	t.Helper()
	if r.status != status || r.get("respcd") != respcd || !strings.Contains(r.get("respmsg"), respmsg) {
		t.Errorf("got %d %s; want %d with %s and %q", r.status, r.raw, status, respcd, respmsg)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// logbook keeps what is logged.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// lines are the logged records with this message.
func (l *logbook) lines(t *testing.T, message string) (found []map[string]any) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		var fields map[string]any
		must(t, json.Unmarshal([]byte(line), &fields))
		if fields["msg"] == message {
			found = append(found, fields)
		}
	}
	return found
}
