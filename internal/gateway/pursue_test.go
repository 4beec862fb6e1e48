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
	unknown := func(context.Context, wallet.Refund) (wallet.State, error) { return wallet.State{}, wallet.ErrUnknown }
	says := func(s wallet.State, err error) func(context.Context, wallet.Refund) (wallet.State, error) {
		return func(context.Context, wallet.Refund) (wallet.State, error) { return s, err }
	}
	for name, c := range map[string]struct {
		first func(*bench) func(context.Context, wallet.Refund) (wallet.State, error) // the wallet's answer to the request
		query func(context.Context, wallet.Refund) (wallet.State, error)              // and to the question; nil: by its books
		want  pay.RefundStatus
		sends int
	}{
		"it was done, and the answer lost": {func(b *bench) func(context.Context, wallet.Refund) (wallet.State, error) {
			return func(_ context.Context, r wallet.Refund) (wallet.State, error) {
				b.wallet.giveBack(r)
				return wallet.State{}, wallet.ErrUnknown
			}
		}, nil, pay.RefundSucceeded, 1},
		"it never arrived": {nil, nil, pay.RefundSucceeded, 2},
		"it could not be sent": {func(*bench) func(context.Context, wallet.Refund) (wallet.State, error) {
			return says(wallet.State{}, wallet.ErrNotSent)
		}, nil, pay.RefundSucceeded, 2},
		"the wallet says that it failed": {nil, says(wallet.State{Outcome: wallet.Failed, Code: "NO"}, nil), pay.RefundFailed, 1},
		"the wallet is still at it":      {nil, says(wallet.State{Outcome: wallet.Unknown}, nil), pay.RefundPending, 1},
		"the wallet stays silent":        {nil, unknown, pay.RefundPending, 1},
		"the wallet names another amount": {nil, says(wallet.State{Outcome: wallet.Succeeded, Amount: pay.Amount{Minor: 1, Currency: "HKD"}}, nil),
			pay.RefundPending, 1},
		"the account may not ask, so the same is sent again": {nil, says(wallet.State{}, &wallet.Rejection{Code: "ILLEGAL_SIGN", Kind: wallet.RejectedAccount}), pay.RefundSucceeded, 2},
		"it was accepted, to be done later": {func(*bench) func(context.Context, wallet.Refund) (wallet.State, error) {
			return says(wallet.State{Outcome: wallet.Unknown}, nil)
		}, says(wallet.State{Outcome: wallet.Succeeded}, nil), pay.RefundSucceeded, 1},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, b *bench) {
				p := b.paid("A1")
				b.wallet.refund = unknown
				if c.first != nil {
					b.wallet.refund = c.first(b)
				}
				r, after, err := b.Refund(t.Context(), b.refundRequest(p, "R1", 1230))
				if err != nil || r.Status != pay.RefundPending || after.Reserved != 1230 || after.Refunded != 0 {
					t.Fatalf("refund %+v of %+v, %v", r, after, err)
				}
				_, _, err = b.Refund(t.Context(), b.refundRequest(p, "R2", 1))
				wantCode(t, err, pay.RefundTooLarge)
				b.wallet.refund, b.wallet.queryRefund = nil, c.query
				for range 4 {
					b.pass(3 * time.Minute)
					b.recoverDue()
				}
				got, after := b.storedRefund(r.ID), b.stored(p.ID)
				if got.Status != c.want || got.Sends != c.sends {
					t.Errorf("refund %+v", got)
				}
				reserved := map[pay.RefundStatus]int64{pay.RefundPending: 1230, pay.RefundSucceeded: 1230, pay.RefundFailed: 0}[c.want]
				if movements, _ := b.books(p.ID); after.Reserved != reserved || (after.Refunded == 1230) != (len(movements) == 2) || (c.want == pay.RefundSucceeded) != (len(movements) == 2) {
					t.Errorf("payment %+v with %d movements", after, len(movements))
				}
			})
		})
	}
}

func TestARefusalOfAResentRefundNeedsTheWalletsWordThatItHasNone(t *testing.T) {
	for name, c := range map[string]struct {
		refusal wallet.RejectionKind
		has     bool // the first one arrived late
		want    pay.RefundStatus
	}{
		"it has it after all":    {wallet.RejectedAmount, true, pay.RefundSucceeded},
		"it has none":            {wallet.RejectedAmount, false, pay.RefundFailed},
		"the account in trouble": {wallet.RejectedAccount, false, pay.RefundPending},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			p := b.paid("A1")
			b.wallet.refund = func(context.Context, wallet.Refund) (wallet.State, error) { return wallet.State{}, wallet.ErrUnknown }
			r, _, err := b.Refund(t.Context(), b.refundRequest(p, "R1", 500))
			if err != nil {
				t.Fatal(err)
			}
			b.wallet.refund = func(_ context.Context, r wallet.Refund) (wallet.State, error) {
				if c.has {
					b.wallet.giveBack(r)
				}
				return wallet.State{}, &wallet.Rejection{Code: "NO", Kind: c.refusal}
			}
			b.pass(time.Minute)
			b.recoverDue()
			if got := b.storedRefund(r.ID); got.Status != c.want {
				t.Errorf("refund %+v, asked %v", got, b.wallet.asked)
			}
		})
	}
}

