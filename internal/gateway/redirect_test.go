package gateway

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// pages is a harness whose wallet "online" answers with the address of its page. Each
// call gets a new address, which lasts 14 minutes.
type pages struct {
	*harness
	mu sync.Mutex
	n  int
}

func onEachPages(t *testing.T, test func(t *testing.T, b *pages)) {
	t.Helper()
	onEach(t, func(t *testing.T, h *harness) { test(t, newPages(h)) })
}

func newPages(h *harness) *pages {
	p := &pages{harness: h}
	h.Gateway = p.newReplica(h.Store)
	h.wallet.pay = p.answer
	h.now = time.Now().Truncate(time.Second)
	return p
}

// newReplica is harness.over with that wallet.
func (b *pages) newReplica(db *store.DB) *Gateway {
	g := b.harness.newReplica(db)
	driver := g.Wallets["online"]
	driver.Info.Flow = wallet.Redirect
	g.Wallets["online"] = driver
	return g
}

func (b *pages) answer(o wallet.Order) (wallet.Checkout, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	return wallet.Checkout{
		URL:    fmt.Sprintf("https://wallet.example/%s/%d", o.Number, b.n),
		EndsAt: b.clock().Add(14 * time.Minute), WalletID: fmt.Sprint("W", b.n),
	}, nil
}

func (b *pages) refuse(kind wallet.RejectionKind) {
	b.wallet.pay = func(wallet.Order) (wallet.Checkout, error) {
		return wallet.Checkout{}, &wallet.Rejection{Code: "NO", Kind: kind}
	}
}

func (b *pages) order() pay.Payment {
	b.t.Helper()
	r := b.request("A1")
	r.PayType = pay.AlipayHK
	o, err := b.Pay(b.t.Context(), r)
	if err != nil || o.PayURL != b.PayLink(o.Payment) || o.InApp {
		b.t.Fatalf("got %+v, %v", o, err)
	}
	return b.stored(o.ID)
}

// visit opens the pay link, and checks the way and the error.
func (b *pages) visit(p pay.Payment, url string, code pay.Code) pay.Payment {
	b.t.Helper()
	got, way, err := b.Visit(b.t.Context(), b.Token(p.ID))
	if wantCode(b.t, err, code); way != (Way{URL: url}) {
		b.t.Errorf("got the way %+v, want %q", way, url)
	}
	return got
}

func (b *pages) calls() int {
	b.wallet.mu.Lock()
	defer b.wallet.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(b.wallet.asked),
		func(s string) bool { return s[:4] != "pay " }))
}

// postCallback posts a success for an order of account "net".
func (b *pages) postCallback(p pay.Payment, s wallet.State) {
	b.t.Helper()
	if _, err := b.settle(b.t.Context(), p, wordOf(s, ""), pay.ByWallet); err != nil {
		b.t.Fatal(err)
	}
}

func TestRedirectIsAskedWhenTheLinkIsOpened(t *testing.T) {
	onEachPages(t, func(t *testing.T, b *pages) {
		p := b.order()
		if b.wallet.calls() != 0 {
			t.Errorf("before the opening: %v", b.wallet.asked)
		}
		check(t, p, func(want *pay.Payment) { want.Status, want.OpenedAt = pay.Created, time.Time{} })
		first := "https://wallet.example/" + p.ID + "/1"
		b.visit(p, first, "")
		if got := b.stored(p.ID); got.Status != pay.Pending || got.Checkout != first ||
			got.WalletID != "W1" || !got.CheckoutEndsAt.Equal(b.clock().Add(14*time.Minute)) ||
			got.OpenedAt.IsZero() || got.DueAt.IsZero() {
			t.Errorf("stored %+v", got)
		}
		b.advance(13 * time.Minute)
		b.visit(p, first, "")
		b.advance(51 * time.Second) // it would end before the buyer arrives
		second := "https://wallet.example/" + p.ID + "/2"
		b.visit(p, second, "")
		b.visit(p, second, "")
		check(t, b.stored(p.ID), func(want *pay.Payment) {
			want.Checkout, want.WalletID, want.Status = second, "W2", pay.Pending
		})
		if want := []string{"pay " + p.ID, "pay " + p.ID}; !slices.Equal(b.wallet.asked, want) {
			t.Errorf("asked %v, want %v", b.wallet.asked, want)
		}
		b.postCallback(p, paidBy("T1"))
		b.visit(p, "", "")
		if got := b.history(p.ID); got != "[registered by buyer registered by buyer paid by wallet]" {
			t.Error(got)
		}
		b.checkAudit()
	})
}

