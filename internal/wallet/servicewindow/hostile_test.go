package servicewindow

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// harness is a real gateway and store with this connector. Its wallet makes every trade and every
// refund, and identifies the buyer of a code once.
type harness struct {
	*gateway.Gateway
	t     *testing.T
	wire  wire
	db    *store.DB
	url   string // of the wallet
	mu    sync.Mutex
	asked []string // methods
	used  map[string]bool
}

const (
	ourSeller = "2088000000000001"
	ourCode   = "4b203fe6c11548bcabd8da5bb087a83b"
)

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{t: t, wire: newWire(t), used: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(server.Close)
	h.url = server.URL
	clock := func() time.Time { return now }
	var err error
	if h.db, err = storetest.Create(t.Context(), store.Config{
		DSN:       "sqlite:" + filepath.Join(t.TempDir(), "harness.db"),
		MasterKey: pay.Secret(strings.Repeat("0a", 32)), Now: clock,
		Log: slog.New(slog.DiscardHandler), NoSync: true,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.db.Close() })
	for _, err := range []error{
		h.db.CreateMerchant(t.Context(), pay.Merchant{ID: "100001", Name: "Tea", CreatedAt: now}),
		h.db.CreateCredential(t.Context(), credential()),
		h.db.CreateMerchant(t.Context(), pay.Merchant{ID: "100002", Name: "Cake", CreatedAt: now}),
		h.account("100001", "window", ourApp, pay.AlipayServiceWindow),
		h.account("100001", "unused", "2021000000000003"),
		h.account("100002", "window", ourApp, pay.AlipayServiceWindow),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if h.Gateway, err = gateway.New(gateway.Config{
		Store: h.db, BaseURL: "https://pay.example", LinkKey: []byte(strings.Repeat("k", 32)),
		HTTP: server.Client(), Zone: time.UTC, Now: clock,
		Log: slog.New(slog.DiscardHandler), Wallets: map[string]wallet.Driver{Driver.Name: Driver},
		Notification:       func(pay.Payment) []byte { return nil },
		RefundNotification: func(pay.Refund, pay.Payment) []byte { return nil },
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Wait)
	return h
}

func credential() pay.Credential {
	return pay.Credential{MerchantID: "100001", AppCode: "APP1", ClientKey: "abcd1234",
		ReturnHosts: []string{"shop.example"}, PerSecond: 100, PerMinute: 100, CreatedAt: now}
}

func (h *harness) account(merchant, id, app string, types ...pay.PayType) error {
	a := h.wire.account(h.url)
	a.MerchantID, a.ID, a.PayTypes, a.Currencies, a.CreatedAt, a.UpdatedAt = merchant, id, types,
		[]pay.Currency{"CNY"},
		now, now
	a.Settings["app_id"], a.Settings["seller_id"] = app, ourSeller
	return h.db.PutWalletAccount(h.t.Context(), a)
}

// serve is the wallet.
func (h *harness) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, content := r.PostFormValue("method"), r.PostFormValue("biz_content")
	h.asked = append(h.asked, m)
	_, id, _ := strings.Cut(content, `"out_trade_no":"`)
	id, _, _ = strings.Cut(id, `"`)
	f := map[string]string{"code": "10000", "out_trade_no": id, "trade_no": tradeOf(id)}
	switch code := r.PostFormValue("code"); {
	case m == "alipay.trade.refund":
		f["fund_change"] = "Y"
	case m == "alipay.system.oauth.token" && (code != ourCode || h.used[code]):
		f = refusedWith("40002", "isv.code-invalid")
	case m == "alipay.system.oauth.token":
		h.used[code], f = true, map[string]string{"access_token": "t", "user_id": ourBuyer}
	}
	w.Write(h.wire.answer(m, f))
}

// tradeOf returns the wallet's number for an order's trade.
func tradeOf(id string) string { return "T" + id }

// requests lists the wallet's calls since requests was last used.
func (h *harness) requests() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked := h.asked
	h.asked = nil
	return asked
}

