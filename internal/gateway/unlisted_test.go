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

// listen keeps what the gateway logs.
func (b *bench) listen() *bytes.Buffer {
	log := &bytes.Buffer{}
	b.Log = slog.New(slog.NewTextHandler(log, nil))
	return log
}

// unlistedState is a wallet's answer, or a notice of it, with a status that is in no
// document.
func unlistedState(trade string) wallet.State {
	return wallet.State{Outcome: wallet.Unknown, TradeNo: trade, Code: "TRADE_SUCCESS"}
}

// A status that no document lists settles nothing, is asked about, and does not
// stay unseen: one error in the log and one event, and the payment is flagged.
func TestAStatusThatNoDocumentListsIsShownToPeople(t *testing.T) {
	for name, hear := range map[string]func(b *bench, p pay.Payment){
		"in answers to our questions": func(b *bench, p pay.Payment) {
			b.says(unlistedState("T1"), fmt.Errorf("%w: TRADE_SUCCESS", wallet.ErrUnlisted))
			for range 5 {
				b.pass(time.Hour)
				b.recoverDue()
			}
		},
		"in a notice that proves itself": func(b *bench, p pay.Payment) {
			for range 3 {
				if _, err := b.notice(p.ID, unlistedState("T1")); err != nil {
					b.t.Error(err)
				}
			}
		},
		"in a notice that the wallet stands by": func(b *bench, p pay.Payment) {
			b.stands(nil)
			for range 3 {
				if _, err := b.notice(p.ID, unlistedState("T1")); err != nil {
					b.t.Error(err)
				}
			}
		},
		"as the answer to a closing": func(b *bench, p pay.Payment) {
			b.says(unlistedState("T1"), wallet.ErrUnlisted)
			if c, err := b.Close(b.t.Context(), b.closeRequest(p)); err != nil || !c.Payment.Status.Open() {
				b.t.Errorf("%+v, %v", c, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, b *bench) {
				log := b.listen()
				p := b.ordered("A1", true)
				b.pass(time.Minute)
				hear(b, p)
				movements, deliveries := b.books(p.ID)
				got := b.stored(p.ID)
				if !got.Status.Open() || !got.Flagged || got.TradeNo != "" || len(movements)+len(deliveries) != 0 || got.DueAt.IsZero() {
					t.Errorf("stored %+v, %v, %v", got, movements, deliveries)
				}
				if n := strings.Count(log.String(), `level=ERROR msg="payment needs a look"`); n != 1 || !strings.Contains(log.String(), "TRADE_SUCCESS") {
					t.Errorf("%d errors:\n%s", n, log)
				}
				if n := strings.Count(b.history(p.ID), "unlisted"); n != 1 {
					t.Errorf("history %s", b.history(p.ID))
				}
				b.inOrder()
			})
		})
	}
}

// A notice of such a status has the wallet asked soon; a listed answer settles
// the order, and then nobody need look any more.
func TestAListedStatusEndsTheFlagOfAnUnlistedOne(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		p, surplus := b.ordered("A1", true), b.ordered("A2", true)
		less := paidBy("T8")
		less.Amount.Minor = 1
		if _, err := b.notice(surplus.ID, less); err != nil {
			t.Fatal(err)
		}
		b.pass(time.Millisecond)
		for _, id := range []string{p.ID, surplus.ID} {
			if _, err := b.notice(id, unlistedState("T-"+id)); err != nil {
				t.Fatal(err)
			}
		}
		b.wallet.query = func(_ context.Context, o wallet.Order) (wallet.State, error) {
			return wallet.State{Outcome: wallet.Paid, TradeNo: "T-" + o.Number}, nil
		}
		b.pass(confirmGap)
		b.recoverDue()
		if got := b.stored(p.ID); got.Status != pay.Paid || got.Flagged {
			t.Errorf("stored %+v", got)
		}
		if got := b.stored(surplus.ID); got.Status != pay.Paid || !got.Flagged {
			t.Errorf("with other money it is %+v", got)
		}
		b.inOrder()
	})
}

