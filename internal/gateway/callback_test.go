package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// post posts a notice to the callback of account "main".
func (h *harness) post(m message) ([]byte, error) {
	h.t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		h.t.Fatal(err)
	}
	return bodyOf(h.Callback(h.t.Context(), "123456", "main", Callback{Body: body}))
}

// confirmAll has every notice confirmed by the wallet, which confirms all of them.
func (h *harness) confirmAll(err error) {
	h.wallet.mu.Lock()
	defer h.wallet.mu.Unlock()
	h.wallet.confirm = confirmed(err)
}

// recorded returns all that is stored of a payment.
func (h *harness) recorded(id string) string {
	h.t.Helper()
	movements, deliveries := h.books(id)
	refunds, err := h.Store.RefundsOf(h.t.Context(), "123456", id)
	if err != nil {
		h.t.Fatal(err)
	}
	return fmt.Sprintf("%+v %+v %+v %+v %s", h.stored(id), movements, deliveries, refunds, h.history(id))
}

// A callback that says nothing new is acknowledged, without a call to the wallet and
// without a change, however often it is replayed.
func TestAReplayedCallbackAsksTheWalletNothing(t *testing.T) {
	other := paidBy("T1")
	other.Amount.Minor = 1
	back := paidBy("T1")
	back.GivenBack = true
	refunded := func(h *harness, minor int64) (pay.Payment, pay.Refund) {
		p := h.paid("A1")
		r, _, err := h.Refund(h.t.Context(), h.refundRequest(p, "R1", minor))
		if err != nil {
			h.t.Fatal(err)
		}
		return h.stored(p.ID), r
	}
	for name, c := range map[string]func(h *harness) message{
		"the order's own payment": func(h *harness) message {
			p := h.paid("A1")
			return message{OrderID: p.ID, State: paidBy(p.TradeNo)}
		},
		"the same without an amount": func(h *harness) message {
			p := h.paid("A1")
			return message{OrderID: p.ID, State: wallet.State{Outcome: wallet.Paid, TradeNo: p.TradeNo}}
		},
		"the payment of an order that is refunded in part": func(h *harness) message {
			p, _ := refunded(h, 500)
			return message{OrderID: p.ID, State: paidBy(p.TradeNo)}
		},
		"the payment of an order that is refunded in full": func(h *harness) message {
			p, _ := refunded(h, 1230)
			return message{OrderID: p.ID, State: paidBy(p.TradeNo)}
		},
		"that it is given back, where we have given it back": func(h *harness) message {
			p, _ := refunded(h, 1230)
			s := paidBy(p.TradeNo)
			s.GivenBack = true
			return message{OrderID: p.ID, State: s}
		},
		"a second trade": func(h *harness) message {
			p := h.paid("A1")
			return message{OrderID: p.ID, State: paidBy("T2")}
		},
		"another amount": func(h *harness) message {
			return message{OrderID: h.ordered("A1", true).ID, State: other}
		},
		"another amount of a trade that is recorded": func(h *harness) message {
			p := h.paid("A1")
			s := other
			s.TradeNo = p.TradeNo
			return message{OrderID: p.ID, State: s}
		},
		"a payment that was given back at the wallet": func(h *harness) message {
			return message{OrderID: h.ordered("A1", true).ID, State: back}
		},
		"the same, told as a payment afterwards": func(h *harness) message {
			p := h.ordered("A1", true)
			if _, err := h.post(message{OrderID: p.ID, State: back}); err != nil {
				h.t.Fatal(err)
			}
			return message{OrderID: p.ID, State: paidBy("T1")}
		},
		"late money that goes back": func(h *harness) message {
			p := h.ordered("A1", true)
			if _, err := h.Close(h.t.Context(), h.closeRequest(p)); err != nil {
				h.t.Fatal(err)
			}
			return message{OrderID: p.ID, State: paidBy("T1")}
		},
		"a closed trade": func(h *harness) message {
			return message{OrderID: h.ordered("A1", true).ID,
				State: wallet.State{Outcome: wallet.Closed, TradeNo: "T1"}}
		},
		"a closed trade of a paid order": func(h *harness) message {
			return message{OrderID: h.paid("A1").ID,
				State: wallet.State{Outcome: wallet.Closed, TradeNo: "T9"}}
		},
		"that the buyer has not paid yet": func(h *harness) message {
			return message{OrderID: h.ordered("A1", true).ID,
				State: wallet.State{Outcome: wallet.Waiting, TradeNo: "T1"}}
		},
		"a refund that is done": func(h *harness) message {
			p, r := refunded(h, 500)
			return message{OrderID: p.ID, RefundID: r.ID,
				State: wallet.State{Outcome: wallet.Succeeded, Amount: r.Amount, TradeNo: p.TradeNo}}
		},
		"a refund that was not known to be done": func(h *harness) message {
			h.wallet.refund = func(context.Context,
				wallet.Refund) (wallet.State, error) {
				return wallet.State{}, wallet.ErrUnknown
			}
			p, r := refunded(h, 500)
			return message{OrderID: p.ID, RefundID: r.ID, State: wallet.State{Outcome: wallet.Succeeded}}
		},
		"a refund that has failed": func(h *harness) message {
			h.wallet.refund = func(context.Context,
				wallet.Refund) (wallet.State, error) {
				return wallet.State{}, wallet.ErrUnknown
			}
			p, r := refunded(h, 500)
			return message{OrderID: p.ID, RefundID: r.ID, State: wallet.State{Outcome: wallet.Failed, Code: "NO"}}
		},
		"that a refund has failed which is done": func(h *harness) message {
			p, r := refunded(h, 500)
			return message{OrderID: p.ID, RefundID: r.ID, State: wallet.State{Outcome: wallet.Failed, Code: "NO"}}
		},
		"another amount of a refund": func(h *harness) message {
			p, r := refunded(h, 500)
			r.Amount.Minor = 7
			return message{OrderID: p.ID, RefundID: r.ID,
				State: wallet.State{Outcome: wallet.Succeeded, Amount: r.Amount}}
		},
		"a refund that was made at the wallet": func(h *harness) message {
			return message{OrderID: h.paid("A1").ID, RefundID: "PORTAL-1",
				State: wallet.State{Outcome: wallet.Succeeded}}
		},
		"the failure of one": func(h *harness) message {
			return message{OrderID: h.paid("A1").ID, RefundID: "PORTAL-1",
				State: wallet.State{Outcome: wallet.Failed}}
		},
		"a status that no document lists": func(h *harness) message {
			return message{OrderID: h.ordered("A1", true).ID,
				State: wallet.State{Outcome: wallet.Unknown, TradeNo: "T1", Code: "TRADE_SUCCESS"}}
		},
		"such a status of a refund": func(h *harness) message {
			p, r := refunded(h, 500)
			return message{OrderID: p.ID, RefundID: r.ID,
				State: wallet.State{Outcome: wallet.Unknown, Code: "REFUND_MAYBE"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, h *harness) {
				m := c(h)
				h.advance(confirmGap)
				h.confirmAll(nil)
				if _, err := h.post(m); err != nil {
					t.Fatalf("the first time: %v", err)
				}
				h.advance(confirmGap)
				h.confirmAll(&wallet.Rejection{Code: "the wallet knows of it no more"})
				h.wallet.resetCalls()
				before := h.recorded(m.OrderID)
				for range 100 {
					if reply, err := h.post(m); err != nil || string(reply) != "success" {
						t.Fatalf("a repeat is answered %q, %v", reply, err)
					}
				}
				if h.wallet.calls() != 0 {
					t.Errorf("the wallet was asked: %v", h.wallet.asked)
				}
				if after := h.recorded(m.OrderID); after != before {
					t.Errorf("it was\n%s\nand is\n%s", before, after)
				}
			})
		})
	}
}

