package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// withRun runs Run in a bubble with its own clock.
func withRun(t *testing.T, test func(t *testing.T, h *harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		test(t, h)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (h *harness) answers(s wallet.State, err error) {
	h.wallet.mu.Lock()
	defer h.wallet.mu.Unlock()
	h.wallet.query = func(context.Context, wallet.Order) (wallet.State, error) { return s, err }
}

func TestALostNotificationIsMadeUpFor(t *testing.T) {
	withRun(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		time.Sleep(5 * time.Second)
		if n := h.wallet.calls(); n != 1 { // the address was made, and no query was sent
			t.Errorf("the wallet was asked %d times before the first look was due", n-1)
		}
		h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: "T1"}, nil)
		time.Sleep(14 * time.Second)
		movements, deliveries := h.books(p.ID)
		if got := h.stored(p.ID); got.Status != pay.Paid || got.Late || len(movements) != 1 ||
			len(deliveries) != 1 {
			t.Errorf("stored %+v", got)
		}
		before := h.wallet.calls()
		time.Sleep(48 * time.Hour)
		if n := h.wallet.calls() - before; n != 0 {
			t.Errorf("a paid order was asked about %d times more", n)
		}
	})
}

// Money of another amount is recorded, and its order still ends.
func TestAnOrderPaidInAnotherAmountEnds(t *testing.T) {
	wrong := wallet.State{Outcome: wallet.Paid, TradeNo: "T1", Amount: pay.Amount{Minor: 1, Currency: "HKD"}}
	for name, c := range map[string]struct {
		end  func(h *harness, p pay.Payment)
		want pay.Status
	}{
		"its life is over": {func(h *harness, p pay.Payment) { h.advance(2 * time.Hour); h.recoverDue() },
			pay.Expired},
		"it is called off": {func(h *harness, p pay.Payment) {
			c, err := h.Close(h.t.Context(), h.closeRequest(p))
			if err != nil || c.Payment.Status != pay.Closed {
				h.t.Errorf("closing %+v, %v", c, err)
			}
		}, pay.Closed},
		"it is given back at the wallet, and its life is over": {func(h *harness, p pay.Payment) {
			h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: "T1", GivenBack: true}, nil)
			h.advance(2 * time.Hour)
			h.recoverDue()
		}, pay.Expired},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, h *harness) {
				p := h.ordered("A1", true)
				if _, err := h.callback(p.ID, wrong); err != nil {
					t.Fatal(err)
				}
				h.answers(wrong, nil)
				h.advance(time.Minute)
				h.recoverDue()
				check(t, h.stored(p.ID), func(want *pay.Payment) {
					want.Status, want.Flagged = pay.Pending, true
				})
				c.end(h, p)
				movements, deliveries := h.books(p.ID)
				if got := h.stored(p.ID); got.Status != c.want || !got.Flagged || len(movements) != 1 ||
					len(deliveries) != 0 {
					t.Errorf("stored %+v, %d movements, %d deliveries", got, len(movements), len(deliveries))
				}
				if _, err := h.callback(p.ID, paidBy("T2")); err != nil { // the order's own trade, late
					t.Fatal(err)
				}
				check(t, h.stored(p.ID), func(want *pay.Payment) {
					want.Status, want.Late, want.TradeNo = pay.Paid, true, "T2"
				})
			})
		})
	}
}

// A trade that has paid another order does not pay a second one, which still ends.
func TestAnOrderWithAnothersTradeEndsFlagged(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		paid, p := h.paid("A1"), h.ordered("A2", true)
		h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: paid.TradeNo}, nil)
		for range 3 {
			h.advance(30 * time.Minute)
			h.recoverDue()
		}
		movements, _ := h.books(p.ID)
		if len(movements) != 0 || strings.Count(h.history(p.ID), "foreign_trade") != 1 {
			t.Errorf("movements %v, history %s", movements, h.history(p.ID))
		}
		check(t, h.stored(p.ID), func(want *pay.Payment) { want.Status, want.Flagged = pay.Expired, true })
	})
}

