package gateway

import (
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// disable disables the harness's merchant, with effect at once.
func (h *harness) disable(d pay.Disabling) {
	h.t.Helper()
	d.Disabled = true
	if err := h.Store.SetMerchantDisabled(h.t.Context(), "123456", d); err != nil {
		h.t.Fatal(err)
	}
}

func TestADisabledMerchantTakesNoOrders(t *testing.T) {
	h := newHarness(t)
	open, paid, repeated := h.ordered("A-open", true), h.paid("A-paid"), h.ordered("A-again", false)
	h.disable(pay.Disabling{})

	_, err := h.Pay(t.Context(), h.request("A-new"))
	wantCode(t, err, pay.StoreDisabled)
	if again, err := h.Pay(t.Context(), h.request("A-again")); err != nil || again.ID != repeated.ID {
		t.Errorf("the same order again: %s, %v", again.ID, err)
	}
	other := h.request("A-again")
	other.Fingerprint = "else"
	_, err = h.Pay(t.Context(), other)
	wantCode(t, err, pay.NumberUsed)

	if found, err := h.Query(t.Context(), QueryRequest{Credential: h.credential}); err != nil ||
		len(found) != 3 {
		t.Errorf("a query finds %d, %v", len(found), err)
	}
	if err := h.Note(t.Context(), h.credential, paid.ID, "hello"); err != nil {
		t.Errorf("a note: %v", err)
	}
	if r, _, err := h.Refund(t.Context(), h.refundRequest(paid, "R1", 100)); err != nil ||
		r.Status != pay.RefundSucceeded {
		t.Errorf("a refund: %+v, %v", r, err)
	}
	if c, err := h.Close(t.Context(), h.closeRequest(open)); err != nil || c.Payment.Status != pay.Closed {
		t.Errorf("a closing: %+v, %v", c, err)
	}
}

func TestADisabledMerchantsLinksAreClosed(t *testing.T) {
	for name, keep := range map[string]bool{"shut": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			unopened, opened := h.ordered("A1", false), h.ordered("A2", true)
			h.disable(pay.Disabling{KeepLinks: keep})
			for _, p := range []pay.Payment{unopened, opened} {
				got, way, err := h.Visit(t.Context(), h.Token(p.ID))
				if keep != (way.URL != "") || keep != (err == nil) || got.ID != p.ID {
					t.Errorf("%s: %q, %v", p.OrderNo, way, err)
				}
				if !keep {
					wantCode(t, err, pay.StoreDisabled)
					wantCode(t, h.Payable(t.Context(), p), pay.StoreDisabled)
				}
			}
			if at := h.stored(unopened.ID).OpenedAt; keep == at.IsZero() {
				t.Errorf("opened at %v", at)
			}

			// What the buyer still pays at the wallet is recorded as always.
			if _, err := h.callback(opened.ID, paidBy("T1")); err != nil {
				t.Fatal(err)
			}
			movements, deliveries := h.books(opened.ID)
			if len(movements) != 1 || len(deliveries) != 1 {
				t.Errorf("movements %v, deliveries %v", movements, deliveries)
			}
			check(t, h.stored(opened.ID), func(want *pay.Payment) { want.Status = pay.Paid })
			if p, way, err := h.Visit(t.Context(), h.Token(opened.ID)); err != nil || way != (Way{}) ||
				p.Status != pay.Paid {
				t.Errorf("the link of a paid order: %s, %q, %v", p.Status, way, err)
			}
			h.advance(2 * time.Hour)
			h.recoverDue()
			if p := h.stored(unopened.ID); p.Status != pay.Expired {
				t.Errorf("the other order is %s", p.Status)
			}
			if _, _, err := h.Visit(t.Context(), h.Token(unopened.ID)); err != nil {
				t.Errorf("the link of an expired order: %v", err)
			}
		})
	}
}

func TestRefundsOfADisabledMerchantStopIfTheyAreTo(t *testing.T) {
	h := newHarness(t)
	paid, late := h.paid("A1"), h.ordered("A2", true)
	first, _, err := h.Refund(t.Context(), h.refundRequest(paid, "R1", 100))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Close(t.Context(), h.closeRequest(late)); err != nil {
		t.Fatal(err)
	}
	h.disable(pay.Disabling{StopRefunds: true})
	r, _, err := h.Refund(t.Context(), h.refundRequest(paid, "R2", 100))
	if wantCode(t, err, pay.StoreDisabled); r.ID != "" {
		t.Errorf("stored %+v", r)
	}
	if again, _, err := h.Refund(t.Context(), h.refundRequest(paid, "R1", 100)); err != nil ||
		again.ID != first.ID {
		t.Errorf("the same refund again: %+v, %v", again, err)
	}
	other := h.refundRequest(paid, "R1", 100)
	other.Fingerprint = "else"
	_, _, err = h.Refund(t.Context(), other)
	wantCode(t, err, pay.NumberUsed)

	// Late money is still refunded, since no merchant asks for that refund.
	before := h.wallet.givenBack()
	if _, err := h.callback(late.ID, paidBy("T2")); err != nil {
		t.Fatal(err)
	}
	h.recoverDue()
	if got := h.wallet.givenBack() - before; got != late.Amount.Minor {
		t.Errorf("%d went back of late money, want %d", got, late.Amount.Minor)
	}
}

