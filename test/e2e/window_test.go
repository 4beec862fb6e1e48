package e2e_test

import (
	"strings"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/test/harness"
)

// A buyer inside the Alipay app buys tea: the shop lets Alipay authorise them, the hosted page
// opens the app's cashier, and only the notification makes the order paid. Then the shop refunds
// it.
func TestABuyerPaysInsideTheAlipayApp(t *testing.T) {
	for _, languages := range []string{"en", "zh-HK,zh", "zh-CN,zh"} {
		t.Run(languages, func(t *testing.T) {
			p := newPhone(t, alipayApp, languages)
			s := harness.NewSandbox(t)
			p.open(s.App)
			p.press("#buy-800107")
			p.see("#as-mei")
			p.look("authorisation")
			p.press("#as-mei")
			p.see("#outcome-9000")
			p.look("cashier-in-the-app")
			p.press("#outcome-9000")
			p.see("#state[data-state=paid]")
			p.look("order-paid")
			p.press("#refund")
			p.see("#state[data-state=refunded]")
			p.look("order-refunded")

			number := strings.TrimPrefix(p.location(), strings.SplitAfter(s.App, "/~app")[0])
			number = number[strings.LastIndex(number, "/")+1:]
			client := sampan.Client{BaseURL: s.Gateway, AppCode: s.AppCode, ClientKey: s.ClientKey}
			found, err := client.Query(t.Context(),
				sampan.QueryRequest{OrderNos: []string{number, number + "-R"}})
			if err != nil || len(found.Transactions) != 2 {
				t.Fatalf("the query's answer is %+v (%v)", found, err)
			}
			refund, payment := found.Transactions[0], found.Transactions[1]
			if !refund.Refund || payment.PayType != sampan.AlipayServiceWindow || payment.Currency != "CNY" ||
				payment.Cancel != "3" {
				t.Errorf("the query's answer is %+v", found)
			}
		})
	}
}

// Only the wallet's callback or answer counts, whatever the cashier tells the page.
func TestTheCashiersAnswerInsideTheAppIsOnlyAHint(t *testing.T) {
	s := harness.NewSandbox(t)
	for outcome, want := range map[string]string{
		// the wallet says that it is paid
		"8000": "#state[data-state=paid]", "6002": "#state[data-state=paid]",
		"6001": "body.cancelled #pay", "4000": "body.refused #pay",
	} {
		t.Run(outcome, func(t *testing.T) {
			p := newPhone(t, alipayApp, "en")
			p.open(s.App)
			p.press("#buy-800107")
			p.press("#as-mei")
			p.press("#outcome-" + outcome)
			p.see(want)
			p.look("after-" + outcome)
			if strings.HasPrefix(want, "body.") { // the buyer can try again
				p.press("#pay")
				p.press("#outcome-9000")
				p.see("#state[data-state=paid]")
			}
		})
	}
}

// A browser that is authorised as one buyer cannot pay another's order.
func TestAnotherBuyerCannotPayTheOrderInsideTheApp(t *testing.T) {
	s := harness.NewSandbox(t)
	p := newPhone(t, alipayApp, "en")
	p.open(s.App)
	p.press("#buy-800107")
	p.press("#as-mei")
	p.see("#outcome-9000")
	order := p.location()
	p.open(s.Wallet + "/oauth2/grant?app_id=2021000000000001&scope=auth_base&buyer=bo&redirect_uri=" +
		s.Wallet + "/style.css")
	p.open(order)
	p.see("#outcome-4000")
	if sheet := p.text("#alipay-cashier"); !strings.Contains(sheet, "ALI38110") {
		t.Errorf("the cashier says %s", sheet)
	}
}
