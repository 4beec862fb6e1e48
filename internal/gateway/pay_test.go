package gateway

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

func TestAnOrderGetsALinkWithoutAskingTheWallet(t *testing.T) {
	h := newHarness(t)
	o, err := h.Pay(t.Context(), h.request("A1"))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^20[0-9]{6}123456[0-9]{12}$`).MatchString(o.ID) {
		t.Errorf("id %q is not date, merchant and twelve digits", o.ID)
	}
	if want := "https://pay.example/pay/" + h.Token(o.ID); o.PayURL != want {
		t.Errorf("pay URL %q, want %q", o.PayURL, want)
	}
	check(t, h.stored(o.ID), func(want *pay.Payment) {
		want.Status = pay.Pending
		want.Amount.Minor = 1230
		want.AccountID = "main"
		want.OpenedAt = time.Time{}
	})
	if h.wallet.calls() != 0 {
		t.Errorf("the wallet was asked: %v", h.wallet.asked)
	}
}

func TestARepeatGivesTheSameOrder(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		first, err := h.Pay(t.Context(), h.request("A1"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := h.Pay(t.Context(), h.request("A1"))
		if err != nil || again.ID != first.ID || again.PayURL != first.PayURL {
			t.Errorf("repeat gave %s %s (%v), want %s %s", again.ID, again.PayURL, err,
				first.ID, first.PayURL)
		}
		other := h.request("A1")
		other.Fingerprint, other.Amount.Minor = "else", 1
		_, err = h.Pay(t.Context(), other)
		wantCode(t, err, pay.NumberUsed)
		if _, err := h.callback(first.ID, paidBy("T1")); err != nil {
			t.Fatal(err)
		}
		paid, err := h.Pay(t.Context(), h.request("A1"))
		wantCode(t, err, pay.AlreadyPaid)
		if paid.ID != first.ID || paid.PayURL != "" {
			t.Errorf("a paid order came back as %s with link %q", paid.ID, paid.PayURL)
		}
		_, err = h.Pay(t.Context(), other)
		wantCode(t, err, pay.NumberUsed)
	})
}

func TestARepeatPastTheLifeIsExpired(t *testing.T) {
	h := newHarness(t)
	h.ordered("A1", true)
	h.advance(30 * time.Minute)
	_, err := h.Pay(t.Context(), h.request("A1"))
	wantCode(t, err, pay.AlreadyExpired)
}

func TestManyRepeatsAtOnceMakeOneOrder(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		var wg sync.WaitGroup
		ids := make([]string, 20)
		for i := range ids {
			wg.Go(func() {
				o, err := h.Pay(t.Context(), h.request("A1"))
				if err != nil {
					t.Error(err)
				}
				ids[i] = o.ID
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatalf("two orders for one number: %s and %s", ids[0], id)
			}
		}
	})
}

func TestWhatTheMerchantMayNotOrderIsRefused(t *testing.T) {
	h := newHarness(t)
	withStores := h.credential
	withStores.AppCode, withStores.HasStores = "AGENT", true
	if err := h.Store.CreateCredential(t.Context(), withStores); err != nil {
		t.Fatal(err)
	}
	for _, s := range []pay.Store{{ID: "open"}, {ID: "shut", Disabling: pay.Disabling{Disabled: true}}} {
		s.MerchantID, s.AppCode, s.Name = "123456", "AGENT", "Shop"
		if err := h.Store.CreateStore(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		change func(*PayRequest)
		want   pay.Code
		field  string
	}{
		"a pay type that no account serves": {func(r *PayRequest) { r.PayType = pay.AlipayServiceWindow },
			pay.Forbidden, "pay_type"},
		"a currency that no account takes": {func(r *PayRequest) { r.Amount.Currency = "USD" }, pay.Forbidden,
			"currency"},
		"a currency that the wallet cannot take": {
			func(r *PayRequest) { r.PayType, r.Amount.Currency = pay.AlipayHK, "JPY" },
			pay.Forbidden, "currency"},
		"a store where there are none": {func(r *PayRequest) { r.StoreID = "open" }, pay.StoreUnknown,
			"store_id"},
		"no store where there are some": {func(r *PayRequest) { r.Credential = withStores },
			pay.StoreNotSetUp, "store_id"},
		"a store that does not exist": {
			func(r *PayRequest) { r.Credential, r.StoreID = withStores, "none" },
			pay.StoreUnknown, "store_id"},
		"a store that is disabled": {
			func(r *PayRequest) { r.Credential, r.StoreID = withStores, "shut" },
			pay.StoreDisabled, "store_id"},
		"nothing wrong: a store that is open": {
			func(r *PayRequest) { r.Credential, r.StoreID = withStores, "open" }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := h.request("A1")
			c.change(&r)
			_, err := h.Pay(t.Context(), r)
			wantCode(t, err, c.want)
			var e *pay.Error
			if errors.As(err, &e) && e.Field != c.field {
				t.Errorf("field %q, want %q", e.Field, c.field)
			}
		})
	}
}

func TestAWalletThatMustBeAskedFirst(t *testing.T) {
	online := func(h *harness, no string) PayRequest {
		r := h.request(no)
		r.PayType = pay.AlipayHK
		return r
	}
	t.Run("its reference is kept and it is asked once", func(t *testing.T) {
		h := newHarness(t)
		h.wallet.pay = func(wallet.Order) (wallet.Checkout, error) { return wallet.Checkout{Ref: "R1"}, nil }
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if o, err := h.Pay(t.Context(), online(h, "A1")); err != nil || o.Checkout != "R1" ||
					o.Status != pay.Pending {
					t.Errorf("got %+v, %v", o.Payment, err)
				}
			})
		}
		wg.Wait()
		if h.wallet.calls() != 1 {
			t.Errorf("the wallet was asked %d times", h.wallet.calls())
		}
	})
	t.Run("a refusal fails the order for good", func(t *testing.T) {
		h := newHarness(t)
		h.wallet.pay = func(wallet.Order) (wallet.Checkout, error) {
			return wallet.Checkout{}, &wallet.Rejection{Code: "NO_SUCH_BUYER"}
		}
		for range 2 {
			o, err := h.Pay(t.Context(), online(h, "A1"))
			wantCode(t, err, pay.WalletRejected)
			if o.Status != pay.Failed || o.Failure != "NO_SUCH_BUYER" {
				t.Errorf("got %+v", o.Payment)
			}
		}
		if h.wallet.calls() != 1 {
			t.Errorf("the wallet was asked %d times", h.wallet.calls())
		}
	})
	t.Run("silence leaves the order as it is, and the same order can be sent again", func(t *testing.T) {
		h := newHarness(t)
		h.wallet.pay = func(wallet.Order) (wallet.Checkout, error) {
			return wallet.Checkout{}, wallet.ErrUnknown
		}
		o, err := h.Pay(t.Context(), online(h, "A1"))
		wantCode(t, err, pay.OutcomeUnknown)
		if p := h.stored(o.ID); p.Status != pay.Created {
			t.Errorf("status %s after silence", p.Status)
		}
		h.advance(time.Minute)
		h.wallet.pay = func(wallet.Order) (wallet.Checkout, error) { return wallet.Checkout{Ref: "R1"}, nil }
		again, err := h.Pay(t.Context(), online(h, "A1"))
		if err != nil || again.ID != o.ID || again.Checkout != "R1" {
			t.Errorf("got %+v, %v", again.Payment, err)
		}
	})
}

// The first request may have reached the wallet. The refusal of the second makes the
// order failed, but late money may still make it paid.
func TestAnOrderRefusedTheSecondTimeIsQueriedAgain(t *testing.T) {
	for kind, want := range map[wallet.RejectionKind]pay.Status{wallet.RejectedOrder: pay.Failed,
		wallet.RejectedAccount: pay.Created} {
		t.Run(string(kind), func(t *testing.T) {
			h := newHarness(t)
			r := h.request("A1")
			r.PayType = pay.AlipayHK
			h.wallet.pay = func(wallet.Order) (wallet.Checkout, error) {
				return wallet.Checkout{}, wallet.ErrUnknown
			}
			o, err := h.Pay(t.Context(), r)
			wantCode(t, err, pay.OutcomeUnknown)
			h.wallet.pay = func(wallet.Order) (wallet.Checkout, error) {
				return wallet.Checkout{}, &wallet.Rejection{Code: "NO", Kind: kind}
			}
			h.advance(time.Minute)
			if _, err = h.Pay(t.Context(), r); err == nil {
				t.Error("taken")
			}
			if p := h.stored(o.ID); p.Status != want {
				t.Fatalf("stored %+v", p)
			}
			h.answers(wallet.State{Outcome: wallet.Paid, TradeNo: "T1"}, nil) // and its callback is lost
			h.advance(2 * time.Hour)
			h.recoverDue()
			if p := h.stored(o.ID); p.Status != pay.Paid || p.Late != (want == pay.Failed) {
				t.Errorf("stored %+v", p)
			}
		})
	}
}

func TestADirectPayURLCountsAsOpened(t *testing.T) {
	h := newHarness(t)
	h.DirectPayURL = true
	o, err := h.Pay(t.Context(), h.request("A1"))
	if err != nil || o.PayURL != "https://wallet.example/cashier/"+o.ID {
		t.Fatalf("got %q, %v", o.PayURL, err)
	}
	if h.stored(o.ID).OpenedAt.IsZero() {
		t.Error("the wallet may know of it, yet it does not count as opened")
	}
}

// The configuration has changed since the order was placed.
func TestALaterDirectPayURLCountsAsOpened(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", false)
	h.DirectPayURL = true
	o, err := h.Pay(t.Context(), h.request("A1"))
	if err != nil || o.PayURL != "https://wallet.example/cashier/"+p.ID {
		t.Fatalf("got %q, %v", o.PayURL, err)
	}
	h.answers(paidBy("T1"), nil)
	h.advance(31 * time.Minute)
	h.recoverDue()
	if got := h.stored(p.ID); got.Status != pay.Paid {
		t.Errorf("the buyer has paid, the callback was lost, and the order is %s", got.Status)
	}
}

func TestOnlyTokensOfThisDeploymentLeadAnywhere(t *testing.T) {
	h := newHarness(t)
	p := h.ordered("A1", false)
	token := h.Token(p.ID)
	if got, err := h.Lookup(t.Context(), token); err != nil || got.ID != p.ID {
		t.Fatalf("got %s, %v", got.ID, err)
	}
	bad := []string{"", token[1:], token + "A", token + "=", strings.ToLower(token) + "x", "../" + token,
		token[:35] + "\n"}
	for i := range token { // every character matters
		c := byte('A')
		if token[i] == 'A' {
			c = 'B'
		}
		bad = append(bad, token[:i]+string(c)+token[i+1:])
	}
	for _, tok := range bad {
		_, err := h.Lookup(t.Context(), tok)
		wantCode(t, err, pay.NotFound)
	}
	other := h.newReplica(h.Store)
	other.LinkKey = []byte("another deployment's key 0123456")
	_, err := other.Lookup(t.Context(), token)
	wantCode(t, err, pay.NotFound)
}
