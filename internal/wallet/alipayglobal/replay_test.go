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

// till is a true gateway and store over this connector, whose wallet answers as
// the test says and counts its calls.
type till struct {
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

func newTill(t *testing.T, signType mapi.SignType) *till {
	t.Helper()
	s := &till{t: t, wire: newWire(signType), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), say: map[string]func() string{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := service(r)
		s.mu.Lock()
		s.asked = append(s.asked, m)
		say := s.say[m]
		s.mu.Unlock()
		if say == nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Write([]byte(say()))
	}))
	t.Cleanup(server.Close)
	clock := func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.now
	}
	var err error
	if s.db, err = storetest.Create(t.Context(), store.Config{
		DSN: "sqlite:" + filepath.Join(t.TempDir(), "till.db"), MasterKey: pay.Secret(strings.Repeat("0a", 32)), Now: clock,
		Log: slog.New(slog.DiscardHandler), NoSync: true,
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.db.Close() })
	a := s.wire.account(server.URL)
	a.MerchantID, a.ID, a.PayTypes, a.Currencies = "100001", "main", []pay.PayType{pay.AlipayCrossBorder}, []pay.Currency{"USD"}
	a.CreatedAt, a.UpdatedAt = s.now, s.now
	for _, err := range []error{
		s.db.CreateMerchant(t.Context(), pay.Merchant{ID: "100001", Name: "Tea", CreatedAt: s.now}),
		s.db.CreateCredential(t.Context(), s.credential()),
		s.db.PutWalletAccount(t.Context(), a),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if s.Gateway, err = gateway.New(gateway.Config{
		Store: s.db, BaseURL: "https://pay.example", LinkKey: []byte(strings.Repeat("k", 32)), HTTP: server.Client(), Zone: time.UTC, Now: clock,
		Log: slog.New(slog.NewTextHandler(&s.log, nil)), Wallets: map[string]wallet.Driver{Driver.Name: Driver},
		Notification:       func(pay.Payment) []byte { return nil },
		RefundNotification: func(pay.Refund, pay.Payment) []byte { return nil },
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Wait)
	return s
}

func (s *till) credential() pay.Credential {
	return pay.Credential{MerchantID: "100001", AppCode: "APP1", ClientKey: "abcd1234", PerSecond: 100, PerMinute: 100, CreatedAt: s.now}
}

// opened is an order of 12.34 US dollars whose buyer is at the wallet.
func (s *till) opened() wallet.Order {
	s.t.Helper()
	o, err := s.Pay(s.t.Context(), gateway.PayRequest{
		Credential: s.credential(), OrderNo: "A1", Fingerprint: "A1", PayType: pay.AlipayCrossBorder,
		Amount: pay.Amount{Minor: 1234, Currency: "USD"}, Goods: "Tea", Life: 30 * time.Minute,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, way, err := s.Visit(s.t.Context(), s.Token(o.ID)); err != nil || way.URL == "" {
		s.t.Fatalf("%+v, %v", way, err)
	}
	return wallet.Order{Number: o.ID, Amount: o.Amount}
}

func (s *till) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// post posts a notification n times: each must be answered so.
func (s *till) post(m mapi.Message, times int, want string) {
	s.t.Helper()
	body := s.wire.form(maps.Clone(m))
	for range times {
		got := ""
		reply, err := s.Callback(s.t.Context(), "100001", "main", wallet.Callback{Body: body})
		if err == nil {
			got = string(reply.Body)
		}
		if got != want {
			s.t.Fatalf("answered %q, %v", got, err)
		}
	}
}

// calls are the wallet's since it was last asked.
func (s *till) calls() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return fmt.Sprint(asked)
}

func (s *till) stored(o wallet.Order) pay.Payment {
	s.t.Helper()
	p, err := s.db.Payment(s.t.Context(), "100001", o.Number)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// The first time a notice costs a question or two; replays cost none.
func TestAReplayedNoticeCostsTheWalletNoCall(t *testing.T) {
	for signType, first := range map[mapi.SignType]string{mapi.MD5: "[single_trade_query]", mapi.RSA2: "[notify_verify single_trade_query]"} {
		t.Run(string(signType), func(t *testing.T) {
			s := newTill(t, signType)
			o := s.opened()
			s.say["notify_verify"] = func() string { return "false" }
			s.say["single_trade_query"] = func() string { return s.wire.query(o, "TRADE_FINISHED", nil) }
			s.post(payment(o), 1, "success")
			if got := s.calls(); got != first || s.stored(o).Status != pay.Paid {
				t.Errorf("asked %s, stored %+v", got, s.stored(o))
			}
			s.post(payment(o), 100, "success")
			if got := s.calls(); got != "[]" {
				t.Errorf("replays asked %s", got)
			}
		})
	}
}

// Another partner's notice about the same number verifies by Alipay's RSA key. It
// has the wallet asked once in three seconds.
func TestAStrangersTrueNoticesHaveTheWalletAskedOnceInAGap(t *testing.T) {
	s := newTill(t, mapi.RSA2)
	o := s.opened()
	s.say["notify_verify"] = func() string { return "false" }
	s.say["single_trade_query"] = func() string { return s.wire.query(o, "WAIT_BUYER_PAY", nil) }
	strangers := payment(o)
	strangers["trade_no"] = "2026010222001300000000000099"
	for range 3 {
		s.post(strangers, 50, "")
		// By the order's number, and then by that of the stranger's trade.
		if got := s.calls(); got != "[notify_verify single_trade_query single_trade_query]" {
			t.Errorf("asked %s", got)
		}
		s.pass(3 * time.Second)
	}
	if got := s.stored(o); got.Status != pay.Pending || got.Flagged {
		t.Errorf("stored %+v", got)
	}
}

// A notice that comes after the money was given back says what was so. The wallet,
// asked now, would say that the trade is closed.
func TestALateNoticeOfAPaymentThatWasRefundedInFullIsAcknowledged(t *testing.T) {
	for _, signType := range []mapi.SignType{mapi.MD5, mapi.RSA2} {
		s := newTill(t, signType)
		o := s.opened()
		s.say["single_trade_query"] = func() string { return s.wire.query(o, "TRADE_FINISHED", nil) }
		found, err := s.Query(t.Context(), gateway.QueryRequest{Credential: s.credential(), Filter: store.Filter{Limit: 1}})
		if err != nil || found[0].Payment.Status != pay.Paid {
			t.Fatalf("%+v, %v", found, err)
		}
		s.say["forex_refund"] = func() string { return "<alipay><is_success>T</is_success></alipay>" }
		if _, p, err := s.Refund(t.Context(), gateway.RefundRequest{
			Credential: s.credential(), PaymentID: o.Number, OrderNo: "R1", Fingerprint: "R1", Minor: 1234,
		}); err != nil || p.Refunded != 1234 {
			t.Fatalf("%+v, %v", p, err)
		}
		s.say["notify_verify"] = func() string { return "false" }
		s.say["single_trade_query"] = func() string {
			return s.wire.query(o, "TRADE_CLOSED", map[string]string{"gmt_payment": "2026-01-02 03:04:05"})
		}
		s.calls()
		s.post(payment(o), 8, "success")
		if got := s.calls(); got != "[]" || s.stored(o).Flagged {
			t.Errorf("asked %s, stored %+v", got, s.stored(o))
		}
		if strings.Contains(s.log.String(), "ERROR") {
			t.Errorf("logged\n%s", &s.log)
		}
	}
}

// Money that went back at the wallet itself before its notice came makes no order
// paid: the notice is true, the payment is flagged, and the wallet is answered.
func TestANoticeOfWhatWasGivenBackMeanwhileIsTakenForWhatItIs(t *testing.T) {
	for _, signType := range []mapi.SignType{mapi.MD5, mapi.RSA2} {
		s := newTill(t, signType)
		o := s.opened()
		s.say["notify_verify"] = func() string { return "false" }
		s.say["single_trade_query"] = func() string {
			return s.wire.query(o, "TRADE_CLOSED", map[string]string{"gmt_payment": "2026-01-02 03:04:05"})
		}
		s.post(payment(o), 1, "success")
		if got := s.stored(o); got.Status != pay.Pending || !got.Flagged || strings.Count(s.log.String(), "level=ERROR") != 1 {
			t.Errorf("stored %+v\n%s", got, &s.log)
		}
		s.calls()
		s.post(payment(o), 20, "success")
		if got := s.calls(); got != "[]" {
			t.Errorf("replays asked %s", got)
		}
	}
}

// TRADE_SUCCESS is of Alipay's other products. It pays nothing, and is shown.
func TestTradeSuccessIsAskedAboutAndFlagged(t *testing.T) {
	for signType, asked := range map[mapi.SignType]string{mapi.MD5: "[single_trade_query]", mapi.RSA2: "[notify_verify single_trade_query]"} {
		s := newTill(t, signType)
		o := s.opened()
		s.say["notify_verify"] = func() string { return "false" }
		s.say["single_trade_query"] = func() string { return s.wire.query(o, "TRADE_SUCCESS", nil) }
		m := payment(o)
		m["trade_status"] = "TRADE_SUCCESS"
		s.post(m, 1, "success")
		if got := s.calls(); got != asked {
			t.Errorf("asked %s", got)
		}
		got := s.stored(o)
		if got.Status != pay.Pending || !got.Flagged || got.DueAt.After(s.now.Add(3*time.Second)) ||
			strings.Count(s.log.String(), "level=ERROR") != 1 || !strings.Contains(s.log.String(), "TRADE_SUCCESS") {
			t.Errorf("stored %+v\n%s", got, &s.log)
		}
		s.post(m, 20, "success")
		if got := s.calls(); got != "[]" {
			t.Errorf("replays asked %s", got)
		}
	}
}
