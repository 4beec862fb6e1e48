package gateway

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

func TestARefundsUnknownOutcomeIsFoundOut(t *testing.T) {
	unknown := func(context.Context, wallet.Refund) (wallet.State, error) {
		return wallet.State{}, wallet.ErrUnknown
	}
	says := func(s wallet.State, err error) func(context.Context, wallet.Refund) (wallet.State, error) {
		return func(context.Context, wallet.Refund) (wallet.State, error) { return s, err }
	}
	for name, c := range map[string]struct {
		// the wallet's answer to the request
		first func(*harness) func(context.Context, wallet.Refund) (wallet.State, error)
		// and to the query; nil for the wallet's books
		query func(context.Context, wallet.Refund) (wallet.State, error)
		want  pay.RefundStatus
		sends int
	}{
		"it was done, and the answer lost": {
			func(h *harness) func(context.Context, wallet.Refund) (wallet.State, error) {
				return func(_ context.Context, r wallet.Refund) (wallet.State, error) {
					h.wallet.giveBack(r)
					return wallet.State{}, wallet.ErrUnknown
				}
			}, nil, pay.RefundSucceeded, 1},
		"it never arrived": {nil, nil, pay.RefundSucceeded, 2},
		"it could not be sent": {func(*harness) func(context.Context, wallet.Refund) (wallet.State, error) {
			return says(wallet.State{}, wallet.ErrNotSent)
		}, nil, pay.RefundSucceeded, 2},
		"the wallet says that it failed": {nil, says(wallet.State{Outcome: wallet.Failed, Code: "NO"}, nil),
			pay.RefundFailed, 1},
		"the wallet is still at it": {nil, says(wallet.State{Outcome: wallet.Unknown}, nil),
			pay.RefundPending, 1},
		"the wallet stays silent": {nil, unknown, pay.RefundPending, 1},
		"the wallet names another amount": {nil,
			says(wallet.State{Outcome: wallet.Succeeded, Amount: pay.Amount{Minor: 1, Currency: "HKD"}}, nil),
			pay.RefundPending, 1},
		"the account may not ask, so the same is sent again": {nil, says(wallet.State{},
			&wallet.Rejection{Code: "ILLEGAL_SIGN", Kind: wallet.RejectedAccount}), pay.RefundSucceeded, 2},
		"it was accepted, to be done later": {
			func(*harness) func(context.Context, wallet.Refund) (wallet.State, error) {
				return says(wallet.State{Outcome: wallet.Unknown}, nil)
			}, says(wallet.State{Outcome: wallet.Succeeded}, nil), pay.RefundSucceeded, 1},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, h *harness) {
				p := h.paid("A1")
				h.wallet.refund = unknown
				if c.first != nil {
					h.wallet.refund = c.first(h)
				}
				r, after, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 1230))
				if err != nil || r.Status != pay.RefundPending || after.Reserved != 1230 ||
					after.Refunded != 0 {
					t.Fatalf("refund %+v of %+v, %v", r, after, err)
				}
				_, _, err = h.Refund(t.Context(), h.refundRequest(p, "R2", 1))
				wantCode(t, err, pay.RefundTooLarge)
				h.wallet.refund, h.wallet.queryRefund = nil, c.query
				for range 4 {
					h.advance(3 * time.Minute)
					h.recoverDue()
				}
				got, after := h.storedRefund(r.ID), h.stored(p.ID)
				if got.Status != c.want || got.Sends != c.sends {
					t.Errorf("refund %+v", got)
				}
				reserved := map[pay.RefundStatus]int64{pay.RefundPending: 1230, pay.RefundSucceeded: 1230,
					pay.RefundFailed: 0}[c.want]
				if movements, _ := h.books(p.ID); after.Reserved != reserved ||
					(after.Refunded == 1230) != (len(movements) == 2) ||
					(c.want == pay.RefundSucceeded) != (len(movements) == 2) {
					t.Errorf("payment %+v with %d movements", after, len(movements))
				}
			})
		})
	}
}

func TestAResentRefundsRefusalNeedsProof(t *testing.T) {
	for name, c := range map[string]struct {
		refusal wallet.RejectionKind
		has     bool // the first one has arrived late
		want    pay.RefundStatus
	}{
		"it has it after all":    {wallet.RejectedAmount, true, pay.RefundSucceeded},
		"it has none":            {wallet.RejectedAmount, false, pay.RefundFailed},
		"the account in trouble": {wallet.RejectedAccount, false, pay.RefundPending},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			p := h.paid("A1")
			h.wallet.refund = func(context.Context,
				wallet.Refund) (wallet.State, error) {
				return wallet.State{}, wallet.ErrUnknown
			}
			r, _, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 500))
			if err != nil {
				t.Fatal(err)
			}
			h.wallet.refund = func(_ context.Context, r wallet.Refund) (wallet.State, error) {
				if c.has {
					h.wallet.giveBack(r)
				}
				return wallet.State{}, &wallet.Rejection{Code: "NO", Kind: c.refusal}
			}
			h.advance(time.Minute)
			h.recoverDue()
			if got := h.storedRefund(r.ID); got.Status != c.want {
				t.Errorf("refund %+v, asked %v", got, h.wallet.asked)
			}
		})
	}
}

