package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
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
func TestAReplayedMessageAsksTheWalletNothing(t *testing.T) {
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
			return message{OrderID: h.paid("A1").ID, State: wallet.State{Outcome: wallet.Closed, TradeNo: "T9"}}
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
			return message{OrderID: h.paid("A1").ID, RefundID: "PORTAL-1", State: wallet.State{Outcome: wallet.Failed}}
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
				State: wallet.State{Outcome: wallet.Paid, TradeNo: p.TradeNo, Amount: p.Amount, GivenBack: true}},
			{OrderID: p.ID, State: wallet.State{Outcome: wallet.Unknown, TradeNo: p.TradeNo, Code: "TRADE_SUCCESS"}},
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
func TestFalseMessagesDelayNoTrueOne(t *testing.T) {
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

// However many false callbacks follow, the inquiry that the first one brought forward
// takes place.
func TestFalseMessagesWithoutEndDoNotPutTheLookOff(t *testing.T) {
	withRun(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		h.confirmAll(&wallet.Rejection{Code: "NOT_OURS"})
		h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: "T1"}, nil)
		for i := range 14 { // before the first ordinary inquiry
			if i < 8 {
				_, _ = h.callback(p.ID, paidBy(fmt.Sprint("FALSE-", i)))
			}
			time.Sleep(500 * time.Millisecond)
		}
		synctest.Wait()
		check(t, h.stored(p.ID), func(want *pay.Payment) { want.Status, want.TradeNo = pay.Paid, "T1" })
	})
}

// What is due before the gap ends stays due then.
func TestADeferredMessageDelaysNoInquiry(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		due := h.stored(p.ID).DueAt
		h.confirmAll(&wallet.Rejection{Code: "NOT_OURS"})
		h.advance(due.Sub(h.clock()) - time.Second)
		for i, want := range []pay.Code{pay.BadSignature, pay.InProgress, pay.InProgress} {
			_, err := h.callback(p.ID, paidBy(fmt.Sprint("FALSE-", i)))
			wantCode(t, err, want)
			if got := h.stored(p.ID).DueAt; !got.Equal(due) {
				t.Errorf("due at %s, was %s", got, due)
			}
			h.advance(time.Millisecond)
		}
	})
}

// An inquiry finds what a callback says that came too soon, in every state of the
// order.
func TestAMessageThatCameTooSoonIsMadeUpForByALook(t *testing.T) {
	for name, c := range map[string]struct {
		order func(h *harness) pay.Payment
		true_ wallet.State
		want  func(p pay.Payment) bool
	}{
		"of an order that is open": {func(h *harness) pay.Payment { return h.ordered("A1", true) }, paidBy("T1"),
			func(p pay.Payment) bool { return p.Status == pay.Paid && !p.Late }},
		"of one whose opening is not recorded": {func(h *harness) pay.Payment { return h.ordered("A1", false) },
			paidBy("T1"),
			func(p pay.Payment) bool { return p.Status == pay.Paid }},
		"of one that is called off": {func(h *harness) pay.Payment {
			p := h.ordered("A1", true)
			if _, err := h.Close(h.t.Context(), h.closeRequest(p)); err != nil {
				h.t.Fatal(err)
			}
			return p
		}, paidBy("T1"), func(p pay.Payment) bool { return p.Status == pay.Paid && p.Late }},
		"of one that is paid by another trade": {func(h *harness) pay.Payment { return h.paid("A1") }, paidBy("T2"),
			func(p pay.Payment) bool { return p.Flagged && p.DueAt.IsZero() }},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, h *harness) {
				p := c.order(h)
				h.advance(time.Millisecond)
				h.confirmAll(&wallet.Rejection{Code: "NOT_OURS"})
				_, err := h.callback(p.ID, paidBy("FALSE"))
				wantCode(t, err, pay.BadSignature)
				_, err = h.callback(p.ID, c.true_)
				wantCode(t, err, pay.InProgress)
				h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: c.true_.TradeNo}, nil)
				h.advance(confirmGap)
				h.recoverDue()
				if got := h.stored(p.ID); !c.want(got) {
					t.Errorf("stored %+v", got)
				}
			})
		})
	}
}

