package gateway

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// captureLog keeps what the gateway logs.
func (h *harness) captureLog() *bytes.Buffer {
	log := &bytes.Buffer{}
	h.Log = slog.New(slog.NewTextHandler(log, nil))
	return log
}

// unlistedState is a wallet's answer, or a callback, with a status that its documents
// do not list.
func unlistedState(trade string) wallet.State {
	return wallet.State{Outcome: wallet.Unknown, TradeNo: trade, Code: "TRADE_SUCCESS"}
}

// A status that the wallet's documents do not list settles nothing, and the wallet is
// asked again. It causes one error in the log and one event, and flags the payment.
func TestAStatusThatNoDocumentListsIsShownToPeople(t *testing.T) {
	for name, hear := range map[string]func(h *harness, p pay.Payment){
		"in answers to our questions": func(h *harness, p pay.Payment) {
			h.answers(unlistedState("T1"), fmt.Errorf("%w: TRADE_SUCCESS", wallet.ErrUnlisted))
			for range 5 {
				h.advance(time.Hour)
				h.recoverDue()
			}
		},
		"in a notice that proves itself": func(h *harness, p pay.Payment) {
			for range 3 {
				if _, err := h.callback(p.ID, unlistedState("T1")); err != nil {
					h.t.Error(err)
				}
			}
		},
		"in a notice that the wallet stands by": func(h *harness, p pay.Payment) {
			h.confirmAll(nil)
			for range 3 {
				if _, err := h.callback(p.ID, unlistedState("T1")); err != nil {
					h.t.Error(err)
				}
			}
		},
		"as the answer to a closing": func(h *harness, p pay.Payment) {
			h.answers(unlistedState("T1"), wallet.ErrUnlisted)
			if c, err := h.Close(h.t.Context(), h.closeRequest(p)); err != nil || !c.Payment.Status.Open() {
				h.t.Errorf("%+v, %v", c, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, h *harness) {
				log := h.captureLog()
				p := h.ordered("A1", true)
				h.advance(time.Minute)
				hear(h, p)
				movements, deliveries := h.books(p.ID)
				got := h.stored(p.ID)
				if !got.Status.Open() || len(movements)+len(deliveries) != 0 || got.DueAt.IsZero() {
					t.Errorf("movements %v, deliveries %v", movements, deliveries)
				}
				check(t, got, func(want *pay.Payment) { want.Flagged, want.TradeNo = true, "" })
				if n := strings.Count(log.String(), `level=ERROR msg="payment needs a look"`); n != 1 ||
					!strings.Contains(log.String(), "TRADE_SUCCESS") {
					t.Errorf("%d errors:\n%s", n, log)
				}
				if n := strings.Count(h.history(p.ID), "unlisted"); n != 1 {
					t.Errorf("history %s", h.history(p.ID))
				}
				h.checkAudit()
			})
		})
	}
}

// After a callback with such a status the wallet is asked soon. A listed answer settles
// the order and clears the flag.
func TestAListedStatusEndsTheFlagOfAnUnlistedOne(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p, surplus := h.ordered("A1", true), h.ordered("A2", true)
		less := paidBy("T8")
		less.Amount.Minor = 1
		if _, err := h.callback(surplus.ID, less); err != nil {
			t.Fatal(err)
		}
		h.advance(time.Millisecond)
		for _, id := range []string{p.ID, surplus.ID} {
			if _, err := h.callback(id, unlistedState("T-"+id)); err != nil {
				t.Fatal(err)
			}
		}
		h.wallet.query = func(_ context.Context, o wallet.Order) (wallet.State, error) {
			return wallet.State{Outcome: wallet.Paid, TradeNo: "T-" + o.Number}, nil
		}
		h.advance(confirmGap)
		h.recoverDue()
		check(t, h.stored(p.ID), func(want *pay.Payment) { want.Status, want.Flagged = pay.Paid, false })
		check(t, h.stored(surplus.ID), func(want *pay.Payment) {
			want.Status, want.Flagged = pay.Paid, true
		})
		h.checkAudit()
	})
}

