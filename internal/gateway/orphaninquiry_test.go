package gateway

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

func TestAnOrphanThatTheWalletGaveBackIsReturned(t *testing.T) {
	afterRestore(t, func(t *testing.T, r restored) {
		if err := r.postLost(); err != nil {
			t.Fatal(err)
		}
		r.wallet.resetCalls()
		r.advance(time.Hour)
		r.recoverDue()
		if r.wallet.calls() != 1 {
			t.Errorf("asked %v", r.wallet.asked)
		}
		check(t, r.onlyOrphan(), func(want *pay.Orphan) { want.State = pay.OrphanOpen })
		r.wallet.query = func(context.Context, wallet.Order) (wallet.State, error) {
			s := paidBy("T1")
			s.GivenBack = true
			return s, nil
		}
		if _, err := r.callback(r.number, wallet.State{Outcome: wallet.Closed, TradeNo: "T1"}); err != nil {
			t.Fatal(err)
		}
		r.advance(2 * time.Second)
		r.recoverDue()
		check(t, r.onlyOrphan(), func(want *pay.Orphan) {
			want.State, want.SettledBy = pay.OrphanReturned, pay.ByRecover
		})
		// The order can be made and paid under its own number.
		if p := r.ordered("A1", true); p.ID == r.number || p.Status != pay.Pending {
			t.Errorf("payment %+v", p)
		}
	})
}

// However many orphans are due, each account's wallet is asked once a second, and no
// inquiry is due again at once.
func TestManyDueOrphansAreAskedAboutInTurn(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		h.now = time.Date(2026, 1, 2, 6, 0, 0, 0, time.UTC)
		err := h.Store.Tx(t.Context(), func(tx *store.Tx) error {
			for i := range 40 {
				o := pay.Orphan{MerchantID: "123456", AccountID: "main",
					Number: fmt.Sprintf("20260101123456%012d", i), TradeNo: fmt.Sprint("T", i),
					Amount:    pay.Amount{Minor: 1, Currency: "HKD"},
					NoticedAt: h.now.Add(-time.Hour), DueAt: h.now}
				if _, err := tx.AddOrphan(o, nil, 100); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		h.recoverDue() // ends, since no inquiry is due again at once
		if n := h.wallet.calls(); n != 1 {
			t.Errorf("asked %d times at one moment", n)
		}
		for range 100 {
			h.advance(time.Second)
			h.recoverDue()
		}
		if n := h.wallet.calls(); n != 40 {
			t.Errorf("asked %d times about 40 orphans", n)
		}
	})
}

func TestMoneyThatWentBackUnknownIsReturned(t *testing.T) {
	afterRestore(t, func(t *testing.T, r restored) {
		r.wallet.query = func(context.Context, wallet.Order) (wallet.State, error) {
			s := paidBy("T1")
			s.GivenBack = true
			return s, nil
		}
		for range 2 {
			if err := r.postLost(); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Contains(r.logged.String(), "level=ERROR") {
			t.Errorf("logged\n%s", r.logged)
		}
		check(t, r.onlyOrphan(), func(want *pay.Orphan) {
			want.State, want.DueAt = pay.OrphanReturned, (time.Time{})
		})
	})
}
