package crash_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/test/harness"
)

// busy lets eight buyers and their merchant order, pay, cancel, close and refund until meanwhile
// returns. Then they finish what they have begun.
func (d *deployment) busy(t *testing.T, meanwhile func()) {
	t.Helper()
	const buyers = 8
	first := d.faultCount.Load() // no order number is used twice
	closing := make(chan struct{})
	var shopping sync.WaitGroup
	for i := range buyers {
		shopping.Go(func() {
			for n := i; ; n++ {
				select {
				case <-closing:
					return
				default:
					d.shop(t, fmt.Sprintf("BUYER-%d-%d-%d", first, i, n), scenarios[n%len(scenarios)])
				}
			}
		})
	}
	defer shopping.Wait()
	defer close(closing)
	meanwhile()
}

// scenario is what happens to an order after its buyer has reached the cashier.
type scenario func(*deployment, *testing.T, *order)

var scenarios = []scenario{
	(*deployment).paid, (*deployment).cancelled, (*deployment).paid, (*deployment).closed, (*deployment).paid,
	(*deployment).refunded, (*deployment).closedTooLate, (*deployment).refundedInParts,
	(*deployment).refundedTwice,
}

// shop is one order, from the merchant's request to the end of its scenario. Everybody tries again
// while a server cannot be reached.
func (d *deployment) shop(t *testing.T, number string, then scenario) {
	o := d.ledger.newOrder(number)
	if d.request(t, "the order "+number, func() error { return d.ledger.place(o) }) &&
		retry(t, "the opening of "+number, func() bool { return d.ledger.open(o) }) {
		then(d, t, o)
	}
}

// request sends a merchant's request until it is answered.
func (d *deployment) request(t *testing.T, what string, send func() error) bool {
	var err error
	answered := retry(t, what, func() bool {
		err = send()
		if err != nil && !errors.Is(err, errTooSoon) && !d.ledger.transient(err) {
			t.Errorf("%s: %v", what, err)
		}
		return err == nil
	})
	if !answered {
		t.Logf("%s: the last answer was %v", what, err)
	}
	return answered
}

func (d *deployment) paid(t *testing.T, o *order) {
	d.ledger.startPaying(o)
	d.act(t, o, "pay", "TRADE_FINISHED")
}

func (d *deployment) cancelled(t *testing.T, o *order) { d.act(t, o, "cancel", "NONE") }

func (d *deployment) closed(t *testing.T, o *order) {
	d.request(t, "the closing of "+o.request.OrderNo, func() error { return d.ledger.sendClose(o) })
}

// closedTooLate is closed by the merchant while the buyer pays.
func (d *deployment) closedTooLate(t *testing.T, o *order) {
	d.ledger.startPaying(o)
	var both sync.WaitGroup
	both.Go(func() { d.paid(t, o) })
	both.Go(func() { d.closed(t, o) })
	both.Wait()
}

// refunded is refunded in full.
func (d *deployment) refunded(t *testing.T, o *order) {
	d.paid(t, o)
	d.refund(t, o, "A", o.request.Amount)
}

// refundedInParts is refunded in two parts. A third one is too much.
func (d *deployment) refundedInParts(t *testing.T, o *order) {
	d.paid(t, o)
	part := o.request.Amount / 2
	d.refund(t, o, "A", part)
	d.refund(t, o, "B", part)
	d.refund(t, o, "C", part)
}

// refundedTwice has two refunds at the same time, of which only one fits into the amount.
func (d *deployment) refundedTwice(t *testing.T, o *order) {
	d.paid(t, o)
	var both sync.WaitGroup
	both.Go(func() { d.refund(t, o, "A", o.request.Amount*2/3) })
	both.Go(func() { d.refund(t, o, "B", o.request.Amount*2/3) })
	both.Wait()
}

// refund asks for a refund until the gateway knows that the order is paid, and answers.
func (d *deployment) refund(t *testing.T, o *order, name string, amount int64) {
	r := d.ledger.newRefund(o, o.request.OrderNo+"-"+name, amount)
	d.request(t, "the refund "+r.request.OrderNo, func() error { return d.ledger.sendRefund(r) })
}

// retry tries until it succeeds. Its patience is longer than that of harness.Eventually. What the
// wallet did may have to wait until a lease ends, and the next crash can hit the process that takes
// it up then. And if a notification about an order that was closed meanwhile gets lost, the wallet
// repeats it after two minutes.
func retry(t *testing.T, what string, try func() bool) bool {
	for deadline := time.Now().Add(3 * harness.Patience); !try(); {
		if time.Now().After(deadline) {
			t.Errorf("%s: tried for %v in vain", what, 3*harness.Patience)
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// act does something at the cashier. If the wallet does not answer, the buyer looks at the wallet's
// status to see whether it is done, and otherwise does it again.
func (d *deployment) act(t *testing.T, o *order, act, done string) bool {
	return retry(t, act+" "+o.request.OrderNo, func() bool {
		res, err := http.Post(d.Control+"/trades/"+o.id+"/"+act, "", nil)
		if err != nil {
			return false
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return true
		}
		x, err := d.findTrade(o.id)
		if err == nil && x.Status != done {
			t.Errorf("%s %s: %s, and the order is %s", act, o.request.OrderNo, res.Status, x.Status)
		}
		return err == nil
	})
}
