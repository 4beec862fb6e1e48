package crash_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/sampanpay/sampan/test/harness"
)

// looks has the gateway ask the wallet by itself: what a lost notice did not
// tell it, it must find out.
const looks = `"1s", "3s", "5s"`

// An ordeal is a kind of fault that a site goes through.
type ordeal struct {
	what   string
	looks  string // the gateway's, at the wallet
	strike func(*testing.T, *deployment)
	long   bool // only in a long run: others have it among theirs
}

func (o ordeal) inLongRuns() ordeal {
	o.long = true
	return o
}

// suffers takes the site through each ordeal and waits until all has settled.
// Then nothing may be lost. It prints what there was.
func (s *deployment) suffers(t *testing.T, ordeals ...ordeal) {
	t.Helper()
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "FAULT\tTIMES\tORDERS\tPAID\tREFUNDS\tNOTIFICATIONS\tREPEATS\tLOST OR WRONG")
	for _, o := range ordeals {
		if o.long && !long() {
			continue
		}
		t.Run(o.what, func(t *testing.T) {
			before := s.strikes.Load()
			s.configure(t, o.looks)
			s.ledger = newLedger(t, s)
			o.strike(t, s)
			s.ledger.settled(t)
			c := s.ledger.check(t)
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", o.what, s.strikes.Load()-before, c.orders, c.paid, c.refunds, c.told, c.repeats, c.wrong)
		})
	}
	w.Flush()
	t.Logf("\n%s", &table)
}

// howOften is the variable with the number of faults of a long run.
const howOften = "SAMPAN_CRASHES"

func long() bool { return os.Getenv(howOften) != "" }

// crashes is how often something is killed at random.
func crashes(t *testing.T) int {
	t.Helper()
	if !long() {
		return 4
	}
	n, err := strconv.Atoi(os.Getenv(howOften))
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number", howOften, os.Getenv(howOften))
	}
	return n
}

func killAtRandom(t *testing.T, s *deployment) {
	s.boot(t)
	s.busy(t, func() {
		for range crashes(t) {
			s.work(t)
			s.kill(t)
			s.boot(t)
		}
	})
}

func killEither(t *testing.T, s *deployment) {
	s.up(t)
	s.busy(t, func() {
		for range crashes(t) {
			s.work(t)
			if rand.N(2) == 0 {
				s.kill(t)
				s.boot(t)
			} else {
				s.killWallet(t)
			}
		}
	})
}

// killWallet kills the wallet and starts it again: what it has answered it
// knows, and what it was about to send it sends later or never.
func (s *deployment) killWallet(t *testing.T) {
	t.Helper()
	s.strikes.Add(1)
	s.Simulator.Kill(t)
	s.Simulate(t)
}

// work lets some work be done, or next to none: who was started last may not
// even get ready.
func (s *deployment) work(t *testing.T) {
	t.Helper()
	if rand.N(3) > 0 {
		harness.AwaitOK(t, s.Control+"/healthz")
		harness.AwaitOK(t, s.Gateway+"/readyz")
	}
	time.Sleep(rand.N(time.Second))
}

// busy has merchants order, call off and give back, and buyers pay or change
// their minds, again and again until meanwhile returns. Then all finish what they
// have begun.
func (s *deployment) busy(t *testing.T, meanwhile func()) {
	t.Helper()
	const buyers = 8
	first := s.strikes.Load() // numbers are not used twice
	closing := make(chan struct{})
	var shopping sync.WaitGroup
	for i := range buyers {
		shopping.Go(func() {
			for n := i; ; n++ {
				select {
				case <-closing:
					return
				default:
					s.shop(t, fmt.Sprintf("BUYER-%d-%d-%d", first, i, n), stories[n%len(stories)])
				}
			}
		})
	}
	defer shopping.Wait()
	defer close(closing)
	meanwhile()
}

// A story is what becomes of an order whose buyer is at the cashier.
type story func(*deployment, *testing.T, *entry)

var stories = []story{
	(*deployment).paid, (*deployment).cancelled, (*deployment).paid, (*deployment).calledOff,
	(*deployment).paid, (*deployment).givenBack, (*deployment).calledOffTooLate, (*deployment).givenBackInParts, (*deployment).givenBackTwice,
}

