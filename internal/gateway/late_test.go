package gateway

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

func TestLateMoneyIsKeptOrGivenBackByPolicy(t *testing.T) {
	ends := map[pay.Status]func(h *harness, p pay.Payment){
		pay.Expired: func(h *harness, p pay.Payment) {
			if _, err := h.callback(p.ID, wallet.State{Outcome: wallet.Closed}); err != nil {
				h.t.Fatal(err)
			}
		},
		pay.Closed: func(h *harness, p pay.Payment) {
			if _, err := h.Close(h.t.Context(), h.closeRequest(p)); err != nil {
				h.t.Fatal(err)
			}
		},
	}
	for _, c := range []struct {
		name   string
		status pay.Status
		late   map[pay.Status]LatePolicy
		want   LatePolicy
	}{
		{"expired", pay.Expired, nil, LateKeep},
		{"closed", pay.Closed, nil, LateRefund},
		{"expired, to be given back", pay.Expired,
			map[pay.Status]LatePolicy{pay.Expired: LateRefund}, LateRefund},
		{"closed, to be kept", pay.Closed, map[pay.Status]LatePolicy{pay.Closed: LateKeep}, LateKeep},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEach(t, func(t *testing.T, h *harness) {
				var err error
				if h.Late, err = latePolicies(c.late); err != nil {
					t.Fatal(err)
				}
				p := h.ordered("A1", true)
				ends[c.status](h, p)
				for range 3 {
					if _, err := h.callback(p.ID, paidBy("T1")); err != nil {
						t.Fatal(err)
					}
				}
				if after := h.stored(p.ID); after.Status != pay.Paid || !after.Late ||
					after.Reserved != map[LatePolicy]int64{LateKeep: 0, LateRefund: 1230}[c.want] ||
					after.GoesBack() != (c.want == LateRefund) {
					t.Errorf("stored %+v", after)
				}
				h.advance(time.Second)
				h.recoverDue()
				refunds, err := h.Store.RefundsOf(t.Context(), p.MerchantID, p.ID)
				if err != nil {
					t.Fatal(err)
				}
				movements, deliveries := h.books(p.ID)
				if c.want == LateKeep {
					if len(refunds) != 0 || len(movements) != 1 || len(deliveries) != 1 ||
						deliveries[0].Kind != "payment" || h.wallet.givenBack() != 0 {
						t.Errorf("%d refunds, movements %+v, deliveries %+v", len(refunds),
							movements, deliveries)
					}
					return
				}
				if len(refunds) != 1 || refunds[0].Status != pay.RefundSucceeded ||
					refunds[0].OrderNo != refunds[0].ID || !refunds[0].Automatic() ||
					h.wallet.givenBack() != 1230 || h.stored(p.ID).Refunded != 1230 {
					t.Errorf("refunds %+v of %+v, given back %d", refunds, h.stored(p.ID),
						h.wallet.givenBack())
				}
				if len(movements) != 2 || len(deliveries) != 1 || deliveries[0].Kind != "refund" {
					t.Errorf("movements %+v, deliveries %+v", movements, deliveries)
				}
				if c.status == pay.Closed {
					if again, err := h.Close(t.Context(), h.closeRequest(p)); err != nil ||
						again.ID != h.stored(p.ID).CloseID {
						t.Errorf("closing again: %+v, %v", again, err)
					}
				}
			})
		})
	}
}

func TestRunGivesLateMoneyBackAtOnce(t *testing.T) {
	withRun(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		if _, err := h.Close(t.Context(), h.closeRequest(p)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if _, err := h.callback(p.ID, paidBy("T1")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		check(t, h.stored(p.ID), func(want *pay.Payment) { want.Refunded = 1230 })
	})
}

func TestLateMoneyThatCannotGoBackIsFlagged(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		if _, err := h.Close(t.Context(), h.closeRequest(p)); err != nil {
			t.Fatal(err)
		}
		h.wallet.refund = func(context.Context, wallet.Refund) (wallet.State, error) {
			return wallet.State{}, &wallet.Rejection{Code: "FROZEN", Kind: wallet.RejectedOrder}
		}
		if _, err := h.callback(p.ID, paidBy("T1")); err != nil {
			t.Fatal(err)
		}
		h.recoverDue()
		if !strings.Contains(h.history(p.ID), "refund_failed") {
			t.Errorf("history %s", h.history(p.ID))
		}
		check(t, h.stored(p.ID), func(want *pay.Payment) {
			want.Status, want.Flagged, want.Reserved = pay.Paid, true, 0
		})
		h.wallet.refund = nil
		if _, _, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 1230)); err != nil {
			t.Errorf("the merchant cannot refund it: %v", err)
		}
	})
}