// A query by the order's number returns one of its trades. Only the callback names
// another one.
func TestASecondTradesEarlyMessageIsConfirmedLater(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		h.advance(time.Millisecond)
		h.confirmAll(nil)
		h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: "T1"}, nil)
		if _, err := h.callback(p.ID, paidBy("T1")); err != nil {
			t.Fatal(err)
		}
		h.advance(2 * time.Second)
		_, err := h.callback(p.ID, paidBy("T2"))
		wantCode(t, err, pay.InProgress)
		h.advance(time.Second)
		h.recoverDue()
		movements, _ := h.books(p.ID)
		if len(movements) != 2 || movements[1].TradeNo != "T2" {
			t.Errorf("movements %+v", movements)
		}
		check(t, h.stored(p.ID), func(want *pay.Payment) {
			want.TradeNo, want.Flagged, want.DueAt = "T1", true, time.Time{}
		})
		if h.wallet.calls() != 4 { // one for the address, one for each callback, one for the inquiry
			t.Errorf("asked %v", h.wallet.asked)
		}
	})
}

func TestMessagesThatArePutOffAreKeptInBounds(t *testing.T) {
	var a postponedNotices
	of := func(i int) recordedNotice {
		return recordedNotice{Notice: wallet.Notice{ID: fmt.Sprint(i)},
			Recorded: pay.Recorded{Payment: pay.Payment{ID: fmt.Sprint(i / 3)}}}
	}
	for i := range 3 * 2 * maxPostponed {
		a.keep(of(i))
	}
	if len(a.kept) != maxPostponed {
		t.Errorf("%d are kept", len(a.kept))
	}
	if n, ok := a.take(of(0).Payment); !ok || n.ID != "0" && n.ID != "1" && n.ID != "2" {
		t.Errorf("kept %+v, %v", n, ok)
	}
	if _, ok := a.take(of(0).Payment); ok {
		t.Error("taken twice")
	}
	if _, ok := a.take(of(3 * maxPostponed).Payment); ok {
		t.Error("one more than there is room for was kept")
	}
}

// A callback is also kept if the wallet did not answer, or no place was free.
func TestAnInquiryReplacesAnUnconfirmedMessage(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(h *harness) (after func())
		want    pay.Code
	}{
		"the wallet is silent": {func(h *harness) func() { h.confirmAll(wallet.ErrUnknown); return func() {} },
			pay.OutcomeUnknown},
		"it is not reached": {func(h *harness) func() { h.confirmAll(wallet.ErrNotSent); return func() {} },
			pay.WalletBusy},
		"no place is free": {func(h *harness) func() {
			h.confirmAll(nil)
			conn, err := h.connectorOf(h.t.Context(),
				pay.Payment{Scope: pay.Scope{MerchantID: "123456"}, AccountID: "main"})
			if err != nil {
				h.t.Fatal(err)
			}
			for conn.limits.callbacks.tryAcquire() {
			}
			return func() {
				for range maxCallbacks {
					conn.limits.callbacks.release()
				}
			}
		}, pay.InProgress},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, h *harness) {
				p := h.paid("A1") // paid, so no inquiry is due
				after := c.prepare(h)
				defer after()
				h.answers(wallet.State{}, wallet.ErrUnknown)
				_, err := h.callback(p.ID, paidBy("T2"))
				wantCode(t, err, c.want)
				h.advance(confirmGap)
				h.Gateway = h.newReplica(h.Store) // which does not have the callback
				h.recoverDue()                    // finds nothing
				h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: "T2"}, nil)
				h.advance(15 * time.Minute)
				h.recoverDue()
				movements, _ := h.books(p.ID)
				if len(movements) != 2 {
					t.Errorf("movements %v", movements)
				}
				check(t, h.stored(p.ID), func(want *pay.Payment) { want.Flagged, want.DueAt = true, time.Time{} })
			})
		})
	}
}

