package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

func TestARepeatedNoticePaysTheOrderOnce(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		replica := h.newReplica(h.Store)
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				g := h.Gateway
				if i%2 == 1 {
					g = replica
				}
				if _, err := g.settle(t.Context(), p, wordOf(paidBy("T1"), ""), pay.ByWallet); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if reply, err := h.callback(p.ID, paidBy("T1")); err != nil || string(reply) != "success" {
			t.Errorf("a repeat is answered %q, %v", reply, err)
		}
		got := h.stored(p.ID)
		if got.Status != pay.Paid || got.TradeNo != "T1" || got.BuyerID != "2088***1" ||
			got.Late || got.Flagged || got.PaidAt.IsZero() || !got.DueAt.IsZero() {
			t.Errorf("stored %+v", got)
		}
		movements, deliveries := h.books(p.ID)
		if len(movements) != 1 || movements[0].Amount != p.Amount || movements[0].Debit != "wallet:main" ||
			movements[0].Credit != "merchant" {
			t.Errorf("money record: %+v", movements)
		}
		if len(deliveries) != 1 || string(deliveries[0].Body) != string(h.Notification(got)) ||
			deliveries[0].Receiver != "https://shop.example:443" {
			t.Errorf("deliveries: %+v", deliveries)
		}
		if h.wakes != 1 {
			t.Errorf("delivery was woken %d times", h.wakes)
		}
	})
}

func TestMoneyOfAnotherAmountIsFlagged(t *testing.T) {
	t.Run("a second trade for a paid order", func(t *testing.T) {
		onEach(t, func(t *testing.T, h *harness) {
			p := h.ordered("A1", true)
			for _, trade := range []string{"T1", "T2", "T2", "T1"} {
				if _, err := h.callback(p.ID, paidBy(trade)); err != nil {
					t.Fatal(err)
				}
			}
			check(t, h.stored(p.ID), func(want *pay.Payment) {
				want.Status, want.TradeNo, want.Flagged = pay.Paid, "T1", true
			})
			movements, deliveries := h.books(p.ID)
			if len(movements) != 2 || movements[1].Kind != pay.MovementSurplus ||
				movements[1].TradeNo != "T2" || movements[1].Credit != "surplus" {
				t.Errorf("money record: %+v", movements)
			}
			if len(deliveries) != 1 {
				t.Errorf("the merchant is told %d times", len(deliveries))
			}
		})
	})
	t.Run("another amount never pays the order, not even when the wallet is asked later", func(t *testing.T) {
		onEach(t, func(t *testing.T, h *harness) {
			p := h.ordered("A1", true)
			for _, wrong := range []pay.Amount{{Minor: 1, Currency: "HKD"}, {Minor: 1230, Currency: "JPY"}} {
				s := paidBy("T" + string(wrong.Currency))
				s.Amount = wrong
				if _, err := h.callback(p.ID, s); err != nil {
					t.Fatal(err)
				}
			}
			h.wallet.query = func(context.Context, wallet.Order) (wallet.State, error) {
				return wallet.State{Outcome: wallet.Paid, TradeNo: "THKD"}, nil
			}
			if _, err := h.inquire(t.Context(), p, pay.ByRecover); err != nil {
				t.Fatal(err)
			}
			check(t, h.stored(p.ID), func(want *pay.Payment) {
				want.Status, want.Flagged = pay.Pending, true
			})
			movements, deliveries := h.books(p.ID)
			if len(movements) != 2 || len(deliveries) != 0 {
				t.Errorf("%d movements, %d deliveries", len(movements), len(deliveries))
			}
		})
	})
	t.Run("one trade with two amounts", func(t *testing.T) {
		onEach(t, func(t *testing.T, h *harness) {
			p := h.ordered("A1", true)
			s := paidBy("T1")
			for range 2 {
				if _, err := h.callback(p.ID, s); err != nil {
					t.Fatal(err)
				}
				s.Amount.Minor = 1
			}
			movements, _ := h.books(p.ID)
			if len(movements) != 1 {
				t.Errorf("%d movements", len(movements))
			}
			check(t, h.stored(p.ID), func(want *pay.Payment) { want.Status, want.Flagged = pay.Paid, true })
		})
	})
	t.Run("a trade that paid another order is refused", func(t *testing.T) {
		onEach(t, func(t *testing.T, h *harness) {
			one, two := h.ordered("A1", true), h.ordered("A2", true)
			if _, err := h.callback(one.ID, paidBy("T1")); err != nil {
				t.Fatal(err)
			}
			_, err := h.callback(two.ID, paidBy("T1"))
			wantCode(t, err, pay.BadSignature)
			_, err = h.callback(two.ID,
				wallet.State{Outcome: wallet.Paid, TradeNo: "T1",
					Amount: pay.Amount{Minor: 1, Currency: "HKD"}})
			wantCode(t, err, pay.BadSignature)
			movements, deliveries := h.books(two.ID)
			if len(movements)+len(deliveries) != 0 {
				t.Errorf("movements %v, deliveries %v", movements, deliveries)
			}
			check(t, h.stored(two.ID), func(want *pay.Payment) { want.Status = pay.Pending })
		})
	})
}

