package gateway

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
)

// However many false callbacks follow, the inquiry that the first one brought forward
// takes place.
func TestEndlessFalseCallbacksDelayNoInquiry(t *testing.T) {
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
func TestAPostponedCallbackDelaysNoInquiry(t *testing.T) {
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
func TestAnInquiryReplacesACallbackTooSoon(t *testing.T) {
	for name, c := range map[string]struct {
		order func(h *harness) pay.Payment
		true_ wallet.State
		want  func(p pay.Payment) bool
	}{
		"of an order that is open": {func(h *harness) pay.Payment { return h.ordered("A1", true) },
			paidBy("T1"), func(p pay.Payment) bool { return p.Status == pay.Paid && !p.Late }},
		"of one whose opening is not recorded": {
			func(h *harness) pay.Payment { return h.ordered("A1", false) },
			paidBy("T1"),
			func(p pay.Payment) bool { return p.Status == pay.Paid }},
		"of one that is called off": {func(h *harness) pay.Payment {
			p := h.ordered("A1", true)
			if _, err := h.Close(h.t.Context(), h.closeRequest(p)); err != nil {
				h.t.Fatal(err)
			}
			return p
		}, paidBy("T1"), func(p pay.Payment) bool { return p.Status == pay.Paid && p.Late }},
		"of one that is paid by another trade": {func(h *harness) pay.Payment { return h.paid("A1") },
			paidBy("T2"), func(p pay.Payment) bool { return p.Flagged && p.DueAt.IsZero() }},
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
func TestASecondTradesEarlyCallbackIsConfirmedLater(t *testing.T) {
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

func TestPostponedCallbacksAreBounded(t *testing.T) {
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
func TestAnInquiryReplacesAnUnconfirmedCallback(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(h *harness) (after func())
		want    pay.Code
	}{
		"the wallet is silent": {func(h *harness) func() {
			h.confirmAll(wallet.ErrUnknown)
			return func() {}
		},
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
				check(t, h.stored(p.ID), func(want *pay.Payment) {
					want.Flagged, want.DueAt = true, time.Time{}
				})
			})
		})
	}
}

// An inquiry that is running when a callback comes too soon may have asked before the
// money came. So the next one keeps the time that the callback has set.
func TestARunningInquiryIsFollowedByTheCallbacks(t *testing.T) {
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
func TestARefundsCallbackTooSoonCausesAnInquiry(t *testing.T) {
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
		_, err = h.post(message{OrderID: p.ID, RefundID: r.ID,
			State: wallet.State{Outcome: wallet.Succeeded}})
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
func TestQueriesAndCallbacksHaveSeparateGaps(t *testing.T) {
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
	want := fmt.Sprintf("query %[1]s, confirm %[1]s, confirm %[1]s", p.ID)
	if got := strings.Join(h.wallet.asked, ", "); got != want {
		t.Errorf("asked %s", got)
	}
}
