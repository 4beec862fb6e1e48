package e2e_test

import (
	"net/http"
	"testing"

	"github.com/sampanpay/sampan/test/harness"
)

// A wallet that writes in GBK is understood as one that writes in UTF-8: orders
// with Chinese on them are paid by its notifications and by its answers.
func TestOrdersArePaidAtAWalletThatWritesInGBK(t *testing.T) {
	s := harness.NewSandbox(t)
	res, err := http.Post(s.Control+"/faults?scope=all&fault=notice-gbk&fault=query-gbk", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Fatalf("faults: %s", res.Status)
	}
	shop := newBookkeeper(t, s)
	shop.sell(t, "GBK-HK", "801512")
	shop.sell(t, "GBK-CN", "801107")
	shop.sellInTheApp(t, "GBK-APP", 1)
	harness.Eventually(t, "every notification", func() bool { return shop.missing() == 0 })
	shop.watchTheWalletFinish(t)
	shop.audit(t, 3)
	shop.giveBack(t)
	for _, sold := range shop.sold {
		for _, n := range tradeOf(t, s, sold.ID).Notifications {
			if len(n.Sends) != 1 || !n.Sends[0].OK {
				t.Errorf("%s: not taken the first time: %+v", sold.OrderNo, n)
			}
		}
	}
}
