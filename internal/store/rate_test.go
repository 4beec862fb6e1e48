package store_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func TestTheAllowanceIsOneForAllReplicas(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		replicas := []*store.DB{storetest.Open(t, dsn), storetest.Open(t, dsn)}
		for second := range 5 { // the first while connections are being made
			now := t0.Add(time.Duration(second) * time.Second)
			var wg sync.WaitGroup
			var granted atomic.Int64
			for i := range 40 {
				wg.Go(func() {
					n, _, err := replicas[i%2].TakeRate(context.Background(),
						store.RateTake{Key: "A", Now: now, Want: 7, PerSecond: 100, PerMinute: 1000})
					if err != nil {
						t.Error(err)
					}
					granted.Add(int64(n))
				})
			}
			wg.Wait()
			if granted.Load() != 100 {
				t.Errorf("%d granted of 100", granted.Load())
			}
		}
	})
}

func TestTheMinuteSlides(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for i, c := range []struct {
			after   time.Duration
			want    int
			back    int
			backAt  time.Duration
			granted int
			retry   time.Duration
		}{
			{after: 0, want: 100, granted: 100},
			{after: 500 * time.Millisecond, want: 1, retry: 500 * time.Millisecond}, // the second is full
			{after: 1 * time.Second, want: 100, granted: 100},
			{after: 2 * time.Second, want: 300, granted: 100},
			{after: 3 * time.Second, want: 70, granted: 70},
			{after: 4 * time.Second, want: 70, granted: 30},
			{after: 5 * time.Second, want: 1, retry: 55 * time.Second}, // the minute is full
			{after: 6 * time.Second, want: 20, back: 10, backAt: 3 * time.Second, granted: 10},
			{after: 59*time.Second + 999*time.Millisecond, want: 1, retry: time.Millisecond},
			// what is given back was over anyway
			{after: 60 * time.Second, want: 150, back: 1000, backAt: 0, granted: 100},
			{after: 61 * time.Second, want: 90, granted: 90},
			{after: 62 * time.Second, want: 100, granted: 100},
		} {
			granted, retry, err := db.TakeRate(t.Context(), store.RateTake{
				Key: "A", Now: t0.Add(c.after), Want: c.want, GiveBack: c.back, GiveBackAt: t0.Add(c.backAt),
				PerSecond: 100, PerMinute: 400,
			})
			if err != nil || granted != c.granted || retry != c.retry {
				t.Errorf("step %d: granted %d, retry %v, error %v", i, granted, retry, err)
			}
		}
		if granted, _, err := db.TakeRate(t.Context(),
			store.RateTake{Key: "B", Now: t0, Want: 5, PerSecond: 100, PerMinute: 400}); err != nil ||
			granted != 5 {
			t.Errorf("another key: %d, %v", granted, err)
		}
	})
}
