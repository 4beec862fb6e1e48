package pay

import "time"

// Allowance is how many requests an app code may make in one second of the clock,
// and in the sixty seconds that end with it.
type Allowance struct{ PerSecond, PerMinute int }

// RateSlot is how many requests were granted in one second.
type RateSlot struct {
	Second int64 // since 1970
	Taken  int
}

// RateSeconds is how many seconds an allowance looks back, the current one
// included.
const RateSeconds = 60

// Grant returns how many of the wanted requests are granted at now. slots are the
// grants of the last RateSeconds, oldest first. If no request is granted, retry is
// the time until the next can be.
func (a Allowance) Grant(slots []RateSlot, now time.Time, want int) (granted int, retry time.Duration) {
	second := now.Unix()
	inSecond, inMinute := 0, 0
	for _, s := range slots {
		inMinute += s.Taken
		if s.Second == second {
			inSecond = s.Taken
		}
	}
	if granted = min(want, a.PerSecond-inSecond, a.PerMinute-inMinute); granted > 0 {
		return granted, 0
	}
	free := second + 1 // the first second in which a request is allowed again
	for _, s := range slots {
		if inMinute < a.PerMinute {
			break
		}
		inMinute -= s.Taken
		free = max(free, s.Second+RateSeconds)
	}
	return 0, time.Unix(free, 0).Sub(now)
}