// shop is one order, from the merchant's request to the end of its story. Where
// somebody is away everybody tries again.
func (s *deployment) shop(t *testing.T, number string, tell story) {
	e := s.ledger.order(number)
	if s.request(t, "the order "+number, func() error { return s.ledger.place(e) }) &&
		again(t, "the opening of "+number, func() bool { return s.ledger.opens(e) }) {
		tell(s, t, e)
	}
}

// request is something that a merchant asks for until it is answered.
func (s *deployment) request(t *testing.T, what string, send func() error) bool {
	var err error
	answered := again(t, what, func() bool {
		err = send()
		if err != nil && !errors.Is(err, errTooSoon) && !s.ledger.transient(err) {
			t.Errorf("%s: %v", what, err)
		}
		return err == nil
	})
	if !answered {
		t.Logf("%s: the last answer was %v", what, err)
	}
	return answered
}

func (s *deployment) paid(t *testing.T, e *entry) {
	s.ledger.begins(e)
	s.buyer(t, e, "pay", "TRADE_FINISHED")
}

func (s *deployment) cancelled(t *testing.T, e *entry) { s.buyer(t, e, "cancel", "NONE") }

func (s *deployment) calledOff(t *testing.T, e *entry) {
	s.request(t, "the closing of "+e.request.OrderNo, func() error { return s.ledger.callOff(e) })
}

// calledOffTooLate is called off while the buyer pays.
func (s *deployment) calledOffTooLate(t *testing.T, e *entry) {
	s.ledger.begins(e)
	var both sync.WaitGroup
	both.Go(func() { s.paid(t, e) })
	both.Go(func() { s.calledOff(t, e) })
	both.Wait()
}

// givenBack goes back as a whole.
func (s *deployment) givenBack(t *testing.T, e *entry) {
	s.paid(t, e)
	s.givesBack(t, e, "A", e.request.Amount)
}

// givenBackInParts goes back in two parts, and a third one is too much.
func (s *deployment) givenBackInParts(t *testing.T, e *entry) {
	s.paid(t, e)
	part := e.request.Amount / 2
	s.givesBack(t, e, "A", part)
	s.givesBack(t, e, "B", part)
	s.givesBack(t, e, "C", part)
}

// givenBackTwice would go back twice, if both refunds at the same time were done.
func (s *deployment) givenBackTwice(t *testing.T, e *entry) {
	s.paid(t, e)
	var both sync.WaitGroup
	both.Go(func() { s.givesBack(t, e, "A", e.request.Amount*2/3) })
	both.Go(func() { s.givesBack(t, e, "B", e.request.Amount*2/3) })
	both.Wait()
}

// givesBack asks for a refund, as soon as the gateway knows that there is
// something to be given back.
func (s *deployment) givesBack(t *testing.T, e *entry, name string, amount int64) {
	r := s.ledger.refund(e, e.request.OrderNo+"-"+name, amount)
	s.request(t, "the refund "+r.request.OrderNo, func() error { return s.ledger.giveBack(r) })
}

// again tries until it is done. It has more patience than others: what the wallet
// did may have to wait for a lease to end, and the next crash cut off who then
// takes it up; and what it told about an order that was closed by then, and got
// lost, it tells again after two minutes.
func again(t *testing.T, what string, try func() bool) bool {
	for deadline := time.Now().Add(3 * harness.Patience); !try(); {
		if time.Now().After(deadline) {
			t.Errorf("%s: tried for %v in vain", what, 3*harness.Patience)
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

// buyer does something at the cashier. Where the wallet dies on it the buyer
// looks whether it is done, which the wallet's status tells, and if not does it
// once more.
func (s *deployment) buyer(t *testing.T, e *entry, act, done string) bool {
	return again(t, act+" "+e.request.OrderNo, func() bool {
		res, err := http.Post(s.Control+"/trades/"+e.id+"/"+act, "", nil)
		if err != nil {
			return false
		}
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return true
		}
		x, err := s.look(e.id)
		if err == nil && x.Status != done {
			t.Errorf("%s %s: %s, and the order is %s", act, e.request.OrderNo, res.Status, x.Status)
		}
		return err == nil
	})
}
