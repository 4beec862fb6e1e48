package pay

import "time"

// Pace hands out turns to callers that must keep a gap between them, such as
// refunds of one wallet account.
type Pace struct {
	FreeAt   time.Time // the next turn is free from then on
	QueuedAt time.Time // the latest time at which a waiting caller was asked to return
}

// Take takes a turn at now if one is free: mine is true, and the next turn is
// free gap later. Otherwise again is when to return. Callers that have already
// waited go before new ones. next is the pace to store, in either case.
func (p Pace) Take(now time.Time, gap time.Duration, waited bool) (next Pace, mine bool, again time.Time) {
	if latest := now.Add(gap); p.FreeAt.After(latest) {
		p.FreeAt = latest // the clock was set back
	}
	switch {
	case !now.Before(p.FreeAt) && (waited || !now.Before(p.QueuedAt)):
		p.FreeAt = now.Add(gap)
		return p, true, time.Time{}
	case waited:
		return p, false, p.FreeAt
	}
	if p.QueuedAt = p.QueuedAt.Add(gap); p.QueuedAt.Before(p.FreeAt) {
		p.QueuedAt = p.FreeAt
	}
	return p, false, p.QueuedAt
}
