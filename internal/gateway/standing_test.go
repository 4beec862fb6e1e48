package gateway

import (
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// disable takes the bench's merchant out of use, noticed at once.
func (b *bench) disable(d pay.Disabling) {
	b.t.Helper()
	d.Disabled = true
	if err := b.Store.SetMerchantDisabled(b.t.Context(), "123456", d); err != nil {
		b.t.Fatal(err)
	}
}

func TestADisabledMerchantTakesNoOrdersAndTheRestGoesOn(t *testing.T) {
	b := newBench(t)
	open, paid, repeated := b.ordered("A-open", true), b.paid("A-paid"), b.ordered("A-again", false)
	b.disable(pay.Disabling{})

	_, err := b.Pay(t.Context(), b.request("A-new"))
	wantCode(t, err, pay.StoreDisabled)
	if again, err := b.Pay(t.Context(), b.request("A-again")); err != nil || again.ID != repeated.ID {
		t.Errorf("the same order again: %s, %v", again.ID, err)
	}
	other := b.request("A-again")
	other.Fingerprint = "else"
	_, err = b.Pay(t.Context(), other)
	wantCode(t, err, pay.NumberUsed)

	if found, err := b.Query(t.Context(), QueryRequest{Credential: b.credential}); err != nil || len(found) != 3 {
		t.Errorf("a query finds %d, %v", len(found), err)
	}
	if err := b.Note(t.Context(), b.credential, paid.ID, "hello"); err != nil {
		t.Errorf("a note: %v", err)
	}
	if r, _, err := b.Refund(t.Context(), b.refundRequest(paid, "R1", 100)); err != nil || r.Status != pay.RefundSucceeded {
		t.Errorf("a refund: %+v, %v", r, err)
	}
	if c, err := b.Close(t.Context(), b.closeRequest(open)); err != nil || c.Payment.Status != pay.Closed {
		t.Errorf("a closing: %+v, %v", c, err)
	}
}

func TestTheLinksOfADisabledMerchantAreShutUnlessTheyAreKept(t *testing.T) {
	for name, keep := range map[string]bool{"shut": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			unopened, opened := b.ordered("A1", false), b.ordered("A2", true)
			b.disable(pay.Disabling{KeepLinks: keep})
			for _, p := range []pay.Payment{unopened, opened} {
				got, way, err := b.Visit(t.Context(), b.Token(p.ID))
				if keep != (way.URL != "") || keep != (err == nil) || got.ID != p.ID {
					t.Errorf("%s: %q, %v", p.OrderNo, way, err)
				}
				if !keep {
					wantCode(t, err, pay.StoreDisabled)
					wantCode(t, b.Payable(t.Context(), p), pay.StoreDisabled)
				}
			}
			if at := b.stored(unopened.ID).OpenedAt; keep == at.IsZero() {
				t.Errorf("opened at %v", at)
			}

			// What the buyer pays at the wallet all the same is money as ever.
			if _, err := b.notice(opened.ID, paidBy("T1")); err != nil {
				t.Fatal(err)
			}
			movements, deliveries := b.books(opened.ID)
			if p := b.stored(opened.ID); p.Status != pay.Paid || len(movements) != 1 || len(deliveries) != 1 {
				t.Errorf("stored %+v, %v, %v", p, movements, deliveries)
			}
			if p, way, err := b.Visit(t.Context(), b.Token(opened.ID)); err != nil || way != (Way{}) || p.Status != pay.Paid {
				t.Errorf("the link of a paid order: %s, %q, %v", p.Status, way, err)
			}
			b.pass(2 * time.Hour)
			b.recoverDue()
			if p := b.stored(unopened.ID); p.Status != pay.Expired {
				t.Errorf("the other order is %s", p.Status)
			}
			if _, _, err := b.Visit(t.Context(), b.Token(unopened.ID)); err != nil {
				t.Errorf("the link of an expired order: %v", err)
			}
		})
	}
}

func TestRefundsOfADisabledMerchantStopIfTheyAreTo(t *testing.T) {
	b := newBench(t)
	paid, late := b.paid("A1"), b.ordered("A2", true)
	first, _, err := b.Refund(t.Context(), b.refundRequest(paid, "R1", 100))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Close(t.Context(), b.closeRequest(late)); err != nil {
		t.Fatal(err)
	}
	b.disable(pay.Disabling{StopRefunds: true})
	r, _, err := b.Refund(t.Context(), b.refundRequest(paid, "R2", 100))
	if wantCode(t, err, pay.StoreDisabled); r.ID != "" {
		t.Errorf("stored %+v", r)
	}
	if again, _, err := b.Refund(t.Context(), b.refundRequest(paid, "R1", 100)); err != nil || again.ID != first.ID {
		t.Errorf("the same refund again: %+v, %v", again, err)
	}
	other := b.refundRequest(paid, "R1", 100)
	other.Fingerprint = "else"
	_, _, err = b.Refund(t.Context(), other)
	wantCode(t, err, pay.NumberUsed)

	// Nobody asks for the refund of late money: it goes back all the same.
	before := b.wallet.givenBack()
	if _, err := b.notice(late.ID, paidBy("T2")); err != nil {
		t.Fatal(err)
	}
	b.recoverDue()
	if got := b.wallet.givenBack() - before; got != late.Amount.Minor {
		t.Errorf("%d went back of late money, want %d", got, late.Amount.Minor)
	}
}

