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

	"github.com/sampanpay/sampan/internal/delivery"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
)

// scripted is a wallet whose every answer the test decides. It stands for the
// wallet's side of the contract only: the store behind the gateway is real.
type scripted struct {
	mu    sync.Mutex
	asked []string // "pay ID", "query ID" in order
	pay   func(wallet.Order) (wallet.Checkout, error)
	query func(context.Context, wallet.Order) (wallet.State, error)
	close func(context.Context, wallet.Order) (wallet.State, error)
	// refund and queryRefund answer in place of the wallet's own books.
	refund, queryRefund func(context.Context, wallet.Refund) (wallet.State, error)
	back                map[string]int64 // given back, by refund
	gap                 time.Duration    // between refunds
	// confirm is what notices are confirmed by, if it is set.
	confirm func(context.Context, wallet.Notice) (wallet.State, error)
}

func (s *scripted) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
}

func (s *scripted) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// forget begins the count anew.
func (s *scripted) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = nil
}

func (s *scripted) Pay(_ context.Context, o wallet.Order) (wallet.Checkout, error) {
	s.note("pay " + o.Number)
	if s.pay != nil {
		return s.pay(o)
	}
	if o.PayType == pay.AlipayHK { // the wallet "online"
		return wallet.Checkout{Ref: "R-" + o.Number}, nil
	}
	return wallet.Checkout{URL: "https://wallet.example/cashier/" + o.Number}, nil
}

func (s *scripted) Query(ctx context.Context, o wallet.Order) (wallet.State, error) {
	s.note("query " + o.Number)
	s.mu.Lock()
	answer := s.query
	s.mu.Unlock()
	if answer != nil {
		return answer(ctx, o)
	}
	return wallet.State{Outcome: wallet.NotFound}, nil
}

// Refund gives money back, once for each number, unless the test says otherwise.
func (s *scripted) Refund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	s.note(fmt.Sprintf("refund %s %d retry=%v", r.ID, r.Amount.Minor, r.Retry))
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

// givenBack is the sum of what the wallet has given back.
func (s *scripted) givenBack() (sum int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, minor := range s.back {
		sum += minor
	}
	return sum
}

func (s *scripted) QueryRefund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	s.note("query refund " + r.ID)
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
	s.note("close " + o.Number)
	s.mu.Lock()
	answer := s.close
	s.mu.Unlock()
	if answer != nil {
		return answer(ctx, o)
	}
	return wallet.State{Outcome: wallet.Closed}, nil
}

