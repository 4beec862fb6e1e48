package gateway

import (
	"context"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
)

// How often a settlement waits for PostgreSQL, counted at the wire: once to read
// what is recorded, once to apply the change.
func TestSettleTakesTwoRoundTrips(t *testing.T) {
	dsn, trips := storetest.CountTrips(t, storetest.PostgresDSN(t))
	h := newHarnessOn(t, dsn, func(c *store.Config) { c.Connections = 1 })
	for _, order := range []string{"first", "second"} { // the first prepares the statements
		p := h.ordered(order, true)
		trips.Store(0)
		v, err := h.settle(t.Context(), p, wordOf(paidBy("T-"+order), ""), pay.ByWallet)
		if err != nil || v.Kind != pay.VerdictPaid {
			t.Fatal(v.Kind, err)
		}
		payment := trips.Load()

		h.wallet.refund = func(context.Context, wallet.Refund) (wallet.State, error) {
			return wallet.State{}, wallet.ErrUnknown
		}
		r, _, err := h.Refund(t.Context(), h.refundRequest(v.Payment, "R-"+order, 100))
		if err != nil && r.ID == "" {
			t.Fatal(err)
		}
		done := wallet.State{Outcome: wallet.Succeeded}
		trips.Store(0)
		if r, err = h.settleRefund(t.Context(), h.stored(p.ID), r, done, pay.ByWallet); err != nil {
			t.Fatal(err)
		}
		refund := trips.Load() - 1 // h.stored's
		if r.Status != pay.RefundSucceeded {
			t.Fatal(r.Status)
		}
		if order == "second" && (payment > 2 || refund > 2) {
			t.Errorf("a payment takes %d round trips, a refund %d", payment, refund)
		}
		t.Logf("%s: payment %d, refund %d", order, payment, refund)
	}
}
