package e2e_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/test/harness"
)

// A merchant's server places an order, repeats it, sees it pending, is notified that it is paid,
// and sees it paid.
func TestAMerchantIsNotifiedOfAPayment(t *testing.T) {
	s := harness.NewSandbox(t)
	for _, wallet := range []sampan.PayType{sampan.Alipay, sampan.AlipayHK} {
		t.Run(string(wallet), func(t *testing.T) {
			shop := harness.NewMerchant(t, s.Endpoints)
			order := shop.Order("E2E-"+string(wallet), wallet)

			payment, err := shop.Pay(t.Context(), order)
			if err != nil {
				t.Fatal(err)
			}
			again, err := shop.Pay(t.Context(), order)
			if err != nil || again.ID != payment.ID || again.PayURL != payment.PayURL {
				t.Errorf("repeated, the order is %+v (%v), was %+v", again, err, payment)
			}
			other := order
			other.Amount++
			if _, err := shop.Pay(t.Context(), other); !harness.IsCode(err, sampan.CodeNumberUsed) {
				t.Errorf("another amount under the same number: %v, want code %s", err, sampan.CodeNumberUsed)
			}
			if code := shop.State(t, order.OrderNo); code != sampan.CodeNotPaidYet {
				t.Errorf("before the buyer has paid, the order is %s, want %s", code, sampan.CodeNotPaidYet)
			}

			harness.OpenLink(t, payment.PayURL)
			s.Act(t, payment.ID, "pay")
			want := sampan.Transaction{
				ID: payment.ID, OrderNo: order.OrderNo, Amount: order.Amount,
				Currency: order.Currency, PayType: wallet, Code: sampan.CodeSuccess,
			}
			if diff := cmp.Diff(want, essence(shop.Notification(t).Transaction)); diff != "" {
				t.Errorf("notification (-want +got):\n%s", diff)
			}
			if code := shop.State(t, order.OrderNo); code != sampan.CodeSuccess {
				t.Errorf("after the notification the order is %s, want %s", code, sampan.CodeSuccess)
			}
			if _, err := shop.Pay(t.Context(), order); !harness.IsCode(err, sampan.CodeAlreadyPaid) {
				t.Errorf("placed once more: %v, want code %s", err, sampan.CodeAlreadyPaid)
			}
		})
	}
}

// An order that was acknowledged before a power cut exists after it, on both sides. It has the same
// id and the same link, and can still be paid.
func TestAPowerCutLosesNoOrder(t *testing.T) {
	before := harness.NewSandbox(t)
	shop := harness.NewMerchant(t, before.Endpoints)
	order := shop.Order("BEFORE-THE-CUT", sampan.Alipay)
	payment, err := shop.Pay(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	harness.OpenLink(t, payment.PayURL)
	before.Kill(t)

	after := before.Restart(t)
	if after.AppCode != before.AppCode || after.ClientKey != before.ClientKey {
		t.Fatal("the demo merchant's credentials changed")
	}
	again, err := shop.Pay(t.Context(), order)
	if err != nil || again.ID != payment.ID || again.PayURL != payment.PayURL {
		t.Fatalf("after the cut, the order is %+v (%v), was %+v", again, err, payment)
	}
	harness.OpenLink(t, again.PayURL)
	after.Act(t, payment.ID, "pay")
	if n := shop.Notification(t); n.ID != payment.ID {
		t.Errorf("the notification is of %s, want %s", n.ID, payment.ID)
	}
	after.Kill(t)

	before.Restart(t)
	if code := shop.State(t, order.OrderNo); code != sampan.CodeSuccess {
		t.Errorf("after another cut the paid order is %s, want %s", code, sampan.CodeSuccess)
	}
}