// A callback that says something new is confirmed by the wallet. It changes nothing
// if the wallet does not confirm it.
func TestWhatIsNotRecordedIsAskedAbout(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.paid("A1")
		r, _, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 500))
		if err != nil {
			t.Fatal(err)
		}
		h.confirmAll(&wallet.Rejection{Code: "NOT_OURS"})
		less, yen := paidBy(p.TradeNo), paidBy(p.TradeNo)
		less.Amount.Minor--
		yen.Amount.Currency = "JPY"
		for _, m := range []message{
			{OrderID: p.ID, State: paidBy("T9")},
			{OrderID: p.ID, State: less},
			{OrderID: p.ID, State: yen},
			{OrderID: p.ID,
				State: wallet.State{Outcome: wallet.Paid, TradeNo: p.TradeNo, Amount: p.Amount,
					GivenBack: true}},
			{OrderID: p.ID, State: wallet.State{Outcome: wallet.Unknown, TradeNo: p.TradeNo,
				Code: "TRADE_SUCCESS"}},
			{OrderID: p.ID, RefundID: r.ID, State: wallet.State{Outcome: wallet.Failed}},
			{OrderID: p.ID, RefundID: r.ID, State: wallet.State{Outcome: wallet.Succeeded, Amount: p.Amount}},
			{OrderID: p.ID, RefundID: r.ID,
				State: wallet.State{Outcome: wallet.Succeeded, Amount: r.Amount, TradeNo: "T9"}},
			{OrderID: p.ID, RefundID: "PORTAL-1", State: wallet.State{Outcome: wallet.Succeeded}},
			{OrderID: h.ordered("A2", true).ID, State: wallet.State{Outcome: wallet.Closed}},
		} {
			h.advance(confirmGap)
			h.wallet.resetCalls()
			before := h.stored(m.OrderID)
			_, err := h.post(m)
			wantCode(t, err, pay.BadSignature)
			if fmt.Sprint(h.wallet.asked) != "[confirm "+m.OrderID+"]" {
				t.Errorf("%+v: asked %v", m, h.wallet.asked)
			}
			after := h.stored(m.OrderID)
			if after.ConfirmedAt = before.ConfirmedAt; after != before {
				t.Errorf("%+v made\n%+v of\n%+v", m, after, before)
			}
		}
	})
}

