package pay

import (
	"testing"
	"time"
)

func TestPaceTake(t *testing.T) {
	const gap = 10 * time.Second
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	after := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	var p Pace
	for i, step := range []struct {
		at     int
		waited bool
		mine   bool
		again  int
	}{
		{at: 0, mine: true},
		{at: 1, again: 10},
		{at: 2, again: 20},
		{at: 10, again: 30}, // a new caller goes after the two that wait
		{at: 11, waited: true, mine: true},
		{at: 12, waited: true, again: 21},
		{at: 21, waited: true, mine: true},
		{at: 40, mine: true},                // no caller waits any more
		{at: -60, waited: true, again: -50}, // the clock was set back
		{at: -50, waited: true, mine: true},
	} {
		next, mine, again := p.Take(after(step.at), gap, step.waited)
		if mine != step.mine || !mine && !again.Equal(after(step.again)) {
			t.Errorf("step %d: mine %t, again after %v", i, mine, again.Sub(start))
		}
		p = next
	}
}