func TestOutcomesThatAreNotFinalChangeNothing(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", true)
	for _, o := range []wallet.Outcome{wallet.Waiting, wallet.NotFound, wallet.Succeeded, wallet.Failed, "",
		"TRADE_WHATEVER"} {
		if _, err := h.callback(p.ID, wallet.State{Outcome: o, TradeNo: "T1"}); err != nil {
			t.Errorf("%s: %v", o, err)
		}
	}
	if _, err := h.callback(p.ID, wallet.State{Outcome: wallet.Paid}); err == nil {
		t.Error("a success without a trade number was taken")
	}
	movements, deliveries := h.books(p.ID)
	if len(movements)+len(deliveries) != 0 {
		t.Errorf("movements %v, deliveries %v", movements, deliveries)
	}
	check(t, h.stored(p.ID), func(want *pay.Payment) { want.Status = pay.Pending })
}

func TestAClosedTradeExpiresOnlyAnOpenOrder(t *testing.T) {
	h := newHarness(t)
	closed := wallet.State{Outcome: wallet.Closed, TradeNo: "T1"}
	open, paid := h.ordered("A1", true), h.ordered("A2", true)
	if _, err := h.callback(open.ID, closed); err != nil {
		t.Fatal(err)
	}
	if got := h.stored(open.ID); got.Status != pay.Expired || got.ClosedAt.IsZero() {
		t.Errorf("open one: %+v", got)
	}
	for _, s := range []wallet.State{paidBy("T2"), closed} {
		if _, err := h.callback(paid.ID, s); err != nil {
			t.Fatal(err)
		}
	}
	check(t, h.stored(paid.ID), func(want *pay.Payment) { want.Status, want.TradeNo = pay.Paid, "T2" })
}

func TestLateMoneyPaysAnExpiredOrder(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		if _, err := h.callback(p.ID, wallet.State{Outcome: wallet.Closed}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.callback(p.ID, paidBy("T1")); err != nil {
			t.Fatal(err)
		}
		movements, deliveries := h.books(p.ID)
		if len(movements) != 1 || len(deliveries) != 1 {
			t.Errorf("%d movements, %d deliveries", len(movements), len(deliveries))
		}
		check(t, h.stored(p.ID), func(want *pay.Payment) { want.Status, want.Late = pay.Paid, true })
	})
}

