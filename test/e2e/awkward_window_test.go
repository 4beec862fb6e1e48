package e2e_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/simulator"

	"github.com/sampanpay/sampan/test/harness"
)

// Inside the app the wallet makes the trade before its buyer can pay, so that at
// an awkward one the order itself may be what is lost on the way. Every order is
// placed, paid and told of once all the same, and then given back once.
func TestEveryOrderInsideTheAppIsPaidAndGivenBackOnceAtAnAwkwardWallet(t *testing.T) {
	const orders = 15
	var mu sync.Mutex
	met := map[simulator.Fault]int{}
	t.Run("seeds", func(t *testing.T) {
		for _, seed := range []int{33, 103} { // between them, these draw everything for the first creations
			t.Run(strconv.Itoa(seed), func(t *testing.T) {
				t.Parallel() // most of the time they wait
				shop := newBookkeeper(t, startAwkward(t, seed))
				shop.sellInTheApp(t, fmt.Sprintf("WINDOW-%d", seed), orders)
				harness.Eventually(t, "every notification", func() bool { return shop.missing() == 0 })
				shop.watchTheWalletFinish(t)
				shop.audit(t, orders)
				shop.giveBack(t)
				mu.Lock()
				defer mu.Unlock()
				for _, m := range shop.watchTheWalletFinish(t) {
					met[m.Fault]++
				}
			})
		}
	})
	t.Logf("%v", met)
	for _, f := range []simulator.Fault{simulator.CallLost, simulator.CallDown, simulator.CallError, simulator.CallForged} {
		if met[f] == 0 {
			t.Errorf("nothing was %s: replay is broken", f)
		}
	}
}

// sellInTheApp places orders, again until each is taken, and plays their buyers.
func (b *bookkeeper) sellInTheApp(t *testing.T, prefix string, orders int) {
	t.Helper()
	var waiting []sampan.PaymentRequest
	for i := range orders {
		waiting = append(waiting, sampan.PaymentRequest{
			PayType: sampan.AlipayServiceWindow, Amount: int64(1000 + i), Currency: "CNY", OrderNo: fmt.Sprintf("%s-%d", prefix, i),
			OpenID: fmt.Sprintf("2088%012d", 1000+i), GoodsName: "Oolong 烏龍茶", NotifyURL: b.server.URL,
		})
	}
	var placed []sampan.Transaction
	harness.Eventually(t, "every order to be taken", func() bool {
		var again []sampan.PaymentRequest
		for _, order := range waiting {
			p, err := b.Pay(t.Context(), order)
			var no *sampan.Error
			switch {
			case err == nil:
				sold := sampan.Transaction{ID: p.ID, OrderNo: order.OrderNo, Amount: order.Amount, Currency: order.Currency, PayType: order.PayType, Code: sampan.CodeSuccess}
				b.mu.Lock()
				b.sold[order.OrderNo] = sold
				b.mu.Unlock()
				placed = append(placed, sold)
				if _, text := harness.Fetch(t, b.sandbox.Control+"/trades/"+p.ID); !strings.Contains(text, `"trade_no": "`+p.TradeNo+`"`) {
					t.Errorf("the buyer's app is to pay %q, the wallet has %s", p.TradeNo, text)
				}
			case errors.As(err, &no) && (no.Code == sampan.CodeOutcomeUnknown || no.Code == sampan.CodeInProgress || no.Code == sampan.CodeWalletBusy || no.Code == sampan.CodeWalletSlow):
				again = append(again, order)
			default:
				t.Fatalf("%s: %v", order.OrderNo, err)
			}
		}
		waiting = again
		return len(waiting) == 0
	})
	for _, sold := range placed {
		if found, err := b.Query(t.Context(), sampan.QueryRequest{IDs: []string{sold.ID}}); err != nil || len(found.Transactions) != 1 || found.Transactions[0].Code != sampan.CodeNotPaidYet {
			t.Errorf("before its buyer has paid, an order is %+v (%v)", found, err)
		}
		b.sandbox.Act(t, sold.ID, "pay")
		found, err := b.Query(t.Context(), sampan.QueryRequest{IDs: []string{sold.ID}})
		if err != nil || len(found.Transactions) != 1 {
			t.Fatalf("query: %+v %v", found, err)
		}
		got := essence(found.Transactions[0])
		if got.Code == sampan.CodeNotPaidYet {
			got.Code = sampan.CodeSuccess // soon
		}
		if got != sold {
			t.Errorf("the query says %+v, sold %+v", found.Transactions[0], sold)
		}
	}
}

// giveBack refunds everything that was sold, and waits until both sides say that
// it is done. What the shop is told of it, it has not sold.
func (b *bookkeeper) giveBack(t *testing.T) {
	t.Helper()
	for _, sold := range b.sold {
		refund := sampan.RefundRequest{PaymentID: sold.ID, OrderNo: sold.OrderNo + "-R", Amount: sold.Amount}
		if r, err := b.Refund(t.Context(), refund); err != nil || r.Code != sampan.CodeSuccess && !r.Code.Pending() {
			t.Errorf("refund of %s: %+v, %v", sold.ID, r, err)
		}
	}
	for _, sold := range b.sold {
		harness.Eventually(t, "a refund", func() bool {
			found, err := b.Query(t.Context(), sampan.QueryRequest{OrderNos: []string{sold.OrderNo + "-R"}})
			return err == nil && len(found.Transactions) == 1 && found.Transactions[0].Code == sampan.CodeSuccess
		})
		_, text := harness.Fetch(t, b.sandbox.Control+"/trades/"+sold.ID)
		if !strings.Contains(text, `"status": "TRADE_CLOSED"`) || strings.Count(text, `"out_return_no"`) != 2 { // once each in trade and trades
			t.Errorf("the wallet has it as %s", text)
		}
	}
}
