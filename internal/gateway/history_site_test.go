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

// site is two replicas of the true gateway over one SQLite file, with their
// senders of notifications, and the world around them.
type site struct {
	dir      string
	now      time.Time
	random   io.Reader
	log      *slog.Logger
	world    *world
	replicas [2]*replica
	merchant merchantsView
	numbers  map[string][]string // that lost orders had, by the merchant's number
	accounts map[string]string   // of the same
	excuses  int                 // for telling the merchant again what it has acknowledged
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

	// Of the step that is being done:
	step   *step
	points int  // passed so far: statements and calls to the wallet
	inTx   bool // others must not be let in: they would wait for us
	gone   bool
	calls  int
	sends  int
}

// begin opens a site at the beginning of 2026. empty is the directory of a
// database that has been made and seeded, which is copied.
func begin(t *testing.T, empty string, seen tally) *site {
	t.Helper()
	s := &site{
		dir: t.TempDir(), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		random: rand.NewChaCha8([32]byte{}), log: slog.New(slog.DiscardHandler), world: newWorld(),
		merchant: newMerchantsView(), seen: seen,
	}
	if os.Getenv("SAMPAN_HISTORY_LOG") != "" {
		s.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if err := os.CopyFS(s.dir, os.DirFS(empty)); err != nil {
		t.Fatal(err)
	}
	for n := range s.replicas {
		s.replicas[n] = &replica{number: n}
		s.start(s.replicas[n])
	}
	return s
}

// end takes the site down.
func (s *site) end() {
	for _, r := range s.replicas {
		r.crash()
		r.Wait()
		_ = r.store.Close()
	}
	_ = os.RemoveAll(s.dir)
}

func (s *site) clock() time.Time { return s.now }

// start starts a replica's process.
func (s *site) start(r *replica) {
	*r = replica{number: r.number}
	r.ctx, r.crash = context.WithCancel(context.Background())
	db, err := store.Open(r.ctx, store.Config{
		DSN: "sqlite:" + filepath.Join(s.dir, "sampan.db"), MasterKey: masterKey, Now: s.clock, NoSync: true, Log: s.log,
		Before: func(text string) error { return s.statement(r, text) },
	})
	if err != nil {
		panic(err)
	}
	r.store = db
	driver := func(flow wallet.Flow, can ...wallet.Capability) wallet.Driver {
		return wallet.Driver{
			Info: wallet.Info{
				Flow: flow, Can: can, LateMax: 15 * 24 * time.Hour,
				Currencies: map[pay.PayType][]pay.Currency{pay.AlipayCrossBorder: {"HKD"}, pay.AlipayHK: {"HKD"}},
			},
			Open: func(wallet.Account) (wallet.Connector, error) {
				return teller{s.world, func() (string, error) { return s.walletCall(r) }}, nil
			},
		}
	}
	zone := time.FixedZone("", 8*60*60)
	r.Gateway, err = New(Config{
		Store: db, Wallets: map[string]wallet.Driver{
			"offline": driver(wallet.Link, wallet.CanRefund, wallet.CanRefundQuery),
			"online":  driver(wallet.InApp, wallet.CanRefund, wallet.CanRefundQuery, wallet.CanClose),
		},
		BaseURL: "https://pay.example", LinkKey: []byte("0123456789abcdef0123456789abcdef"), HTTP: http.DefaultClient,
		Zone: zone, Now: s.clock, Rand: s.random, Log: s.log,
		Notification:       func(p pay.Payment) []byte { return delivery.Body(p, zone) },
		RefundNotification: func(of pay.Refund, p pay.Payment) []byte { return delivery.RefundBody(of, p, zone) },
	})
	if err != nil {
		panic(err)
	}
	r.sender, err = delivery.New(delivery.Config{
		Store: db, Now: s.clock, Log: s.log, Workers: 1,
		Client: &http.Client{Transport: shop{s.world, func() string { return s.answer(r) }}},
	})
	if err != nil {
		panic(err)
	}
}

// statement stands before each statement of a replica.
func (s *site) statement(r *replica, text string) error {
	if r.gone && text != "ROLLBACK" {
		return errCrash
	}
	switch {
	case strings.HasPrefix(text, "BEGIN"):
		if err := s.point(r); err != nil {
			return err
		}
		r.inTx = true
		return nil
	case text == "ROLLBACK":
		r.inTx = false
		return nil
	}
	err := s.point(r)
	if text == "COMMIT" && err == nil {
		r.inTx = false
	}
	return err
}

// walletCall stands before each call of a replica to the wallet.
func (s *site) walletCall(r *replica) (mood string, err error) {
	if err := s.point(r); err != nil {
		return "", err
	}
	if r.step != nil && r.calls < len(r.step.Wallet) {
		mood = r.step.Wallet[r.calls]
	}
	r.calls++
	return mood, nil
}

// answer is how the merchant answers a replica's next notification.
func (s *site) answer(r *replica) (how string) {
	if r.step != nil && r.sends < len(r.step.Shop) {
		how = r.step.Shop[r.sends]
	}
	r.sends++
	return how
}

// point is a moment at which the step may have the process crash, or something
// else happen at the other replica. The latter waits for the end of a
// transaction, as it would in the database.
func (s *site) point(r *replica) error {
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
		s.excuses++ // the acknowledgement is lost, or the lease over before it is written down
	}
	if then != nil {
		s.seen["something at the other replica, in the middle of a step"]++
		s.do(s.replicas[1-r.number], *then)
		return nil
	}
	s.seen["crashes"]++
	r.gone = true
	r.crash()
	return errCrash
}