// Callback takes a notice as JSON, in place of a wallet's signed form.
func (s *scripted) Callback(c wallet.Callback) (wallet.Notice, error) {
	var m message
	if err := json.Unmarshal(c.Body, &m); err != nil {
		return wallet.Notice{}, errors.New("forged")
	}
	n := wallet.Notice{Number: m.OrderID, RefundID: m.RefundID, State: m.State, Reply: wallet.Reply{Body: []byte("success")}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if confirm := s.confirm; confirm != nil {
		n.Confirm = func(ctx context.Context, o wallet.Order) (wallet.State, error) {
			s.note("confirm " + o.Number)
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

// bench is a gateway over a real store and a scripted wallet.
type bench struct {
	*Gateway
	t          *testing.T
	wallet     *scripted
	credential pay.Credential
	mu         sync.Mutex
	now        time.Time // zero: the real (or the bubble's) clock
	wakes      int
}

const masterKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// newBench opens a store in a temporary directory and a merchant with two
// accounts: "main" of a wallet that needs no network to begin with, for 801107
// in HKD and JPY, and "net" of one that does and can close orders, for 801512 in
// HKD. (Its contract
// names JPY as well, which that wallet cannot take.)
func newBench(t *testing.T) *bench {
	t.Helper()
	return newBenchOver(t, "sqlite:"+t.TempDir()+"/sampan.db")
}

// onEach runs test on a bench over each database.
func onEach(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	storetest.EachDSN(t, func(t *testing.T, dsn string) { test(t, newBenchOver(t, dsn)) })
}

func newBenchOver(t *testing.T, dsn string, options ...storetest.Option) *bench {
	t.Helper()
	b := &bench{t: t, wallet: &scripted{}}
	c := store.Config{DSN: dsn, MasterKey: masterKey, Now: b.clock, NoSync: true, Log: slog.New(slog.DiscardHandler)}
	for _, o := range options {
		o(&c)
	}
	db, err := storetest.Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	b.Gateway = b.over(db)
	t.Cleanup(func() {
		b.Wait()
		db.Close()
	})
	b.seed(db)
	return b
}

// over makes one more gateway over the same store: another replica.
func (b *bench) over(db *store.DB) *Gateway {
	b.t.Helper()
	driver := func(flow wallet.Flow, can ...wallet.Capability) wallet.Driver {
		return wallet.Driver{
			Info: wallet.Info{
				Flow: flow, Can: can, LateMax: 15 * 24 * time.Hour,
				Currencies: map[pay.PayType][]pay.Currency{
					pay.AlipayCrossBorder: {"HKD", "JPY"}, pay.AlipayHK: {"HKD"},
				},
			},
			Open: func(wallet.Account) (wallet.Connector, error) { return b.wallet, nil },
		}
	}
	zone := time.FixedZone("", 8*60*60)
	g, err := New(Config{
		Store: db, Wallets: map[string]wallet.Driver{
			"offline": driver(wallet.Link, wallet.CanRefund, wallet.CanRefundQuery),
			"online":  driver(wallet.InApp, wallet.CanRefund, wallet.CanRefundQuery, wallet.CanClose),
		},
		BaseURL: "https://pay.example", LinkKey: []byte("0123456789abcdef0123456789abcdef"), HTTP: http.DefaultClient,
		Zone: zone, Now: b.clock, Log: slog.New(slog.DiscardHandler),
		Poll:               time.Hour, // the opening of a link is noticed without polling
		Notification:       func(p pay.Payment) []byte { return delivery.Body(p, zone) },
		RefundNotification: func(r pay.Refund, p pay.Payment) []byte { return delivery.RefundBody(r, p, zone) },
		Wake: func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.wakes++
		},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return g
}

func (b *bench) seed(db *store.DB) {
	b.t.Helper()
	ctx := b.t.Context()
	now := b.clock()
	b.credential = pay.Credential{MerchantID: "123456", AppCode: "APP", ClientKey: "KEY", PerSecond: 100, PerMinute: 400, CreatedAt: now}
	for _, err := range []error{
		db.CreateMerchant(ctx, pay.Merchant{ID: "123456", Name: "Tea House", CreatedAt: now}),
		db.CreateCredential(ctx, b.credential),
		db.PutWalletAccount(ctx, pay.WalletAccount{MerchantID: "123456", ID: "main", Wallet: "offline",
			PayTypes: []pay.PayType{pay.AlipayCrossBorder}, Currencies: []pay.Currency{"HKD", "JPY"}, CreatedAt: now, UpdatedAt: now}),
		db.PutWalletAccount(ctx, pay.WalletAccount{MerchantID: "123456", ID: "net", Wallet: "online",
			PayTypes: []pay.PayType{pay.AlipayHK}, Currencies: []pay.Currency{"HKD", "JPY"}, CreatedAt: now, UpdatedAt: now}),
	} {
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now.IsZero() {
		return time.Now()
	}
	return b.now
}

// pass sets the clock forward.
func (b *bench) pass(d time.Duration) {
	now := b.clock()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = now.Add(d)
}

func (b *bench) request(orderNo string) PayRequest {
	return PayRequest{
		Credential: b.credential, OrderNo: orderNo, Fingerprint: "f-" + orderNo, PayType: pay.AlipayCrossBorder,
		Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, Goods: "Oolong", NotifyURL: "https://Shop.example/notify", Life: 30 * time.Minute,
	}
}

// ordered is a payment of 12.30 HKD, opened if open is true.
func (b *bench) ordered(orderNo string, open bool) pay.Payment {
	b.t.Helper()
	o, err := b.Pay(b.t.Context(), b.request(orderNo))
	if err != nil {
		b.t.Fatal(err)
	}
	if open {
		if _, way, err := b.Visit(b.t.Context(), b.Token(o.ID)); err != nil || way.URL == "" {
			b.t.Fatalf("visit: %+v, %v", way, err)
		}
	}
	return b.stored(o.ID)
}

func (b *bench) stored(id string) pay.Payment {
	b.t.Helper()
	p, err := b.Store.Payment(b.t.Context(), "123456", id)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// books returns a payment's movements and deliveries.
func (b *bench) books(id string) ([]pay.Movement, []store.Delivery) {
	b.t.Helper()
	movements, err := b.Store.Movements(b.t.Context(), "123456", id)
	if err != nil {
		b.t.Fatal(err)
	}
	deliveries, err := b.Store.Deliveries(b.t.Context(), store.DeliveryFilter{MerchantID: "123456", PaymentID: id})
	if err != nil {
		b.t.Fatal(err)
	}
	return movements, deliveries
}

// paid is a payment of 12.30 HKD that the wallet has told of.
func (b *bench) paid(orderNo string) pay.Payment {
	b.t.Helper()
	p := b.ordered(orderNo, true)
	if _, err := b.notice(p.ID, paidBy("T-"+orderNo)); err != nil {
		b.t.Fatal(err)
	}
	return b.stored(p.ID)
}

func (b *bench) refundRequest(p pay.Payment, orderNo string, minor int64) RefundRequest {
	return RefundRequest{Credential: b.credential, PaymentID: p.ID, OrderNo: orderNo, Fingerprint: fmt.Sprint("f-", p.ID, minor), Minor: minor}
}

func (b *bench) storedRefund(id string) pay.Refund {
	b.t.Helper()
	r, err := b.Store.Refund(b.t.Context(), "123456", id)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) history(id string) string {
	b.t.Helper()
	events, err := b.Store.Events(b.t.Context(), "123456", id)
	if err != nil {
		b.t.Fatal(err)
	}
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, string(e.Kind)+" by "+e.By.String())
	}
	return fmt.Sprint(kinds)
}

// recoverDue does what Run would with all that is due now.
func (b *bench) recoverDue() {
	b.t.Helper()
	for range 20 {
		all, err := b.runner.ClaimDue(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if len(all) == 0 {
			return
		}
		for _, d := range all {
			d.Do(b.t.Context())
		}
	}
	b.t.Error("something is due for ever")
}

// notice posts a success for a payment to the callback of account "main".
func (b *bench) notice(id string, s wallet.State) ([]byte, error) {
	b.t.Helper()
	body, err := json.Marshal(message{OrderID: id, State: s})
	if err != nil {
		b.t.Fatal(err)
	}
	return bodyOf(b.Callback(b.t.Context(), "123456", "main", Callback{Body: body}))
}

func bodyOf(r *Reply, err error) ([]byte, error) {
	if r == nil {
		return nil, err
	}
	return r.Body, err
}

// confirmed is a wallet that stands by every notice, or answers with err.
func confirmed(err error) func(context.Context, wallet.Notice) (wallet.State, error) {
	return func(_ context.Context, n wallet.Notice) (wallet.State, error) { return n.State, err }
}

// paidBy is the wallet's word that trade paid 12.30 HKD.
func paidBy(trade string) wallet.State {
	return wallet.State{Outcome: wallet.Paid, TradeNo: trade, Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, BuyerID: "2088***1"}
}

func wantCode(t *testing.T, err error, want pay.Code) {
	t.Helper()
	if got := pay.CodeOf(err); got != want {
		t.Errorf("got error %v of code %q, want %q", err, got, want)
	}
}
