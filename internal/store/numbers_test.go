package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// BenchmarkCreation stores orders, 64 at a time, after those of the same day so
// far: SAMPAN_BENCH_ORDERS of them, 100,000 by default. It compares numbers that
// begin with the time of day with random ones, and an account without open orphans
// with one that has some.
func BenchmarkCreation(b *testing.B) {
	before := 100_000
	if n, err := strconv.Atoi(os.Getenv("SAMPAN_BENCH_ORDERS")); err == nil {
		before = n
	}
	slotted := func(r *rand.Rand, i int) string {
		return fmt.Sprintf("%03d%09d", i*1000/(before*2)%1000, r.IntN(1_000_000_000))
	}
	for _, c := range []struct {
		name    string
		number  func(r *rand.Rand, i int) string
		orphans int
	}{
		{"slots", slotted, 0},
		{"random", func(r *rand.Rand, _ int) string {
			return fmt.Sprintf("%012d", r.Int64N(1_000_000_000_000))
		}, 0},
		{"slots and 100 orphans", slotted, 100},
	} {
		b.Run(c.name, func(b *testing.B) {
			db := storetest.SQLite(b)
			for n := range c.orphans {
				o := orphan(n)
				o.MerchantID = scope.MerchantID
				err := db.Tx(b.Context(), func(tx *store.Tx) error {
					_, err := tx.AddOrphan(o, nil, 1000)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			var next atomic.Int64
			random := rand.New(rand.NewPCG(1, 2))
			var mu sync.Mutex
			create := func() pay.Payment {
				mu.Lock()
				defer mu.Unlock()
				i := int(next.Add(1))
				p := payment(i)
				p.ID, p.OrderNo = "20260102"+scope.MerchantID+c.number(random, i), fmt.Sprintf("%08x-%d",
					random.Uint32(), i)
				return p
			}
			all := func(n int) {
				var wg sync.WaitGroup
				left := atomic.Int64{}
				left.Store(int64(n))
				for range 64 {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							_, _, err := db.CreatePaymentKnowing(b.Context(), create(), int64(c.orphans))
							if err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			}
			all(before)
			used := processor(b)
			b.ResetTimer()
			all(b.N)
			b.StopTimer()
			b.ReportMetric(float64((processor(b)-used).Microseconds())/float64(b.N), "µs-cpu/op")
		})
	}
}

// processor returns the processor time that this process has used.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