// An order that was paid, and refunded at the wallet itself before we knew, does not
// become paid: nobody may deliver for it.
func TestAPaymentRefundedUnknownIsFlagged(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: "T1", GivenBack: true}, nil)
		for range 3 {
			h.advance(11 * time.Minute)
			h.recoverDue()
		}
		movements, deliveries := h.books(p.ID)
		got := h.stored(p.ID)
		if got.Status == pay.Paid || len(movements)+len(deliveries) != 0 ||
			strings.Count(h.history(p.ID), "given_back") != 1 {
			t.Errorf("movements %v, deliveries %v, history %s", movements, deliveries, h.history(p.ID))
		}
		check(t, got, func(want *pay.Payment) { want.Flagged = true })
		// The callback about the payment arrives only now.
		for range 2 {
			if _, err := h.callback(p.ID, paidBy("T1")); err != nil {
				t.Fatal(err)
			}
		}
		movements, deliveries = h.books(p.ID)
		if got := h.stored(p.ID); got.Status == pay.Paid || len(movements)+len(deliveries) != 0 {
			t.Errorf("after its notice it is %+v, %v, %v", got, movements, deliveries)
		}
		// An order that is paid here, and that we have not refunded.
		paid := h.paid("A2")
		again := wallet.State{Outcome: wallet.Paid, TradeNo: paid.TradeNo, GivenBack: true}
		for range 2 {
			if _, err := h.callback(paid.ID, again); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Count(h.history(paid.ID), "given_back") != 1 {
			t.Errorf("history %s", h.history(paid.ID))
		}
		check(t, h.stored(paid.ID), func(want *pay.Payment) { want.Status, want.Flagged = pay.Paid, true })
		// An order that we have refunded.
		ours := h.paid("A3")
		if _, _, err := h.Refund(t.Context(), h.refundRequest(ours, "R1", 1230)); err != nil {
			t.Fatal(err)
		}
		again.TradeNo = ours.TradeNo
		if _, err := h.callback(ours.ID, again); err != nil {
			t.Fatal(err)
		}
		check(t, h.stored(ours.ID), func(want *pay.Payment) { want.Flagged, want.Refunded = false, 1230 })
	})
}

func TestAnUnopenedOrderExpiresUnasked(t *testing.T) {
	withRun(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", false)
		time.Sleep(30*time.Minute - time.Second)
		if got := h.stored(p.ID); got.Status != pay.Pending {
			t.Errorf("%s within its life", got.Status)
		}
		time.Sleep(h.Poll + time.Minute)
		check(t, h.stored(p.ID), func(want *pay.Payment) {
			want.Status, want.DueAt = pay.Expired, time.Time{}
		})
		if h.wallet.calls() != 0 {
			t.Errorf("the wallet was asked: %v", h.wallet.asked)
		}
	})
}

func TestAnOpenedOrderExpiresOnlyOnTheWalletsWord(t *testing.T) {
	for name, c := range map[string]struct {
		state wallet.State
		err   error
		want  pay.Status
	}{
		"it knows of no trade":       {wallet.State{Outcome: wallet.NotFound}, nil, pay.Expired},
		"it still waits":             {wallet.State{Outcome: wallet.Waiting}, nil, pay.Expired},
		"it says something unlisted": {wallet.State{Outcome: wallet.Unknown}, nil, pay.Pending},
		"it does not answer":         {wallet.State{}, wallet.ErrUnknown, pay.Pending},
		"it cannot be reached":       {wallet.State{}, wallet.ErrNotSent, pay.Pending},
		"it refuses our account": {wallet.State{},
			&wallet.Rejection{Code: "ILLEGAL_SIGN", Kind: wallet.RejectedAccount}, pay.Pending},
	} {
		t.Run(name, func(t *testing.T) {
			withRun(t, func(t *testing.T, h *harness) {
				p := h.ordered("A1", true)
				h.answers(c.state, c.err)
				time.Sleep(30*time.Minute + 30*time.Second)
				if got := h.stored(p.ID); got.Status != pay.Pending {
					t.Errorf("%s before the margin was over", got.Status)
				}
				time.Sleep(time.Hour)
				if got := h.stored(p.ID); got.Status != c.want {
					t.Errorf("status %s, want %s", got.Status, c.want)
				}
			})
		})
	}
}

