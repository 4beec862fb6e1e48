package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// outside is everything outside of the gateway: the wallet with its own books, and the
// merchant that gets notifications. The gateway's books are compared with the wallet's,
// which are the truth.
type outside struct {
	trades map[string]*trade // by the order's id
	order  []string          // the same, by age
	told   map[string][]byte // notifications to the merchant: subject, and the first body
	heard  map[string]int    // how often the merchant has got it
	acked  map[string]int    // how often it has acknowledged it
	false_ []string          // notifications that were not true
	late   int               // trades paid so far, for their numbers

	// restored says that orders that the database has lost may have other numbers now
	// than at the wallet.
	restored bool
}

// trade is what the wallet knows of an order.
type trade struct {
	amount  pay.Amount
	closed  bool
	paid    []string         // trade numbers; more than one if the buyer paid twice
	back    map[string]int64 // given back, by refund
	notices []message        // of what has happened, oldest first
	doubted bool             // another amount was stated for a refund
}

func newOutside() *outside {
	return &outside{trades: map[string]*trade{}, told: map[string][]byte{}, heard: map[string]int{},
		acked: map[string]int{}}
}

// know makes an order known to the wallet: the buyer has opened it there, or it was
// registered.
func (w *outside) know(id string, amount pay.Amount) *trade {
	if w.trades[id] == nil {
		w.trades[id] = &trade{amount: amount, back: map[string]int64{}}
		w.order = append(w.order, id)
	}
	return w.trades[id]
}

// buy has the buyer pay an order that the wallet knows. An order that is closed there is
// paid only by force, as some wallets take money for it.
func (w *outside) buy(id string, force bool) {
	t := w.trades[id]
	if t == nil || (t.closed || len(t.paid) > 0) && !force {
		return
	}
	w.late++
	number := fmt.Sprintf("T%d", w.late)
	t.paid = append(t.paid, number)
	t.notices = append(t.notices,
		message{OrderID: id, State: wallet.State{Outcome: wallet.Paid, TradeNo: number, Amount: t.amount}})
}

// given returns what the wallet has given back by a refund, under any number of the
// order.
func (w *outside) given(refund string) (minor int64) {
	for _, t := range w.trades {
		minor += t.back[refund]
	}
	return minor
}

// Moods say how the wallet handles a call.
const (
	unsent = "unsent" // it is not reached
	silent = "silent" // it is reached, does nothing and answers nothing
	lost   = "lost"   // it does what was requested, and the answer is lost
	stale  = "stale"  // it answers as if it did not know yet; silent to refunds and closings
	refuse = "refuse" // it refuses refunds and closings; silent to queries
	other  = "other"  // it states another amount of a refund; otherwise silent
)

// teller is one replica's connector to the wallet.
type teller struct {
	outside *outside
	now     func() time.Time
	// call is called before each call, and returns the wallet's mood. An error ends the
	// replica.
	call func() (mood string, err error)
}

// ask makes a call. do is what the wallet does and answers without a fault, blind what
// it answers while it does not know yet.
func (c teller) ask(blind *wallet.State, do func() (wallet.State, error)) (wallet.State, error) {
	mood, err := c.call()
	if err != nil {
		return wallet.State{}, err
	}
	switch mood {
	case unsent:
		return wallet.State{}, wallet.ErrNotSent
	case lost:
		_, _ = do()
		return wallet.State{}, wallet.ErrUnknown
	case stale:
		if blind != nil {
			return *blind, nil
		}
	case refuse:
		if blind == nil {
			return wallet.State{}, &wallet.Rejection{Code: "NO", Kind: wallet.RejectedFunds}
		}
	case "":
		return do()
	}
	return wallet.State{}, wallet.ErrUnknown
}

// Pay returns an address for ten minutes for an order with wallet.Redirect. It refuses
// an order that is paid or closed.
func (c teller) Pay(_ context.Context, o wallet.Order) (wallet.Checkout, error) {
	if o.PayType == pay.AlipayCrossBorder { // only makes an address: the wallet is not called
		return wallet.Checkout{URL: "https://wallet.example/" + o.Number}, nil
	}
	_, err := c.ask(nil, func() (wallet.State, error) {
		t := c.outside.know(o.Number, o.Amount)
		if o.PayType == pay.AlipayServiceWindow && (t.closed || len(t.paid) > 0) {
			return wallet.State{}, &wallet.Rejection{Code: "OVER", Kind: wallet.RejectedOrder}
		}
		return wallet.State{}, nil
	})
	switch {
	case err != nil:
		return wallet.Checkout{}, err
	case o.PayType == pay.AlipayHK:
		return wallet.Checkout{Ref: "R-" + o.Number}, nil
	}
	ends := c.now().Add(10 * time.Minute)
	return wallet.Checkout{URL: fmt.Sprintf("https://wallet.example/%s/%d", o.Number, ends.Unix()),
		EndsAt: ends}, nil
}

var unaware = &wallet.State{Outcome: wallet.NotFound}

func (c teller) Query(_ context.Context, o wallet.Order) (wallet.State, error) {
	return c.ask(unaware, func() (wallet.State, error) { return c.outside.state(o.Number), nil })
}

// state returns the truth about an order.
func (w *outside) state(id string) wallet.State {
	t := w.trades[id]
	switch {
	case t == nil:
		return *unaware
	case len(t.paid) > 0:
		return wallet.State{Outcome: wallet.Paid, TradeNo: t.paid[0], Amount: t.amount}
	case t.closed:
		return wallet.State{Outcome: wallet.Closed}
	}
	return wallet.State{Outcome: wallet.Waiting}
}

