package gateway

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/audit"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// The wallet refunds once for each number. So the lost refund of a lost order gets the
// same number again, although the order has another number now.
func TestALostRefundOfARenumberedOrderIsMadeOnce(t *testing.T) {
	for name, c := range map[string]struct {
		life    time.Duration
		renamed bool // the merchant names the number that the order has now
	}{"which is open": {}, "which has expired": {life: 2 * time.Hour},
		"which the merchant names": {renamed: true}} {
		t.Run(name, func(t *testing.T) {
			afterRestore(t, func(t *testing.T, r restored) {
				lost := newHarness(t) // before the restore: order, payment and refund
				lost.now = r.now.Add(-2 * time.Hour)
				before := lost.ordered("A1", true)
				if _, err := lost.callback(before.ID, paidBy("T1")); err != nil || before.ID != r.number {
					t.Fatal(before.ID, err)
				}
				request := lost.refundRequest(before, "R1", 500)
				back, _, err := lost.Refund(t.Context(), request)
				if err != nil {
					t.Fatal(err)
				}
				r.wallet.giveBack(wallet.Refund{ID: back.ID, Amount: back.Amount})

				p := r.ordered("A1", true)
				r.advance(c.life)
				if err := r.postLost(); err != nil {
					t.Fatal(err)
				}
				if c.renamed {
					request = r.refundRequest(p, "R1", 500)
				}
				request.Credential = r.credential
				again, _, err := r.Refund(t.Context(), request)
				if err != nil || again.PaymentID != p.ID || again.ID != back.ID ||
					r.wallet.givenBack() != 500 {
					t.Errorf("refund %+v, %v: %d are given back", again, err, r.wallet.givenBack())
				}
				_, err = audit.Audit{ // the request named the number that the order had
					Store: r.Store, Zone: r.Zone,
					RefundAsked: func(r pay.Refund,
						syssn string) bool {
						return r.Fingerprint == fmt.Sprint("f-", syssn, r.Amount.Minor)
					},
					Found: func(d audit.Difference) { t.Errorf("audit: %+v", d) },
				}.Run(t.Context())
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// An orphan's money that went back pays no order, whichever callback says that it went
// back.
func TestAnOrphanIsLookedAtOnceItsMoneyWentBack(t *testing.T) {
	back := paidBy("T1")
	back.GivenBack = true
	refund := wallet.State{Outcome: wallet.Succeeded, TradeNo: "T1", Amount: back.Amount}
	for name, m := range map[string]message{
		"paid, and all given back": {State: back},
		"a refund of all":          {RefundID: "W1", State: refund},
	} {
		t.Run(name, func(t *testing.T) {
			afterRestore(t, func(t *testing.T, r restored) {
				if err := r.postLost(); err != nil {
					t.Fatal(err)
				}
				r.advance(2 * time.Hour)
				r.recoverDue()
				r.answers(back, nil)
				r.advance(2 * time.Second)
				m.OrderID = r.number
				if m.RefundID != "" {
					r.wallet.giveBack(wallet.Refund{ID: m.RefundID, Amount: refund.Amount})
				}
				body, _ := json.Marshal(m)
				for range 2 {
					if _, err := r.Callback(t.Context(), "123456", "main", Callback{Body: body}); err != nil {
						t.Fatal(err)
					}
				}
				r.advance(2 * time.Second)
				r.recoverDue()
				for _, o := range r.orphans() {
					check(t, o, func(want *pay.Orphan) { want.State = pay.OrphanReturned })
				}
				if p := r.ordered("A1", true); p.ID == r.number || p.Status != pay.Pending {
					t.Errorf("payment %+v", p)
				}
			})
		})
	}
}