func TestLateMoneyWithALostNotificationIsFound(t *testing.T) {
	for name, paidAfter := range map[string]time.Duration{
		"within the hour": 30 * time.Minute, "within the wallet's twelve hours": 12 * time.Hour,
		"within a day": 24 * time.Hour, "at the wallet's very last moment": 15 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			withRun(t, func(t *testing.T, h *harness) {
				p := h.ordered("A1", true)
				time.Sleep(32 * time.Minute)
				if got := h.stored(p.ID); got.Status != pay.Expired {
					t.Fatalf("status %s", got.Status)
				}
				time.Sleep(paidAfter)
				h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: "T1"}, nil)
				time.Sleep(13 * time.Hour)
				_, deliveries := h.books(p.ID)
				if len(deliveries) != 1 {
					t.Errorf("%d deliveries, want 1", len(deliveries))
				}
				check(t, h.stored(p.ID), func(want *pay.Payment) { want.Status, want.Late = pay.Paid, true })
			})
		})
	}
}

func TestLooksGetRarerAndEnd(t *testing.T) {
	withRun(t, func(t *testing.T, h *harness) {
		h.ordered("A1", true)
		h.wallet.resetCalls()
		time.Sleep(30 * time.Minute)
		within := h.wallet.calls()
		time.Sleep(40 * 24 * time.Hour)
		after := h.wallet.calls() - within
		// 15 s, 45 s, 1:45, 3:45, 8:45, 18:45, 28:45; then the end, 1 h, 12 h 15 min, 25 h and the maximum.
		if within != 7 || after != 5 {
			t.Errorf("%d looks within the life and %d after it, want 7 and 5", within, after)
		}
	})
}

func TestQueriesAskTheWalletOnceInThreeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		p := h.ordered("A1", true)
		unopened := h.ordered("A2", false)
		h.wallet.resetCalls()
		query := func() []store.Transaction {
			found, err := h.Query(t.Context(), QueryRequest{Credential: h.credential})
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		for range 3 {
			query()
		}
		if h.wallet.calls() != 1 || h.wallet.asked[0] != "query "+p.ID {
			t.Errorf("asked %v; %s was never opened", h.wallet.asked, unopened.ID)
		}
		time.Sleep(4 * time.Second)
		h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: "T1"}, nil)
		for _, found := range query() {
			if want := map[string]pay.Status{p.ID: pay.Paid,
				unopened.ID: pay.Pending}[found.ID]; found.Status != want {
				t.Errorf("%s is %s, want %s", found.OrderNo, found.Status, want)
			}
		}
		h.Wait()
	})
}

func TestAQueryIsAnsweredWithinTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		for _, no := range []string{"A1", "A2", "A3"} {
			h.ordered(no, true)
		}
		h.wallet.query = func(ctx context.Context, _ wallet.Order) (wallet.State, error) {
			<-ctx.Done()
			return wallet.State{}, wallet.ErrUnknown
		}
		start := time.Now()
		found, err := h.Query(t.Context(), QueryRequest{Credential: h.credential})
		if err != nil || len(found) != 3 {
			t.Fatalf("%d payments, %v", len(found), err)
		}
		if took := time.Since(start); took >= 2*time.Second {
			t.Errorf("took %s", took)
		}
		h.Wait()
	})
}

