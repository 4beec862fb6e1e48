package work

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A table is a Queue in memory: rows with keys and times.
type table struct {
	mu     sync.Mutex
	rows   []row
	err    error
	reads  int
	claims int
	do     func(ctx context.Context, name string) time.Duration
}

type row struct {
	key, name string
	at        time.Time
}

func (q *table) add(key, name string, in time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rows = append(q.rows, row{key, name, time.Now().Add(in)})
}

func (q *table) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
}

func (q *table) count() (reads, claims int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.reads, q.claims
}

func (q *table) next(context.Context) (map[string]time.Time, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.reads++
	all := map[string]time.Time{}
	for _, r := range q.rows {
		if at, ok := all[r.key]; !ok || r.at.Before(at) {
			all[r.key] = r.at
		}
	}
	return all, q.err
}

func (q *table) claim(_ context.Context, now time.Time, keys map[string]int) (items []Item, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.claims++
	keys = maps.Clone(keys)
	q.rows = slices.DeleteFunc(q.rows, func(r row) bool {
		if keys[r.key] == 0 || r.at.After(now) {
			return false
		}
		keys[r.key]--
		items = append(items, Item{r.key,
			func(ctx context.Context) time.Duration { return q.do(ctx, r.name) }})
		return true
	})
	return items, q.err
}

func (q *table) queue() Queue { return Queue{q.next, q.claim} }

var errStopped = errors.New("stopped")

// done collects the names of items as they are done.
type done struct {
	mu    sync.Mutex
	names []string
}

func (d *done) do(_ context.Context, name string) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names = append(d.names, name)
	return 0
}

func (d *done) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.names, " ")
}

// run starts a Runner in a bubble; stop ends it and waits.
func run(t *testing.T, change func(*Config), queues ...Queue) (r *Runner, stop func(), log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	c := Config{
		Name: "test", Queues: queues, Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil)),
		Final: errStopped, Poll: time.Hour,
		Limits: Limits{Total: 100, PerClaim: 10, PerKey: 4, SlowAfter: 2 * time.Second,
			PerSlowKey: 1, Slow: 50},
	}
	if change != nil {
		change(&c)
	}
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- r.Run(ctx) }()
	return r, func() {
		t.Helper()
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	}, log
}

func TestItemsAreDoneWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d done
		q := &table{do: d.do}
		q.add("a", "now", 0)
		q.add("a", "soon", time.Minute)
		q.add("b", "later", 2*time.Minute)
		_, stop, _ := run(t, nil, q.queue())
		for _, want := range []string{"now", "now soon", "now soon later"} {
			synctest.Wait()
			if got := d.String(); got != want {
				t.Errorf("after %v: %s, want %s", want, got, want)
			}
			time.Sleep(time.Minute)
		}
		if reads, claims := q.count(); claims != 3 || reads > 10 {
			t.Errorf("%d reads and %d claims for three items", reads, claims)
		}
		stop()
	})
}

func TestAWakeIsAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d done
		q := &table{do: d.do}
		r, stop, _ := run(t, nil, q.queue())
		synctest.Wait()
		q.add("a", "new", 0)
		r.Wake()
		r.Wake()
		synctest.Wait()
		if d.String() != "new" {
			t.Errorf("done: %s", &d)
		}
		q.add("a", "timed", 10*time.Second)
		before, _ := q.count()
		r.WakeAt(time.Now().Add(30 * time.Second)) // the earlier of the two counts
		r.WakeAt(time.Now().Add(10 * time.Second))
		r.WakeAt(time.Now().Add(20 * time.Second))
		synctest.Wait()
		if after, _ := q.count(); after != before {
			t.Errorf("WakeAt read the schedule %d times", after-before)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if d.String() != "new timed" {
			t.Errorf("done: %s", &d)
		}
		stop()
	})
}

func TestOtherProcessesItemsAreFoundByPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d done
		q := &table{do: d.do}
		_, stop, _ := run(t, func(c *Config) { c.Poll = 5 * time.Second }, q.queue())
		synctest.Wait()
		q.add("a", "theirs", 0)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if d.String() != "theirs" {
			t.Errorf("done: %s", &d)
		}
		stop()
	})
}

// A key that hangs keeps its limit of items; others are done all the same.
func TestAKeyThatHangsKeepsItsRoomOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d done
		running, most := 0, 0
		release := make(chan struct{})
		hangs := &table{do: func(context.Context, string) time.Duration {
			d.mu.Lock()
			running++
			most = max(most, running)
			d.mu.Unlock()
			<-release
			d.mu.Lock()
			running--
			d.mu.Unlock()
			return time.Minute
		}}
		quick := &table{do: d.do}
		for range 50 {
			hangs.add("dead", "x", 0)
		}
		for _, name := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9"} {
			quick.add("quick", name, 0)
		}
		_, stop, _ := run(t, nil, hangs.queue(), quick.queue())
		synctest.Wait()
		if got := d.String(); len(strings.Fields(got)) != 9 {
			t.Errorf("done: %s", got)
		}
		if most != 4 {
			t.Errorf("%d of one key at once, want 4", most)
		}
		release <- struct{}{} // the key is slow now
		synctest.Wait()
		for range 3 {
			release <- struct{}{}
		}
		synctest.Wait()
		d.mu.Lock()
		if running != 1 {
			t.Errorf("%d items of a slow key at once, want 1", running)
		}
		d.mu.Unlock()
		close(release)
		stop()
	})
}

func TestAnOutageIsLoggedOnceAndWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d done
		q := &table{do: d.do}
		r, stop, log := run(t, nil, q.queue())
		synctest.Wait()
		for range 2 {
			log.Reset()
			q.fail(errors.New("away"))
			q.add("a", "waits", 0)
			before, _ := q.count()
			for range 600 {
				r.Wake() // which must not make it try more often
				time.Sleep(100 * time.Millisecond)
			}
			synctest.Wait()
			after, _ := q.count()
			if tries := after - before; tries < 30 || tries > 50 {
				t.Errorf("%d tries in a minute", tries)
			}
			d.mu.Lock()
			d.names = nil
			d.mu.Unlock()
			q.fail(nil)
			time.Sleep(1600 * time.Millisecond)
			synctest.Wait()
			if d.String() != "waits" {
				t.Errorf("1.6 s after the outage, done: %s", &d)
			}
			if n, ends := strings.Count(log.String(), "level=ERROR"), strings.Count(log.String(),
				"claimed again"); n != 1 || ends != 1 {
				t.Errorf("%d errors and %d ends:\n%s", n, ends, log)
			}
		}
		stop()
	})
}

func TestAStoppedStoreEndsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d done
		q := &table{do: d.do}
		r, err := New(Config{Queues: []Queue{q.queue()}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Final:  errStopped,
			Limits: Limits{Total: 1, PerClaim: 1, PerKey: 1}})
		if err != nil {
			t.Fatal(err)
		}
		q.fail(errors.Join(errStopped, errors.New("why")))
		if err := r.Run(t.Context()); err != nil {
			t.Error(err)
		}
		if reads, _ := q.count(); reads != 1 {
			t.Errorf("%d reads", reads)
		}
	})
}

func TestRunWaitsForItsItems(t *testing.T) {
	for name, tt := range map[string]struct{ drain, takes, want time.Duration }{
		"that end by themselves": {10 * time.Second, 4 * time.Second, 4 * time.Second},
		"that it cuts off":       {10 * time.Second, time.Hour, 10 * time.Second},
		"without a limit":        {0, time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := &table{do: func(ctx context.Context, _ string) time.Duration {
					select {
					case <-ctx.Done():
					case <-time.After(tt.takes):
					}
					return 0
				}}
				q.add("a", "x", 0)
				_, stop, _ := run(t, func(c *Config) { c.Drain = tt.drain }, q.queue())
				synctest.Wait()
				start := time.Now()
				stop()
				if took := time.Since(start); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
			})
		})
	}
}

// The lease of an item that was claimed too slowly may end before the item does.
func TestAClaimThatTookTooLongIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d done
		q := &table{do: d.do}
		q.add("a", "dropped", 0)
		slow := true
		queue := q.queue()
		queue.Claim = func(ctx context.Context, now time.Time, keys map[string]int) ([]Item, error) {
			if slow {
				time.Sleep(3 * time.Second)
			}
			slow = false
			return q.claim(ctx, now, keys)
		}
		_, stop, _ := run(t, func(c *Config) { c.Claim = 2 * time.Second }, queue)
		time.Sleep(time.Minute)
		q.add("a", "done", 0)
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if d.String() != "done" {
			t.Errorf("done: %s", &d)
		}
		stop()
	})
}

func TestRunDueDoesAllThatIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d done
		first, second := &table{do: d.do}, &table{do: d.do}
		for range 30 { // more than the limits allow at once
			first.add("a", "x", 0)
		}
		second.add("a", "y", 0)
		second.add("a", "later", time.Second)
		r, err := New(Config{
			Queues: []Queue{first.queue(), second.queue()}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Limits: Limits{Total: 10, PerClaim: 10, PerKey: 4},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.RunDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := d.String(); strings.Count(got, "x") != 30 || strings.Count(got, "y") != 1 ||
			strings.Contains(got, "later") {
			t.Errorf("done: %s", got)
		}
	})
}

func TestEachTurnIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d done
		q := &table{do: d.do}
		var mu sync.Mutex
		good, bad := 0, 0
		_, stop, _ := run(t, func(c *Config) {
			c.Poll = time.Second
			c.Turned = func(_ context.Context, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					good++
				} else {
					bad++
				}
			}
		}, q.queue())
		time.Sleep(10*time.Second + time.Millisecond)
		q.fail(errors.New("away"))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		mu.Lock()
		if good != 11 || bad < 5 {
			t.Errorf("%d turns without and %d with an error", good, bad)
		}
		mu.Unlock()
		stop()
	})
}
