package gateway

import (
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

func TestALinkCannotMakeTheWalletBeAskedAtWill(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", true)
	h.advance(30*time.Minute + time.Second) // after its end, within the margin
	h.wallet.resetCalls()
	for range 50 {
		got, way, err := h.Visit(t.Context(), h.Token(p.ID))
		if err != nil || way.URL != "" || got.Status != pay.Pending {
			t.Fatalf("%s, %q, %v", got.Status, way, err)
		}
	}
	if h.wallet.calls() != 1 {
		t.Errorf("50 openings asked the wallet %d times", h.wallet.calls())
	}
}

func TestAnExpiredLinkIsAnsweredWithoutTheWallet(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", true)
	h.advance(31 * time.Minute)
	h.answers(wallet.State{}, wallet.ErrNotSent)
	if got, way, err := h.Visit(t.Context(), h.Token(p.ID)); err != nil || way.URL != "" ||
		got.Status != pay.Pending {
		t.Errorf("%s, %q, %v", got.Status, way, err)
	}
}

func TestABuyerIsNotSentToAnAbandonedOrder(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", false)
	// After the visit has read the order, and before it records the opening,
	// another replica ends the order.
	h.wallet.pay = func(wallet.Order) (wallet.Checkout, error) {
		h.advance(30 * time.Minute)
		if _, err := h.newReplica(h.Store).inquire(t.Context(), p, pay.ByRecover); err != nil {
			t.Error(err)
		}
		return wallet.Checkout{URL: "https://wallet.example/"}, nil
	}
	got, way, err := h.Visit(t.Context(), h.Token(p.ID))
	if err != nil || way.URL != "" || got.Status != pay.Expired {
		t.Errorf("%s, %q, %v", got.Status, way, err)
	}
}

func TestARepeatOutlivesTheMerchantsSettings(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", false)
	accounts, err := h.Store.WalletAccounts(t.Context(), "123456")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts {
		if err := h.Store.SetWalletAccountDisabled(t.Context(), "123456", a.ID, true); err != nil {
			t.Fatal(err)
		}
	}
	again, err := h.Pay(t.Context(), h.request("A1"))
	if err != nil || again.ID != p.ID || again.PayURL == "" {
		t.Errorf("%s, %q, %v", again.ID, again.PayURL, err)
	}
	other := h.request("A1")
	other.Fingerprint = "else"
	_, err = h.Pay(t.Context(), other)
	wantCode(t, err, pay.NumberUsed)
	_, err = h.Pay(t.Context(), h.request("A2"))
	wantCode(t, err, pay.Forbidden)
}
