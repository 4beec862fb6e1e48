package work

import (
	"cmp"
	"slices"
	"time"
)

// Limits bound how many items run at the same time. A key whose items take long
// is slow: it gets new items only when none of its items is running, so that
// keys that hang cannot take all the room.
type Limits struct {
	Total    int // items at once
	PerClaim int // items of one claim, so that the first ones do not wait for the last
	PerKey   int // items of one key at once

	SlowAfter  time.Duration // from here on an item makes its key slow, until one is faster
	PerSlowKey int           // items of one slow key at once
	Slow       int           // items of all slow keys at once

	// Tenant returns whose key it is. Tenants share the room before their keys do.
	// Each key is a tenant of its own if it is nil.
	Tenant func(key string) string
}

const (
	// slowFor is how long a key without due work is remembered as slow.
	slowFor = time.Minute
	// maxSlow bounds how many keys are remembered as slow.
	maxSlow = 1000
	// maxServed bounds how many keys are remembered as served.
	maxServed = 20_000
)

// load is what a Runner has started, by key. It decides how many more items may
// be claimed, and of which keys: of those whose tenant, and which themselves,
// were served the longest time ago. One goroutine uses it.
type load struct {
	Limits
	total   int
	running map[string]int
	slow    map[string]time.Time // when the key was last known to be slow
	items   int                  // started so far
	served  map[string]int       // the number of the last item that was started, by key
	tenants map[string]int       // and by tenant
}

// ended is an item that has ended.
type ended struct {
	key  string
	at   time.Time
	took time.Duration
}

func newLoad(c Limits) *load {
	if c.Tenant == nil {
		c.Tenant = func(key string) string { return key }
	}
	return &load{Limits: c, running: map[string]int{}, slow: map[string]time.Time{}, served: map[string]int{},
		tenants: map[string]int{}}
}

func (l *load) begin(key string) {
	l.total++
	l.running[key]++
	if len(l.served) >= maxServed {
		clear(l.served)
		clear(l.tenants)
	}
	l.items++
	l.served[key], l.tenants[l.Tenant(key)] = l.items, l.items
}

func (l *load) end(e ended) {
	l.total--
	if l.running[e.key]--; l.running[e.key] == 0 {
		delete(l.running, e.key)
	}
	if e.took < l.SlowAfter {
		delete(l.slow, e.key)
	} else if len(l.slow) < maxSlow {
		l.slow[e.key] = e.at
	}
}

// room is how many items the next claim may take.
func (l *load) room() int { return min(l.Total-l.total, l.PerClaim) }

// share shares the room out among the keys that are due: each gets one item in
// turn until the room or the keys' own limits are used up. soonest is the earliest
// later time at which a key that may have more items is due; zero: never.
func (l *load) share(now time.Time, next map[string]time.Time) (keys map[string]int, soonest time.Time) {
	l.forget(now)
	room, slowRoom := l.room(), l.slowRoom()
	var due []dueKey
	for key, at := range next {
		_, slow := l.slow[key]
		switch n := l.most(key); {
		case n <= 0:
		case at.After(now):
			if soonest.IsZero() || at.Before(soonest) {
				soonest = at
			}
		case slow && slowRoom <= 0:
			l.slow[key] = now // it waits for its turn, and must not be forgotten meanwhile
		default:
			due = append(due, dueKey{key, l.tenants[l.Tenant(key)], l.served[key], at, n, slow})
		}
	}
	slices.SortFunc(due, dueKey.compare)
	keys = map[string]int{}
	for given := true; given && room > 0; {
		given = false
		for _, d := range due {
			if room == 0 {
				break
			}
			if keys[d.key] == d.most || d.slow && slowRoom <= 0 {
				continue
			}
			if d.slow {
				slowRoom--
			}
			keys[d.key]++
			room--
			given = true
		}
	}
	return keys, soonest
}

// dueKey is a key that may have items now. There can be one for each of many
// thousand accounts at each claim, so all that decides their order is at hand.
type dueKey struct {
	key            string
	tenant, served int // the number of the last item of each; 0: none
	at             time.Time
	most           int
	slow           bool
}

// compare orders keys by which is served first.
func (d dueKey) compare(other dueKey) int {
	return cmp.Or(
		cmp.Compare(d.tenant, other.tenant), cmp.Compare(d.served, other.served),
		d.at.Compare(other.at), cmp.Compare(d.key, other.key))
}

// most is how many more items a key may have.
func (l *load) most(key string) int {
	if _, slow := l.slow[key]; !slow {
		return l.PerKey - l.running[key]
	}
	if l.running[key] > 0 {
		return 0
	}
	return l.PerSlowKey
}

// slowRoom is how many more items all slow keys together may have.
func (l *load) slowRoom() int {
	room := l.Slow
	for key := range l.slow {
		room -= l.running[key]
	}
	return room
}

// forget drops slow keys without running items that were last slow long ago. A
// key that is due and had to wait was slow a moment ago: see share.
func (l *load) forget(now time.Time) {
	for key, last := range l.slow {
		if l.running[key] == 0 && now.Sub(last) > slowFor {
			delete(l.slow, key)
		}
	}
}
