package e2e_test

import (
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/test/harness"
)

// Every curl line of docs/simulator.md works as it stands, in its order.
func TestTheSimulatorsManualIsTrue(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		harness.Missing(t, "curl")
	}
	manual, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	s := harness.NewSandbox(t)
	shop := harness.NewMerchant(t, s.Endpoints)
	order, err := shop.Pay(t.Context(), shop.Order("MANUAL", sampan.Alipay))
	if err != nil {
		t.Fatal(err)
	}
	harness.OpenLink(t, order.PayURL)
	lines := regexp.MustCompile(`(?m)^curl .*$`).FindAllString(string(manual), -1)
	if len(lines) < 10 {
		t.Fatalf("only %d lines", len(lines))
	}
	for _, line := range lines {
		line = strings.Replace(line, "curl ", curl+" --fail-with-body ", 1)
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
		cmd.Env = append(os.Environ(), "CONTROL="+s.Control, "ORDER="+order.ID)
		harness.Run(t, cmd)
	}
}

// A wallet that writes in GBK is understood like one that writes in UTF-8. Orders with Chinese text
// are paid by its callbacks and by its answers.
func TestAWalletThatWritesInGBKIsPaid(t *testing.T) {
	s := harness.NewSandbox(t)
	res, err := http.Post(s.Control+"/faults?scope=all&fault=notice-gbk&fault=query-gbk", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Fatalf("faults: %s", res.Status)
	}
	shop := newBookkeeper(t, s)
	shop.sell(t, "GBK-HK", sampan.AlipayHK)
	shop.sell(t, "GBK-CN", sampan.Alipay)
	shop.sellInTheApp(t, "GBK-APP", 1)
	shop.awaitNotifications(t)
	shop.awaitCallbacks(t)
	shop.audit(t, 3)
	shop.refundAll(t)
	for _, sold := range shop.sold {
		for _, n := range tradeOf(t, s, sold.ID).Callbacks {
			if len(n.Sends) != 1 || !n.Sends[0].OK {
				t.Errorf("%s: not taken the first time: %+v", sold.OrderNo, n)
			}
		}
	}
}
