package e2e_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/simulator"
	"github.com/sampanpay/sampan/test/harness"
)

// newAwkward starts a sandbox whose wallet misbehaves on a fifth of all occasions. The seed decides
// how.
func newAwkward(t *testing.T, seed int) *harness.Sandbox {
	t.Helper()
	return harness.NewSandbox(t, "--awkward", "20", "--seed", strconv.Itoa(seed))
}

// At an awkward wallet too every order is paid, once. A merchant who only waits is notified of
// each, and of nothing else. No forged callback is believed.
func TestAwkwardWalletIsPaidOnce(t *testing.T) {
	const orders = 30
	var shops []*bookkeeper
	for _, seed := range []int{4, 5, 6} { // together, these draw every fault
		shop := newBookkeeper(t, newAwkward(t, seed))
		for i := range orders {
			payType := []sampan.PayType{sampan.Alipay, sampan.AlipayHK}[i%2]
			shop.sell(t, fmt.Sprintf("AWKWARD-%d-%d", seed, i), payType)
		}
		shops = append(shops, shop)
	}
	drawn := map[simulator.Fault]int{}
	for _, shop := range shops {
		shop.awaitNotifications(t)
		for _, m := range shop.awaitCallbacks(t) {
			drawn[m.Fault]++
		}
		shop.audit(t, orders)
	}
	t.Logf("%v", drawn)
	for _, f := range simulator.Faults {
		// How often the gateway asks depends on the clock, and so do the faults of its queries. And
		// nothing is refunded here.
		byClock := slices.Contains(f.On, simulator.OnQuery) || slices.Contains(f.On, simulator.OnRefund)
		if f.Benign && drawn[f.Fault] == 0 && !byClock {
			t.Errorf("no order was %s: replay is broken", f.Fault)
		}
	}
}

// Inside the app the wallet makes the trade before its buyer can pay. So at an awkward wallet the
// order itself can get lost. Nevertheless, every order is placed, paid and notified once, and then
// refunded once.
func TestAwkwardWalletInTheAppIsPaidOnce(t *testing.T) {
	const orders = 15
	var mu sync.Mutex
	drawn := map[simulator.Fault]int{}
	t.Run("seeds", func(t *testing.T) {
		for _, seed := range []int{33, 103} { // together, these draw every fault of the first calls
			t.Run(strconv.Itoa(seed), func(t *testing.T) {
				t.Parallel() // most of the time they wait
				shop := newBookkeeper(t, newAwkward(t, seed))
				shop.sellInTheApp(t, fmt.Sprintf("WINDOW-%d", seed), orders)
				shop.awaitNotifications(t)
				shop.awaitCallbacks(t)
				shop.audit(t, orders)
				shop.refundAll(t)
				mu.Lock()
				defer mu.Unlock()
				for _, m := range shop.awaitCallbacks(t) {
					drawn[m.Fault]++
				}
			})
		}
	})
	t.Logf("%v", drawn)
	for _, f := range []simulator.Fault{
		simulator.CallLost, simulator.CallDown, simulator.CallError, simulator.CallForged,
	} {
		if drawn[f] == 0 {
			t.Errorf("no call was %s: replay is broken", f)
		}
	}
}

// A buyer in the browser ends at a paid order, whatever the wallet does. With this seed the browser
// comes back last, and at the second order forged callbacks come first and the wallet is slow to
// confirm its own.
func TestAwkwardWalletInTheBrowserIsPaid(t *testing.T) {
	p := newPhone(t, harness.Safari, "en")
	s := newAwkward(t, 22284)
	for range 2 {
		p.open(s.Shop)
		p.press("#buy-801512") // signed with RSA2, so that the wallet can confirm its callbacks
		p.press("#pay")
		p.see("#state[data-state=paid]")
		shown := value(p, "read", chromedp.TextContent(chromedp.CSS("#notification")))
		if !strings.Contains(shown, `"respcd": "0000"`) {
			t.Errorf("the shop shows no notification: %s", shown)
		}
	}
	p.look("order-paid")
	_, trades := harness.Fetch(t, s.Control+"/trades")
	for _, fault := range []string{"forged", "notify-first", "query-slow", "shuffled"} {
		if !strings.Contains(trades, `"fault": "`+fault+`"`) {
			t.Errorf("no order was %s: replay is broken", fault)
		}
	}
}

// sellInTheApp places orders, each until it is taken, and plays their buyers.
func (b *bookkeeper) sellInTheApp(t *testing.T, prefix string, orders int) {
	t.Helper()
	var waiting []sampan.PaymentRequest
	for i := range orders {
		waiting = append(waiting, sampan.PaymentRequest{
			PayType: sampan.AlipayServiceWindow, Amount: int64(1000 + i), Currency: "CNY",
			OrderNo: fmt.Sprintf("%s-%d", prefix, i), OpenID: fmt.Sprintf("2088%012d", 1000+i),
			GoodsName: "Oolong 烏龍茶", NotifyURL: b.server.URL,
		})
	}
	var placed []sampan.Transaction
	harness.Eventually(t, "every order to be taken", func() bool {
		var again []sampan.PaymentRequest
		for _, order := range waiting {
			p, err := b.Pay(t.Context(), order)
			switch {
			case err == nil:
				placed = append(placed, b.record(p.ID, order))
				_, text := harness.Fetch(t, b.sandbox.Control+"/trades/"+p.ID)
				if !strings.Contains(text, `"trade_no": "`+p.TradeNo+`"`) {
					t.Errorf("the buyer's app must pay %q, the wallet has %s", p.TradeNo, text)
				}
			case undecided(err):
				again = append(again, order)
			default:
				t.Fatalf("%s: %v", order.OrderNo, err)
			}
		}
		waiting = again
		return len(waiting) == 0
	})
	for _, sold := range placed {
		found := b.find(t, sampan.QueryRequest{IDs: []string{sold.ID}})
		if found.Code != sampan.CodeNotPaidYet {
			t.Errorf("before its buyer has paid, an order is %+v", found)
		}
		b.sandbox.Act(t, sold.ID, "pay")
		b.queryOnce(t, sold)
	}
}

// undecided reports whether err says that the order may have been placed.
func undecided(err error) bool {
	var e *sampan.Error
	return errors.As(err, &e) && slices.Contains([]sampan.Code{
		sampan.CodeOutcomeUnknown, sampan.CodeInProgress, sampan.CodeWalletBusy, sampan.CodeWalletSlow,
	}, e.Code)
}
