package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/test/harness"
)

// A buyer with a phone's browser buys tea: shop, cashier, result page, and the shop's order. Only
// the notification makes the order paid.
func TestABuyerPaysInTheBrowser(t *testing.T) {
	for _, tt := range []struct{ name, wallet, languages string }{
		{"Alipay in English", "801107", "en-GB,en"},
		{"AlipayHK in traditional Chinese", "801512", "zh-HK,zh"},
		{"Alipay in simplified Chinese", "801107", "zh-CN,zh"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPhone(t, harness.Safari, tt.languages)
			s := harness.NewSandbox(t)

			p.open(s.Shop)
			p.see("#buy-" + tt.wallet)
			p.look("shop")
			p.press("#buy-" + tt.wallet)
			p.see("input[name=buyer]:checked")
			p.look("cashier")
			p.press("#pay")
			p.glimpse("#outcome[data-outcome=paid]", "paid-at-the-wallet")
			p.glimpse("body.paid", "result")
			p.see("#state[data-state=paid]")
			p.look("order-paid")

			p.visit(s.Wallet + "/cashier/")
			if _, result := harness.Fetch(t,
				p.visit(s.Gateway+"/return/")); !strings.Contains(result, `class="paid"`) {
				t.Errorf("the result page does not say paid:\n%s", result)
			}
			p.visit(s.Shop + "/orders/")
			shown := value(p, "read", chromedp.TextContent(chromedp.CSS("#notification")))
			if !strings.Contains(shown, `"respcd": "0000"`) {
				t.Errorf("the shop shows no notification: %s", shown)
			}
		})
	}
}

// If a buyer gives up at the wallet, the order stays open.
func TestABuyerWhoCancelsHasNotPaid(t *testing.T) {
	p := newPhone(t, harness.Safari, "en")
	s := harness.NewSandbox(t)

	p.open(s.Shop)
	p.press("#buy-801107")
	p.press("#wrong-password")
	p.see("#outcome[data-outcome=wrong-password]")
	p.look("wrong-password")
	p.press("#insufficient")
	p.see("#outcome[data-outcome=insufficient]")
	p.look("insufficient-funds")
	order := p.text("#out-trade-no")
	p.press("#cancel")
	p.see("#outcome[data-outcome=cancelled]")
	p.look("cancelled")

	client := sampan.Client{BaseURL: s.Gateway, AppCode: s.AppCode, ClientKey: s.ClientKey}
	found, err := client.Query(t.Context(), sampan.QueryRequest{IDs: []string{order}})
	if err != nil || len(found.Transactions) != 1 || found.Transactions[0].Code != sampan.CodeNotPaidYet {
		t.Errorf("the cancelled order is %+v (%v), want code %s", found, err, sampan.CodeNotPaidYet)
	}
}

// The browser inside WeChat cannot reach Alipay. The page shows the buyer how to open the link in a
// browser that can, and the same link works there.
func TestWeChatShowsGuidanceInsteadOfTheCashier(t *testing.T) {
	s := harness.NewSandbox(t)
	shop := harness.NewMerchant(t, s.Endpoints)
	payment, err := shop.Pay(t.Context(), shop.Order("FROM-A-CHAT", sampan.Alipay))
	if err != nil {
		t.Fatal(err)
	}
	for name, languages := range map[string]string{
		"English": "en", "traditional Chinese": "zh-HK,zh", "simplified Chinese": "zh-CN,zh",
	} {
		t.Run(name, func(t *testing.T) {
			p := newPhone(t, wechat, languages)
			p.open(payment.PayURL)
			if at := p.location(); at != payment.PayURL {
				t.Errorf("WeChat's browser was sent on to %s", at)
			}
			p.look("guidance")
			if page := p.text("body"); !strings.Contains(page, "Safari") {
				t.Errorf("the page does not say where to open the link:\n%s", page)
			}
		})
	}
	if cashier := harness.OpenLink(t, payment.PayURL); !strings.HasPrefix(cashier.String(),
		s.Wallet+"/cashier/") {
		t.Errorf("in Safari the link leads to %s, want the cashier", cashier)
	}
}
