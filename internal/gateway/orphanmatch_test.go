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

func TestAnotherOrderDoesNotTakeAnOrphan(t *testing.T) {
	afterRestore(t, func(t *testing.T, r restored) {
		if err := r.postLost(); err != nil {
			t.Fatal(err)
		}
		dearer := r.request("A1")
		dearer.Fingerprint, dearer.Amount.Minor = "other values", 1231
		for _, request := range []PayRequest{r.request("A2"), dearer} {
			o, err := r.Pay(t.Context(), request)
			if err != nil || o.ID == r.number || o.Status != pay.Pending {
				t.Errorf("%+v, %v", o, err)
			}
		}
		check(t, r.onlyOrphan(), func(want *pay.Orphan) { want.State = pay.OrphanOpen })
	})
}

func TestARepeatedOrderGetsTheLostOrdersMoney(t *testing.T) {
	for name, later := range map[string]time.Duration{"on the same day": 0,
		"on the next day": 20 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			afterRestore(t, func(t *testing.T, r restored) {
				r.advance(later)
				p := r.ordered("A1", true)
				if p.ID == r.number {
					t.Fatal("the slots are the same")
				}
				if err := r.postLost(); err != nil {
					t.Fatal(err)
				}
				r.paidOnce(p, "[paid by wallet orphan by wallet]")
				check(t, r.onlyOrphan(),
					func(want *pay.Orphan) { want.State, want.PaymentID = pay.OrphanMatched, p.ID })
				// Refunds use the number that the wallet knows.
				if p = r.stored(p.ID); p.WalletNumber != r.number {
					t.Errorf("the wallet's number is %q, want %q", p.WalletNumber, r.number)
				}
				asked := ""
				r.wallet.refund = func(_ context.Context, back wallet.Refund) (wallet.State, error) {
					asked = back.Order.Number
					return r.wallet.giveBack(back), nil
				}
				if back, _, err := r.Refund(t.Context(), r.refundRequest(p, "R1", 30)); err != nil ||
					back.Status != pay.RefundSucceeded || asked != r.number {
					t.Errorf("refund %+v under %s, %v", back, asked, err)
				}
				if err := r.postLost(); err != nil { // once more
					t.Fatal(err)
				}
				// The old number and the old link lead to the order.
				_, old, err := r.Refund(t.Context(), r.refundRequest(pay.Payment{ID: r.number}, "R2", 40))
				if err != nil || old.ID != p.ID {
					t.Errorf("refund by the old number: %+v, %v", old, err)
				}
				if old, err := r.Lookup(t.Context(), r.Token(r.number)); err != nil || old.ID != p.ID {
					t.Errorf("the old link leads to %+v, %v", old, err)
				}
				// The buyer has been sent to pay the new order too, and pays it.
				if _, err := r.callback(p.ID, paidBy("T2")); err != nil {
					t.Fatal(err)
				}
				if p = r.stored(p.ID); !p.Flagged || p.TradeNo != "T1" || p.WalletNumber != r.number {
					t.Errorf("after a second trade: %+v", p)
				}
			})
		})
	}
}

func TestALostOrdersMoneyIsSurplusOfAPaidOrder(t *testing.T) {
	afterRestore(t, func(t *testing.T, r restored) {
		p := r.paid("A1")
		if err := r.postLost(); err != nil {
			t.Fatal(err)
		}
		p = r.stored(p.ID)
		movements, _ := r.books(p.ID)
		if len(movements) != 2 || movements[1].Kind != pay.MovementSurplus || movements[1].TradeNo != "T1" {
			t.Errorf("movements %+v", movements)
		}
		check(t, p, func(want *pay.Payment) {
			want.Flagged, want.TradeNo, want.WalletNumber = true, "T-A1", ""
		})
		check(t, r.onlyOrphan(), func(want *pay.Orphan) { want.State = pay.OrphanMatched })
		// The surplus is refunded at the wallet itself.
		back := wallet.State{Outcome: wallet.Succeeded, TradeNo: "T1",
			Amount: pay.Amount{Minor: 1230, Currency: "HKD"}}
		body, _ := json.Marshal(message{OrderID: r.number, RefundID: "W1", State: back})
		if _, err := r.Callback(t.Context(), "123456", "main", Callback{Body: body}); err != nil {
			t.Error(err)
		}
	})
}