func TestAMerchantSeesOnlyItsOwn(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", false)
	other := h.credential
	other.AppCode = "OTHER"
	if err := h.Store.CreateCredential(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	r := QueryRequest{Credential: other}
	r.Filter.IDs = []string{p.ID}
	found, err := h.Query(t.Context(), r)
	if err != nil || len(found) != 0 {
		t.Errorf("another app code sees %d payments, %v", len(found), err)
	}
}

func TestTheBrowsersReturnDecidesNothing(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", true)
	back, err := h.Returned(t.Context(), h.Token(p.ID))
	if err != nil || back.Status != pay.Pending {
		t.Errorf("%s, %v", back.Status, err)
	}
	h.advance(4 * time.Second)
	h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: "T1"}, nil)
	if back, err = h.Returned(t.Context(), h.Token(p.ID)); err != nil || back.Status != pay.Paid {
		t.Errorf("%s, %v", back.Status, err)
	}
	if got := h.history(p.ID); got != "[paid by buyer]" {
		t.Errorf("history %s", got)
	}
}

func TestALinkPastItsLifeLeadsNowhere(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", false)
	h.advance(31 * time.Minute)
	got, way, err := h.Visit(t.Context(), h.Token(p.ID))
	if err != nil || way.URL != "" || got.Status != pay.Expired {
		t.Errorf("%s, %q, %v", got.Status, way, err)
	}
}

func TestOnlyTheFirstOpeningIsRecorded(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", true)
	first := h.stored(p.ID).OpenedAt
	h.advance(time.Minute)
	if _, way, err := h.Visit(t.Context(), h.Token(p.ID)); err != nil || way.URL == "" {
		t.Fatalf("%q, %v", way, err)
	}
	if again := h.stored(p.ID).OpenedAt; !again.Equal(first) {
		t.Errorf("opened at %s, then at %s", first, again)
	}
}

func TestAHangingWalletDoesNotDelayTheOthers(t *testing.T) {
	withRun(t, func(t *testing.T, h *harness) {
		other := pay.WalletAccount{MerchantID: "123456", ID: "zz-other", Wallet: "offline",
			PayTypes: []pay.PayType{pay.AlipayCrossBorder}, Currencies: []pay.Currency{"HKD"},
			UpdatedAt: h.clock()}
		for i := range 200 {
			h.ordered(fmt.Sprint("hangs-", i), true)
		}
		// From here on the account "main" takes no new orders.
		if err := errors.Join(h.Store.SetWalletAccountDisabled(t.Context(), "123456", "main", true),
			h.Store.PutWalletAccount(t.Context(), other)); err != nil {
			t.Fatal(err)
		}
		quick := h.ordered("quick", true)
		h.wallet.mu.Lock()
		h.wallet.query = func(ctx context.Context, o wallet.Order) (wallet.State, error) {
			if o.Number == quick.ID {
				return wallet.State{Outcome: wallet.Paid, TradeNo: "T1"}, nil
			}
			<-ctx.Done()
			return wallet.State{}, wallet.ErrUnknown
		}
		h.wallet.mu.Unlock()
		time.Sleep(17 * time.Second)
		if got := h.stored(quick.ID); got.Status != pay.Paid {
			t.Errorf("%s two seconds after its look was due", got.Status)
		}
	})
}

// Run reads the schedule again soon after the database is back. While the database is
// away it does not read all the time, whatever else happens.
func TestRunWaitsOutTroubleWithTheDatabase(t *testing.T) {
	var away atomic.Bool
	synctest.Test(t, func(t *testing.T) {
		h := newHarnessOn(t, "sqlite:"+t.TempDir()+"/sampan.db", func(c *store.Config) {
			c.Before = func(string) error {
				if away.Load() {
					return errors.New("away")
				}
				return nil
			}
		})
		var turns atomic.Int32
		h.Turned = func() { turns.Add(1) }
		p := h.ordered("A1", true)
		h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: "T1"}, nil)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		synctest.Wait()
		away.Store(true)
		turns.Store(0)
		for range 600 {
			h.runner.Wake()
			time.Sleep(100 * time.Millisecond)
		}
		if n := turns.Load(); n < 30 || n > 50 {
			t.Errorf("%d tries in a minute", n)
		}
		away.Store(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := h.stored(p.ID); got.Status != pay.Paid {
			t.Errorf("two seconds after the database came back the order is %s", got.Status)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