// An inquiry that is running when a callback comes too soon may have asked before the
// money came. So the next one keeps the time that the callback has set.
func TestARunningInquiryIsFollowedByTheMessagesOwn(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		h.advance(15 * time.Second)
		h.confirmAll(&wallet.Rejection{Code: "NOT_OURS"})
		_, err := h.callback(p.ID, paidBy("FALSE"))
		wantCode(t, err, pay.BadSignature)
		began := h.clock()
		h.wallet.query = func(context.Context, wallet.Order) (wallet.State, error) {
			_, err := h.callback(p.ID, paidBy("T1"))
			wantCode(t, err, pay.InProgress)
			return wallet.State{Outcome: wallet.Waiting}, nil
		}
		claims, err := h.Store.ClaimPayments(t.Context(), store.Claim{
			Now: h.clock(), Lease: time.Minute, Keys: storetest.Keys(t, 1)(h.Store.NextPayments(t.Context())),
		})
		if err != nil || len(claims) != 1 {
			t.Fatal(claims, err)
		}
		h.recoverPayment(t.Context(), claims[0])
		if got := h.stored(p.ID); !got.DueAt.Equal(began.Add(confirmGap).Truncate(time.Millisecond)) {
			t.Errorf("due at %s, began at %s", got.DueAt, began)
		}
		next, err := storetest.Soonest(h.Store.NextPayments(t.Context()))
		if err != nil || !next.Equal(h.stored(p.ID).DueAt) {
			t.Errorf("claimable at %s, %v", next, err)
		}
	})
}

// A callback about a pending refund that came too soon causes an inquiry of the refund.
func TestARefundsNoticeThatCameTooSoonIsMadeUpFor(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.paid("A1")
		h.wallet.refund = func(context.Context,
			wallet.Refund) (wallet.State, error) {
			return wallet.State{}, wallet.ErrUnknown
		}
		r, _, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 500))
		if err != nil || r.Status != pay.RefundPending {
			t.Fatal(r, err)
		}
		h.advance(time.Second)
		h.confirmAll(&wallet.Rejection{Code: "NOT_OURS"})
		_, err = h.callback(p.ID, paidBy("FALSE"))
		wantCode(t, err, pay.BadSignature)
		_, err = h.post(message{OrderID: p.ID, RefundID: r.ID, State: wallet.State{Outcome: wallet.Succeeded}})
		wantCode(t, err, pay.InProgress)
		h.wallet.queryRefund = func(context.Context, wallet.Refund) (wallet.State, error) {
			return wallet.State{Outcome: wallet.Succeeded, Amount: r.Amount}, nil
		}
		h.advance(confirmGap)
		h.recoverDue()
		check(t, h.storedRefund(r.ID), func(want *pay.Refund) { want.Status = pay.RefundSucceeded })
	})
}

// Merchants' queries and callbacks have separate gaps.
func TestQueriesAndMessagesDoNotTakeEachOthersTurn(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", true)
	h.advance(time.Second)
	h.answers(wallet.State{Outcome: wallet.Waiting}, nil)
	h.wallet.resetCalls()
	ask := func() {
		if _, err := h.Query(t.Context(),
			QueryRequest{Credential: h.credential, Filter: store.Filter{IDs: []string{p.ID}}}); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	h.confirmAll(&wallet.Rejection{Code: "NOT_OURS"})
	_, err := h.callback(p.ID, paidBy("FALSE"))
	wantCode(t, err, pay.BadSignature)
	h.advance(askGap + time.Millisecond)
	h.confirmAll(nil)
	if _, err := h.callback(p.ID, paidBy("T1")); err != nil {
		t.Error(err)
	}
	if got := strings.Join(h.wallet.asked, ", "); got != fmt.Sprintf("query %[1]s, confirm %[1]s, confirm %[1]s",
		p.ID) {
		t.Errorf("asked %s", got)
	}
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
		c.Wallets = map[string]wallet.Driver{"offline": {Open: func(wallet.Account) (wallet.Connector, error) {
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