func TestADisabledStoreStandsForItselfAlone(t *testing.T) {
	b := newBench(t)
	agent := b.credential
	agent.AppCode, agent.HasStores = "AGENT", true
	if err := b.Store.CreateCredential(t.Context(), agent); err != nil {
		t.Fatal(err)
	}
	orders := map[string]pay.Payment{}
	request := func(store, number string) PayRequest {
		r := b.request(number)
		r.Credential, r.StoreID = agent, store
		return r
	}
	for _, id := range []string{"M1", "M2"} {
		if err := b.Store.CreateStore(t.Context(), pay.Store{MerchantID: "123456", AppCode: "AGENT", ID: id, Name: id}); err != nil {
			t.Fatal(err)
		}
		o, err := b.Pay(t.Context(), request(id, "A1"))
		if err != nil {
			t.Fatal(err)
		}
		orders[id] = o.Payment
	}
	if err := b.Store.SetStoreDisabled(t.Context(), "123456", "AGENT", "M2", pay.Disabling{Disabled: true}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]pay.Code{"M1": "", "M2": pay.StoreDisabled} {
		_, err := b.Pay(t.Context(), request(id, "A2"))
		wantCode(t, err, want)
		_, _, err = b.Visit(t.Context(), b.Token(orders[id].ID))
		wantCode(t, err, want)
		if found, err := b.Query(t.Context(), QueryRequest{Credential: agent, StoreID: id}); err != nil || len(found) == 0 {
			t.Errorf("%s: a query finds %d, %v", id, len(found), err)
		}
	}
}

func TestTheLinkIntoTheWalletsAppIsShutToo(t *testing.T) {
	b := newBench(t)
	b.wallet.pay = func(wallet.Order) (wallet.Checkout, error) { return wallet.Checkout{Ref: "R1"}, nil }
	r := b.request("A1")
	r.PayType = pay.AlipayHK
	o, err := b.Pay(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if p, way, err := b.Visit(t.Context(), b.Token(o.ID)); err != nil || p.Checkout != "R1" || way != (Way{Ref: "R1"}) {
		t.Fatalf("got %+v, %v", p, err)
	}
	b.disable(pay.Disabling{})
	_, _, err = b.Visit(t.Context(), b.Token(o.ID))
	wantCode(t, err, pay.StoreDisabled)
	if again, err := b.Pay(t.Context(), r); err != nil || again.ID != o.ID || again.Checkout != "R1" {
		t.Errorf("the same order again: %+v, %v", again.Payment, err)
	}
}

// An order that its wallet has not taken yet is not sent to it any more, and whether it has one from before is not
// known: it is no refusal.
func TestARepeatOfADisabledMerchantAsksNoWallet(t *testing.T) {
	b := newBench(t)
	r := b.request("A1")
	r.PayType = pay.AlipayHK
	b.wallet.pay = func(wallet.Order) (wallet.Checkout, error) { return wallet.Checkout{}, wallet.ErrUnknown }
	o, err := b.Pay(t.Context(), r)
	wantCode(t, err, pay.OutcomeUnknown)
	b.disable(pay.Disabling{KeepLinks: true})
	b.pass(time.Minute)
	asked := b.wallet.count()
	again, err := b.Pay(t.Context(), r)
	if wantCode(t, err, pay.OutcomeUnknown); again.ID != o.ID || b.wallet.count() != asked {
		t.Errorf("got %+v, and the wallet was asked %d times", again.Payment, b.wallet.count()-asked)
	}
}

func TestADirectAddressIsNotHandedOutAgainWhileTheLinksAreShut(t *testing.T) {
	b := newBench(t)
	b.DirectPayURL = true
	o, err := b.Pay(t.Context(), b.request("A1"))
	if err != nil || o.PayURL != "https://wallet.example/cashier/"+o.ID {
		t.Fatalf("got %q, %v", o.PayURL, err)
	}
	b.disable(pay.Disabling{})
	if again, err := b.Pay(t.Context(), b.request("A1")); err != nil || again.PayURL != b.PayLink(o.Payment) {
		t.Errorf("got %q, %v", again.PayURL, err)
	}
}

func TestNobodyIsIdentifiedForADisabledMerchant(t *testing.T) {
	b := newBench(t)
	b.tells()
	b.disable(pay.Disabling{KeepLinks: true})
	_, err := b.Authorize(t.Context(), b.link())
	wantCode(t, err, pay.StoreDisabled)
}

func TestWhatIsBarredIsRefusedUnlessItIsARepeat(t *testing.T) {
	b := newBench(t)
	barred := &pay.Error{Code: pay.BadParameter, Field: "txdtm"}
	r := b.request("A1")
	r.Barred = barred
	_, err := b.Pay(t.Context(), r)
	wantCode(t, err, pay.BadParameter)
	o, err := b.Pay(t.Context(), b.request("A1"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.Pay(t.Context(), r); err != nil || again.ID != o.ID || again.PayURL != o.PayURL {
		t.Errorf("a repeat: %+v, %v", again, err)
	}

	paid := b.paid("A2")
	back := b.refundRequest(paid, "R1", 100)
	back.Barred = barred
	_, _, err = b.Refund(t.Context(), back)
	wantCode(t, err, pay.BadParameter)
	first, _, err := b.Refund(t.Context(), b.refundRequest(paid, "R1", 100))
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := b.Refund(t.Context(), back); err != nil || again.ID != first.ID {
		t.Errorf("a repeated refund: %+v, %v", again, err)
	}

	end := b.closeRequest(o.Payment)
	end.Barred = barred
	_, err = b.Close(t.Context(), end)
	if wantCode(t, err, pay.BadParameter); b.stored(o.ID).CloseID != "" {
		t.Error("closed all the same")
	}
	closing, err := b.Close(t.Context(), b.closeRequest(o.Payment))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.Close(t.Context(), end); err != nil || again.ID != closing.ID {
		t.Errorf("a repeated closing: %+v, %v", again, err)
	}
}
