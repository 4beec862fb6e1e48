package e2e_test

import (
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/test/harness"
)

// payAndShow places an order of an amount that decides what the simulator does, and pays it. It
// returns what the operator is shown once the payment is flagged.
func payAndShow(t *testing.T, s *harness.Sandbox, shop *harness.Merchant, order sampan.PaymentRequest) (
	id, shown string,
) {
	t.Helper()
	payment, err := shop.Pay(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	harness.OpenLink(t, payment.PayURL)
	s.Act(t, payment.ID, "pay")
	harness.Eventually(t, "the payment to be flagged", func() bool {
		shown = harness.Program(t, "payment", "show", payment.ID, "--config", s.Dir+"/sampan.toml")
		return strings.Contains(shown, "needs a look")
	})
	return payment.ID, shown
}

// If a buyer pays one order twice, the second payment is recorded and shown to the operator, with
// each of the keys that the wallet signs with.
func TestASecondPaymentIsRecordedAndShown(t *testing.T) {
	s := harness.NewSandbox(t)
	for _, payType := range []sampan.PayType{sampan.Alipay, sampan.AlipayHK} {
		t.Run(string(payType), func(t *testing.T) {
			shop := harness.NewMerchant(t, s.Endpoints)
			order := shop.Order("TWICE-"+string(payType), payType)
			order.Amount = 910017 // the simulator takes this amount twice
			id, shown := payAndShow(t, s, shop, order)
			if strings.Count(shown, " surplus ") != 3 || strings.Count(shown, " 9100.17 HKD ") != 5 ||
				!strings.Contains(shown, "state     paid, needs a look\n") {
				t.Errorf("the operator is shown\n%s", shown)
			}
			if n := shop.Notification(t); n.ID != id || n.Amount != 910017 {
				t.Errorf("the notification is %+v", n)
			}
		})
	}
}

// An order is not paid by a status of the wallet that no document lists. The operator is shown it.
func TestAnUnlistedStatusPaysNothingAndIsShown(t *testing.T) {
	s := harness.NewSandbox(t)
	for _, payType := range []sampan.PayType{sampan.Alipay, sampan.AlipayHK} {
		shop := harness.NewMerchant(t, s.Endpoints)
		order := shop.Order("UNLISTED-"+string(payType), payType)
		order.Amount = 910028 // the simulator answers TRADE_SUCCESS
		_, shown := payAndShow(t, s, shop, order)
		if !strings.Contains(shown, "TRADE_SUCCESS") ||
			!strings.Contains(shown, "state     pending, needs a look\n") ||
			strings.Count(shown, " unlisted ") != 1 {
			t.Errorf("the operator is shown\n%s", shown)
		}
		if code := shop.State(t, order.OrderNo); code != sampan.CodeNotPaidYet {
			t.Errorf("the merchant's query answers %s", code)
		}
	}
}