// sells accepts an order of 12.34 yuan, and returns it as the wallet knows it.
func (h *harness) sells(number string) wallet.Order {
	h.t.Helper()
	o, err := h.Pay(h.t.Context(), gateway.PayRequest{
		Credential: credential(), OrderNo: number, Fingerprint: number, PayType: pay.AlipayServiceWindow,
		Amount: pay.Amount{Minor: 1234, Currency: "CNY"}, Goods: "Tea", OpenID: ourBuyer,
		Life: 30 * time.Minute,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return wallet.Order{Number: o.ID, Amount: o.Amount}
}

// notice returns the wallet's callback that an order was paid, with changes.
func (h *harness) notice(o wallet.Order, changes map[string]string) openapi.Message {
	return with(with(payment(o), map[string]string{"trade_no": tradeOf(o.Number)}), changes)
}

// posted posts a body to the account of an order, and returns the answer and the code
// of the error.
func (h *harness) posted(body []byte) (reply string, code pay.Code) {
	r, err := h.Callback(h.t.Context(), "100001", "window", wallet.Callback{Body: body})
	if err == nil {
		reply = string(r.Body)
	}
	return reply, pay.CodeOf(err)
}

// stands fails the test unless the order has this state and these amounts moved for it.
func (h *harness) stands(what string, o wallet.Order, status pay.Status, moved ...int64) {
	h.t.Helper()
	p, err := h.db.Payment(h.t.Context(), "100001", o.Number)
	if err != nil {
		h.t.Fatal(err)
	}
	lines, err := h.db.Movements(h.t.Context(), "100001", o.Number)
	if err != nil {
		h.t.Fatal(err)
	}
	var sums []int64
	for _, l := range lines {
		sums = append(sums, l.Amount.Minor)
	}
	if p.Status != status || fmt.Sprint(sums) != fmt.Sprint(moved) {
		h.t.Errorf("%s: %s, money moved: %v, want %s, %v", what, p.Status, sums, status, moved)
	}
}

func TestHostileNoticesChangeNothing(t *testing.T) {
	h := newHarness(t)
	o, other := h.sells("A1"), h.sells("A2")
	paid := h.notice(o, nil)
	stranger := newWire(t)
	altered := func(field, from, to string) []byte {
		genuine := string(h.wire.notice(maps.Clone(paid)))
		forged := strings.Replace(genuine, field+"="+from, field+"="+to, 1)
		if forged == genuine {
			t.Fatalf("%s is not altered", field)
		}
		return []byte(forged)
	}
	signed := func(changes map[string]string) []byte { return h.wire.notice(h.notice(o, changes)) }
	sha1 := h.wire
	sha1.alipays.Type = "RSA"
	ours := maps.Clone(paid)
	if err := ours.Sign(h.wire.ours); err != nil {
		t.Fatal(err)
	}
	if reply, code := h.posted(h.wire.notice(h.notice(other, nil))); reply != "success" || code != "" {
		t.Fatalf("%q, %s", reply, code)
	}
	for what, body := range map[string][]byte{
		"of another application, rightly signed": signed(map[string]string{"app_id": "2021000000000002",
			"auth_app_id": "2021000000000002"}),
		"of no application":                 signed(map[string]string{"app_id": "", "auth_app_id": ""}),
		"of another seller, rightly signed": signed(map[string]string{"seller_id": "2088000000000002"}),
		"of no seller":                      signed(map[string]string{"seller_id": ""}),
		"the amount altered":                altered("total_amount", "12.34", "12.35"),
		"the amount altered to nothing":     altered("total_amount", "12.34", ""),
		"the order altered":                 altered("out_trade_no", o.Number, other.Number),
		"the state altered":                 altered("trade_status", "TRADE_SUCCESS", "TRADE_FINISHED"),
		"the amount twice": append(altered("total_amount", "12.34", "12.34&total_amount=99.99"),
			""...),
		"unsigned":                     []byte(paid.Encode()),
		"with an empty signature":      []byte(paid.Encode() + "&sign=&sign_type=RSA2"),
		"by a stranger's key":          stranger.notice(maps.Clone(paid)),
		"by our own key":               []byte(ours.Encode()),
		"under SHA-1":                  sha1.notice(maps.Clone(paid)),
		"an answer posted as a notice": h.wire.answer("alipay.trade.query", trade(o, "TRADE_SUCCESS")),
		"of an order that never was": signed(
			map[string]string{"out_trade_no": "20260102100001000000000000"}),
		"of the trade that paid another order": signed(map[string]string{"trade_no": tradeOf(other.Number)}),
		"of an amount that cannot be read":     signed(map[string]string{"total_amount": "12,34"}),
		"of more than there can be": signed(
			map[string]string{"total_amount": "99999999999999999999.00"}),
		"of less than nothing":  signed(map[string]string{"total_amount": "-12.34"}),
		"under no trade number": signed(map[string]string{"trade_no": ""}),
		"nothing":               nil,
		"noise":                 []byte("%00%ff\x00&&&===%"),
	} {
		want := pay.BadSignature
		// it may be one that was lost: the wallet is asked, and does not say
		if what == "of an order that never was" {
			want = pay.OutcomeUnknown
		}
		if reply, code := h.posted(body); code != want || reply != "" {
			t.Errorf("%s: answered %q, code %q", what, reply, code)
		}
		h.stands(what, o, pay.Pending)
	}
	// A genuine callback about a refund that is not ours moves no money here.
	for what, id := range map[string]string{"a refund that was never asked for": "20260102100001000000000001",
		"an order for a refund": o.Number, "another order for one": other.Number} {
		h.posted(signed(map[string]string{"out_biz_no": id, "gmt_refund": "2026-01-02 11:05:04"}))
		h.stands(what, o, pay.Pending)
	}
	for what, to := range map[string][2]string{"another account": {"100001", "unused"},
		"another merchant": {"100002", "window"}} {
		reply, err := h.Callback(t.Context(), to[0], to[1], wallet.Callback{Body: signed(nil)})
		if err == nil ||
			reply != nil {
			t.Errorf("to %s: %v", what, err)
		}
		h.stands(what, o, pay.Pending)
	}
	h.stands("the other order", other, pay.Paid, 1234)

	// Another amount, truly reported, is money, but not the order's.
	for _, amount := range []string{"12.33", "0.01", "1234"} {
		reply, code := h.posted(signed(map[string]string{"total_amount": amount, "trade_no": "T" + amount}))
		if reply != "success" || code != "" {
			t.Errorf("%s: answered %q, code %q", amount, reply, code)
		}
	}
	h.stands("another amount", o, pay.Pending, 1233, 1, 123400)
	if reply, code := h.posted(signed(nil)); reply != "success" || code != "" {
		t.Errorf("the true one is answered %q, code %q", reply, code)
	}
	h.stands("the true one", o, pay.Paid, 1233, 1, 123400, 1234)
}

func TestReplayedNoticesChangeNothing(t *testing.T) {
	h := newHarness(t)
	o := h.sells("A1")
	waiting := h.wire.notice(
		h.notice(o, map[string]string{"trade_status": "WAIT_BUYER_PAY", "gmt_payment": ""}))
	paid, finished := h.wire.notice(h.notice(o, nil)),
		h.wire.notice(h.notice(o, map[string]string{"trade_status": "TRADE_FINISHED", "notify_id": "2"}))
	closed := h.wire.notice(h.notice(o, map[string]string{"trade_status": "TRADE_CLOSED", "gmt_payment": ""}))
	replay := func(what string, status pay.Status, moved []int64, bodies ...[]byte) {
		t.Helper()
		for i, body := range bodies {
			if reply, code := h.posted(body); reply != "success" || code != "" {
				t.Errorf("%s, %d: answered %q, code %q", what, i, reply, code)
			}
			h.stands(fmt.Sprint(what, ", ", i), o, status, moved...)
		}
	}
	replay("before it is paid", pay.Pending, nil, waiting, waiting)
	replay("paid", pay.Paid, []int64{1234}, paid, paid, finished, waiting, closed, paid)

	refund := func(number string, minor int64) []byte {
		r, _, err := h.Refund(t.Context(), gateway.RefundRequest{Credential: credential(),
			PaymentID: o.Number, OrderNo: number, Fingerprint: number, Minor: minor})
		if err != nil || r.Status != pay.RefundSucceeded {
			t.Fatalf("%+v, %v", r, err)
		}
		return h.wire.notice(h.notice(o, map[string]string{
			"out_biz_no": r.ID, "gmt_refund": "2026-01-02 11:05:04.123", "refund_fee": "12.34",
			"trade_status": "TRADE_CLOSED", "notify_id": r.ID,
		}))
	}
	one := refund("R1", 234)
	replay("a part given back", pay.Paid, []int64{1234, 234}, one, one, paid, waiting, closed)
	two := refund("R2", 1000)
	given := h.wire.notice(h.notice(o,
		map[string]string{"trade_status": "TRADE_CLOSED", "refund_fee": "12.34",
			"gmt_refund": "2026-01-02 11:05:04"}))
	replay("all of it given back", pay.Paid, []int64{1234, 234, 1000}, two, one, two, given,
		paid, closed, waiting, finished)
}

func TestAnAuthCodeServesOnceAndOnlyItsOwnBrowser(t *testing.T) {
	h := newHarness(t)
	goes := func(nonce string) (gateway.Ticket, url.Values) {
		ticket, err := h.Authorize(t.Context(), gateway.AuthorizeRequest{
			Credential: credential(), ReturnURL: "https://shop.example/in", State: "visit", Nonce: nonce,
			ExpiresAt: now.Add(time.Minute),
		})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(ticket.WalletURL)
		if err != nil || u.Query().Get("state") != ticket.ID ||
			u.Query().Get("redirect_uri") != "https://pay.example/authorized/alipay" {
			t.Fatalf("sent to %s", ticket.WalletURL)
		}
		return ticket, url.Values{"app_id": {ourApp}, "auth_code": {ourCode}, "scope": {"auth_base"},
			"source": {"alipay_wallet"}, "state": {ticket.ID}}
	}
	mine, back := goes("nonce-1")
	theirs, _ := goes("nonce-2")
	for what, x := range map[string]struct{ id, proof string }{
		"a foreign state":          {theirs.ID, mine.Proof},
		"a state that is nobody's": {"100001" + strings.Repeat("0", 32), mine.Proof},
		"no state":                 {"", mine.Proof}, "another browser": {mine.ID, theirs.Proof},
		"no browser": {mine.ID, ""},
	} {
		if who, err := h.Authorized(t.Context(), x.id, x.proof, back); pay.CodeOf(err) != pay.NotFound ||
			who.OpenID != "" {
			t.Errorf("%s: %+v, %v", what, who, err)
		}
	}
	if asked := h.requests(); len(asked) != 0 {
		t.Errorf("for strangers the wallet was asked %v", asked)
	}

	for what, change := range map[string]url.Values{
		"another application's code": {"app_id": {"2021000000000002"}},
		"a code of no application":   {"app_id": nil}, "no code": {"auth_code": nil},
		"an endless code": {"auth_code": {strings.Repeat("a", 129)}},
	} {
		ticket, back := goes("nonce of " + what)
		maps.Copy(back, change)
		if who, err := h.Authorized(t.Context(), ticket.ID, ticket.Proof, back); pay.CodeOf(err) !=
			pay.WalletRejected || who.OpenID != "" {
			t.Errorf("%s: %+v, %v", what, who, err)
		}
	}
	if asked := h.requests(); len(asked) != 0 {
		t.Errorf("for what is no code of ours the wallet was asked %v", asked)
	}

	if who, err := h.Authorized(t.Context(), mine.ID, mine.Proof, back); err != nil ||
		who.OpenID != ourBuyer {
		t.Fatalf("%+v, %v", who, err)
	}
	who, err := h.Authorized(t.Context(), mine.ID, mine.Proof, back)
	if pay.CodeOf(err) != pay.AlreadyExpired ||
		who.OpenID != "" {
		t.Errorf("the return a second time: %+v, %v", who, err)
	}
	if asked := h.requests(); len(asked) != 1 {
		t.Errorf("the wallet was asked %v", asked)
	}
	who, err = h.Authorized(t.Context(), theirs.ID, theirs.Proof, back)
	if pay.CodeOf(err) != pay.WalletRejected ||
		who.OpenID != "" {
		t.Errorf("the code a second time: %+v, %v", who, err)
	}
}
