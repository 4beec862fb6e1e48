package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/delivery"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

var errCrash = errors.New("the process is gone")

// historyHarness has two replicas of the real gateway over one SQLite file, which also
// send notifications, and everything outside of them.
type historyHarness struct {
	dir      string
	now      time.Time
	random   io.Reader
	log      *slog.Logger
	outside  *outside
	replicas [2]*replica
	merchant merchantsView
	numbers  map[string][]string // of lost orders, by the merchant's number
	accounts map[string]string   // of lost orders
	excuses  int                 // reasons to repeat an acknowledged notification
	problems []string
	seen     tally
}

// replica is one process.
type replica struct {
	number int
	store  *store.DB
	*Gateway
	sender *delivery.Sender
	ctx    context.Context
	crash  context.CancelFunc

	// Of the current step:
	step   *step
	points int  // passed so far: statements and calls to the wallet
	inTx   bool // the other replica must wait
	gone   bool
	calls  int
	sends  int
}

// begin opens the replicas at the beginning of 2026, over a copy of the seeded database
// in the directory empty.
func begin(t *testing.T, empty string, seen tally) *historyHarness {
	t.Helper()
	h := &historyHarness{
		dir: t.TempDir(), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		random: rand.NewChaCha8([32]byte{}), log: slog.New(slog.DiscardHandler), outside: newOutside(),
		merchant: newMerchantsView(), seen: seen,
	}
	if os.Getenv("SAMPAN_HISTORY_LOG") != "" {
		h.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if err := os.CopyFS(h.dir, os.DirFS(empty)); err != nil {
		t.Fatal(err)
	}
	for n := range h.replicas {
		h.replicas[n] = &replica{number: n}
		h.start(h.replicas[n])
	}
	return h
}

// end closes the replicas.
func (h *historyHarness) end() {
	for _, r := range h.replicas {
		r.crash()
		r.Wait()
		_ = r.store.Close()
	}
	_ = os.RemoveAll(h.dir)
}

func (h *historyHarness) clock() time.Time { return h.now }

// start starts a replica's process.
func (h *historyHarness) start(r *replica) {
	*r = replica{number: r.number}
	r.ctx, r.crash = context.WithCancel(context.Background())
	db, err := store.Open(r.ctx, store.Config{
		DSN: "sqlite:" + filepath.Join(h.dir, "sampan.db"), MasterKey: masterKey, Now: h.clock, NoSync: true,
		Log:    h.log,
		Before: func(text string) error { return h.statement(r, text) },
	})
	if err != nil {
		panic(err)
	}
	r.store = db
	driver := func(flow wallet.Flow, can ...wallet.Capability) wallet.Driver {
		return wallet.Driver{
			Info: wallet.Info{
				Flow: flow, Can: can, LateMax: 15 * 24 * time.Hour,
				Currencies: map[pay.PayType][]pay.Currency{
					pay.AlipayCrossBorder: {"HKD"}, pay.AlipayHK: {"HKD"}, pay.AlipayServiceWindow: {"HKD"},
				},
			},
			Open: func(wallet.Account) (wallet.Connector, error) {
				return teller{h.outside, h.clock, func() (string, error) { return h.walletCall(r) }}, nil
			},
		}
	}
	zone := time.FixedZone("", 8*60*60)
	r.Gateway, err = New(Config{
		Store: db, Wallets: map[string]wallet.Driver{
			"offline": driver(wallet.Link, wallet.CanRefund, wallet.CanRefundQuery),
			"online":  driver(wallet.InApp, wallet.CanRefund, wallet.CanRefundQuery, wallet.CanClose),
			"paged":   driver(wallet.Redirect, wallet.CanRefund, wallet.CanRefundQuery, wallet.CanClose),
		},
		BaseURL: "https://pay.example", LinkKey: []byte("0123456789abcdef0123456789abcdef"),
		HTTP: http.DefaultClient, Zone: zone, Now: h.clock, Rand: h.random, Log: h.log,
		Notification: func(p pay.Payment) []byte { return delivery.Body(p, zone) },
		RefundNotification: func(of pay.Refund, p pay.Payment) []byte {
			return delivery.RefundBody(of, p, zone)
		},
	})
	if err != nil {
		panic(err)
	}
	r.sender, err = delivery.New(delivery.Config{
		Store: db, Now: h.clock, Log: h.log, Workers: 1,
		Client: &http.Client{Transport: shop{h.outside, func() string { return h.answer(r) }}},
	})
	if err != nil {
		panic(err)
	}
}

// statement is called before each statement of a replica.
func (h *historyHarness) statement(r *replica, text string) error {
	if r.gone && text != "ROLLBACK" {
		return errCrash
	}
	switch {
	case strings.HasPrefix(text, "BEGIN"):
		if err := h.point(r); err != nil {
			return err
		}
		r.inTx = true
		return nil
	case text == "ROLLBACK":
		r.inTx = false
		return nil
	}
	err := h.point(r)
	if text == "COMMIT" && err == nil {
		r.inTx = false
	}
	return err
}

// walletCall is called before each call of a replica to the wallet.
func (h *historyHarness) walletCall(r *replica) (mood string, err error) {
	if err := h.point(r); err != nil {
		return "", err
	}
	if r.step != nil && r.calls < len(r.step.Wallet) {
		mood = r.step.Wallet[r.calls]
	}
	r.calls++
	return mood, nil
}

// answer returns how the merchant answers a replica's next notification.
func (h *historyHarness) answer(r *replica) (how string) {
	if r.step != nil && r.sends < len(r.step.Shop) {
		how = r.step.Shop[r.sends]
	}
	r.sends++
	return how
}

// point is a moment at which the step may crash the process, or do something else at
// the other replica. The other replica waits for the end of a transaction, as it would
// at the database.
func (h *historyHarness) point(r *replica) error {
	if r.gone {
		return errCrash
	}
	if r.step == nil || r.step.At == 0 {
		return nil
	}
	r.points++
	if r.points < r.step.At || r.step.Then != nil && r.inTx {
		return nil
	}
	then := r.step.Then
	r.step.At, r.step.Then = 0, nil
	if r.sends > 0 && (then == nil || then.Do == wait) {
		h.excuses++ // the acknowledgement is lost, or the lease ends before it is stored
	}
	if then != nil {
		h.seen["something at the other replica, in the middle of a step"]++
		h.do(h.replicas[1-r.number], *then)
		return nil
	}
	h.seen["crashes"]++
	r.gone = true
	r.crash()
	return errCrash
}

// do does a step at a replica. A replica that crashed is started again.
func (h *historyHarness) do(r *replica, st step) {
	r.step, r.points, r.calls, r.sends = &st, 0, 0, 0
	h.act(r, st)
	r.Wait() // questions outlive who asked
	r.step = nil
	if r.gone || st.Do == restart {
		r.crash()
		_ = r.store.Close()
		h.start(r)
	}
}

func (h *historyHarness) act(r *replica, st step) {
	switch st.Do {
	case place:
		h.place(r, st)
	case open:
		h.open(r, st)
	case buy:
		if h.outside.trades[h.merchant.ids[st.Order]] == nil {
			h.open(r, st)
		}
		h.outside.buy(h.merchant.ids[st.Order], st.Force)
	case notify:
		h.notify(r, st)
	case refund:
		h.refund(r, st)
	case shut:
		h.shut(r, st)
	case query:
		h.query(r, st)
	case looking:
		all, _ := r.runner.ClaimDue(r.ctx) // a crash ends it in the middle
		for _, d := range all {
			d.Do(context.WithoutCancel(r.ctx))
		}
	case deliver:
		_ = r.sender.SendDue(r.ctx)
	case wait:
		h.now = h.now.Add(time.Duration(st.Minutes) * time.Minute)
	case wink:
		h.now = h.now.Add(3 * time.Second)
	}
}

// open has the buyer's browser open the link.
func (h *historyHarness) open(r *replica, st step) {
	if id := h.merchant.ids[st.Order]; id != "" {
		if p, way, err := r.Visit(r.ctx, r.Token(id)); err == nil && way.URL != "" && !r.gone {
			h.outside.know(id, p.Amount)
		}
	}
}

// notify posts one of the wallet's notices of an order, or a false one.
func (h *historyHarness) notify(r *replica, st step) {
	id := h.merchant.ids[st.Order]
	t := h.outside.trades[id]
	if t == nil {
		return
	}
	m := message{OrderID: id, State: wallet.State{Outcome: wallet.Paid, TradeNo: "T-false", Amount: t.amount}}
	if !st.Force {
		if len(t.notices) == 0 {
			return
		}
		m = t.notices[st.N%len(t.notices)]
	}
	if err := h.post(r, m); st.Force && err == nil {
		h.problem("a false notice about %s was taken", id)
	}
}

func (h *historyHarness) post(r *replica, m message) error {
	body, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	account := h.accounts[m.OrderID]
	if account == "" {
		p, err := r.Store.Payment(r.ctx, "123456", m.OrderID)
		if err != nil {
			return err
		}
		account = p.AccountID
	}
	_, err = r.Callback(r.ctx, "123456", account, Callback{Body: body})
	r.Wait() // questions outlive who asked
	return err
}

func (h *historyHarness) problem(format string, args ...any) {
	h.problems = append(h.problems, fmt.Sprintf(format, args...))
}
