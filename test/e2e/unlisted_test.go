package e2e_test

import (
	"strings"
	"testing"

	"github.com/sampanpay/sampan"

	"github.com/sampanpay/sampan/test/harness"
)

// An order of which the wallet says what no document lists is not paid, and the
// operator is shown it: by the log, by the order, and by the books' own count.
func TestAnUnlistedStatusPaysNothingAndIsShown(t *testing.T) {
	s := harness.NewSandbox(t)
	for _, wallet := range []sampan.PayType{sampan.Alipay, sampan.AlipayHK} {
		shop := harness.NewMerchant(t, s.Endpoints)
		order := shop.Order("UNLISTED-"+string(wallet), wallet)
		order.Amount = 910028 // has the simulator say TRADE_SUCCESS
		payment, err := shop.Pay(t.Context(), order)
		if err != nil {
			t.Fatal(err)
		}
		harness.OpenLink(t, payment.PayURL)
		s.Act(t, payment.ID, "pay")
		var shown string
		harness.Eventually(t, "the operator to be shown it", func() bool {
			shown = harness.Program(t, "payment", "show", payment.ID, "--config", s.Dir+"/sampan.toml")
			return strings.Contains(shown, "needs a look")
		})
		if !strings.Contains(shown, "TRADE_SUCCESS") || !strings.Contains(shown, "state     pending, needs a look\n") || strings.Count(shown, " unlisted ") != 1 {
			t.Errorf("the operator is shown\n%s", shown)
		}
		if code := shop.State(t, order.OrderNo); code != sampan.CodeNotPaidYet {
			t.Errorf("the merchant is told %s", code)
		}
	}
}
