package main_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// noLooks keeps the gateway from asking the wallet by itself.
const noLooks = `"1h"`

// lie is how long a gateway that cannot write is given to say that it has.
const lie = 300 * time.Millisecond

// The wallet says that a buyer has paid, and the gateway is killed at each step
// on the way to its answer. The wallet sends again what was not answered.
func TestAKillBetweenTheWalletsWordAndOurAnswer(t *testing.T) {
	for _, tt := range []struct {
		name string
		kill func(*testing.T, *site, *entry) // lets the buyer pay, and kills
		want pay.Status                      // after the kill, before the wallet sends again
	}{
		{"while the wallet is asked whether it stands by it", killAtTheQuestion, pay.Pending},
		{"in the middle of the transaction", killInTheTransaction, pay.Pending},
		{"when the answer is on its way", killAtTheAnswer, pay.Paid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			storetest.EachDSN(t, func(t *testing.T, dsn string) {
				s := newSite(t, dsn, noLooks)
				s.up(t)
				e := s.ledger.order("KILLED-WHILE-PAYING")
				if err := s.ledger.place(e); err != nil {
					t.Fatal(err)
				}
				if !s.ledger.opens(e) {
					t.Fatal("the link does not lead to the cashier")
				}
				s.ledger.begins(e)
				tt.kill(t, s, e)

				p, err := storetest.Open(t, dsn).Payment(t.Context(), "100002", e.id)
				if err != nil || p.Status != tt.want {
					t.Errorf("after the kill the payment is %q (%v), want %q", p.Status, err, tt.want)
				}
				if s.trade(t, e.id).answered() {
					t.Fatal("the wallet has an answer")
				}
				s.up(t)
				s.act(t, e.id, "resend")
				if !s.trade(t, e.id).answered() {
					t.Error("sent again, the wallet's word was not taken")
				}
				s.ledger.settled(t)
				s.act(t, e.id, "resend") // once more than needed
				s.ledger.settled(t)
				if c := s.ledger.check(t); c.paid != 1 {
					t.Errorf("%s; want one payment", c)
				}
			})
		})
	}
}

func killAtTheQuestion(t *testing.T, s *site, e *entry) {
	asked := s.wallet.stopAnswer(questions)
	s.act(t, e.id, "pay")
	asked.wait(t, "the gateway to ask the wallet")
	s.kill(t)
	asked.goOn <- true
}

func killInTheTransaction(t *testing.T, s *site, e *entry) {
	asked, answered := s.wallet.stopAnswer(questions), s.front.stopAnswer(callbacks)
	s.act(t, e.id, "pay")
	asked.wait(t, "the gateway to ask the wallet")
	unlock := lockWrites(t, s.dsn, "delivery") // the last that a settlement writes
	defer unlock()
	asked.goOn <- true
	select {
	case <-answered.reached:
		t.Error("the wallet is answered, and the payment cannot have been written")
	case <-time.After(lie):
	}
	s.kill(t)
	answered.lose(s.front)
}

func killAtTheAnswer(t *testing.T, s *site, e *entry) {
	answered := s.front.stopAnswer(callbacks)
	s.act(t, e.id, "pay")
	answered.wait(t, "the gateway to answer the wallet")
	s.kill(t)
	answered.lose(s.front)
}

// answered reports whether the shop's answer to a notification has reached the
// wallet.
func (x sale) answered() bool {
	for _, n := range x.Notices {
		if !n.Answered.IsZero() {
			return true
		}
	}
	return false
}

// connections is how many merchants' servers order at the same time.
const connections = 64

// Sixty-four orders wait for one commit, which the gateway does not live to
// see. None of them was acknowledged, and each can be sent again.
func TestAKillBeforeAGroupIsCommittedAcknowledgesNothing(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		s := newSite(t, dsn, noLooks)
		s.up(t)
		unlock := lockWrites(t, dsn, "payment")
		var sent sync.WaitGroup
		for i := range connections {
			e := s.ledger.order(fmt.Sprintf("GROUP-%d", i))
			sent.Go(func() {
				if err := s.ledger.place(e); err == nil {
					t.Errorf("%s was acknowledged, and cannot have been written", e.request.OrderNo)
				} else if !transient(err) {
					t.Error(err)
				}
			})
		}
		eventually(t, "every order to reach the gateway", func() bool { return s.front.waiting.Load() == connections })
		time.Sleep(lie) // an answer would be one
		s.kill(t)
		sent.Wait()
		unlock()

		s.up(t)
		for _, e := range s.ledger.orders {
			sent.Go(func() {
				if err := s.ledger.place(e); err != nil {
					t.Errorf("sent again, %s: %v", e.request.OrderNo, err)
				}
			})
		}
		sent.Wait()
		if c := s.ledger.check(t); c.orders != connections {
			t.Errorf("%s; want %d", c, connections)
		}
	})
}