// No merchant would send the refund of late money again. So it is sent until it works,
// under the same number, if an operator can mend the cause.
func TestLateMoneyGoesBackWhenFundsAllowIt(t *testing.T) {
	type answer = func(context.Context, wallet.Refund) (wallet.State, error)
	failed := func(_ context.Context, r wallet.Refund) (wallet.State, error) {
		return wallet.State{Outcome: wallet.Failed, Code: "NOT_NOW", Kind: wallet.RejectedFunds}, nil
	}
	for name, c := range map[string]struct {
		kind  wallet.RejectionKind
		query answer // nil for the wallet's books, which do not have the refund
	}{
		"the funds":   {wallet.RejectedFunds, nil},
		"the account": {wallet.RejectedAccount, nil},
		"the funds, and the query says that it failed": {wallet.RejectedFunds, failed},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, h *harness) {
				kind := c.kind
				h.wallet.queryRefund = c.query
				p := h.ordered("A1", true)
				if _, err := h.Close(t.Context(), h.closeRequest(p)); err != nil {
					t.Fatal(err)
				}
				asked := map[string]int{}
				h.wallet.refund = func(_ context.Context, r wallet.Refund) (wallet.State, error) {
					asked[r.ID]++
					return wallet.State{}, &wallet.Rejection{Code: "NOT_NOW", Kind: kind}
				}
				if _, err := h.callback(p.ID, paidBy("T1")); err != nil {
					t.Fatal(err)
				}
				for range 10 {
					h.recoverDue()
					h.advance(time.Hour)
				}
				if got := h.stored(p.ID); !got.GoesBack() || got.Refunded != 0 || got.Reserved != 1230 ||
					strings.Contains(h.history(p.ID), "refund_failed") {
					t.Errorf("stored %+v, history %s", got, h.history(p.ID))
				}
				for id, times := range asked {
					if len(asked) != 1 || times != 10 {
						t.Errorf("%s was asked for %d times, of %d", id, times, len(asked))
					}
				}
				for id := range asked { // a callback about the failure settles nothing either
					if _, err := h.Callback(t.Context(), "123456", "main", Callback{Body: []byte(fmt.Sprintf(
						`{"OrderID":%q,"RefundID":%q,"State":{"Outcome":"failed","Kind":"funds"}}`, p.ID,
						id))}); err != nil {
						t.Error(err)
					}
				}
				h.wallet.refund = nil
				h.recoverDue()
				movements, deliveries := h.books(p.ID)
				if len(movements) != 2 || len(deliveries) != 1 || deliveries[0].Kind != "refund" {
					t.Errorf("movements %v, deliveries %v", movements, deliveries)
				}
				check(t, h.stored(p.ID), func(want *pay.Payment) { want.Refunded = 1230 })
			})
		})
	}
}

func TestSurplusMoneyIsNeverGivenBackByItself(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", true)
	if _, err := h.Close(t.Context(), h.closeRequest(p)); err != nil {
		t.Fatal(err)
	}
	wrong := paidBy("T1")
	wrong.Amount.Minor = 1
	if _, err := h.callback(p.ID, wrong); err != nil {
		t.Fatal(err)
	}
	h.recoverDue()
	if h.wallet.givenBack() != 0 {
		t.Errorf("the wallet gave back %d, want nothing", h.wallet.givenBack())
	}
	check(t, h.stored(p.ID), func(want *pay.Payment) {
		want.Status, want.Flagged, want.Reserved = pay.Closed, true, 0
	})
}

func TestAPolicyThatMeansNothingIsRefused(t *testing.T) {
	for _, given := range []map[pay.Status]LatePolicy{{pay.Paid: LateKeep}, {pay.Expired: "lose"}} {
		if _, err := latePolicies(given); err == nil {
			t.Errorf("%v was taken", given)
		}
	}
}