// do does a step at a replica; one that crashed is started again.
func (s *site) do(r *replica, st step) {
	r.step, r.points, r.calls, r.sends = &st, 0, 0, 0
	s.act(r, st)
	r.Wait() // questions outlive who asked
	r.step = nil
	if r.gone || st.Do == restart {
		r.crash()
		_ = r.store.Close()
		s.start(r)
	}
}

func (s *site) act(r *replica, st step) {
	switch st.Do {
	case place:
		s.place(r, st)
	case open:
		s.open(r, st)
	case buy:
		if s.world.trades[s.merchant.ids[st.Order]] == nil {
			s.open(r, st)
		}
		s.world.buy(s.merchant.ids[st.Order], st.Force)
	case notify:
		s.notify(r, st)
	case refund:
		s.refund(r, st)
	case shut:
		s.shut(r, st)
	case query:
		s.query(r, st)
	case looking:
		all, _ := r.runner.ClaimDue(r.ctx) // a crash ends it in the middle
		for _, d := range all {
			d.Do(context.WithoutCancel(r.ctx))
		}
	case deliver:
		_ = r.sender.SendDue(r.ctx)
	case wait:
		s.now = s.now.Add(time.Duration(st.Minutes) * time.Minute)
	case wink:
		s.now = s.now.Add(3 * time.Second)
	}
}

// open has the buyer's browser follow the link.
func (s *site) open(r *replica, st step) {
	if id := s.merchant.ids[st.Order]; id != "" {
		if p, way, err := r.Visit(r.ctx, r.Token(id)); err == nil && way.URL != "" && !r.gone {
			s.world.know(id, p.Amount)
		}
	}
}

// notify posts one of the notices that the wallet has of an order, or a lie.
func (s *site) notify(r *replica, st step) {
	id := s.merchant.ids[st.Order]
	t := s.world.trades[id]
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
	if err := s.post(r, m); st.Force && err == nil {
		s.problem("a false notice about %s was taken", id)
	}
}

func (s *site) post(r *replica, m message) error {
	body, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	account := s.accounts[m.OrderID]
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

func (s *site) problem(format string, args ...any) {
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}
