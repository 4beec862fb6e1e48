package store

import (
	"context"
	"time"

	"github.com/sampanpay/sampan/internal/store/queries"
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
	err = db.Tx(ctx, func(tx *Tx) error {
		granted, retry, err = tx.takeRate(t)
		return err
	})
	if err != nil {
		return 0, 0, wrap("take rate", err)
	}
	return granted, retry, nil
}

func (tx *Tx) takeRate(t RateTake) (granted int, retry time.Duration, err error) {
	const minute = 60
	second := t.Now.Unix()
	if err := tx.q.LockRate(tx.ctx, t.Key); err != nil {
		return 0, 0, err
	}
	if t.GiveBack > 0 {
		back := queries.GiveBackRateParams{AppCode: t.Key, Second: t.GiveBackAt.Unix(), Given: int64(t.GiveBack)}
		if err := tx.q.GiveBackRate(tx.ctx, back); err != nil {
			return 0, 0, err
		}
	}
	slots, err := tx.q.RateSlots(tx.ctx, queries.RateSlotsParams{AppCode: t.Key, First: second - minute + 1, Last: second})
	if err != nil {
		return 0, 0, err
	}
	inSecond, inMinute := 0, 0
	for _, s := range slots {
		inMinute += int(s.Taken)
		if s.Second == second {
			inSecond = int(s.Taken)
		}
	}
	granted = min(t.Want, t.PerSecond-inSecond, t.PerMinute-inMinute)
	if granted <= 0 {
		free := second + 1 // when the next request is allowed
		for _, s := range slots {
			if inMinute < t.PerMinute {
				break
			}
			inMinute -= int(s.Taken)
			free = max(free, s.Second+minute)
		}
		return 0, time.Unix(free, 0).Sub(t.Now), nil
	}
	if err := tx.q.DropRateSlots(tx.ctx, queries.DropRateSlotsParams{AppCode: t.Key, Before: second - minute}); err != nil {
		return 0, 0, err
	}
	return granted, 0, tx.q.AddRate(tx.ctx, queries.AddRateParams{AppCode: t.Key, Second: second, Taken: int64(granted)})
}
