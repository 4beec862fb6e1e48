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

// noLooks keeps the gateway from asking the wallet by itself.
const noLooks = `"1h"`

// lie is how long a gateway that cannot write is given to say that it has.
const lie = 300 * time.Millisecond

// The gateway is killed, as by a power cut, at each step that matters and at
// random; the wallet too. After each kind of kill all is started again over the
// same data, and then the merchant, the wallet and the database must agree.
func TestAKilledProcessLosesNothing(t *testing.T) {
	t.Parallel()
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		t.Parallel()
		newDeployment(t, dsn).suffers(t,
			ordeal{what: "gateway: while the wallet is asked to confirm its notice", looks: noLooks, strike: killAtTheQuestion},
			ordeal{what: "gateway: in the middle of the transaction that settles", looks: noLooks, strike: killInTheTransaction},
			ordeal{what: "gateway: when the answer to the wallet is on its way", looks: noLooks, strike: killAtTheAnswer},
			ordeal{what: "gateway: before a group of orders is committed", looks: noLooks, strike: killBeforeAGroupIsCommitted},
			ordeal{what: "gateway: among group commits", looks: noLooks, strike: killAmongGroupCommits},
			ordeal{what: "gateway: while a receiver has a notification in hand", looks: noLooks, strike: killDuringADelivery},
			ordeal{what: "gateway, at random, its start included", looks: looks, strike: killAtRandom, long: true},
			ordeal{what: "gateway: while the wallet gives money back", looks: noLooks, strike: killDuringARefund},
			// In a short run PostgreSQL's own test does this too.
			ordeal{what: "gateway or wallet, at random", looks: looks, strike: killEither, long: strings.HasPrefix(dsn, "postgres")},
		)
	})
}

// The wallet's word is on its way in, and nothing is written.
func killAtTheQuestion(t *testing.T, s *deployment) {
	e := s.opened(t, "AT-THE-QUESTION")
	asked := s.wallet.stopAnswer(questions)
	s.pays(t, e)
	asked.wait(t, "the gateway to ask the wallet")
	s.kill(t)
	asked.goOn <- true
	s.hearsAgain(t, e, pay.Pending)
}

// Half of what follows from the wallet's word is written (SQLite: nothing is),
// and the wallet must not be answered.
func killInTheTransaction(t *testing.T, s *deployment) {
	e := s.opened(t, "IN-THE-TRANSACTION")
	asked, answered := s.wallet.stopAnswer(questions), s.front.stopAnswer(callbacks)
	s.pays(t, e)
	asked.wait(t, "the gateway to ask the wallet")
	unlock := lockWrites(t, s.dsn, "delivery") // the last that a settlement writes
	asked.goOn <- true
	select {
	case <-answered.reached:
		t.Error("the wallet is answered, and the payment cannot have been written")
	case <-time.After(lie):
	}
	s.kill(t)
	answered.lose(s.front)
	unlock()
	s.hearsAgain(t, e, pay.Pending)
}

// The wallet's word is taken and answered, and the answer does not arrive.
func killAtTheAnswer(t *testing.T, s *deployment) {
	e := s.opened(t, "AT-THE-ANSWER")
	answered := s.front.stopAnswer(callbacks)
	s.pays(t, e)
	answered.wait(t, "the gateway to answer the wallet")
	s.kill(t)
	answered.lose(s.front)
	s.hearsAgain(t, e, pay.Paid)
}

// opened starts the gateway and gives an order whose buyer is at the cashier.
func (s *deployment) opened(t *testing.T, number string) *entry {
	t.Helper()
	s.up(t)
	e := s.ledger.order(number)
	if err := s.ledger.place(e); err != nil {
		t.Fatal(err)
	}
	if !s.ledger.opens(e) {
		t.Fatal("the link does not lead to the cashier")
	}
	return e
}

// pays lets the buyer pay.
func (s *deployment) pays(t *testing.T, e *entry) {
	t.Helper()
	s.ledger.begins(e)
	s.Act(t, e.id, "pay")
}

// hearsAgain starts the killed gateway, which has left the payment as it should
// be, and lets the wallet repeat its word, as it does until it is answered, and
// once more than needed.
func (s *deployment) hearsAgain(t *testing.T, e *entry, left pay.Status) {
	t.Helper()
	p, err := storetest.Open(t, s.dsn).Payment(t.Context(), "100002", e.id)
	if err != nil || p.Status != left {
		t.Errorf("after the kill the payment is %q (%v), want %q", p.Status, err, left)
	}
	if s.sale(t, e.id).answered() {
		t.Fatal("the wallet has an answer")
	}
	s.up(t)
	for range 2 {
		s.Act(t, e.id, "resend")
		if !s.sale(t, e.id).answered() {
			// It came too soon after the question that the dead process asked: a look
			// makes up for it.
			s.ledger.settled(t)
			s.Act(t, e.id, "resend")
		}
		if !s.sale(t, e.id).answered() {
			t.Error("sent again, the wallet's word was not taken")
		}
		s.ledger.settled(t)
	}
}

