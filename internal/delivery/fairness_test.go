package delivery

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sampanpay/sampan/internal/store"
)

// crowd is all receivers. Those whose host begins with "dead" hang. It
// counts how many attempts each host has at once.
type crowd struct {
	mu   sync.Mutex
	now  map[string]int
	most map[string]int
}

func newCrowd() *crowd { return &crowd{now: map[string]int{}, most: map[string]int{}} }

func (c *crowd) add(host string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now[host] += n
	c.now["all"] += n
	c.most[host] = max(c.most[host], c.now[host])
	c.most["all"] = max(c.most["all"], c.now["all"])
}

// atMost returns the most attempts that a host, or "all", had at once.
func (c *crowd) atMost(host string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most[host]
}

func (c *crowd) serve(_ string, r *http.Request) (int, string, error) {
	host := r.URL.Hostname()
	c.add(host, 1)
	defer c.add(host, -1)
	if strings.HasPrefix(host, "dead") {
		return hang(r)
	}
	time.Sleep(50 * time.Millisecond)
	return 200, "SUCCESS", nil
}

func TestHangingReceiversDelayNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := openStore(t), newCrowd()
		for i := range 10 {
			add(t, db, fmt.Sprintf("https://dead%d.example:443", i), names(fmt.Sprint("dead", i), 30)...)
		}
		s, _, _ := start(t, db, c.serve, func(c *Config) { c.Workers, c.PerReceiver = 100, 8 })
		time.Sleep(time.Second) // all ten hang, ten thick
		begin := time.Now()
		add(t, db, "https://quick.example:443", names("quick", 40)...)
		s.Wake()
		time.Sleep(time.Second)
		synctest.Wait()
		// Eight at once, 50 ms each.
		if d := delivery(t, db, "quick-0039"); d.State != store.DeliveryDone ||
			d.DoneAt.Sub(begin) > 500*time.Millisecond {
			t.Errorf("after %v: %+v", d.DoneAt.Sub(begin), d)
		}
		if quick, dead := c.atMost("quick.example"), c.atMost("dead3.example"); quick != 8 || dead > 8 {
			t.Errorf("at once: quick %d, dead %d", quick, dead)
		}
	})
}

// There are more hanging receivers than free slots. Once they are known, half of the
// slots stays free.
func TestReceiversKnownToHangLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := openStore(t), newCrowd()
		for i := range 20 {
			add(t, db, fmt.Sprintf("https://dead%d.example:443", i), names(fmt.Sprint("dead", i), 40)...)
		}
		s, _, _ := start(t, db, c.serve, func(c *Config) { c.Workers = 16 })
		time.Sleep(5 * time.Minute)
		for range 20 {
			begin := time.Now()
			id := fmt.Sprint("quick-", begin.UnixMilli())
			add(t, db, "https://quick.example:443", id)
			s.Wake()
			time.Sleep(700 * time.Millisecond)
			synctest.Wait()
			if d := delivery(t, db, id); d.State != store.DeliveryDone ||
				d.DoneAt.Sub(begin) != 50*time.Millisecond {
				t.Fatalf("after %v: %+v", d.DoneAt.Sub(begin), d)
			}
		}
		if n := c.atMost("all"); n > 16 {
			t.Errorf("%d at once", n)
		}
	})
}

// A receiver that was dead and answers again gets all notifications that waited.
func TestAReceiverThatComesBackCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t)
		add(t, db, "https://merchant.example:443", names("n", 50)...)
		back := time.Now().Add(time.Hour)
		start(t, db, func(_ string, r *http.Request) (int, string, error) {
			if time.Now().Before(back) {
				return hang(r)
			}
			return 200, "SUCCESS", nil
		}, seldom)
		time.Sleep(24*time.Hour + 30*time.Minute)
		synctest.Wait()
		for _, id := range names("n", 50) {
			check(t, delivery(t, db, id), func(want *store.Delivery) { want.State = store.DeliveryDone })
		}
	})
}
