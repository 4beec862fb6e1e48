package crash_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/test/harness"
)

// falseAnswerWait is how long the tests wait for an answer that a gateway cannot give, because it
// cannot write.
const falseAnswerWait = 300 * time.Millisecond

// The gateway is killed, as by a power cut, at each step that matters and at random; and so is the
// wallet. After each kind of kill everything is started again with the same data. Then the
// merchant, the wallet and the database must agree.
func TestAKilledProcessLosesNothing(t *testing.T) {
	t.Parallel()
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		t.Parallel()
		// In a short run PostgreSQL's own test kills both at random too.
		inOtherTest := strings.HasPrefix(dsn, "postgres")
		newDeployment(t, dsn).survive(t,
			fault{"gateway: while the wallet is asked to confirm its notice", longGaps,
				killAtTheInquiry, false},
			fault{"gateway: in the middle of the transaction that settles", longGaps,
				killInTheTransaction, false},
			fault{"gateway: when the answer to the wallet is on its way", longGaps, killAtTheAnswer, false},
			fault{"gateway: before a group of orders is committed", longGaps,
				killBeforeAGroupIsCommitted, false},
			fault{"gateway: among group commits", longGaps, killAmongGroupCommits, false},
			fault{"gateway: while a receiver handles a notification", longGaps, killDuringADelivery, false},
			fault{"gateway, at random, its start included", shortGaps, killAtRandom, true},
			fault{"gateway: while the wallet gives money back", longGaps, killDuringARefund, false},
			fault{"gateway or wallet, at random", shortGaps, killEither, inOtherTest},
		)
	})
}

func killAtRandom(t *testing.T, d *deployment) {
	d.boot(t)
	d.busy(t, func() {
		for range crashes(t) {
			d.work(t)
			d.kill(t)
			d.boot(t)
		}
	})
}

func killEither(t *testing.T, d *deployment) {
	d.start(t)
	d.busy(t, func() {
		for range crashes(t) {
			d.work(t)
			if rand.N(2) == 0 {
				d.kill(t)
				d.boot(t)
			} else {
				d.killWallet(t)
			}
		}
	})
}

// The wallet's callback has arrived, and nothing is written yet.
func killAtTheInquiry(t *testing.T, d *deployment) {
	o := d.opened(t, "AT-THE-QUESTION")
	asked := d.walletProxy.holdAnswer(walletCalls)
	d.pay(t, o)
	asked.wait(t, "the gateway to ask the wallet")
	d.kill(t)
	asked.pass()
	d.repeatCallback(t, o, pay.Pending)
}

// Half of what follows from the callback is written (SQLite: nothing is), and the wallet must not
// get an answer.
func killInTheTransaction(t *testing.T, d *deployment) {
	o := d.opened(t, "IN-THE-TRANSACTION")
	asked, answered := d.walletProxy.holdAnswer(walletCalls), d.gatewayProxy.holdAnswer(callbacks)
	d.pay(t, o)
	asked.wait(t, "the gateway to ask the wallet")
	unlock := lockWrites(t, d.dsn, "delivery") // the last table that a settlement writes
	asked.pass()
	select {
	case <-answered.arrived:
		t.Error("the wallet gets an answer, and the payment cannot have been written")
	case <-time.After(falseAnswerWait):
	}
	d.kill(t)
	answered.drop(d.gatewayProxy)
	unlock()
	d.repeatCallback(t, o, pay.Pending)
}

// The callback is written and answered, and the answer does not arrive.
func killAtTheAnswer(t *testing.T, d *deployment) {
	o := d.opened(t, "AT-THE-ANSWER")
	answered := d.gatewayProxy.holdAnswer(callbacks)
	d.pay(t, o)
	answered.wait(t, "the gateway to answer the wallet")
	d.kill(t)
	answered.drop(d.gatewayProxy)
	d.repeatCallback(t, o, pay.Paid)
}

// opened starts the gateway and returns an order whose buyer is at the cashier.
func (d *deployment) opened(t *testing.T, number string) *order {
	t.Helper()
	d.start(t)
	o := d.ledger.newOrder(number)
	if err := d.ledger.place(o); err != nil {
		t.Fatal(err)
	}
	if !d.ledger.open(o) {
		t.Fatal("the link does not lead to the cashier")
	}
	return o
}

// pay lets the buyer pay.
func (d *deployment) pay(t *testing.T, o *order) {
	t.Helper()
	d.ledger.startPaying(o)
	d.Act(t, o.id, "pay")
}

// repeatCallback starts the killed gateway, which must have left the payment in that status. Then
// the wallet repeats its callback until it is answered, as it always does, and once more than
// needed.
func (d *deployment) repeatCallback(t *testing.T, o *order, left pay.Status) {
	t.Helper()
	p, err := storetest.Open(t, d.dsn).Payment(t.Context(), "100002", o.id)
	if err != nil || p.Status != left {
		t.Errorf("after the kill the payment is %q (%v), want %q", p.Status, err, left)
	}
	if d.trade(t, o.id).answered() {
		t.Fatal("the wallet has an answer")
	}
	d.start(t)
	for range 2 {
		d.Act(t, o.id, "resend")
		if !d.trade(t, o.id).answered() {
			// It came too soon after the inquiry of the dead process. The gateway inquires again by
			// itself.
			d.ledger.settle(t)
			d.Act(t, o.id, "resend")
		}
		if !d.trade(t, o.id).answered() {
			t.Error("the repeated callback was not taken")
		}
		d.ledger.settle(t)
	}
}

