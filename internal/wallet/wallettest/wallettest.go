// Package wallettest is the conformance suite that every connector runs. It shows
// that what a connector declares agrees with what it does, that its buyers get to
// the wallet, and that nothing which a wallet, a network or a forger can send makes
// an order paid or failed that is not.
//
// The suite knows no wire format. The connector's test brings the wallet's bytes in
// a Harness; the suite decides what is sent when, damages it, and judges what the
// connector makes of it.
//
// Read this file first. Each other file holds one group of the suite's tests:
// declared.go what Info says, flows.go the way to the wallet, answers.go what the
// wallet answers, callbacks.go what it posts. lantern is a wallet of the tests' own.
package wallettest

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// Situation is the state of an order at the wallet, or what is wrong with a
// message about it.
type Situation string

// The situations.
const (
	Paid     Situation = "paid" // under TradeNo
	Waiting  Situation = "waiting"
	Closed   Situation = "closed"
	Missing  Situation = "missing"         // the wallet knows no such order
	NewState Situation = "invented status" // signed, with a status that is in no document
	NewCode  Situation = "unlisted code"   // an error with a code that is in no document
	Trouble  Situation = "wallet trouble"  // the code by which the wallet says that it is out of order

	PaidLongAgo Situation = "paid long ago"       // as Paid; the wallet vouches for its notice no longer
	GivenBack   Situation = "paid and given back" // as PaidLongAgo; all of it has gone back since

	// Paid, but:
	BadSignature Situation = "bad signature"
	Unsigned     Situation = "unsigned"
	BadAmount    Situation = "unreadable amount" // signed
	NoTradeNo    Situation = "no trade number"   // signed
)

// TradeNo is the wallet's number of the trade in every message of the suite.
const TradeNo = "2026010222001300000000000001"

// Harness is what a connector's test brings.
type Harness struct {
	Driver wallet.Driver

	// Account is a complete account whose wallet is the server at address.
	Account func(address string) pay.WalletAccount

	// Answer is what the wallet answers to r, a request of the connector, if o is in
	// situation s. Without a Body, s cannot be in an answer.
	Answer func(s Situation, o wallet.Order, r *http.Request) wallet.Reply

	// Callback is what the wallet posts about o in situation s. Without a Body, s
	// cannot be in a callback. The suite fills in Method and Path if they are empty.
	Callback func(s Situation, o wallet.Order) wallet.Callback

	// Traps are texts that a merchant could choose for the buyer to read, made to be
	// taken for parts of the wire's messages.
	Traps []string

	// Forgeries are truly signed requests, answers and returns, posted as callbacks,
	// and whatever a forger can make of c, to which the connector sends the buyer of o.
	Forgeries func(c wallet.Checkout, o wallet.Order) []wallet.Callback
}

// Answering makes Answer of a wallet whose answers are all in the body.
func Answering(
	body func(Situation, wallet.Order, *http.Request) []byte,
) func(Situation, wallet.Order, *http.Request) wallet.Reply {
	return func(s Situation, o wallet.Order, r *http.Request) wallet.Reply {
		return wallet.Reply{Body: body(s, o, r)}
	}
}

// Posting makes Callback of a wallet whose callbacks are all in the body.
func Posting(body func(Situation, wallet.Order) []byte) func(Situation, wallet.Order) wallet.Callback {
	return func(s Situation, o wallet.Order) wallet.Callback { return wallet.Callback{Body: body(s, o)} }
}

