package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/delivery"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
)

// scripted is a wallet whose answers the test decides. Only the wallet is scripted:
// the store behind the gateway is real.
type scripted struct {
	mu    sync.Mutex
	asked []string // "pay ID", "query ID" in order
	pay   func(wallet.Order) (wallet.Checkout, error)
	query func(context.Context, wallet.Order) (wallet.State, error)
	close func(context.Context, wallet.Order) (wallet.State, error)
	// refund and queryRefund, if set, replace answers from the wallet's books.
	refund, queryRefund func(context.Context, wallet.Refund) (wallet.State, error)
	back                map[string]int64 // given back, by refund
	gap                 time.Duration    // between refunds
	// confirm, if set, confirms notices.
	confirm func(context.Context, wallet.Notice) (wallet.State, error)
}

func (s *scripted) countCall(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
}

func (s *scripted) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// resetCalls resets the count.
func (s *scripted) resetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = nil
}

func (s *scripted) Pay(_ context.Context, o wallet.Order) (wallet.Checkout, error) {
	s.countCall("pay " + o.Number)
	if s.pay != nil {
		return s.pay(o)
	}
	if o.PayType == pay.AlipayHK { // the wallet "online"
		return wallet.Checkout{Ref: "R-" + o.Number}, nil
	}
	return wallet.Checkout{URL: "https://wallet.example/cashier/" + o.Number}, nil
}

func (s *scripted) Query(ctx context.Context, o wallet.Order) (wallet.State, error) {
	s.countCall("query " + o.Number)
	s.mu.Lock()
	answer := s.query
	s.mu.Unlock()
	if answer != nil {
		return answer(ctx, o)
	}
	return wallet.State{Outcome: wallet.NotFound}, nil
}

// Refund gives money back, once for each number, unless the test replaces it.
func (s *scripted) Refund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	s.countCall(fmt.Sprintf("refund %s %d retry=%v", r.ID, r.Amount.Minor, r.Retry))
	s.mu.Lock()
	answer := s.refund
	s.mu.Unlock()
	if answer != nil {
		return answer(ctx, r)
	}
	return s.giveBack(r), nil
}

func (s *scripted) giveBack(r wallet.Refund) wallet.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.back == nil {
		s.back = map[string]int64{}
	}
	s.back[r.ID] = r.Amount.Minor
	return wallet.State{Outcome: wallet.Succeeded, Amount: r.Amount}
}

// givenBack returns the sum that the wallet has given back.
func (s *scripted) givenBack() (sum int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, minor := range s.back {
		sum += minor
	}
	return sum
}

func (s *scripted) QueryRefund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	s.countCall("query refund " + r.ID)
	s.mu.Lock()
	answer := s.queryRefund
	_, done := s.back[r.ID]
	s.mu.Unlock()
	switch {
	case answer != nil:
		return answer(ctx, r)
	case done:
		return wallet.State{Outcome: wallet.Succeeded, Amount: r.Amount}, nil
	}
	return wallet.State{Outcome: wallet.NotFound}, nil
}

func (s *scripted) RefundGap() (string, time.Duration) { return "key", s.gap }

func (s *scripted) Close(ctx context.Context, o wallet.Order) (wallet.State, error) {
	s.countCall("close " + o.Number)
	s.mu.Lock()
	answer := s.close
	s.mu.Unlock()
	if answer != nil {
		return answer(ctx, o)
	}
	return wallet.State{Outcome: wallet.Closed}, nil
}