// Between any two steps the process may end; what it had in hand is taken up
// when its lease ends, by one of the replicas.
func TestAfterACrashAtAnyStepARefundIsGivenBackOnce(t *testing.T) {
	for name, c := range map[string]struct {
		until func(b *bench, claim store.RefundClaim) // what was done before the crash
		retry bool                                    // whether it must be taken for sent
	}{
		"stored, and nothing else": {func(*bench, store.RefundClaim) {}, false},
		"about to be sent":         {func(b *bench, claim store.RefundClaim) { b.mustRelease(claim) }, true},
		"sent, and the answer not stored": {func(b *bench, claim store.RefundClaim) {
			b.mustRelease(claim)
			b.wallet.giveBack(wallet.Refund{ID: claim.ID, Amount: claim.Amount})
		}, true},
		"settled": {func(b *bench, claim store.RefundClaim) {
			b.mustRelease(claim)
			state := b.wallet.giveBack(wallet.Refund{ID: claim.ID, Amount: claim.Amount})
			if _, err := b.settleRefund(b.t.Context(), b.stored(claim.PaymentID), claim.Refund, state, pay.ByMerchant("APP")); err != nil {
				b.t.Fatal(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, b *bench) {
				p := b.paid("A1")
				claim, err := b.findOrCreateRefund(t.Context(), p, b.refundRequest(p, "R1", 500))
				if err != nil {
					t.Fatal(err)
				}
				c.until(b, claim)
				b.wallet.forget()
				b.recoverDue()
				if n := b.wallet.count(); n != 0 {
					t.Errorf("within the lease the wallet was asked %v", b.wallet.asked)
				}
				b.pass(b.Lease + time.Second)
				var replicas sync.WaitGroup
				for _, g := range []*Gateway{b.Gateway, b.over(b.Store)} {
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
				for _, asked := range b.wallet.asked {
					if strings.HasPrefix(asked, "refund ") {
						sends++
						if want := fmt.Sprintf("retry=%v", c.retry); !strings.HasSuffix(asked, want) {
							t.Errorf("%s, want %s", asked, want)
						}
					}
				}
				movements, deliveries := b.books(p.ID)
				if got := b.storedRefund(claim.ID); got.Status != pay.RefundSucceeded || sends > 1 || b.wallet.givenBack() != 500 ||
					b.stored(p.ID).Refunded != 500 || len(movements) != 2 || len(deliveries) != 2 {
					t.Errorf("refund %+v, wallet asked %v, %d movements, %d deliveries", got, b.wallet.asked, len(movements), len(deliveries))
				}
			})
		})
	}
}

func (b *bench) mustRelease(c store.RefundClaim) {
	b.t.Helper()
	p := b.stored(c.PaymentID)
	conn, err := b.connectorOf(b.t.Context(), p)
	if err != nil {
		b.t.Fatal(err)
	}
	if next, err := b.markSent(b.t.Context(), c, conn); err != nil || !next.IsZero() {
		b.t.Fatalf("%v, %v", next, err)
	}
}

func TestRefundsUnderOneKeyKeepTheWalletsGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.wallet.gap = 3 * time.Second
		var mu sync.Mutex
		var sent []time.Time
		b.wallet.refund = func(_ context.Context, r wallet.Refund) (wallet.State, error) {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, time.Now())
			return b.wallet.giveBack(r), nil
		}
		replica := b.over(b.Store)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, g := range []*Gateway{b.Gateway, replica} {
			running.Go(func() { _ = g.Run(ctx) })
		}
		p := b.paid("A1")
		statuses := map[pay.RefundStatus]int{}
		for i := range 5 {
			r, _, err := []*Gateway{b.Gateway, replica}[i%2].Refund(t.Context(), b.refundRequest(p, fmt.Sprint("R", i), 100))
			if err != nil {
				t.Fatal(err)
			}
			statuses[r.Status]++
		}
		if statuses[pay.RefundSucceeded] != 1 || statuses[pay.RefundPending] != 4 {
			t.Errorf("answered at once: %v", statuses)
		}
		time.Sleep(20 * time.Second)
		if got := b.stored(p.ID).Refunded; got != 500 {
			t.Errorf("refunded %d", got)
		}
		for i := 1; i < len(sent); i++ {
			if gap := sent[i].Sub(sent[i-1]); gap < b.wallet.gap {
				t.Errorf("%s between refund %d and %d", gap, i-1, i)
			}
		}
		stop()
		running.Wait()
	})
}
