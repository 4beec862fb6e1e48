package gateway

import (
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

func TestWhoeverHasALinkCannotMakeTheWalletBeAskedAtWill(t *testing.T) {
	b := newBench(t)
	p := b.ordered("A1", true)
	b.pass(30*time.Minute + time.Second) // past its life, within the margin
	b.wallet.forget()
	for range 50 {
		got, way, err := b.Visit(t.Context(), b.Token(p.ID))
		if err != nil || way.URL != "" || got.Status != pay.Pending {
			t.Fatalf("%s, %q, %v", got.Status, way, err)
		}
	}
	if b.wallet.count() != 1 {
		t.Errorf("50 openings asked the wallet %d times", b.wallet.count())
	}
}

func TestALinkPastItsLifeIsAnsweredEvenIfTheWalletIsNot(t *testing.T) {
	b := newBench(t)
	p := b.ordered("A1", true)
	b.pass(31 * time.Minute)
	b.says(wallet.State{}, wallet.ErrNotSent)
	if got, way, err := b.Visit(t.Context(), b.Token(p.ID)); err != nil || way.URL != "" || got.Status != pay.Pending {
		t.Errorf("%s, %q, %v", got.Status, way, err)
	}
}

func TestABuyerIsNotSentToPayAnOrderThatWasGivenUpAMomentAgo(t *testing.T) {
	b := newBench(t)
	p := b.ordered("A1", false)
	// Between the visit's look at the order and the record of its opening,
	// another replica gives the order up.
	b.wallet.pay = func(wallet.Order) (wallet.Checkout, error) {
		b.pass(30 * time.Minute)
		if _, err := b.over(b.Store).inquire(t.Context(), p, pay.ByRecover); err != nil {
			t.Error(err)
		}
		return wallet.Checkout{URL: "https://wallet.example/"}, nil
	}
	got, way, err := b.Visit(t.Context(), b.Token(p.ID))
	if err != nil || way.URL != "" || got.Status != pay.Expired {
		t.Errorf("%s, %q, %v", got.Status, way, err)
	}
}

func TestARepeatOutlivesTheMerchantsSettings(t *testing.T) {
	b := newBench(t)
	p := b.ordered("A1", false)
	accounts, err := b.Store.WalletAccounts(t.Context(), "123456")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts {
		if err := b.Store.SetWalletAccountDisabled(t.Context(), "123456", a.ID, true); err != nil {
			t.Fatal(err)
		}
	}
	again, err := b.Pay(t.Context(), b.request("A1"))
	if err != nil || again.ID != p.ID || again.PayURL == "" {
		t.Errorf("%s, %q, %v", again.ID, again.PayURL, err)
	}
	other := b.request("A1")
	other.Fingerprint = "else"
	_, err = b.Pay(t.Context(), other)
	wantCode(t, err, pay.NumberUsed)
	_, err = b.Pay(t.Context(), b.request("A2"))
	wantCode(t, err, pay.Forbidden)
}
