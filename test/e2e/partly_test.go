package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sampanpay/sampan"

	"github.com/sampanpay/sampan/test/harness"
)

// The merchant gives a part back by the API, and then another; the shop hears of
// both by notifications, adds them up and offers the rest.
func TestAShopShowsWhatWasPartlyGivenBack(t *testing.T) {
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
			for _, part := range []struct{ number, gone string }{{number + "-1", "HK$10.00"}, {number + "-2", "HK$20.00"}} {
				back, err := client.Refund(t.Context(), sampan.RefundRequest{PaymentID: found.Transactions[0].ID, OrderNo: part.number, Amount: 1000})
				if err != nil || back.Code != sampan.CodeSuccess {
					t.Fatalf("refund: %+v, %v", back, err)
				}
				harness.Eventually(t, "the shop to be told", func() bool {
					p.open(order)
					return value(p, "state", chromedp.Evaluate[string](`document.getElementById("returned")?.textContent ?? ""`)) == part.gone
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
