package pay

import (
	"testing"
	"time"
)

func TestAllowanceGrant(t *testing.T) {
	a := Allowance{PerSecond: 10, PerMinute: 25}
	const now = 1_000_000
	for name, c := range map[string]struct {
		slots   []RateSlot
		late    time.Duration // within the second
		want    int
		granted int
		retry   time.Duration
	}{
		"nothing taken":        {want: 7, granted: 7},
		"more than a second's": {want: 70, granted: 10},
		"the rest of a second": {slots: []RateSlot{{now, 8}}, want: 7, granted: 2},
		"the rest of a minute": {slots: []RateSlot{{now - 59, 10}, {now - 1, 10}}, want: 7, granted: 5},
		"a full second": {slots: []RateSlot{{now, 10}}, want: 1, late: 400 * time.Millisecond,
			retry: 600 * time.Millisecond},
		"a full minute": {slots: []RateSlot{{now - 59, 10}, {now - 30, 15}}, want: 1,
			retry: time.Second},
		"a minute, much later": {slots: []RateSlot{{now - 30, 10}, {now - 20, 15}}, want: 1,
			retry: 30 * time.Second},
		"over the minute twice": {slots: []RateSlot{{now - 30, 1}, {now - 20, 40}}, want: 1,
			retry: 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			granted, retry := a.Grant(c.slots, time.Unix(now, 0).Add(c.late), c.want)
			if granted != c.granted || retry != c.retry {
				t.Errorf("granted %d, retry %v; want %d, %v", granted, retry, c.granted, c.retry)
			}
		})
	}
}