// A listed status of another trade says nothing about the trade with the unlisted one,
// which may have the buyer's money.
func TestAnotherTradesPaymentKeepsTheFlag(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		for _, s := range []wallet.State{unlistedState("T1"), paidBy("T2")} {
			if _, err := h.callback(p.ID, s); err != nil {
				t.Fatal(err)
			}
			h.advance(time.Minute)
		}
		check(t, h.stored(p.ID), func(want *pay.Payment) {
			want.Status, want.TradeNo, want.Flagged = pay.Paid, "T2", true
		})
		h.checkAudit()
	})
}

// An answer that arrives after the same trade has paid the order flags nothing.
func TestAnUnlistedAnswerAfterPaymentFlagsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		p := h.ordered("A1", true)
		h.advance(time.Minute)
		h.wallet.query = func(context.Context, wallet.Order) (wallet.State, error) {
			if _, err := h.callback(p.ID, paidBy("T1")); err != nil {
				t.Error(err)
			}
			return unlistedState("T1"), wallet.ErrUnlisted
		}
		h.recoverDue()
		check(t, h.stored(p.ID), func(want *pay.Payment) {
			want.Status, want.Flagged, want.TradeNo = pay.Paid, false, "T1"
		})
		h.checkAudit()
	})
}

// A false callback with such a status flags nothing.
func TestAFalseUnlistedStatusFlagsNothing(t *testing.T) {
	h := newHarness(t)
	log := h.captureLog()
	p := h.ordered("A1", true)
	h.confirmAll(&wallet.Rejection{Code: "WAIT_BUYER_PAY"})
	_, err := h.callback(p.ID, unlistedState("T1"))
	wantCode(t, err, pay.BadSignature)
	if h.history(p.ID) != "[]" || strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("history %s\n%s", h.history(p.ID), log)
	}
	check(t, h.stored(p.ID), func(want *pay.Payment) { want.Flagged = false })
}

// An unlisted status of a refund flags the payment too. The refund stays pending, and
// is tried again.
func TestAnUnlistedStatusOfARefundIsShownToPeople(t *testing.T) {
	strange := wallet.State{Outcome: wallet.Unknown, Code: "REFUND_MAYBE"}
	for name, hear := range map[string]func(h *harness, p pay.Payment, r pay.Refund){
		"in answers to our questions": func(h *harness, p pay.Payment, r pay.Refund) {
			h.wallet.queryRefund = func(context.Context,
				wallet.Refund) (wallet.State, error) {
				return strange, wallet.ErrUnlisted
			}
			for range 3 {
				h.advance(time.Hour)
				h.recoverDue()
			}
		},
		"as the answer to its sending": func(h *harness, p pay.Payment, r pay.Refund) {
			h.wallet.refund = func(context.Context,
				wallet.Refund) (wallet.State, error) {
				return strange, wallet.ErrUnlisted
			}
			h.wallet.queryRefund = func(context.Context, wallet.Refund) (wallet.State, error) {
				return wallet.State{Outcome: wallet.NotFound}, nil
			}
			h.advance(time.Hour)
			h.recoverDue()
		},
		"in a notice": func(h *harness, p pay.Payment, r pay.Refund) {
			if _, err := h.post(message{OrderID: p.ID, RefundID: r.ID, State: strange}); err != nil {
				h.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, h *harness) {
				p := h.paid("A1")
				h.wallet.refund = func(context.Context,
					wallet.Refund) (wallet.State, error) {
					return wallet.State{}, wallet.ErrUnknown
				}
				r, _, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 500))
				if err != nil {
					t.Fatal(err)
				}
				log := h.captureLog()
				hear(h, p, r)
				if got := h.storedRefund(r.ID); got.Status != pay.RefundPending || got.DueAt.IsZero() ||
					!h.stored(p.ID).Flagged {
					t.Errorf("refund %+v of %+v", got, h.stored(p.ID))
				}
				if n := strings.Count(log.String(), "level=ERROR"); n != 1 ||
					!strings.Contains(log.String(), "REFUND_MAYBE") {
					t.Errorf("%d errors:\n%s", n, log)
				}
				h.checkAudit()
			})
		})
	}
}