func (c teller) Close(_ context.Context, o wallet.Order) (wallet.State, error) {
	return c.ask(nil, func() (wallet.State, error) {
		s := c.outside.state(o.Number)
		if s.Outcome == wallet.Waiting {
			c.outside.trades[o.Number].closed, s.Outcome = true, wallet.Closed
		}
		return s, nil
	})
}

func (c teller) Refund(_ context.Context, r wallet.Refund) (wallet.State, error) {
	mood, err := "", error(nil)
	s, failed := teller{c.outside, c.now, func() (string, error) {
		mood, err = c.call()
		return mood, err
	}}.ask(nil, func() (wallet.State, error) { return c.outside.giveBack(r) })
	if mood == other {
		if t := c.outside.trades[r.Order.Number]; t != nil {
			t.doubted = true
		}
		return elsewise(r), nil
	}
	return s, failed
}

func elsewise(r wallet.Refund) wallet.State {
	r.Amount.Minor++
	return wallet.State{Outcome: wallet.Succeeded, Amount: r.Amount}
}

// giveBack pays a refund out, once for each number and never more than came in.
func (w *outside) giveBack(r wallet.Refund) (wallet.State, error) {
	t := w.trades[r.Order.Number]
	if t == nil || len(t.paid) == 0 {
		return wallet.State{}, &wallet.Rejection{Code: "NOT_PAID"}
	}
	if _, done := t.back[r.ID]; !done {
		sum := r.Amount.Minor
		for _, minor := range t.back {
			sum += minor
		}
		if sum > t.amount.Minor {
			return wallet.State{}, &wallet.Rejection{Code: "TOO_MUCH", Kind: wallet.RejectedAmount}
		}
		t.back[r.ID] = r.Amount.Minor
		t.notices = append(t.notices, message{OrderID: r.Order.Number, RefundID: r.ID,
			State: wallet.State{Outcome: wallet.Succeeded, Amount: r.Amount}})
	}
	return wallet.State{Outcome: wallet.Succeeded, Amount: r.Amount}, nil
}

func (c teller) QueryRefund(_ context.Context, r wallet.Refund) (wallet.State, error) {
	return c.ask(unaware, func() (wallet.State, error) {
		if t := c.outside.trades[r.Order.Number]; t != nil {
			if minor, done := t.back[r.ID]; done {
				return wallet.State{Outcome: wallet.Succeeded,
					Amount: pay.Amount{Minor: minor, Currency: t.amount.Currency}}, nil
			}
		}
		return *unaware, nil
	})
}

func (c teller) RefundGap() (string, time.Duration) { return "partner", 3 * time.Second }

// Callback reads a notice, which the wallet's books confirm.
func (c teller) Callback(posted wallet.Callback) (wallet.Notice, error) {
	var m message
	if err := json.Unmarshal(posted.Body, &m); err != nil {
		return wallet.Notice{}, errors.New("forged")
	}
	n := wallet.Notice{Number: m.OrderID, RefundID: m.RefundID, State: m.State,
		Reply: wallet.Reply{Body: []byte("success")}}
	n.Confirm = func(context.Context, wallet.Order) (wallet.State, error) {
		_, err := c.ask(nil, func() (wallet.State, error) {
			if t := c.outside.trades[m.OrderID]; t != nil &&
				slices.ContainsFunc(t.notices, func(n message) bool { return n == m }) {
				return wallet.State{}, nil
			}
			return wallet.State{}, &wallet.Rejection{Code: "NOT_OURS"}
		})
		return m.State, err
	}
	return n, nil
}

// shop is the merchant's receiver of notifications, as a transport. It gives the answers
// of the list in turn, and acknowledges all notifications after them.
type shop struct {
	outside *outside
	answers func() string
}

// RoundTrip receives a notification. What it says must be true at this moment.
func (s shop) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := s.answers()
	if answer == "away" {
		return nil, errors.New("connection refused")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	what := s.outside.hear(body)
	status, text := http.StatusOK, "SUCCESS"
	switch answer {
	case "trouble":
		status = http.StatusInternalServerError
	case "cut":
		return nil, errors.New("connection reset")
	case "other":
		text = "ok"
	default:
		s.outside.acked[what]++
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader([]byte(text))),
		Header: http.Header{}, Request: r}, nil
}

// hear records what a notification says, which must be true at this moment.
func (w *outside) hear(body []byte) (what string) {
	var n struct {
		ID     string `json:"syssn"`
		Kind   string `json:"notify_type"`
		Minor  int64  `json:"txamt,string"`
		Of     string `json:"orig_syssn"`
		Number string `json:"chnlsn"`
	}
	if err := json.Unmarshal(body, &n); err != nil {
		w.false_ = append(w.false_, "what is no notification: "+string(body))
		return ""
	}
	true_ := false
	if w.restored {
		for id, t := range w.trades {
			if _, back := t.back[n.ID]; back || slices.Contains(t.paid, n.Number) && n.Kind == "payment" {
				n.Of = id
			}
		}
	} else if n.Kind == "payment" {
		n.Of = n.ID
	}
	switch n.Kind {
	case "payment":
		t := w.trades[n.Of]
		true_ = t != nil && slices.Contains(t.paid, n.Number) && t.amount.Minor == n.Minor
	case "refund":
		t := w.trades[n.Of]
		true_ = t != nil && t.back[n.ID] == n.Minor
	}
	what = n.Kind + " " + n.ID
	if !true_ {
		w.false_ = append(w.false_, "told of a "+what+" that is not so")
	}
	if first, again := w.told[what]; again && !bytes.Equal(first, body) {
		w.false_ = append(w.false_, "told of the "+what+" in two ways")
	}
	w.told[what] = body
	w.heard[what]++
	return what
}