// A callback about a trade that has paid another order cannot be true.
func TestAnotherOrdersTradeIsRefusedUnasked(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		paid, p := h.paid("A1"), h.ordered("A2", true)
		h.confirmAll(nil)
		h.wallet.resetCalls()
		for range 5 {
			_, err := h.post(message{OrderID: p.ID, State: paidBy(paid.TradeNo)})
			wantCode(t, err, pay.BadSignature)
		}
		if h.wallet.calls() != 0 || h.stored(p.ID).Status != pay.Pending {
			t.Errorf("asked %v, stored %+v", h.wallet.asked, h.stored(p.ID))
		}
	})
}

// False callbacks about an order have the wallet asked once in the gap, over all
// replicas. They delay a true one by no more than the gap.
func TestFalseCallbacksDelayNoTrueOne(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		replica := h.newReplica(h.Store)
		h.advance(time.Millisecond) // the clock is set from here on
		start := h.clock()
		h.wallet.resetCalls()
		h.wallet.confirm = func(_ context.Context, n wallet.Notice) (wallet.State, error) {
			if n.State.TradeNo == "T1" {
				return n.State, nil
			}
			return n.State, &wallet.Rejection{Code: "NOT_OURS"}
		}
		var wg sync.WaitGroup
		codes := make([]pay.Code, 20)
		for i := range codes {
			wg.Go(func() {
				g := h.Gateway
				if i%2 == 1 {
					g = replica
				}
				body := fmt.Sprintf(`{"OrderID":%q,"State":{"Outcome":"paid","TradeNo":"FALSE-%d",`+
					`"Amount":{"Minor":1230,"Currency":"HKD"}}}`, p.ID, i)
				_, err := g.Callback(t.Context(), "123456", "main", Callback{Body: []byte(body)})
				codes[i] = pay.CodeOf(err)
			})
		}
		wg.Wait()
		count := map[pay.Code]int{}
		for _, code := range codes {
			count[code]++
		}
		if h.wallet.calls() != 1 || count[pay.BadSignature] != 1 || count[pay.InProgress] != 19 {
			t.Errorf("asked %v, answered %v", h.wallet.asked, count)
		}

		h.advance(time.Second)
		_, err := h.callback(p.ID, paidBy("T1"))
		wantCode(t, err, pay.InProgress)
		if got := h.stored(p.ID); got.Status != pay.Pending ||
			!got.DueAt.Equal(start.Add(confirmGap).Truncate(time.Millisecond)) {
			t.Errorf("due at %s, the gap began at %s", got.DueAt, start)
		}
		h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: "T1"}, nil)
		h.recoverDue()
		check(t, h.stored(p.ID), func(want *pay.Payment) { want.Status = pay.Pending })
		h.advance(confirmGap - time.Second)
		h.recoverDue()
		check(t, h.stored(p.ID), func(want *pay.Payment) { want.Status, want.TradeNo = pay.Paid, "T1" })
		if reply, err := h.callback(p.ID, paidBy("T1")); err != nil || string(reply) != "success" {
			t.Errorf("its repeat is answered %q, %v", reply, err)
		}
	})
}

// A wallet may sign the path that it has called, with the path of the base URL, which
// a proxy may have removed.
func TestCallbackPathIsTheWallets(t *testing.T) {
	for base, want := range map[string]string{
		"https://pay.example":       "/callback/123456/main?a=b",
		"https://pay.example/":      "/callback/123456/main?a=b",
		"https://pay.example/p%C3/": "/p%C3/callback/123456/main?a=b",
		"https://pay.example/a/b":   "/a/b/callback/123456/main?a=b",
	} {
		h := newHarness(t)
		c := h.Config
		c.BaseURL = base
		got := ""
		c.Wallets = map[string]wallet.Driver{"offline": {
			Open: func(wallet.Account) (wallet.Connector, error) {
				return reader{h.wallet, func(posted wallet.Callback) { got = posted.Path }}, nil
			}}}
		g, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.Callback(t.Context(), "123456", "main", Callback{Path: "/callback/123456/main?a=b"})
		if wantCode(t, err, pay.BadSignature); got != want {
			t.Errorf("%s: got the path %q, want %q", base, got, want)
		}
	}
}

// reader records the callbacks that it gets.
type reader struct {
	wallet.Connector
	tell func(wallet.Callback)
}

func (r reader) Callback(c wallet.Callback) (wallet.Notice, error) {
	r.tell(c)
	return r.Connector.Callback(c)
}