// The process may end between any two steps. One of the replicas continues when the
// lease ends.
func TestAfterACrashAtAnyStepARefundIsMadeOnce(t *testing.T) {
	for name, c := range map[string]struct {
		until func(h *harness, claim store.RefundClaim) // what was done before the crash
		retry bool                                      // whether it may have been sent
	}{
		"stored, and nothing else": {func(*harness, store.RefundClaim) {}, false},
		"about to be sent": {func(h *harness, claim store.RefundClaim) {
			h.mustMarkSent(claim)
		}, true},
		"sent, and the answer not stored": {func(h *harness, claim store.RefundClaim) {
			h.mustMarkSent(claim)
			h.wallet.giveBack(wallet.Refund{ID: claim.ID, Amount: claim.Amount})
		}, true},
		"settled": {func(h *harness, claim store.RefundClaim) {
			h.mustMarkSent(claim)
			state := h.wallet.giveBack(wallet.Refund{ID: claim.ID, Amount: claim.Amount})
			if _, err := h.settleRefund(h.t.Context(), h.stored(claim.PaymentID), claim.Refund, state,
				pay.ByMerchant("APP")); err != nil {
				h.t.Fatal(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, h *harness) {
				p := h.paid("A1")
				claim, err := h.findOrCreateRefund(t.Context(), p, h.refundRequest(p, "R1", 500))
				if err != nil {
					t.Fatal(err)
				}
				c.until(h, claim)
				h.wallet.resetCalls()
				h.recoverDue()
				if n := h.wallet.calls(); n != 0 {
					t.Errorf("within the lease the wallet was asked %v", h.wallet.asked)
				}
				h.advance(h.Lease + time.Second)
				var replicas sync.WaitGroup
				for _, g := range []*Gateway{h.Gateway, h.newReplica(h.Store)} {
					replicas.Go(func() {
						all, err := g.runner.ClaimDue(t.Context())
						if err != nil {
							t.Error(err)
						}
						for _, d := range all {
							d.Do(t.Context())
						}
					})
				}
				replicas.Wait()
				sends := 0
				for _, asked := range h.wallet.asked {
					if strings.HasPrefix(asked, "refund ") {
						sends++
						if want := fmt.Sprintf("retry=%v", c.retry); !strings.HasSuffix(asked, want) {
							t.Errorf("%s, want %s", asked, want)
						}
					}
				}
				movements, deliveries := h.books(p.ID)
				if sends > 1 || h.wallet.givenBack() != 500 || h.stored(p.ID).Refunded != 500 ||
					len(movements) != 2 || len(deliveries) != 2 {
					t.Errorf("the wallet was asked %v; %d movements, %d deliveries",
						h.wallet.asked, len(movements), len(deliveries))
				}
				check(t, h.storedRefund(claim.ID),
					func(want *pay.Refund) { want.Status = pay.RefundSucceeded })
			})
		})
	}
}

func (h *harness) mustMarkSent(c store.RefundClaim) {
	h.t.Helper()
	p := h.stored(c.PaymentID)
	conn, err := h.connectorOf(h.t.Context(), p)
	if err != nil {
		h.t.Fatal(err)
	}
	if next, err := h.markSent(h.t.Context(), c, conn); err != nil || !next.IsZero() {
		h.t.Fatalf("%v, %v", next, err)
	}
}

func TestRefundsUnderOneKeyKeepTheWalletsGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t)
		h.wallet.gap = 3 * time.Second
		var mu sync.Mutex
		var sent []time.Time
		h.wallet.refund = func(_ context.Context, r wallet.Refund) (wallet.State, error) {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, time.Now())
			return h.wallet.giveBack(r), nil
		}
		replica := h.newReplica(h.Store)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, g := range []*Gateway{h.Gateway, replica} {
			running.Go(func() { _ = g.Run(ctx) })
		}
		p := h.paid("A1")
		statuses := map[pay.RefundStatus]int{}
		for i := range 5 {
			r, _, err := []*Gateway{h.Gateway, replica}[i%2].Refund(t.Context(),
				h.refundRequest(p, fmt.Sprint("R", i), 100))
			if err != nil {
				t.Fatal(err)
			}
			statuses[r.Status]++
		}
		if statuses[pay.RefundSucceeded] != 1 || statuses[pay.RefundPending] != 4 {
			t.Errorf("answered at once: %v", statuses)
		}
		time.Sleep(20 * time.Second)
		if got := h.stored(p.ID).Refunded; got != 500 {
			t.Errorf("refunded %d", got)
		}
		for i := 1; i < len(sent); i++ {
			if gap := sent[i].Sub(sent[i-1]); gap < h.wallet.gap {
				t.Errorf("%s between refund %d and %d", gap, i-1, i)
			}
		}
		stop()
		running.Wait()
	})
}

// While the wallet works on a refund, it says that the outcome is not known. No person
// needs to look at that status.
func TestARefundInTheWorksIsNotFlagged(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		working := func(context.Context, wallet.Refund) (wallet.State, error) {
			return wallet.State{Outcome: wallet.Unknown, TradeNo: "T-A1"}, nil
		}
		h.wallet.refund, h.wallet.queryRefund = working, working
		p := h.paid("A1")
		r, _, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 500))
		if err != nil || r.Status != pay.RefundPending {
			t.Fatal(r, err)
		}
		for range 3 {
			h.advance(time.Hour)
			h.recoverDue()
		}
		if p = h.stored(p.ID); p.Flagged {
			t.Errorf("flagged: %s", h.history(p.ID))
		}
		h.wallet.queryRefund = nil
		h.wallet.giveBack(wallet.Refund{ID: r.ID, Amount: r.Amount})
		h.advance(24 * time.Hour)
		h.recoverDue()
		if r = h.storedRefund(r.ID); r.Status != pay.RefundSucceeded {
			t.Errorf("%+v", r)
		}
		h.checkAudit()
	})
}
