package gateway

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// The wallet is asked about a callback that says that a paid trade is closed. If it
// confirms that, the payment is flagged, once.
func TestAPaidTradeThatIsSaidToBeClosedIsFlagged(t *testing.T) {
	closed := wallet.State{Outcome: wallet.Closed, TradeNo: "T-A1", Code: "TRADE_CLOSED"}
	gone := paidBy("T-A1")
	gone.GivenBack = true
	for name, confirm := range map[string]func(context.Context, wallet.Notice) (wallet.State, error){
		"by a notice that proves itself": nil,
		"by a notice that it confirms":   confirmed(nil),
		"and was given back, by its answer": func(context.Context,
			wallet.Notice) (wallet.State, error) {
			return gone, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, h *harness) {
				p := h.paid("A1")
				log := h.captureLog()
				h.wallet.confirm = confirm
				h.wallet.resetCalls()
				for range 3 {
					h.advance(time.Minute)
					if _, err := h.callback(p.ID, closed); err != nil {
						t.Error(err)
					}
				}
				got := h.stored(p.ID)
				n := strings.Count(log.String(), `level=ERROR msg="payment needs a look"`)
				if n != 1 {
					t.Errorf("%d errors, history %s", n, h.history(p.ID))
				}
				check(t, got, func(want *pay.Payment) { want.Flagged, want.Status = true, pay.Paid })
				if n := h.wallet.calls(); confirm != nil && n != 1 {
					t.Errorf("asked %v", h.wallet.asked)
				}
				h.checkAudit()
			})
		})
	}
}

// It says nothing new if we have refunded the trade, or the trade has not paid the
// order.
func TestAnUncontradictedClosedTradeIsAcknowledged(t *testing.T) {
	h := newHarness(t)
	p, other := h.paid("A1"), h.paid("A2")
	if _, _, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 1230)); err != nil {
		t.Fatal(err)
	}
	h.confirmAll(wallet.ErrUnknown)
	h.wallet.resetCalls()
	for id, trade := range map[string]string{p.ID: "T-A1", other.ID: "T-another"} {
		if _, err := h.callback(id, wallet.State{Outcome: wallet.Closed, TradeNo: trade}); err != nil {
			t.Error(err)
		}
		if h.stored(id).Flagged {
			t.Errorf("%s is flagged", id)
		}
	}
	if h.wallet.calls() != 0 {
		t.Errorf("asked %v", h.wallet.asked)
	}
}