func TestRedirectNeedsNoAddressAfterTheEnd(t *testing.T) {
	b := newPages(newHarness(t))
	p := b.order()
	b.visit(p, "https://wallet.example/"+p.ID+"/1", "")
	b.advance(30 * time.Minute)
	b.visit(p, "", "")
	if b.calls() != 1 {
		t.Errorf("asked %v", b.wallet.asked)
	}

	unopened := newPages(newHarness(t))
	p = unopened.order()
	unopened.advance(31 * time.Minute)
	unopened.visit(p, "", "")
	unopened.recoverDue()
	if unopened.wallet.calls() != 0 {
		t.Errorf("asked %v", unopened.wallet.asked)
	}
	check(t, unopened.stored(p.ID), func(want *pay.Payment) { want.Status = pay.Expired })
	unopened.checkAudit()
}

// An order survives a wallet that is slow, broken or badly set up: it can be opened
// again, and is queried meanwhile.
func TestRedirectOutlivesAWalletThatGivesNoAddress(t *testing.T) {
	for name, c := range map[string]struct {
		answer wallet.Checkout
		err    error
		want   pay.Code
	}{
		"silence":     {err: wallet.ErrUnknown, want: pay.OutcomeUnknown},
		"not reached": {err: wallet.ErrNotSent, want: pay.WalletBusy},
		"the account is wrong": {err: &wallet.Rejection{Code: "KEY", Kind: wallet.RejectedAccount},
			want: pay.WalletTrouble},
		"a reference": {answer: wallet.Checkout{Ref: "R1"}, want: pay.OutcomeUnknown},
		"nothing":     {want: pay.OutcomeUnknown},
		"no address":  {answer: wallet.Checkout{URL: "//wallet.example/"}, want: pay.OutcomeUnknown},
		"a program": {answer: wallet.Checkout{URL: "javascript://wallet.example/%0aalert(1)"},
			want: pay.OutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			b := newPages(newHarness(t))
			p := b.order()
			b.wallet.pay = func(wallet.Order) (wallet.Checkout, error) { return c.answer, c.err }
			for range 5 {
				b.visit(p, "", c.want)
			}
			if b.calls() != 1 {
				t.Errorf("5 openings asked the wallet %d times", b.calls())
			}
			if got := b.stored(p.ID); got.Status != pay.Created || got.OpenedAt.IsZero() ||
				got.DueAt.After(b.clock().Add(time.Minute)) {
				t.Errorf("stored %+v", got)
			}
			b.advance(openGap)
			b.wallet.pay = b.answer
			b.visit(p, "https://wallet.example/"+p.ID+"/1", "")
			b.checkAudit()
		})
	}
}

func TestRedirectRefused(t *testing.T) {
	t.Run("at the first opening the order fails", func(t *testing.T) {
		b := newPages(newHarness(t))
		p := b.order()
		b.refuse(wallet.RejectedOrder)
		check(t, b.visit(p, "", ""), func(want *pay.Payment) {
			want.Status, want.Failure, want.DueAt = pay.Failed, "NO", time.Time{}
		})
		b.checkAudit()
	})
	t.Run("after silence it fails too, and is queried later", func(t *testing.T) {
		b := newPages(newHarness(t))
		p := b.order()
		b.wallet.pay = func(wallet.Order) (wallet.Checkout, error) {
			return wallet.Checkout{}, wallet.ErrUnknown
		}
		b.visit(p, "", pay.OutcomeUnknown)
		b.advance(openGap)
		b.refuse(wallet.RejectedOrder)
		if got := b.visit(p, "", ""); got.Status != pay.Failed || got.DueAt.IsZero() {
			t.Errorf("got %+v", got)
		}
		b.checkAudit()
	})
	t.Run("at a later opening it stays open", func(t *testing.T) {
		b := newPages(newHarness(t))
		p := b.order()
		b.visit(p, "https://wallet.example/"+p.ID+"/1", "")
		b.advance(15 * time.Minute)
		b.refuse(wallet.RejectedOrder)
		check(t, b.visit(p, "", pay.WalletRejected), func(want *pay.Payment) { want.Status = pay.Pending })
		b.advance(openGap)
		b.wallet.pay = b.answer
		b.visit(p, "https://wallet.example/"+p.ID+"/2", "")
		b.checkAudit()
	})
	t.Run("because it is paid", func(t *testing.T) {
		b := newPages(newHarness(t))
		p := b.order()
		b.visit(p, "https://wallet.example/"+p.ID+"/1", "")
		b.advance(15 * time.Minute)
		b.refuse(wallet.RejectedOrder)
		b.answers(paidBy("T1"), nil)
		check(t, b.visit(p, "", ""), func(want *pay.Payment) { want.Status = pay.Paid })
		b.checkAudit()
	})
	t.Run("and its state is not known", func(t *testing.T) {
		b := newPages(newHarness(t))
		p := b.order()
		b.visit(p, "https://wallet.example/"+p.ID+"/1", "")
		b.advance(15 * time.Minute)
		b.refuse(wallet.RejectedOrder)
		b.answers(wallet.State{}, wallet.ErrUnknown)
		b.visit(p, "", pay.WalletRejected)
		b.checkAudit()
	})
}

