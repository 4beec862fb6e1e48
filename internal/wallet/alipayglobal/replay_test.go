package alipayglobal

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
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
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// harness is a real gateway and store with this connector. Its wallet answers as the test says, and
// counts its calls.
type harness struct {
	*gateway.Gateway
	t    *testing.T
	wire wire
	db   *store.DB
	log  bytes.Buffer

	mu    sync.Mutex
	now   time.Time
	asked []string // services
	say   map[string]func() string
}

func newHarness(t *testing.T, signType mapi.SignType) *harness {
	t.Helper()
	h := &harness{t: t, wire: newWire(signType), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		say: map[string]func() string{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := service(r)
		h.mu.Lock()
		h.asked = append(h.asked, m)
		say := h.say[m]
		h.mu.Unlock()
		if say == nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Write([]byte(say()))
	}))
	t.Cleanup(server.Close)
	clock := func() time.Time {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.now
	}
	var err error
	if h.db, err = storetest.Create(t.Context(), store.Config{
		DSN:       "sqlite:" + filepath.Join(t.TempDir(), "harness.db"),
		MasterKey: pay.Secret(strings.Repeat("0a", 32)), Now: clock,
		Log: slog.New(slog.DiscardHandler), NoSync: true,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.db.Close() })
	a := h.wire.account(server.URL)
	a.MerchantID, a.ID, a.PayTypes, a.Currencies = "100001", "main", []pay.PayType{pay.AlipayCrossBorder},
		[]pay.Currency{"USD"}
	a.CreatedAt, a.UpdatedAt = h.now, h.now
	for _, err := range []error{
		h.db.CreateMerchant(t.Context(), pay.Merchant{ID: "100001", Name: "Tea", CreatedAt: h.now}),
		h.db.CreateCredential(t.Context(), h.credential()),
		h.db.PutWalletAccount(t.Context(), a),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if h.Gateway, err = gateway.New(gateway.Config{
		Store: h.db, BaseURL: "https://pay.example", LinkKey: []byte(strings.Repeat("k", 32)),
		HTTP: server.Client(), Zone: time.UTC, Now: clock,
		Log:                slog.New(slog.NewTextHandler(&h.log, nil)),
		Wallets:            map[string]wallet.Driver{Driver.Name: Driver},
		Notification:       func(pay.Payment) []byte { return nil },
		RefundNotification: func(pay.Refund, pay.Payment) []byte { return nil },
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Wait)
	return h
}

func (h *harness) credential() pay.Credential {
	return pay.Credential{MerchantID: "100001", AppCode: "APP1", ClientKey: "abcd1234",
		PerSecond: 100, PerMinute: 100, CreatedAt: h.now}
}

// opened makes an order of 12.34 US dollars whose buyer is at the wallet.
func (h *harness) opened() wallet.Order {
	h.t.Helper()
	o, err := h.Pay(h.t.Context(), gateway.PayRequest{
		Credential: h.credential(), OrderNo: "A1", Fingerprint: "A1", PayType: pay.AlipayCrossBorder,
		Amount: pay.Amount{Minor: 1234, Currency: "USD"}, Goods: "Tea", Life: 30 * time.Minute,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, way, err := h.Visit(h.t.Context(), h.Token(o.ID)); err != nil || way.URL == "" {
		h.t.Fatalf("%+v, %v", way, err)
	}
	return wallet.Order{Number: o.ID, Amount: o.Amount}
}

func (h *harness) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// post posts a callback n times. Each must get this answer.
func (h *harness) post(m mapi.Message, times int, want string) {
	h.t.Helper()
	body := h.wire.form(maps.Clone(m))
	for range times {
		got := ""
		reply, err := h.Callback(h.t.Context(), "100001", "main", wallet.Callback{Body: body})
		if err == nil {
			got = string(reply.Body)
		}
		if got != want {
			h.t.Fatalf("answered %q, %v", got, err)
		}
	}
}

// calls lists the wallet's calls since calls was last used.
func (h *harness) calls() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked := h.asked
	h.asked = nil
	return fmt.Sprint(asked)
}

func (h *harness) stored(o wallet.Order) pay.Payment {
	h.t.Helper()
	p, err := h.db.Payment(h.t.Context(), "100001", o.Number)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// A new notice costs one or two calls to the wallet; replays cost none.
func TestAReplayedNoticeCostsTheWalletNoCall(t *testing.T) {
	for signType, first := range map[mapi.SignType]string{mapi.MD5: "[single_trade_query]",
		mapi.RSA2: "[notify_verify single_trade_query]"} {
		t.Run(string(signType), func(t *testing.T) {
			h := newHarness(t, signType)
			o := h.opened()
			h.say["notify_verify"] = func() string { return "false" }
			h.say["single_trade_query"] = func() string { return h.wire.query(o, "TRADE_FINISHED", nil) }
			h.post(payment(o), 1, "success")
			if got := h.calls(); got != first || h.stored(o).Status != pay.Paid {
				t.Errorf("asked %s, stored %+v", got, h.stored(o))
			}
			h.post(payment(o), 100, "success")
			if got := h.calls(); got != "[]" {
				t.Errorf("replays asked %s", got)
			}
		})
	}
}

// Another partner's notice about the same number verifies by Alipay's RSA key. It
// causes at most one inquiry in three seconds.
func TestReplayedNoticesAskTheWalletOnceInAGap(t *testing.T) {
	h := newHarness(t, mapi.RSA2)
	o := h.opened()
	h.say["notify_verify"] = func() string { return "false" }
	h.say["single_trade_query"] = func() string { return h.wire.query(o, "WAIT_BUYER_PAY", nil) }
	strangers := payment(o)
	strangers["trade_no"] = "2026010222001300000000000099"
	for range 3 {
		h.post(strangers, 50, "")
		// By the order's number, and then by that of the stranger's trade.
		if got := h.calls(); got != "[notify_verify single_trade_query single_trade_query]" {
			t.Errorf("asked %s", got)
		}
		h.pass(3 * time.Second)
	}
	if got := h.stored(o); got.Status != pay.Pending || got.Flagged {
		t.Errorf("stored %+v", got)
	}
}

// A notice that comes after the money was refunded describes an earlier state. The
// wallet now says that the trade is closed.
func TestALateNoticeOfARefundedPaymentIsTaken(t *testing.T) {
	for _, signType := range []mapi.SignType{mapi.MD5, mapi.RSA2} {
		h := newHarness(t, signType)
		o := h.opened()
		h.say["single_trade_query"] = func() string { return h.wire.query(o, "TRADE_FINISHED", nil) }
		found, err := h.Query(t.Context(),
			gateway.QueryRequest{Credential: h.credential(), Filter: store.Filter{Limit: 1}})
		if err != nil || found[0].Payment.Status != pay.Paid {
			t.Fatalf("%+v, %v", found, err)
		}
		h.say["forex_refund"] = func() string { return "<alipay><is_success>T</is_success></alipay>" }
		if _, p, err := h.Refund(t.Context(), gateway.RefundRequest{
			Credential: h.credential(), PaymentID: o.Number, OrderNo: "R1", Fingerprint: "R1", Minor: 1234,
		}); err != nil || p.Refunded != 1234 {
			t.Fatalf("%+v, %v", p, err)
		}
		h.say["notify_verify"] = func() string { return "false" }
		h.say["single_trade_query"] = func() string {
			return h.wire.query(o, "TRADE_CLOSED", map[string]string{"gmt_payment": "2026-01-02 03:04:05"})
		}
		h.calls()
		h.post(payment(o), 8, "success")
		if got := h.calls(); got != "[]" || h.stored(o).Flagged {
			t.Errorf("asked %s, stored %+v", got, h.stored(o))
		}
		if strings.Contains(h.log.String(), "ERROR") {
			t.Errorf("logged\n%s", &h.log)
		}
	}
}

// Money that was refunded at the wallet itself before its notice arrived does not make
// the order paid. The notice is genuine, the payment is flagged, and the wallet gets
// its answer.
func TestANoticeOfRefundedMoneyIsTaken(t *testing.T) {
	for _, signType := range []mapi.SignType{mapi.MD5, mapi.RSA2} {
		h := newHarness(t, signType)
		o := h.opened()
		h.say["notify_verify"] = func() string { return "false" }
		h.say["single_trade_query"] = func() string {
			return h.wire.query(o, "TRADE_CLOSED", map[string]string{"gmt_payment": "2026-01-02 03:04:05"})
		}
		h.post(payment(o), 1, "success")
		if got := h.stored(o); got.Status != pay.Pending || !got.Flagged ||
			strings.Count(h.log.String(), "level=ERROR") != 1 {
			t.Errorf("stored %+v\n%s", got, &h.log)
		}
		h.calls()
		h.post(payment(o), 20, "success")
		if got := h.calls(); got != "[]" {
			t.Errorf("replays asked %s", got)
		}
	}
}

// TRADE_SUCCESS is a status of Alipay's other products. It pays no order, and is
// shown.
func TestTradeSuccessIsAskedAboutAndFlagged(t *testing.T) {
	for signType, asked := range map[mapi.SignType]string{mapi.MD5: "[single_trade_query]",
		mapi.RSA2: "[notify_verify single_trade_query]"} {
		h := newHarness(t, signType)
		o := h.opened()
		h.say["notify_verify"] = func() string { return "false" }
		h.say["single_trade_query"] = func() string { return h.wire.query(o, "TRADE_SUCCESS", nil) }
		m := payment(o)
		m["trade_status"] = "TRADE_SUCCESS"
		h.post(m, 1, "success")
		if got := h.calls(); got != asked {
			t.Errorf("asked %s", got)
		}
		got := h.stored(o)
		if got.Status != pay.Pending || !got.Flagged || got.DueAt.After(h.now.Add(3*time.Second)) ||
			strings.Count(h.log.String(), "level=ERROR") != 1 ||
			!strings.Contains(h.log.String(), "TRADE_SUCCESS") {
			t.Errorf("stored %+v\n%s", got, &h.log)
		}
		h.post(m, 20, "success")
		if got := h.calls(); got != "[]" {
			t.Errorf("replays asked %s", got)
		}
	}
}
