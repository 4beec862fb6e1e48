package e2e_test

import (
	"strings"
	"testing"

	"github.com/sampanpay/sampan"

	"github.com/sampanpay/sampan/test/harness"
)

// A buyer who pays one order twice is out of pocket twice: the second payment is
// recorded and shown to the operator, whichever key the wallet signs with.
func TestASecondPaymentOfAnOrderIsRecordedAndShown(t *testing.T) {
	s := harness.NewSandbox(t)
	for _, wallet := range []sampan.PayType{sampan.Alipay, sampan.AlipayHK} {
		t.Run(string(wallet), func(t *testing.T) {
			shop := harness.NewMerchant(t, s.Endpoints)
			order := shop.Order("TWICE-"+string(wallet), wallet)
			order.Amount = 910017 // has the simulator take it twice
			payment, err := shop.Pay(t.Context(), order)
			if err != nil {
				t.Fatal(err)
			}
			harness.OpenLink(t, payment.PayURL)
			s.Act(t, payment.ID, "pay")
			var shown string
			harness.Eventually(t, "the second payment to be recorded", func() bool {
				shown = harness.Program(t, "payment", "show", payment.ID, "--config", s.Dir+"/sampan.toml")
				return strings.Contains(shown, "needs a look")
			})
			if strings.Count(shown, " surplus ") != 3 || strings.Count(shown, " 9100.17 HKD ") != 5 || !strings.Contains(shown, "state     paid, needs a look\n") {
				t.Errorf("the operator is shown\n%s", shown)
			}
			if told := shop.Notification(t); told.ID != payment.ID || told.Amount != 910017 {
				t.Errorf("told of %+v", told)
			}
		})
	}
}