func TestAnUnreadableNotifyURLDoesNotStopAPayment(t *testing.T) {
	for _, address := range []string{"", "http://%zz", "nowhere"} {
		h := newHarness(t)
		r := h.request("A1")
		r.NotifyURL = address
		o, err := h.Pay(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.callback(o.ID, paidBy("T1")); err != nil {
			t.Fatal(err)
		}
		if _, deliveries := h.books(o.ID); h.stored(o.ID).Status != pay.Paid ||
			len(deliveries) != 0 || h.wakes != 0 {
			t.Errorf("%q: %d deliveries, %d wakes", address, len(deliveries), h.wakes)
		}
	}
}

func TestARefusedCallbackChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		post func(h *harness, p pay.Payment) error
		want pay.Code
	}{
		"a forged message": {func(h *harness, p pay.Payment) error {
			_, err := h.Callback(h.t.Context(), "123456", "main", Callback{Body: []byte("forged")})
			return err
		}, pay.BadSignature},
		"an address that leads nowhere": {func(h *harness, p pay.Payment) error {
			_, err := h.Callback(h.t.Context(), "123456", "none", Callback{})
			return err
		}, pay.NotFound},
		"a merchant that does not exist": {func(h *harness, p pay.Payment) error {
			_, err := h.Callback(h.t.Context(), "654321", "main", Callback{})
			return err
		}, pay.NotFound},
		"an order of another account": {func(h *harness, p pay.Payment) error {
			body := fmt.Sprintf(`{"OrderID":%q,"State":{"Outcome":"paid","TradeNo":"T1"}}`, p.ID)
			_, err := h.Callback(h.t.Context(), "123456", "net", Callback{Body: []byte(body)})
			return err
		}, pay.BadSignature},
		"an order that never was": {func(h *harness, p pay.Payment) error {
			_, err := h.callback("20260102123456000000000000", paidBy("T1"))
			return err
		}, pay.BadSignature},
		"another order's refund": {func(h *harness, p pay.Payment) error {
			other := h.paid("A2")
			r, _, err := h.Refund(h.t.Context(), h.refundRequest(other, "R1", 1))
			if err != nil {
				h.t.Fatal(err)
			}
			body := fmt.Sprintf(`{"OrderID":%q,"RefundID":%q,"State":{"Outcome":"succeeded"}}`, p.ID, r.ID)
			_, err = h.Callback(h.t.Context(), "123456", "main", Callback{Body: []byte(body)})
			return err
		}, pay.BadSignature},
		"one that the wallet does not stand by": {func(h *harness, p pay.Payment) error {
			h.wallet.confirm = confirmed(&wallet.Rejection{Code: "false"})
			_, err := h.callback(p.ID, paidBy("T1"))
			return err
		}, pay.BadSignature},
		"one that the wallet was silent about": {func(h *harness, p pay.Payment) error {
			h.wallet.confirm = confirmed(wallet.ErrUnknown)
			_, err := h.callback(p.ID, paidBy("T1"))
			return err
		}, pay.OutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			p := h.ordered("A1", true)
			wantCode(t, c.post(h, p), c.want)
			movements, deliveries := h.books(p.ID)
			if len(movements)+len(deliveries) != 0 {
				t.Errorf("movements %v, deliveries %v", movements, deliveries)
			}
			check(t, h.stored(p.ID), func(want *pay.Payment) { want.Status, want.TradeNo = pay.Pending, "" })
		})
	}
}

func TestAConfirmedNoticeSettles(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", true)
	h.wallet.confirm = confirmed(nil)
	if _, err := h.callback(p.ID, paidBy("T1")); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(h.wallet.asked, "confirm "+p.ID) {
		t.Errorf("asked %v", h.wallet.asked)
	}
	check(t, h.stored(p.ID), func(want *pay.Payment) { want.Status = pay.Paid })
}

func TestThePaymentsHistoryIsKept(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		for _, s := range []wallet.State{{Outcome: wallet.Closed}, paidBy("T1"), paidBy("T2")} {
			h.advance(time.Second)
			if _, err := h.callback(p.ID, s); err != nil {
				t.Fatal(err)
			}
		}
		events, err := h.Store.Events(t.Context(), p.MerchantID, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, e := range events {
			kinds = append(kinds, string(e.Kind)+" by "+e.By.String())
		}
		if got, want := fmt.Sprint(kinds),
			"[expired by wallet paid_late by wallet surplus by wallet]"; got != want {
			t.Errorf("history %s, want %s", got, want)
		}
	})
}