// Forging makes Forgeries of a wallet whose callbacks are all in the body.
func Forging(
	bodies func(wallet.Checkout, wallet.Order) [][]byte,
) func(wallet.Checkout, wallet.Order) []wallet.Callback {
	return func(c wallet.Checkout, o wallet.Order) (all []wallet.Callback) {
		for _, body := range bodies(c, o) {
			all = append(all, wallet.Callback{Body: body})
		}
		return all
	}
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, sub := range []struct {
		name string
		run  func(*suite)
	}{
		{"what it declares is complete", (*suite).info},
		{"accounts with wrong settings are refused", (*suite).settings},
		{"what it cannot do is unsupported", (*suite).capabilities},
		{"buyers get to the wallet", (*suite).flows},
		{"unclear answers to Pay lead nowhere", (*suite).unclear},
		{"answers mean what the wallet says", (*suite).answers},
		{"damaged answers settle nothing", (*suite).damagedAnswers},
		{"unsent and unanswered are told apart", (*suite).network},
		{"callbacks mean what the wallet says", (*suite).callbacks},
		{"altered callbacks are refused", (*suite).alteredCallbacks},
		{"messages that are no callbacks are refused", (*suite).forgeries},
		{"only the wallet confirms a notice", (*suite).confirm},
	} {
		t.Run(sub.name, func(t *testing.T) { sub.run(newSuite(t, h)) })
	}
}

// suite is one connector against one wallet, played by a local server.
type suite struct {
	*testing.T
	Harness
	account  wallet.Account
	c        wallet.Connector
	clock    time.Time
	requests atomic.Int32

	mu     sync.Mutex
	handle http.HandlerFunc
}

func newSuite(t *testing.T, h Harness) *suite {
	s := &suite{T: t, Harness: h, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		s.mu.Lock()
		handle := s.handle
		s.mu.Unlock()
		if handle == nil {
			http.Error(w, "no answer was agreed on", http.StatusInternalServerError)
			return
		}
		handle(w, r)
	}))
	t.Cleanup(server.Close)
	s.account = wallet.Account{
		WalletAccount: h.Account(server.URL),
		HTTP:          server.Client(),
		Now:           func() time.Time { return s.clock },
	}
	c, err := h.Driver.Open(s.account)
	if err != nil {
		t.Fatalf("a complete account is refused: %v", err)
	}
	s.c = c
	return s
}

// wallet sets how the wallet answers from now on; nil stands for status 500.
func (s *suite) wallet(handle http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handle = handle
}

// says makes the wallet answer as it does when o is in the situation.
func (s *suite) says(sit Situation, o wallet.Order) {
	s.wallet(func(w http.ResponseWriter, r *http.Request) { write(w, s.Answer(sit, o, r)) })
}

// write writes a wallet's answer.
func write(w http.ResponseWriter, a wallet.Reply) {
	maps.Copy(w.Header(), a.Header)
	w.Write(a.Body)
}

func (s *suite) order() wallet.Order {
	t := s.Driver.Info.PayTypes[0]
	return wallet.Order{
		Number:      "20260102100001123456789012",
		PayType:     t,
		Amount:      pay.Amount{Minor: 1234, Currency: s.Driver.Info.Currencies[t][0]},
		Subject:     "Tea 茶",
		CreatedAt:   s.clock,
		ExpiresAt:   s.clock.Add(2 * time.Hour),
		CallbackURL: "https://pay.example/callback/100001/main",
		ReturnURL:   "https://pay.example/pay/token/return",
		SubMerchant: wallet.SubMerchant{ID: "100001", Name: "Tea shop", MCC: "5499"},
	}
}

// other returns o under the number of another order.
func other(o wallet.Order) wallet.Order {
	o.Number = "20260102100001999999999999"
	return o
}

// scrub fails if text shows a secret of the account.
func (s *suite) scrub(text string) {
	s.Helper()
	for name, secret := range s.account.Secrets {
		for _, line := range strings.Split(secret.Reveal(), "\n") {
			if len(line) >= 8 && !strings.HasPrefix(line, "-----") &&
				(strings.Contains(text, line) || strings.Contains(text, url.QueryEscape(line))) {
				s.Errorf("shows the secret %s: %s", name, strings.ReplaceAll(text, line, "***"))
			}
		}
	}
}

// scrubbed is scrub for errors. It returns err.
func (s *suite) scrubbed(err error) error {
	s.Helper()
	if err != nil {
		s.scrub(err.Error())
	}
	return err
}

// settles reports whether a state would change an order.
func settles(st wallet.State) bool {
	switch st.Outcome {
	case wallet.Paid, wallet.Failed, wallet.Closed, wallet.Succeeded:
		return true
	}
	return false
}
