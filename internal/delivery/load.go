package delivery

import "time"

const (
	// slowAfter is how long an attempt takes whose receiver is slow.
	slowAfter = 2 * time.Second
	// slowFor is how long a receiver is remembered to be slow that could be sent
	// to and is not, because nothing is due.
	slowFor = time.Minute
	// maxSlow bounds how many are remembered.
	maxSlow = 1000
	// maxClaim bounds one claim, so that the first rows of a long queue are not
	// kept waiting by the last.
	maxClaim = 128
)

// load is what a Sender has in hand, by receiver, and which receivers were slow
// when they were last heard of. It decides how much more may be begun, so that
// receivers that hang cannot take all the room: one that is known to be slow
// gets one attempt at a time, and all of those together half of the room.
type load struct {
	workers, perReceiver int
	total                int
	inHand               map[string]int
	slow                 map[string]time.Time // when that was last true
}

// ended is an attempt that is over.
type ended struct {
	receiver string
	at       time.Time
	took     time.Duration
}

func newLoad(workers, perReceiver int) *load {
	return &load{workers: workers, perReceiver: perReceiver, inHand: map[string]int{}, slow: map[string]time.Time{}}
}

func (l *load) begin(receiver string) {
	l.total++
	l.inHand[receiver]++
}

func (l *load) end(e ended) {
	l.total--
	if l.inHand[e.receiver]--; l.inHand[e.receiver] == 0 {
		delete(l.inHand, e.receiver)
	}
	if e.took < slowAfter {
		delete(l.slow, e.receiver)
	} else if len(l.slow) < maxSlow {
		l.slow[e.receiver] = e.at
	}
}

// room says how many more may be begun, how many of these to one receiver, and
// to which receivers none.
func (l *load) room(now time.Time) (limit, perReceiver int, skip []string) {
	limit = min(l.workers-l.total, maxClaim)
	// A claim cannot know what is in hand already. Claiming half of what a
	// receiver may have, for those that have no more than the other half, keeps
	// the bound and still claims several rows at a time.
	perReceiver = max(1, l.perReceiver/2)
	forSlow := max(1, l.workers/2)
	for r, n := range l.inHand {
		_, slow := l.slow[r]
		if slow {
			forSlow -= n
		}
		if slow || n+perReceiver > l.perReceiver {
			skip = append(skip, r)
		}
	}
	for r, last := range l.slow {
		switch {
		case l.inHand[r] > 0:
		case forSlow <= 0: // it waits for its turn, which is no reason to forget it
			l.slow[r] = now
			skip = append(skip, r)
		case now.Sub(last) > slowFor:
			delete(l.slow, r)
		default:
			perReceiver, limit = 1, min(limit, forSlow)
		}
	}
	return limit, perReceiver, skip
}
