package work

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A schedule has a row for each key, so reading it costs more than a claim.
func TestAScheduleIsReadOnceForManyClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &table{do: func(context.Context, string) time.Duration {
			time.Sleep(time.Minute)
			return 0
		}}
		for i := range 80 {
			q.add(fmt.Sprint(i), "x", 0)
		}
		_, stop, _ := run(t, nil, q.queue())
		synctest.Wait()
		if reads, claims := q.count(); reads != 2 || claims != 8 {
			t.Errorf("%d reads and %d claims for 80 items, 10 at a time", reads, claims)
		}
		stop()
	})
}

// Rows that somebody locks, and does not release, must not hide those of others.
func TestAKeyThatCannotBeClaimedHidesNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d done
		q := &table{do: d.do}
		for i := range 20 {
			q.add(fmt.Sprint("a", i), "locked", -time.Hour)
		}
		q.add("b", "free", 0)
		queue := q.queue()
		queue.Claim = func(ctx context.Context, now time.Time, keys map[string]int) ([]Item, error) {
			keys = maps.Clone(keys)
			maps.DeleteFunc(keys, func(key string, _ int) bool { return key[0] == 'a' })
			return q.claim(ctx, now, keys)
		}
		_, stop, _ := run(t, nil, queue)
		time.Sleep(time.Second)
		if reads, _ := q.count(); d.String() != "free" || reads > 25 {
			t.Errorf("done: %q, after %d reads", &d, reads)
		}
		stop()
	})
}

// A row that no code was written for is an error in the log, at each of its leases;
// the process and the other rows go on.
func TestAPanicEndsItsItemOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d done
		q := &table{do: func(ctx context.Context, name string) time.Duration {
			if name == "poisoned" {
				panic(name)
			}
			return d.do(ctx, name)
		}}
		for range 8 { // twice its key's limit
			q.add("a", "poisoned", 0)
		}
		q.add("a", "good", time.Second)
		_, stop, log := run(t, nil, q.queue())
		time.Sleep(time.Minute)
		stop()
		if n := strings.Count(log.String(), "work panicked"); n != 8 || d.String() != "good" {
			t.Errorf("%d panics logged, done %q", n, &d)
		}
		if !strings.Contains(log.String(), "panic: poisoned") ||
			!strings.Contains(log.String(), "claim_test.go") {
			t.Errorf("the log does not say where: %s", log)
		}
	})
}