// Another trade's listed status says nothing of the one that was unlisted: it may
// hold the buyer's money.
func TestAnotherTradesPaymentKeepsTheFlagOfAnUnlistedStatus(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		p := b.ordered("A1", true)
		for _, s := range []wallet.State{unlistedState("T1"), paidBy("T2")} {
			if _, err := b.notice(p.ID, s); err != nil {
				t.Fatal(err)
			}
			b.pass(time.Minute)
		}
		if got := b.stored(p.ID); got.Status != pay.Paid || got.TradeNo != "T2" || !got.Flagged {
			t.Errorf("stored %+v", got)
		}
		b.inOrder()
	})
}

// An answer that was on its way while the order was paid by the same trade flags
// nothing.
func TestAnUnlistedAnswerThatComesAfterThePaymentFlagsNothing(t *testing.T) {
	onEach(t, func(t *testing.T, b *bench) {
		p := b.ordered("A1", true)
		b.pass(time.Minute)
		b.wallet.query = func(context.Context, wallet.Order) (wallet.State, error) {
			if _, err := b.notice(p.ID, paidBy("T1")); err != nil {
				t.Error(err)
			}
			return unlistedState("T1"), wallet.ErrUnlisted
		}
		b.recoverDue()
		if got := b.stored(p.ID); got.Status != pay.Paid || got.Flagged || got.TradeNo != "T1" {
			t.Errorf("stored %+v", got)
		}
		b.inOrder()
	})
}

// A false notice of such a status flags nothing.
func TestAFalseNoticeOfAnUnlistedStatusFlagsNothing(t *testing.T) {
	b := newBench(t)
	log := b.listen()
	p := b.ordered("A1", true)
	b.stands(&wallet.Rejection{Code: "WAIT_BUYER_PAY"})
	_, err := b.notice(p.ID, unlistedState("T1"))
	wantCode(t, err, pay.BadSignature)
	if got := b.stored(p.ID); got.Flagged || b.history(p.ID) != "[]" || strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("stored %+v, history %s\n%s", got, b.history(p.ID), log)
	}
}

// So is a refund's: the refund stays pending, and is tried on.
func TestAnUnlistedStatusOfARefundIsShownToPeople(t *testing.T) {
	strange := wallet.State{Outcome: wallet.Unknown, Code: "REFUND_MAYBE"}
	for name, hear := range map[string]func(b *bench, p pay.Payment, r pay.Refund){
		"in answers to our questions": func(b *bench, p pay.Payment, r pay.Refund) {
			b.wallet.queryRefund = func(context.Context, wallet.Refund) (wallet.State, error) { return strange, wallet.ErrUnlisted }
			for range 3 {
				b.pass(time.Hour)
				b.recoverDue()
			}
		},
		"as the answer to its sending": func(b *bench, p pay.Payment, r pay.Refund) {
			b.wallet.refund = func(context.Context, wallet.Refund) (wallet.State, error) { return strange, wallet.ErrUnlisted }
			b.wallet.queryRefund = func(context.Context, wallet.Refund) (wallet.State, error) {
				return wallet.State{Outcome: wallet.NotFound}, nil
			}
			b.pass(time.Hour)
			b.recoverDue()
		},
		"in a notice": func(b *bench, p pay.Payment, r pay.Refund) {
			if _, err := b.post(message{OrderID: p.ID, RefundID: r.ID, State: strange}); err != nil {
				b.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, b *bench) {
				p := b.paid("A1")
				b.wallet.refund = func(context.Context, wallet.Refund) (wallet.State, error) { return wallet.State{}, wallet.ErrUnknown }
				r, _, err := b.Refund(t.Context(), b.refundRequest(p, "R1", 500))
				if err != nil {
					t.Fatal(err)
				}
				log := b.listen()
				hear(b, p, r)
				if got := b.storedRefund(r.ID); got.Status != pay.RefundPending || got.DueAt.IsZero() || !b.stored(p.ID).Flagged {
					t.Errorf("refund %+v of %+v", got, b.stored(p.ID))
				}
				if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "REFUND_MAYBE") {
					t.Errorf("%d errors:\n%s", n, log)
				}
				b.inOrder()
			})
		})
	}
}
