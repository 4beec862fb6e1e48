package gateway

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// crowd counts the calls that are running at a wallet.
type crowd struct {
	mu            sync.Mutex
	now, most     int
	messages, all int // the most callbacks at once; all calls so far
	held          chan struct{}
}

// hold makes a call that lasts until free is called or its context ends.
func (c *crowd) hold(ctx context.Context, message bool) error {
	c.mu.Lock()
	c.now++
	c.all++
	c.most = max(c.most, c.now)
	if message {
		c.messages++
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now--
	}()
	select {
	case <-c.held:
		return nil
	case <-ctx.Done():
		return wallet.ErrUnknown
	}
}

// inFlight returns how many calls the wallet holds.
func (c *crowd) inFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *crowd) free() { close(c.held) }

// crowded returns a harness, in a bubble, whose wallet holds every call.
func crowded(t *testing.T, test func(t *testing.T, h *harness, c *crowd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h, c := newHarness(t), &crowd{held: make(chan struct{})}
		h.wallet.query = func(ctx context.Context, o wallet.Order) (wallet.State, error) {
			return wallet.State{Outcome: wallet.Waiting}, c.hold(ctx, false)
		}
		h.wallet.confirm = func(ctx context.Context,
			n wallet.Notice) (wallet.State, error) {
			return n.State, c.hold(ctx, true)
		}
		test(t, h, c)
		h.Wait()
	})
}

// One account's callbacks and other calls take no more than the account's share of the
// connections, and no places of each other.
func TestAnAccountHasSixteenCallsInFlightAtMost(t *testing.T) {
	crowded(t, func(t *testing.T, h *harness, c *crowd) {
		var orders []pay.Payment
		for i := range 40 {
			orders = append(orders, h.ordered(fmt.Sprint("A", i), true))
		}
		time.Sleep(time.Second)
		answered := make(chan pay.Code, 80)
		var posting sync.WaitGroup
		for _, p := range orders {
			posting.Go(func() {
				_, err := h.callback(p.ID, paidBy("T-"+p.ID))
				answered <- pay.CodeOf(err)
			})
			posting.Go(func() { _, _ = h.ask(t.Context(), p, pay.ByMerchant("APP")) })
		}
		synctest.Wait()
		if c.now != 16 || c.messages != maxCallbacks {
			t.Errorf("%d in flight, %d of them for messages", c.now, c.messages)
		}
		if len(answered) != 40-maxCallbacks {
			t.Errorf("%d messages were answered at once", len(answered))
		}
		for range len(answered) {
			if code := <-answered; code != pay.InProgress {
				t.Errorf("answered %q", code)
			}
		}
		late := 0
		for _, p := range orders {
			if p := h.stored(p.ID); p.DueAt.Equal(time.Now().Add(confirmGap).Truncate(time.Millisecond)) {
				late++
			}
		}
		if late != 40-maxCallbacks {
			t.Errorf("%d orders are looked at when the gap is over", late)
		}
		time.Sleep(askWithin) // those that wait for a place give up
		synctest.Wait()
		c.free()
		posting.Wait()
		if c.most != 16 || c.all != 16 {
			t.Errorf("at most %d in flight, %d in all", c.most, c.all)
		}
	})
}

// A query is answered in time with what is known, however long the account's places
// are taken. Another account has its own places.
func TestAQueryGivesWhatIsKnownWhereNoPlaceIsFree(t *testing.T) {
	crowded(t, func(t *testing.T, h *harness, c *crowd) {
		var orders []pay.Payment
		for i := range 30 {
			orders = append(orders, h.ordered(fmt.Sprint("A", i), true))
		}
		time.Sleep(time.Minute)
		for range 3 { // the same orders, most of which are not asked about again
			began := time.Now()
			found, err := h.Query(t.Context(),
				QueryRequest{Credential: h.credential, Filter: store.Filter{Limit: 30}})
			if err != nil || len(found) != len(orders) || time.Since(began) != askWithin {
				t.Errorf("%d found after %s, %v", len(found), time.Since(began), err)
			}
		}
		if n := c.inFlight(); n > maxCalls {
			t.Errorf("%d in flight", n)
		}
		other := h.request("NET")
		other.PayType = pay.AlipayHK
		if o, err := h.Pay(t.Context(), other); err != nil || o.Status != pay.Pending {
			t.Errorf("at another account: %+v, %v", o, err)
		}
		c.free()
	})
}

// Inquiries wait for places too.
func TestLooksWaitForTheirPlaces(t *testing.T) {
	crowded(t, func(t *testing.T, h *harness, c *crowd) {
		for i := range 20 {
			p := h.ordered(fmt.Sprint("A", i), true)
			h.background.Go(func() { _, _ = h.inquire(t.Context(), p, pay.ByRecover) })
		}
		synctest.Wait()
		if c.now != maxCalls {
			t.Errorf("%d in flight", c.now)
		}
		c.free()
		h.Wait()
		if c.all != 20 || c.most != maxCalls {
			t.Errorf("%d looks, %d at once", c.all, c.most)
		}
	})
}

// A merchant's request waits for a place as long as a call may take. If no place
// becomes free, nothing was sent, and a refund is not counted as sent.
func TestARefundWaitsForItsPlace(t *testing.T) {
	crowded(t, func(t *testing.T, h *harness, c *crowd) {
		h.wallet.confirm = nil
		p := h.paid("A1")
		conn, err := h.connectorOf(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		var leave []func()
		for range maxCalls {
			_, l, err := conn.enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leave = append(leave, l)
		}
		time.AfterFunc(5*time.Second, leave[0])
		began := time.Now()
		if r, _, err := h.Refund(t.Context(), h.refundRequest(p, "R1", 500)); err != nil ||
			r.Status != pay.RefundSucceeded || time.Since(began) != 5*time.Second {
			t.Errorf("%+v after %s, %v", r, time.Since(began), err)
		}
		if _, _, err := conn.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		r, _, err := h.Refund(t.Context(), h.refundRequest(p, "R2", 500))
		if err != nil || r.Status != pay.RefundPending || h.storedRefund(r.ID).Sends != 0 ||
			h.wallet.givenBack() != 500 {
			t.Errorf("%+v, %v, given back %d", r, err, h.wallet.givenBack())
		}
		c.free()
	})
}
