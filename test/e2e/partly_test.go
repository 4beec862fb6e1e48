package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/test/harness"
)

// The merchant refunds a part through the API, and then another. The shop gets a notification of
// each, adds them up and offers the rest.
func TestAShopShowsPartialRefunds(t *testing.T) {
	s := harness.NewSandbox(t)
	client := sampan.Client{BaseURL: s.Gateway, AppCode: s.AppCode, ClientKey: s.ClientKey}
	for _, tt := range []struct{ name, languages string }{
		{"English", "en-GB,en"}, {"traditional Chinese", "zh-HK,zh"}, {"simplified Chinese", "zh-CN,zh"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPhone(t, harness.Safari, tt.languages)
			p.open(s.Shop)
			p.press("#buy-801512")
			p.press("#pay")
			p.see("#state[data-state=paid]")
			order := p.location()
			number := order[strings.LastIndex(order, "/")+1:]
			found, err := client.Query(t.Context(), sampan.QueryRequest{OrderNos: []string{number}})
			if err != nil || len(found.Transactions) != 1 {
				t.Fatalf("query: %+v, %v", found, err)
			}
			for _, part := range []struct{ number, sum string }{
				{number + "-1", "HK$10.00"}, {number + "-2", "HK$20.00"},
			} {
				payment := found.Transactions[0].ID
				refund := sampan.RefundRequest{PaymentID: payment, OrderNo: part.number, Amount: 1000}
				back, err := client.Refund(t.Context(), refund)
				if err != nil || back.Code != sampan.CodeSuccess {
					t.Fatalf("refund: %+v, %v", back, err)
				}
				harness.Eventually(t, "the shop to be notified", func() bool {
					p.open(order)
					const script = `document.getElementById("returned")?.textContent ?? ""`
					return value(p, "state", chromedp.Evaluate[string](script)) == part.sum
				})
			}
			p.see("#state[data-state=partly]")
			p.look("partly-refunded")
			p.press("#refund")
			p.see("#state[data-state=refunded]")
			p.look("refunded")
		})
	}
}