// Two openings at the same time make one call in a process. Two processes may both
// call: the wallet treats that as one order, and each buyer gets an address.
func TestRedirectOpenedByManyAtOnce(t *testing.T) {
	onEachPages(t, func(t *testing.T, b *pages) {
		p := b.order()
		others := []*Gateway{b.Gateway, b.newReplica(b.Store)}
		for _, wantAtMost := range []int{2, 4} {
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					got, way, err := others[i%2].Visit(t.Context(), b.Token(p.ID))
					if err != nil || way.URL == "" || got.Status != pay.Pending {
						t.Errorf("%+v, %+v, %v", got, way, err)
					}
				})
			}
			wg.Wait()
			if n := b.calls(); n > wantAtMost {
				t.Errorf("20 openings in two processes made it %d calls", n)
			}
			b.advance(15 * time.Minute)
		}
		b.checkAudit()
	})
}

// Of two processes that ask at once, one is refused and the other gets an address.
func TestRedirectRefusedInOneProcessOnly(t *testing.T) {
	b := newPages(newHarness(t))
	p := b.order()
	other, asked := b.newReplica(b.Store), false
	b.wallet.pay = func(o wallet.Order) (wallet.Checkout, error) {
		if asked {
			return b.answer(o)
		}
		asked = true
		if _, way, err := other.Visit(t.Context(), b.Token(p.ID)); err != nil || way.URL == "" {
			t.Errorf("%+v, %v", way, err)
		}
		return wallet.Checkout{}, &wallet.Rejection{Code: "BUSY"}
	}
	b.visit(p, "https://wallet.example/"+p.ID+"/1", "")
	b.checkAudit()
}

// The wallet refuses an order that the merchant has asked to close meanwhile, and then
// does not answer the closing.
func TestRedirectRefusedWhileItIsClosed(t *testing.T) {
	b := newPages(newHarness(t))
	p := b.order()
	b.wallet.pay = func(wallet.Order) (wallet.Checkout, error) {
		b.answers(wallet.State{}, wallet.ErrUnknown)
		if _, err := b.Close(t.Context(),
			CloseRequest{Credential: b.credential, PaymentID: p.ID, Minor: 1230}); err != nil {
			t.Error(err)
		}
		return wallet.Checkout{}, &wallet.Rejection{Code: "BUSY"}
	}
	b.visit(p, "", "")
	b.checkAudit()
}

func TestRedirectEndsWhileTheWalletIsAsked(t *testing.T) {
	b := newPages(newHarness(t))
	p := b.order()
	b.wallet.pay = func(o wallet.Order) (wallet.Checkout, error) {
		if _, err := b.Close(t.Context(),
			CloseRequest{Credential: b.credential, PaymentID: p.ID, Minor: 1230}); err != nil {
			t.Error(err)
		}
		return b.answer(o)
	}
	check(t, b.visit(p, "", ""), func(want *pay.Payment) { want.Status = pay.Closed })
	if got := b.stored(p.ID); got.DueAt.IsZero() {
		t.Error("late money would not be found")
	}
	b.checkAudit()
}

func TestRedirectHasNoDirectAddress(t *testing.T) {
	b := newPages(newHarness(t))
	b.DirectPayURL = true
	if b.wallet.calls() != 0 {
		t.Errorf("asked %v", b.wallet.asked)
	}
	check(t, b.order(), func(want *pay.Payment) { want.OpenedAt = time.Time{} })
}