// If a lost order is sent again, all its orphans are settled: money that came in twice,
// and money that went back.
func TestAnOrderTakesAllOrphansOfItsNumber(t *testing.T) {
	afterRestore(t, func(t *testing.T, r restored) {
		back := wallet.State{Outcome: wallet.Succeeded, TradeNo: "T1",
			Amount: pay.Amount{Minor: 30, Currency: "HKD"}}
		r.wallet.queryRefund = func(context.Context, wallet.Refund) (wallet.State, error) { return back, nil }
		r.wallet.confirm = func(_ context.Context, n wallet.Notice) (wallet.State, error) {
			return n.State, nil
		}
		for _, m := range []message{
			{OrderID: r.number, RefundID: "W1", State: back}, {OrderID: r.number, State: paidBy("T1")},
			{OrderID: r.number, State: paidBy("T2")},
		} {
			body, _ := json.Marshal(m)
			if _, err := r.Callback(t.Context(), "123456", "main", Callback{Body: body}); err != nil {
				t.Fatal(err)
			}
			r.advance(time.Second)
		}
		_, err := r.Pay(t.Context(), r.request("A1"))
		wantCode(t, err, pay.AlreadyPaid)
		for _, o := range r.orphans() {
			check(t, o, func(want *pay.Orphan) { want.State, want.PaymentID = pay.OrphanMatched, r.number })
		}
		movements, _ := r.books(r.number)
		if len(movements) != 2 {
			t.Errorf("movements %+v", movements)
		}
		check(t, r.stored(r.number), func(want *pay.Payment) {
			want.Status, want.TradeNo, want.Flagged = pay.Paid, "T1", true
		})
	})
}

// After a crash between storing an orphan and matching it, or between storing an order
// and settling its orphan, Recover does the rest.
func TestRecoverMatchesWhatACrashLeftOpen(t *testing.T) {
	afterRestore(t, func(t *testing.T, r restored) {
		if err := r.postLost(); err != nil {
			t.Fatal(err)
		}
		p := r.newPayment(r.request("A1"), pay.WalletAccount{ID: "main"}, wallet.Info{Flow: wallet.Link})
		p.ID, p.OpenedAt, p.DueAt = r.number, r.now, r.now.Add(r.InquiryGaps[0])
		if _, isNew, err := r.Store.CreatePaymentKnowing(t.Context(), p, 1); err != nil || !isNew {
			t.Fatal(isNew, err)
		}
		r.advance(time.Minute)
		r.recoverDue()
		r.advance(time.Hour)
		r.recoverDue()
		r.paidOnce(p, "[paid by recover orphan by recover]")
	})
}

// Orders and callbacks race on two replicas. Whichever is first, the order is paid once,
// by the money that came in.
func TestNoticeAndRepeatAtTheSameMoment(t *testing.T) {
	for range 10 {
		afterRestore(t, func(t *testing.T, r restored) {
			other := r.newReplica(r.Store)
			var both sync.WaitGroup
			var told error
			both.Go(func() { told = r.postLost() })
			both.Go(func() { other.Pay(context.Background(), r.request("A1")) })
			both.Wait()
			if told != nil {
				t.Fatal(told)
			}
			p, err := r.Store.PaymentByOrderNo(t.Context(),
				pay.Scope{MerchantID: "123456", AppCode: "APP"}, "A1")
			if err != nil {
				t.Fatal(err)
			}
			r.advance(time.Hour + time.Minute)
			r.recoverDue()
			if p = r.stored(p.ID); p.Status != pay.Paid || p.Flagged || p.TradeNo != "T1" {
				t.Errorf("payment %+v", p)
			}
			check(t, r.onlyOrphan(), func(want *pay.Orphan) { want.State = pay.OrphanMatched })
		})
	}
}

func TestALostRefundGetsItsNumberAgain(t *testing.T) {
	lost, again := newHarness(t), newHarness(t)
	var numbers []string
	for i, h := range []*harness{lost, again} {
		h.now = time.Date(2026, 1, 2, 6, 0, 0, 0, time.UTC)
		p := h.paid("A1")
		h.advance(time.Duration(i) * 26 * time.Hour)
		for _, minor := range []int64{30, 40} {
			r, _, err := h.Refund(t.Context(), h.refundRequest(p, fmt.Sprint("R", minor), minor))
			if err != nil {
				t.Fatal(err)
			}
			numbers = append(numbers, r.ID)
		}
	}
	if numbers[0] != numbers[2] || numbers[1] != numbers[3] || numbers[0] == numbers[1] {
		t.Errorf("numbers %v", numbers)
	}
}
