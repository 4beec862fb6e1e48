package work

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var t0 = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// due makes keys due at t0; "key+1m" is due a minute later.
func due(keys ...string) map[string]time.Time {
	next := map[string]time.Time{}
	for i, key := range keys {
		next[key] = t0.Add(time.Duration(i-len(keys)) * time.Second)
	}
	return next
}

func begin(l *load, n int, key string) {
	for range n {
		l.begin(key)
	}
}

func end(l *load, key string, took time.Duration) { l.end(ended{key, t0, took}) }

func TestShare(t *testing.T) {
	const slow = 2 * time.Second
	limits := Limits{Total: 16, PerClaim: 12, PerKey: 8, SlowAfter: slow, PerSlowKey: 1, Slow: 4}
	for _, tt := range []struct {
		name  string
		do    func(*load)
		after time.Duration
		due   map[string]time.Time
		want  map[string]int
	}{
		{"one key has its limit", func(*load) {}, 0, due("a"), map[string]int{"a": 8}},
		{"two keys share a claim", func(*load) {}, 0, due("a", "b"), map[string]int{"a": 6, "b": 6}},
		{"the rest goes on in turn", func(*load) {}, 0, due("a", "b", "c", "d", "e"),
			map[string]int{"a": 3, "b": 3, "c": 2, "d": 2, "e": 2}},
		{"running items count", func(l *load) { begin(l, 6, "a") }, 0, due("a", "b"),
			map[string]int{"a": 2, "b": 8}},
		{"a full key has none", func(l *load) { begin(l, 8, "a") }, 0, due("a"), map[string]int{}},
		{"a full runner has none", func(l *load) { begin(l, 8, "a"); begin(l, 8, "b") }, 0, due("c"),
			map[string]int{}},
		{"an end makes room", func(l *load) { begin(l, 8, "a"); end(l, "a", 0) }, 0, due("a"),
			map[string]int{"a": 1}},
		{"later is not due", func(*load) {}, -time.Minute, due("a"), map[string]int{}},
		{"a slow key waits for its item", func(l *load) { begin(l, 2, "a"); end(l, "a", slow) }, 0,
			due("a", "b"), map[string]int{"b": 8}},
		{"a slow key gets one item", func(l *load) { begin(l, 1, "a"); end(l, "a", slow) }, 0, due("a", "b"),
			map[string]int{"a": 1, "b": 8}},
		{"slow keys share little", func(l *load) {
			for i := range 6 {
				begin(l, 1, fmt.Sprint(i))
				end(l, fmt.Sprint(i), slow)
			}
		}, 0, due("0", "1", "2", "3", "4", "5", "b"), map[string]int{"0": 1, "1": 1, "2": 1, "3": 1, "b": 8}},
		{"slow keys' items count", func(l *load) {
			begin(l, 5, "a")
			end(l, "a", slow)
			begin(l, 1, "b")
			end(l, "b", slow)
		},
			0, due("b"), map[string]int{}},
		{"a fast item ends slowness",
			func(l *load) { begin(l, 2, "a"); end(l, "a", slow); end(l, "a", slow-1) }, 0,
			due("a"), map[string]int{"a": 8}},
		{"slowness is forgotten", func(l *load) { begin(l, 1, "a"); end(l, "a", slow) },
			slowFor + 1, due("a"), map[string]int{"a": 8}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLoad(limits)
			tt.do(l)
			got, _ := l.share(t0.Add(tt.after), tt.due)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// However old the work of others is, a key that was not served lately is next.
func TestShareServesTheKeyThatWaitedLongest(t *testing.T) {
	l := newLoad(Limits{Total: 2, PerClaim: 2, PerKey: 1, SlowAfter: time.Hour})
	next := due("a", "b", "c", "d")
	served := map[string]int{}
	for range 10 {
		keys, _ := l.share(t0, next)
		for key := range keys {
			l.begin(key)
			served[key]++
		}
		for key := range keys {
			end(l, key, 0)
		}
	}
	if diff := cmp.Diff(map[string]int{"a": 5, "b": 5, "c": 5, "d": 5}, served); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestShareServesTenantsBeforeTheirKeys(t *testing.T) {
	l := newLoad(Limits{Total: 1, PerClaim: 1, PerKey: 1, SlowAfter: time.Hour,
		Tenant: func(key string) string { return key[:1] }})
	next := due("a1", "a2", "a3", "b1")
	var order []string
	for range 6 {
		keys, _ := l.share(t0, next)
		for key := range keys {
			l.begin(key)
			end(l, key, 0)
			order = append(order, key)
		}
	}
	if diff := cmp.Diff([]string{"a1", "b1", "a2", "b1", "a3", "b1"}, order); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestShareTellsWhenTheNextKeyIsDue(t *testing.T) {
	l := newLoad(Limits{Total: 9, PerClaim: 9, PerKey: 1, SlowAfter: time.Hour})
	l.begin("full")
	next := map[string]time.Time{"full": t0.Add(time.Second), "b": t0.Add(time.Minute),
		"c": t0.Add(time.Hour)}
	if keys, soonest := l.share(t0, next); len(keys) != 0 || !soonest.Equal(t0.Add(time.Minute)) {
		t.Errorf("got %v, %v", keys, soonest)
	}
}
