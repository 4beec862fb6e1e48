package e2e_test

import (
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
)

// An order of which the wallet says what no document lists is not paid, and the
// operator is shown it: by the log, by the order, and by the books' own count.
func TestAnUnlistedStatusPaysNothingAndIsShown(t *testing.T) {
	s := startSandbox(t)
	for _, wallet := range []sampan.PayType{sampan.Alipay, sampan.AlipayHK} {
		shop := startMerchant(t, s)
		order := shop.order("UNLISTED-"+string(wallet), wallet)
		order.Amount = 910028 // has the simulator say TRADE_SUCCESS
		payment, err := shop.Pay(t.Context(), order)
		if err != nil {
			t.Fatal(err)
		}
		openLink(t, payment.PayURL)
		s.act(t, payment.ID, "pay")
		var shown string
		eventually(t, "the operator to be shown it", func() bool {
			shown = program(t, "payment", "show", payment.ID, "--config", s.dir+"/sampan.toml")
			return strings.Contains(shown, "needs a look")
		})
		if !strings.Contains(shown, "TRADE_SUCCESS") || !strings.Contains(shown, "state     pending, needs a look\n") || strings.Count(shown, " unlisted ") != 1 {
			t.Errorf("the operator is shown\n%s", shown)
		}
		if code := shop.state(t, order.OrderNo); code != sampan.CodeNotPaidYet {
			t.Errorf("the merchant is told %s", code)
		}
	}
}
