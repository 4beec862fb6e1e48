package store

import (
	"context"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// RateTake asks for a share of a merchant's allowance.
type RateTake struct {
	Key                  string // app code
	Now                  time.Time
	Want                 int       // requests to reserve, at least 1
	GiveBack             int       // unused requests of an earlier reservation
	GiveBackAt           time.Time // when that reservation was made
	PerSecond, PerMinute int
}

// TakeRate reserves up to Want requests in the second of Now. Over all replicas at
// most PerSecond are reserved in that second, and at most PerMinute in the sixty
// seconds that end with it. If nothing is granted, retry is how long to wait.
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
	second := t.Now.Unix()
	if err := tx.q.LockRate(tx.ctx, t.Key); err != nil {
		return 0, 0, err
	}
	if t.GiveBack > 0 {
		back := queries.GiveBackRateParams{
			AppCode: t.Key, Second: t.GiveBackAt.Unix(), Given: int64(t.GiveBack),
		}
		if err := tx.q.GiveBackRate(tx.ctx, back); err != nil {
			return 0, 0, err
		}
	}
	first := second - pay.RateSeconds + 1
	slots, err := list(toRateSlot)(tx.q.RateSlots(tx.ctx, queries.RateSlotsParams{
		AppCode: t.Key, First: first, Last: second,
	}))
	if err != nil {
		return 0, 0, err
	}
	granted, retry = pay.Allowance{PerSecond: t.PerSecond, PerMinute: t.PerMinute}.Grant(slots, t.Now, t.Want)
	if granted == 0 {
		return 0, retry, nil
	}
	if err := tx.q.DropRateSlots(tx.ctx, queries.DropRateSlotsParams{
		AppCode: t.Key, Before: first - 1,
	}); err != nil {
		return 0, 0, err
	}
	return granted, 0, tx.q.AddRate(tx.ctx, queries.AddRateParams{
		AppCode: t.Key, Second: second, Taken: int64(granted),
	})
}

func toRateSlot(r queries.RateSlotsRow) pay.RateSlot {
	return pay.RateSlot{Second: r.Second, Taken: int(r.Taken)}
}

// TakeTurn takes a turn of the named pace if one is free. Otherwise it returns when
// to retry. See pay.Pace.
func (tx *Tx) TakeTurn(
	name string, now time.Time, gap time.Duration, waited bool) (mine bool, again time.Time, err error) {
	row, err := tx.q.LockPace(tx.ctx, name)
	if err != nil {
		return false, time.Time{}, wrap("take a turn", err)
	}
	next, mine, again := pay.Pace{FreeAt: at(row.FreeAt), QueuedAt: at(row.QueuedAt)}.Take(now, gap, waited)
	err = tx.q.SetPace(tx.ctx, queries.SetPaceParams{
		Name: name, FreeAt: ms(next.FreeAt), QueuedAt: ms(next.QueuedAt),
	})
	return mine, again, wrap("take a turn", err)
}
