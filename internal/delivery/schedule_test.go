package delivery

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func TestEightAttemptsToTheSecondThenDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes = 3 * time.Second
		db := openStore(t)
		begin := time.Now()
		var at []time.Duration
		s, log, _ := start(t, db, func(string, *http.Request) (int, string, error) {
			at = append(at, time.Since(begin))
			time.Sleep(takes)
			if len(at) > 8 {
				return 200, "SUCCESS", nil
			}
			return 500, "out of tea", nil
		}, seldom)
		synctest.Wait()
		add(t, db, "https://merchant.example:443", "n1")
		s.Wake()
		time.Sleep(26 * time.Hour)
		synctest.Wait()

		var want []time.Duration
		for next, i := time.Duration(0), 0; i < 8; i++ {
			want = append(want, next)
			if i < 7 {
				next += takes + []time.Duration{
					2 * time.Minute, 10 * time.Minute, 10 * time.Minute, 60 * time.Minute, 2 * time.Hour,
					6 * time.Hour, 15 * time.Hour}[i]
			}
		}
		if !slices.Equal(at, want) {
			t.Fatalf("attempts at\n%v, want\n%v", at, want)
		}
		if last := 24*time.Hour + 22*time.Minute + 7*takes; at[7] != last {
			t.Errorf("the last attempt came after %v, want %v", at[7], last)
		}
		d := delivery(t, db, "n1")
		check(t, d, func(want *store.Delivery) {
			want.State = store.DeliveryDead
			want.Attempts = 8
			want.DoneAt = begin.Add(at[7] + takes)
			want.Lease = ""
		})
		if log.count("level=WARN") != 1 || log.count("given up") != 1 {
			t.Errorf("log:\n%s", log)
		}
		tried := attempts(t, db, "n1")
		for i, a := range tried {
			if a.Error == "" {
				t.Errorf("attempt %d has no error", i+1)
			}
			check(t, a, func(want *store.DeliveryAttempt) {
				want.Number = i + 1
				want.Status = 500
				want.Took = takes
				want.Answer = "out of tea"
				want.Manual = false
				want.StartedAt = begin.Add(at[i])
			})
		}
		if len(tried) != 8 {
			t.Fatalf("%d attempts are recorded", len(tried))
		}

		if err := db.Resend(context.Background(), merchantID, "n1", time.Now()); err != nil {
			t.Fatal(err)
		}
		s.Wake()
		time.Sleep(time.Minute)
		synctest.Wait()
		check(t, delivery(t, db, "n1"), func(want *store.Delivery) {
			want.State, want.Attempts = store.DeliveryDone, 1
		})
		tried = attempts(t, db, "n1")
		if len(tried) != 9 {
			t.Errorf("%d attempts, want 9", len(tried))
		}
		check(t, tried[len(tried)-1], func(want *store.DeliveryAttempt) {
			want.Number, want.Status, want.Error, want.Manual = 9, 200, "", true
		})
	})
}

func TestAcknowledgedOnceMeansNeverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t)
		var sent atomic.Int64
		begin := time.Now()
		s, _, _ := start(t, db, func(string, *http.Request) (int, string, error) {
			sent.Add(1)
			if d := time.Since(begin); d != 0 {
				t.Errorf("sent %v after the commit", d)
			}
			return 200, "SUCCESS", nil
		}, seldom)
		synctest.Wait()
		add(t, db, "https://merchant.example:443", names("n", 100)...)
		s.Wake()
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if sent.Load() != 100 {
			t.Errorf("sent %d times", sent.Load())
		}
		check(t, delivery(t, db, "n-0099"), func(want *store.Delivery) {
			want.State, want.DoneAt = store.DeliveryDone, begin
		})
	})
}

// Notifications that another replica committed are sent without a Wake.
func TestWhatNobodyAnnouncedIsFoundWithinThePoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t)
		sent := make(chan time.Time, 1)
		start(t, db, func(string, *http.Request) (int, string, error) {
			sent <- time.Now()
			return 200, "SUCCESS", nil
		}, nil)
		time.Sleep(time.Hour + time.Second)
		committed := time.Now()
		add(t, db, "https://merchant.example:443", "n1")
		if took := (<-sent).Sub(committed); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestTwoSendersShareTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t)
		sent := make(chan string, 1000)
		var by [2]atomic.Int64
		for i := range by {
			start(t, db, func(id string, r *http.Request) (int, string, error) {
				by[i].Add(1)
				sent <- id
				time.Sleep(5 * time.Second) // longer than the other needs to look
				if by[0].Load()+by[1].Load() <= 100 {
					return 503, "", nil
				}
				return 200, "SUCCESS", nil
			}, func(c *Config) { c.Poll, c.Workers = time.Second, 60 }) // too few for one of them to take all
		}
		for i := range 5 {
			host := string(rune('a' + i))
			add(t, db, "https://"+host+".example:443", names(host, 20)...)
		}
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		close(sent)
		times := map[string]int{}
		for id := range sent {
			times[id]++
		}
		for id, n := range times {
			if got := len(attempts(t, db, id)); got != n || delivery(t, db, id).State != store.DeliveryDone {
				t.Errorf("%s was sent %d times, %d attempts are recorded", id, n, got)
			}
			if d := delivery(t, db, id); d.Attempts != n {
				t.Errorf("%s was sent %d times in %d steps of its plan", id, n, d.Attempts)
			}
		}
		if len(times) != 100 || by[0].Load() == 0 || by[1].Load() == 0 {
			t.Errorf("%d were sent, by the one %d, by the other %d", len(times), by[0].Load(), by[1].Load())
		}
	})
}

func TestLeaseOfAKilledSenderEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t)
		add(t, db, "https://merchant.example:443", "n1")
		begin := time.Now()
		_, _, kill := start(t, db, func(_ string, r *http.Request) (int, string, error) { return hang(r) },
			func(c *Config) { c.Drain = time.Nanosecond })
		time.Sleep(5 * time.Second)
		kill()
		if d := delivery(t, db, "n1"); d.State != store.DeliveryDue || d.Attempts != 0 ||
			len(attempts(t, db, "n1")) != 0 {
			t.Errorf("the kill was recorded as the receiver's fault: %+v", d)
		}
		sent := make(chan time.Duration, 1)
		start(t, db, func(string, *http.Request) (int, string, error) {
			sent <- time.Since(begin)
			return 200, "SUCCESS", nil
		}, nil)
		if at := <-sent; at != 40*time.Second {
			t.Errorf("resumed after %v, the lease was 40 s", at)
		}
		synctest.Wait()
		check(t, delivery(t, db, "n1"), func(want *store.Delivery) {
			want.State, want.Attempts = store.DeliveryDone, 1
		})
	})
}

func TestShutdownWaitsForAttemptsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t)
		add(t, db, "https://merchant.example:443", "n1")
		_, _, stop := start(t, db, func(string, *http.Request) (int, string, error) {
			time.Sleep(9 * time.Second)
			return 200, "SUCCESS", nil
		}, nil)
		time.Sleep(time.Second)
		add(t, db, "https://merchant.example:443", "n2")
		began := time.Now()
		stop()
		if took := time.Since(began); took != 8*time.Second {
			t.Errorf("it took %v, the attempt under way 8 s", took)
		}
		check(t, delivery(t, db, "n1"), func(want *store.Delivery) { want.State = store.DeliveryDone })
		check(t, delivery(t, db, "n2"), func(want *store.Delivery) {
			want.State, want.Lease = store.DeliveryDue, ""
		})
	})
}

func TestALostLeaseChangesNothingButTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t)
		var thief []store.Delivery
		s, log, _ := start(t, db, func(id string, _ *http.Request) (int, string, error) {
			if id == "n1" {
				var err error
				thief, err = db.ClaimDeliveries(context.Background(), store.Claim{
					Now: time.Now().Add(time.Hour), Lease: time.Hour, Keys: storetest.Keys(t,
						1)(db.NextDeliveries(context.Background()))})
				if err != nil {
					t.Error(err)
				}
			}
			return 200, "SUCCESS", nil
		}, nil)
		synctest.Wait()
		add(t, db, "https://merchant.example:443", "n1")
		s.Wake()
		time.Sleep(time.Minute)
		synctest.Wait()
		d := delivery(t, db, "n1")
		if len(thief) != 1 {
			t.Fatalf("the thief has %+v", thief)
		}
		check(t, d, func(want *store.Delivery) {
			want.State = store.DeliveryDue
			want.Lease = thief[0].Lease
			want.Attempts = 0
		})
		if n := len(attempts(t, db, "n1")); n != 1 {
			t.Errorf("%d attempts are recorded", n)
		}
		if log.count("taken over") != 1 {
			t.Errorf("log:\n%s", log)
		}
		add(t, db, "https://merchant.example:443", "n2")
		s.Wake()
		synctest.Wait()
		check(t, delivery(t, db, "n2"), func(want *store.Delivery) { want.State = store.DeliveryDone })
	})
}

func TestTroubleWithTheDatabaseIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, closeStore := openStoreToClose(t)
		var turns atomic.Int32
		s, log, stop := start(t, db, func(string, *http.Request) (int, string, error) {
			return 0, "",
				errors.New("not reached")
		},
			func(c *Config) { c.Turned = func() { turns.Add(1) } })
		synctest.Wait()
		closeStore()
		turns.Store(0)
		for range 600 {
			s.Wake()
			time.Sleep(100 * time.Millisecond)
		}
		if n := turns.Load(); n < 30 || n > 50 { // often enough to go on soon afterwards
			t.Errorf("%d turns in a minute", n)
		}
		if n := log.count("cannot be claimed"); n != 1 {
			t.Errorf("the outage is logged %d times:\n%s", n, log)
		}
		stop()
	})
}

// A claim that took so long that its lease would end before the attempt is
// discarded: the next claimer would send the same notification at the same time.
func TestWhatASlowDatabaseGaveTooLateIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		slow.Store(true)
		db, _ := openStoreToClose(t, func(c *store.Config) {
			c.Before = func(statement string) error {
				if strings.Contains(statement, "UPDATE delivery SET claimable_at") &&
					slow.CompareAndSwap(true, false) {
					time.Sleep(2500 * time.Millisecond)
				}
				return nil
			}
		})
		add(t, db, "https://merchant.example:443", "n1")
		var sent atomic.Int32
		start(t, db, func(string, *http.Request) (int, string, error) {
			sent.Add(1)
			time.Sleep(900 * time.Millisecond)
			return 200, "SUCCESS", nil
		}, func(c *Config) { c.Timeout, c.Lease = time.Second, 3*time.Second })
		time.Sleep(time.Minute)
		synctest.Wait()
		if d := delivery(t, db, "n1"); d.State != store.DeliveryDone || sent.Load() != 1 {
			t.Errorf("sent %d times, and is %s", sent.Load(), d.State)
		}
	})
}