// Sixty-four connections keep the gateway committing when it is killed. What it
// acknowledged is there under the id that it gave, and what it did not can be
// sent again.
func TestAKillAmongGroupCommitsLosesNoAcknowledgedOrder(t *testing.T) {
	const rounds = 5
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		s := newSite(t, dsn, noLooks)
		db := storetest.Open(t, dsn)
		s.up(t)
		sent, unanswered, stored := 0, 0, 0
		for round := range rounds {
			acknowledged := make(chan struct{}, connections)
			pending := make(chan *entry, connections) // sent, and not answered
			var ordering sync.WaitGroup
			for i := range connections {
				ordering.Go(func() {
					for n := 0; ; n++ {
						e := s.ledger.order(fmt.Sprintf("ROUND-%d-%d-%d", round, i, n))
						if err := s.ledger.place(e); err != nil {
							if !transient(err) {
								t.Error(err)
							}
							pending <- e
							return
						}
						acknowledged <- struct{}{}
					}
				})
			}
			ended := make(chan struct{})
			go func() {
				ordering.Wait()
				close(acknowledged)
				close(pending)
				close(ended)
			}()
			for n := 100 + rand.N(400); n > 0; n-- {
				<-acknowledged
			}
			s.kill(t)
			for range acknowledged { // what was on its way
			}
			<-ended

			s.up(t)
			for e := range pending {
				unanswered++
				_, err := db.PaymentByOrderNo(t.Context(), pay.Scope{MerchantID: "100002", AppCode: s.AppCode}, e.request.OrderNo)
				if err == nil {
					stored++
				} else if !errors.Is(err, store.ErrNotFound) {
					t.Fatal(err)
				}
				if err := s.ledger.place(e); err != nil {
					t.Errorf("sent again, %s: %v", e.request.OrderNo, err)
				}
			}
			sent = len(s.ledger.orders)
		}
		c := s.ledger.check(t)
		t.Logf("%d kills: %s; %d were not answered at first, %d of them written", rounds, c, unanswered, stored)
		if c.orders != sent {
			t.Errorf("%d of %d orders are there", c.orders, sent)
		}
	})
}

// The receiver has a notification in hand when the gateway is killed, and
// acknowledges it to nobody. It hears it once more, the same, when the killed
// gateway could no longer have been at it, and then never again.
func TestAKillDuringADeliveryRepeatsIt(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		s := newSite(t, dsn, noLooks)
		inHand, goOn := make(chan struct{}), make(chan struct{})
		first := sync.OnceFunc(func() {
			close(inHand)
			<-goOn
		})
		s.ledger.before = func(*sampan.Notification) { first() }
		s.up(t)
		e := s.ledger.order("KILLED-WHILE-TOLD")
		if err := s.ledger.place(e); err != nil {
			t.Fatal(err)
		}
		if !s.ledger.opens(e) {
			t.Fatal("the link does not lead to the cashier")
		}
		s.ledger.begins(e)
		s.act(t, e.id, "pay")
		select {
		case <-inHand:
		case <-time.After(patience):
			t.Fatal("no notification came")
		}
		s.kill(t)
		close(goOn)
		s.up(t)
		s.ledger.settled(t)
		if c := s.ledger.check(t); c.told != 2 {
			t.Errorf("%s; want the one that was cut off, and one repeat", c)
		}
	})
}

// crashes is how often the gateway is killed at random: SAMPAN_CRASHES times.
func crashes(t *testing.T) int {
	text := os.Getenv("SAMPAN_CRASHES")
	if text == "" {
		return 12
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("SAMPAN_CRASHES is %q, want a number", text)
	}
	return n
}

// Merchants order, buyers pay or change their minds, and the gateway is killed
// again and again at any moment, that of its start included. Afterwards the
// merchant, the wallet and the database agree.
func TestKillsAtRandomLoseNothing(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		const buyers = 8
		s := newSite(t, dsn, `"1s", "3s", "10s", "1m"`)
		s.boot(t)
		closing := make(chan struct{})
		var shopping sync.WaitGroup
		for i := range buyers {
			shopping.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-closing:
						return
					default:
						s.shop(t, fmt.Sprintf("BUYER-%d-%d", i, n), n%5 != 4)
					}
				}
			})
		}
		kills := crashes(t)
		for range kills {
			if rand.N(3) > 0 { // the others may not even get ready
				s.answers(t, s.Gateway+"/readyz")
			}
			time.Sleep(rand.N(time.Second))
			s.kill(t)
			s.boot(t)
		}
		close(closing)
		shopping.Wait()
		s.ledger.settled(t)
		c := s.ledger.check(t)
		t.Logf("%d kills: %s", kills, c)
		if c.paid < kills {
			t.Errorf("only %d payments in %d kills: the gateway was hardly ever up", c.paid, kills)
		}
	})
}

// shop is one order, from the merchant's request to the end of the buyer's
// visit to the wallet. Where the gateway is away everybody tries again.
func (s *site) shop(t *testing.T, number string, pays bool) {
	again := func(what string, try func() bool) {
		for deadline := time.Now().Add(patience); !try(); {
			if time.Now().After(deadline) {
				t.Errorf("%s of %s: tried for %v in vain", what, number, patience)
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	e := s.ledger.order(number)
	again("the order", func() bool {
		err := s.ledger.place(e)
		if err != nil && !transient(err) {
			t.Errorf("%s: %v", number, err)
		}
		return err == nil
	})
	again("the opening", func() bool { return s.ledger.opens(e) })
	act := "cancel"
	if pays {
		s.ledger.begins(e)
		act = "pay"
	}
	res, err := http.Post(s.Control+"/trades/"+e.id+"/"+act, "", nil)
	if err != nil {
		t.Errorf("%s %s: %v", act, number, err)
		return
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("%s %s: %s", act, number, res.Status)
	}
}
