package gateway

import (
	"fmt"
	"sync"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// A merchant may send many requests about one order at once. Each changes the order,
// so that none of the others' judgements fits any more: all succeed nevertheless.
func TestManyAtOnceAboutOneOrder(t *testing.T) {
	const many = 60
	onEach(t, func(t *testing.T, h *harness) {
		p := h.paid("A1")
		var all sync.WaitGroup
		for n := range many {
			all.Go(func() {
				if err := h.Note(t.Context(), h.credential, p.ID, fmt.Sprint("note ", n)); err != nil {
					t.Errorf("note %d: %v", n, err)
				}
			})
			all.Go(func() {
				r, _, err := h.Refund(t.Context(), h.refundRequest(p, fmt.Sprint("R", n), 5))
				if err != nil || r.Status != pay.RefundSucceeded {
					t.Errorf("refund %d: %s, %v", n, r.Status, err)
				}
			})
		}
		all.Wait()
		if p = h.stored(p.ID); p.Refunded != 5*many || p.Reserved != 5*many || p.Events != 1+3*many {
			t.Errorf("%+v", p)
		}
		h.checkAudit()
	})
}

// Late money of an order with another number goes back under the next number of its
// own if another refund has the first.
func TestLateOrphanWhoseRefundNumberIsTaken(t *testing.T) {
	afterRestore(t, func(t *testing.T, r restored) {
		p, other := r.ordered("A1", false), r.paid("A2")
		_, err := r.Close(t.Context(),
			CloseRequest{Credential: r.credential, PaymentID: p.ID, Minor: p.Amount.Minor})
		if err != nil {
			t.Fatal(err)
		}
		numbered := p
		numbered.WalletNumber = r.number
		taken := pay.Refund{
			OrderNo: "R2", Fingerprint: "f", Amount: pay.Amount{Minor: 5, Currency: "HKD"},
			CreatedAt: r.clock(), ID: r.numberUnder(numbered, "late money", p.OrderNo, p.Fingerprint, 0),
		}
		err = r.Store.Tx(t.Context(), func(tx *store.Tx) error {
			current, err := tx.Payment(other.MerchantID, other.ID)
			if err != nil {
				return err
			}
			_, err = r.addRefund(tx, current, taken, taken.CreatedAt.Add(r.Lease), pay.ByMerchant("APP"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.postLost(); err != nil {
			t.Error(err)
		}
		p = r.stored(p.ID)
		if p.Status != pay.Paid || !p.Late || p.Reserved != p.Amount.Minor ||
			r.onlyOrphan().State != pay.OrphanMatched {
			t.Errorf("%+v, %+v", p, r.onlyOrphan())
		}
	})
}