func TestADisabledStoreStandsForItselfAlone(t *testing.T) {
	h := newHarness(t)
	agent := h.credential
	agent.AppCode, agent.HasStores = "AGENT", true
	if err := h.Store.CreateCredential(t.Context(), agent); err != nil {
		t.Fatal(err)
	}
	orders := map[string]pay.Payment{}
	request := func(store, number string) PayRequest {
		r := h.request(number)
		r.Credential, r.StoreID = agent, store
		return r
	}
	for _, id := range []string{"M1", "M2"} {
		if err := h.Store.CreateStore(t.Context(),
			pay.Store{MerchantID: "123456", AppCode: "AGENT", ID: id, Name: id}); err != nil {
			t.Fatal(err)
		}
		o, err := h.Pay(t.Context(), request(id, "A1"))
		if err != nil {
			t.Fatal(err)
		}
		orders[id] = o.Payment
	}
	err := h.Store.SetStoreDisabled(t.Context(), "123456", "AGENT", "M2", pay.Disabling{Disabled: true})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]pay.Code{"M1": "", "M2": pay.StoreDisabled} {
		_, err := h.Pay(t.Context(), request(id, "A2"))
		wantCode(t, err, want)
		_, _, err = h.Visit(t.Context(), h.Token(orders[id].ID))
		wantCode(t, err, want)
		if found, err := h.Query(t.Context(), QueryRequest{Credential: agent, StoreID: id}); err != nil ||
			len(found) == 0 {
			t.Errorf("%s: a query finds %d, %v", id, len(found), err)
		}
	}
}

func TestTheLinkIntoTheWalletsAppIsShutToo(t *testing.T) {
	h := newHarness(t)
	h.wallet.pay = func(wallet.Order) (wallet.Checkout, error) { return wallet.Checkout{Ref: "R1"}, nil }
	r := h.request("A1")
	r.PayType = pay.AlipayHK
	o, err := h.Pay(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if p, way, err := h.Visit(t.Context(), h.Token(o.ID)); err != nil || p.Checkout != "R1" ||
		way != (Way{Ref: "R1"}) {
		t.Fatalf("got %+v, %v", p, err)
	}
	h.disable(pay.Disabling{})
	_, _, err = h.Visit(t.Context(), h.Token(o.ID))
	wantCode(t, err, pay.StoreDisabled)
	if again, err := h.Pay(t.Context(), r); err != nil || again.ID != o.ID || again.Checkout != "R1" {
		t.Errorf("the same order again: %+v, %v", again.Payment, err)
	}
}

// An order that its wallet has not accepted yet is not sent to it any more. Since an
// earlier call may have reached the wallet, the answer is not a refusal.
func TestARepeatOfADisabledMerchantAsksNoWallet(t *testing.T) {
	h := newHarness(t)
	r := h.request("A1")
	r.PayType = pay.AlipayHK
	h.wallet.pay = func(wallet.Order) (wallet.Checkout, error) { return wallet.Checkout{}, wallet.ErrUnknown }
	o, err := h.Pay(t.Context(), r)
	wantCode(t, err, pay.OutcomeUnknown)
	h.disable(pay.Disabling{KeepLinks: true})
	h.advance(time.Minute)
	asked := h.wallet.calls()
	again, err := h.Pay(t.Context(), r)
	if wantCode(t, err, pay.OutcomeUnknown); again.ID != o.ID || h.wallet.calls() != asked {
		t.Errorf("got %+v, and the wallet was asked %d times", again.Payment, h.wallet.calls()-asked)
	}
}

func TestClosedLinksGiveNoDirectAddress(t *testing.T) {
	h := newHarness(t)
	h.DirectPayURL = true
	o, err := h.Pay(t.Context(), h.request("A1"))
	if err != nil || o.PayURL != "https://wallet.example/cashier/"+o.ID {
		t.Fatalf("got %q, %v", o.PayURL, err)
	}
	h.disable(pay.Disabling{})
	if again, err := h.Pay(t.Context(), h.request("A1")); err != nil || again.PayURL != h.PayLink(o.Payment) {
		t.Errorf("got %q, %v", again.PayURL, err)
	}
}

func TestNobodyIsIdentifiedForADisabledMerchant(t *testing.T) {
	h := newHarness(t)
	h.addIdentifier()
	h.disable(pay.Disabling{KeepLinks: true})
	_, err := h.Authorize(t.Context(), h.authorizeRequest())
	wantCode(t, err, pay.StoreDisabled)
}

func TestWhatIsBarredIsRefusedUnlessItIsARepeat(t *testing.T) {
	h := newHarness(t)
	barred := &pay.Error{Code: pay.BadParameter, Field: "txdtm"}
	r := h.request("A1")
	r.RefuseNew = barred
	_, err := h.Pay(t.Context(), r)
	wantCode(t, err, pay.BadParameter)
	o, err := h.Pay(t.Context(), h.request("A1"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.Pay(t.Context(), r); err != nil || again.ID != o.ID || again.PayURL != o.PayURL {
		t.Errorf("a repeat: %+v, %v", again, err)
	}

	paid := h.paid("A2")
	back := h.refundRequest(paid, "R1", 100)
	back.RefuseNew = barred
	_, _, err = h.Refund(t.Context(), back)
	wantCode(t, err, pay.BadParameter)
	first, _, err := h.Refund(t.Context(), h.refundRequest(paid, "R1", 100))
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := h.Refund(t.Context(), back); err != nil || again.ID != first.ID {
		t.Errorf("a repeated refund: %+v, %v", again, err)
	}

	end := h.closeRequest(o.Payment)
	end.RefuseNew = barred
	_, err = h.Close(t.Context(), end)
	if wantCode(t, err, pay.BadParameter); h.stored(o.ID).CloseID != "" {
		t.Error("closed all the same")
	}
	closing, err := h.Close(t.Context(), h.closeRequest(o.Payment))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := h.Close(t.Context(), end); err != nil || again.ID != closing.ID {
		t.Errorf("a repeated closing: %+v, %v", again, err)
	}
}