// connections is how many merchants' servers order at the same time.
const connections = 64

// All connections' orders wait for one commit. None of them is acknowledged,
// and each can be sent again.
func killBeforeAGroupIsCommitted(t *testing.T, s *deployment) {
	s.up(t)
	unlock := lockWrites(t, s.dsn, "payment")
	var sent sync.WaitGroup
	for i := range connections {
		e := s.ledger.order(fmt.Sprintf("GROUP-%d", i))
		sent.Go(func() {
			if err := s.ledger.place(e); err == nil {
				t.Errorf("%s was acknowledged, and cannot have been written", e.request.OrderNo)
			} else if !s.ledger.transient(err) {
				t.Error(err)
			}
		})
	}
	harness.Eventually(t, "every order to reach the gateway", func() bool { return s.front.waiting.Load() == connections })
	time.Sleep(lie) // an answer would be one
	s.kill(t)
	sent.Wait()
	unlock()

	s.up(t)
	for _, e := range s.ledger.orders {
		s.placeAgain(t, e)
	}
}

// All connections keep the gateway committing. What was acknowledged must be
// there, and what was not can be sent again, written or not.
func killAmongGroupCommits(t *testing.T, s *deployment) {
	unanswered, written := 0, 0
	db := storetest.Open(t, s.dsn)
	s.up(t)
	for round := range 1 + crashes(t)/4 {
		open := s.order(t, fmt.Sprintf("ROUND-%d", round), 100+rand.N(400))
		s.up(t)
		for _, e := range open {
			unanswered++
			switch _, err := db.PaymentByOrderNo(t.Context(), pay.Scope{MerchantID: "100002", AppCode: s.AppCode}, e.request.OrderNo); {
			case err == nil:
				written++
			case !errors.Is(err, store.ErrNotFound):
				t.Fatal(err)
			}
			s.placeAgain(t, e)
		}
	}
	t.Logf("%d orders were not answered at first, and %d of them were written all the same", unanswered, written)
}

// order lets all connections order as fast as they can, kills the gateway after
// so many acknowledgements, and returns what was not answered.
func (s *deployment) order(t *testing.T, name string, acknowledgements int) (open []*entry) {
	acknowledged, unanswered := make(chan bool, connections), make(chan *entry, connections)
	var ordering sync.WaitGroup
	for i := range connections {
		ordering.Go(func() {
			for n := 0; ; n++ {
				e := s.ledger.order(fmt.Sprintf("%s-%d-%d", name, i, n))
				if err := s.ledger.place(e); err != nil {
					if !s.ledger.transient(err) {
						t.Error(err)
					}
					unanswered <- e
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
	s.kill(t)
	for range acknowledged { // what was on its way
	}
	for e := range unanswered {
		open = append(open, e)
	}
	return open
}

func (s *deployment) placeAgain(t *testing.T, e *entry) {
	t.Helper()
	if err := s.ledger.place(e); err != nil {
		t.Errorf("sent again, %s: %v", e.request.OrderNo, err)
	}
}

// The receiver acknowledges a notification to nobody. It hears it once more, the
// same, when the killed gateway could no longer have been at it.
func killDuringADelivery(t *testing.T, s *deployment) {
	inHand, goOn := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() {
		close(inHand)
		<-goOn
	})
	s.ledger.before = func(*sampan.Notification) { first() }
	e := s.opened(t, "IN-HAND")
	s.pays(t, e)
	select {
	case <-inHand:
	case <-time.After(harness.Patience):
		t.Error("no notification came")
	}
	s.kill(t)
	close(goOn)
	s.up(t)
	s.ledger.settled(t)
	if told := len(e.told.at); told != 2 {
		t.Errorf("told %d times, want the one that was cut off, and one repeat", told)
	}
}

// The wallet has given money back, and its answer finds nobody. The refund is
// done nevertheless, once, and asked for again it is the same.
func killDuringARefund(t *testing.T, s *deployment) {
	e := s.opened(t, "GIVEN-BACK")
	s.pays(t, e)
	s.ledger.settled(t)
	answered := s.wallet.stopAnswer(questions)
	r := s.ledger.refund(e, "GIVEN-BACK-A", e.request.Amount)
	var asking sync.WaitGroup
	asking.Go(func() {
		if err := s.ledger.giveBack(r); err == nil || !s.ledger.transient(err) {
			t.Errorf("the refund was answered with %v, and its outcome cannot be known", err)
		}
	})
	answered.wait(t, "the wallet to be asked for the refund")
	s.kill(t)
	answered.goOn <- true
	asking.Wait()
	if back := s.sale(t, e.id).Trade.Refunds; len(back) != 1 {
		t.Errorf("the wallet has given back %+v, want one refund", back)
	}
	s.up(t)
	if err := s.ledger.giveBack(r); err != nil {
		t.Errorf("asked for again, the refund is %v", err)
	}
}