// Callback reads a notice as JSON, instead of a wallet's signed form.
func (s *scripted) Callback(c wallet.Callback) (wallet.Notice, error) {
	var m message
	if err := json.Unmarshal(c.Body, &m); err != nil {
		return wallet.Notice{}, errors.New("forged")
	}
	n := wallet.Notice{Number: m.OrderID, RefundID: m.RefundID, State: m.State,
		Reply: wallet.Reply{Body: []byte("success")}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if confirm := s.confirm; confirm != nil {
		n.Confirm = func(ctx context.Context, o wallet.Order) (wallet.State, error) {
			s.countCall("confirm " + o.Number)
			return confirm(ctx, n)
		}
	}
	return n, nil
}

// message is a scripted wallet's callback.
type message struct {
	OrderID, RefundID string
	State             wallet.State
}

// harness is a gateway over a real store and a scripted wallet.
type harness struct {
	*Gateway
	t          *testing.T
	wallet     *scripted
	credential pay.Credential
	mu         sync.Mutex
	now        time.Time // zero: the real (or the bubble's) clock
	wakes      int
}

const masterKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// newHarness opens a store in a temporary directory, with a merchant that has two
// accounts. "main" takes 801107 in HKD and JPY, at a wallet that begins an order without
// a call. "net" takes 801512 in HKD, at a wallet that needs a call and can close orders.
// (The contract of "net" names JPY too, which its wallet does not take.)
func newHarness(t *testing.T) *harness {
	t.Helper()
	return newHarnessOn(t, "sqlite:"+t.TempDir()+"/sampan.db")
}

// check compares got with what it must be. set sets the fields that matter in a copy
// of got, so that a failure prints only the fields that differ.
func check[T any](t *testing.T, got T, set func(want *T)) {
	t.Helper()
	want := got
	set(&want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// onEach runs test on a harness over each database.
func onEach(t *testing.T, test func(t *testing.T, h *harness)) {
	t.Helper()
	storetest.EachDSN(t, func(t *testing.T, dsn string) { test(t, newHarnessOn(t, dsn)) })
}

func newHarnessOn(t *testing.T, dsn string, options ...storetest.Option) *harness {
	t.Helper()
	h := &harness{t: t, wallet: &scripted{}}
	c := store.Config{DSN: dsn, MasterKey: masterKey, Now: h.clock, NoSync: true,
		Log: slog.New(slog.DiscardHandler)}
	for _, o := range options {
		o(&c)
	}
	db, err := storetest.Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	h.Gateway = h.newReplica(db)
	t.Cleanup(func() {
		h.Wait()
		db.Close()
	})
	h.seed(db)
	return h
}

// newReplica returns another gateway over the same store: another replica.
func (h *harness) newReplica(db *store.DB) *Gateway {
	h.t.Helper()
	driver := func(flow wallet.Flow, can ...wallet.Capability) wallet.Driver {
		return wallet.Driver{
			Info: wallet.Info{
				Flow: flow, Can: can, LateMax: 15 * 24 * time.Hour,
				Currencies: map[pay.PayType][]pay.Currency{
					pay.AlipayCrossBorder: {"HKD", "JPY"}, pay.AlipayHK: {"HKD"},
				},
			},
			Open: func(wallet.Account) (wallet.Connector, error) { return h.wallet, nil },
		}
	}
	zone := time.FixedZone("", 8*60*60)
	g, err := New(Config{
		Store: db, Wallets: map[string]wallet.Driver{
			"offline": driver(wallet.Link, wallet.CanRefund, wallet.CanRefundQuery),
			"online":  driver(wallet.InApp, wallet.CanRefund, wallet.CanRefundQuery, wallet.CanClose),
		},
		BaseURL: "https://pay.example", LinkKey: []byte("0123456789abcdef0123456789abcdef"),
		HTTP: http.DefaultClient, Zone: zone, Now: h.clock, Log: slog.New(slog.DiscardHandler),
		Poll:         time.Hour, // the opening of a link is noticed without polling
		Notification: func(p pay.Payment) []byte { return delivery.Body(p, zone) },
		RefundNotification: func(r pay.Refund, p pay.Payment) []byte {
			return delivery.RefundBody(r, p, zone)
		},
		Wake: func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.wakes++
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return g
}

func (h *harness) seed(db *store.DB) {
	h.t.Helper()
	ctx := h.t.Context()
	now := h.clock()
	h.credential = pay.Credential{MerchantID: "123456", AppCode: "APP", ClientKey: "KEY", PerSecond: 100,
		PerMinute: 400, CreatedAt: now}
	for _, err := range []error{
		db.CreateMerchant(ctx, pay.Merchant{ID: "123456", Name: "Tea House", CreatedAt: now}),
		db.CreateCredential(ctx, h.credential),
		db.PutWalletAccount(ctx, pay.WalletAccount{MerchantID: "123456", ID: "main", Wallet: "offline",
			PayTypes:   []pay.PayType{pay.AlipayCrossBorder},
			Currencies: []pay.Currency{"HKD", "JPY"}, CreatedAt: now, UpdatedAt: now}),
		db.PutWalletAccount(ctx, pay.WalletAccount{MerchantID: "123456", ID: "net", Wallet: "online",
			PayTypes: []pay.PayType{pay.AlipayHK}, Currencies: []pay.Currency{"HKD", "JPY"}, CreatedAt: now,
			UpdatedAt: now}),
	} {
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *harness) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now.IsZero() {
		return time.Now()
	}
	return h.now
}

// advance sets the clock forward.
func (h *harness) advance(d time.Duration) {
	now := h.clock()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = now.Add(d)
}

func (h *harness) request(orderNo string) PayRequest {
	return PayRequest{
		Credential: h.credential, OrderNo: orderNo, Fingerprint: "f-" + orderNo,
		PayType: pay.AlipayCrossBorder, Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, Goods: "Oolong",
		NotifyURL: "https://Shop.example/notify", Life: 30 * time.Minute,
	}
}

// ordered returns a payment of 12.30 HKD, opened if open is true.
func (h *harness) ordered(orderNo string, open bool) pay.Payment {
	h.t.Helper()
	o, err := h.Pay(h.t.Context(), h.request(orderNo))
	if err != nil {
		h.t.Fatal(err)
	}
	if open {
		if _, way, err := h.Visit(h.t.Context(), h.Token(o.ID)); err != nil || way.URL == "" {
			h.t.Fatalf("visit: %+v, %v", way, err)
		}
	}
	return h.stored(o.ID)
}

func (h *harness) stored(id string) pay.Payment {
	h.t.Helper()
	p, err := h.Store.Payment(h.t.Context(), "123456", id)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// books returns a payment's movements and deliveries.
func (h *harness) books(id string) ([]pay.Movement, []store.Delivery) {
	h.t.Helper()
	movements, err := h.Store.Movements(h.t.Context(), "123456", id)
	if err != nil {
		h.t.Fatal(err)
	}
	deliveries, err := h.Store.Deliveries(h.t.Context(),
		store.DeliveryFilter{MerchantID: "123456", PaymentID: id})
	if err != nil {
		h.t.Fatal(err)
	}
	return movements, deliveries
}

// paid returns a payment of 12.30 HKD that is paid.
func (h *harness) paid(orderNo string) pay.Payment {
	h.t.Helper()
	p := h.ordered(orderNo, true)
	if _, err := h.callback(p.ID, paidBy("T-"+orderNo)); err != nil {
		h.t.Fatal(err)
	}
	return h.stored(p.ID)
}

func (h *harness) refundRequest(p pay.Payment, orderNo string, minor int64) RefundRequest {
	return RefundRequest{Credential: h.credential, PaymentID: p.ID, OrderNo: orderNo,
		Fingerprint: fmt.Sprint("f-", p.ID, minor), Minor: minor}
}

func (h *harness) storedRefund(id string) pay.Refund {
	h.t.Helper()
	r, err := h.Store.Refund(h.t.Context(), "123456", id)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *harness) history(id string) string {
	h.t.Helper()
	events, err := h.Store.Events(h.t.Context(), "123456", id)
	if err != nil {
		h.t.Fatal(err)
	}
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, string(e.Kind)+" by "+e.By.String())
	}
	return fmt.Sprint(kinds)
}

// recoverDue makes the inquiries that are due now, as Run does.
func (h *harness) recoverDue() {
	h.t.Helper()
	for range 20 {
		all, err := h.runner.ClaimDue(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		if len(all) == 0 {
			return
		}
		for _, d := range all {
			d.Do(h.t.Context())
		}
	}
	h.t.Error("something is due for ever")
}

// callback posts a success for a payment to the callback of account "main".
func (h *harness) callback(id string, s wallet.State) ([]byte, error) {
	h.t.Helper()
	body, err := json.Marshal(message{OrderID: id, State: s})
	if err != nil {
		h.t.Fatal(err)
	}
	return bodyOf(h.Callback(h.t.Context(), "123456", "main", Callback{Body: body}))
}

func bodyOf(r *Reply, err error) ([]byte, error) {
	if r == nil {
		return nil, err
	}
	return r.Body, err
}

// confirmed returns a function that confirms every notice, or returns err.
func confirmed(err error) func(context.Context, wallet.Notice) (wallet.State, error) {
	return func(_ context.Context, n wallet.Notice) (wallet.State, error) { return n.State, err }
}

// paidBy returns the answer that the trade has paid 12.30 HKD.
func paidBy(trade string) wallet.State {
	return wallet.State{Outcome: wallet.Paid, TradeNo: trade,
		Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, BuyerID: "2088***1"}
}

func wantCode(t *testing.T, err error, want pay.Code) {
	t.Helper()
	if got := pay.CodeOf(err); got != want {
		t.Errorf("got error %v of code %q, want %q", err, got, want)
	}
}