// connections is how many of the merchant's connections order at the same time.
const connections = 64

// The orders of all connections wait for one commit. None of them is acknowledged, and each can be
// sent again.
func killBeforeAGroupIsCommitted(t *testing.T, d *deployment) {
	d.start(t)
	unlock := lockWrites(t, d.dsn, "payment")
	var sent sync.WaitGroup
	for i := range connections {
		o := d.ledger.newOrder(fmt.Sprintf("GROUP-%d", i))
		sent.Go(func() {
			if err := d.ledger.place(o); err == nil {
				t.Errorf("%s was acknowledged, and cannot have been written", o.request.OrderNo)
			} else if !d.ledger.transient(err) {
				t.Error(err)
			}
		})
	}
	harness.Eventually(t, "every order to reach the gateway", func() bool {
		return d.gatewayProxy.waiting.Load() == connections
	})
	time.Sleep(falseAnswerWait)
	d.kill(t)
	sent.Wait()
	unlock()

	d.start(t)
	for _, o := range d.ledger.orders {
		d.placeAgain(t, o)
	}
}

// All connections keep the gateway committing. Every acknowledged order must be there. Every other
// order can be sent again, whether it was written or not.
func killAmongGroupCommits(t *testing.T, d *deployment) {
	unanswered, written := 0, 0
	db := storetest.Open(t, d.dsn)
	d.start(t)
	for round := range 1 + crashes(t)/4 {
		open := d.orderAndKill(t, fmt.Sprintf("ROUND-%d", round), 100+rand.N(400))
		d.start(t)
		for _, o := range open {
			unanswered++
			scope := pay.Scope{MerchantID: "100002", AppCode: d.AppCode}
			switch _, err := db.PaymentByOrderNo(t.Context(), scope, o.request.OrderNo); {
			case err == nil:
				written++
			case !errors.Is(err, store.ErrNotFound):
				t.Fatal(err)
			}
			d.placeAgain(t, o)
		}
	}
	t.Logf("%d orders were not answered at first, and %d of them were written nevertheless",
		unanswered, written)
}

// orderAndKill lets all connections order as fast as they can, and kills the gateway after so many
// acknowledgements. It returns the orders that were not answered.
func (d *deployment) orderAndKill(t *testing.T, name string, acknowledgements int) (open []*order) {
	acknowledged, unanswered := make(chan bool, connections), make(chan *order, connections)
	var ordering sync.WaitGroup
	for i := range connections {
		ordering.Go(func() {
			for n := 0; ; n++ {
				o := d.ledger.newOrder(fmt.Sprintf("%s-%d-%d", name, i, n))
				if err := d.ledger.place(o); err != nil {
					if !d.ledger.transient(err) {
						t.Error(err)
					}
					unanswered <- o
					return
				}
				acknowledged <- true
			}
		})
	}
	go func() {
		ordering.Wait()
		close(acknowledged)
		close(unanswered)
	}()
	for range acknowledgements {
		<-acknowledged
	}
	d.kill(t)
	for range acknowledged { // acknowledgements that were on their way
	}
	for o := range unanswered {
		open = append(open, o)
	}
	return open
}

func (d *deployment) placeAgain(t *testing.T, o *order) {
	t.Helper()
	if err := d.ledger.place(o); err != nil {
		t.Errorf("sent again, %s: %v", o.request.OrderNo, err)
	}
}

// The receiver's acknowledgement of a notification arrives nowhere. The notification is repeated
// once, with the same body, after the lease of the killed gateway has ended.
func killDuringADelivery(t *testing.T, d *deployment) {
	arrived, goOn := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() {
		close(arrived)
		<-goOn
	})
	d.ledger.beforeAck = func(*sampan.Notification) { first() }
	o := d.opened(t, "IN-HAND")
	d.pay(t, o)
	select {
	case <-arrived:
	case <-time.After(harness.Patience):
		t.Error("no notification came")
	}
	d.kill(t)
	close(goOn)
	d.start(t)
	d.ledger.settle(t)
	if n := len(o.received.at); n != 2 {
		t.Errorf("%d notifications came, want the one that was cut off, and one repeat", n)
	}
}

// The wallet has refunded, and its answer cannot be delivered. The refund is done nevertheless,
// once, and the same when asked for again.
func killDuringARefund(t *testing.T, d *deployment) {
	o := d.opened(t, "GIVEN-BACK")
	d.pay(t, o)
	d.ledger.settle(t)
	answered := d.walletProxy.holdAnswer(walletCalls)
	r := d.ledger.newRefund(o, "GIVEN-BACK-A", o.request.Amount)
	var asking sync.WaitGroup
	asking.Go(func() {
		if err := d.ledger.sendRefund(r); err == nil || !d.ledger.transient(err) {
			t.Errorf("the refund was answered with %v, and its outcome cannot be known", err)
		}
	})
	answered.wait(t, "the wallet to be asked for the refund")
	d.kill(t)
	answered.pass()
	asking.Wait()
	if back := d.trade(t, o.id).Trade.Refunds; len(back) != 1 {
		t.Errorf("the wallet has made the refunds %+v, want one", back)
	}
	d.start(t)
	if err := d.ledger.sendRefund(r); err != nil {
		t.Errorf("asked for again, the refund fails: %v", err)
	}
}
