package store

import (
	"context"
	"time"
)

// RateTake asks for a share of a merchant's allowance.
type RateTake struct {
	Key                  string // app code
	Now                  time.Time
	Want                 int       // requests to reserve, at least 1
	GiveBack             int       // of an earlier reservation that was not used up
	GiveBackAt           time.Time // when that one was made
	PerSecond, PerMinute int
}

// TakeRate reserves up to Want requests of the second that holds Now, so that
// at most PerSecond are reserved in that second and PerMinute in the sixty
// seconds that end with it, over all replicas. With nothing granted it says
// after how long it is worth trying again.
func (db *DB) TakeRate(ctx context.Context, t RateTake) (granted int, retry time.Duration, err error) {
	panic("stub")
}
