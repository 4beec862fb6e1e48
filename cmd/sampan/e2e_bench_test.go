package main_test

import (
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// Signed orders at a running `sampan serve`, over HTTP on loopback, from one
// client and from 64 at once. Each is durable before it is answered.
func BenchmarkPayments(b *testing.B) {
	for name, dsn := range map[string]func(testing.TB) string{
		"sqlite":   func(b testing.TB) string { return "sqlite:" + filepath.Join(b.TempDir(), "sampan.db") },
		"postgres": storetest.EmptyPostgresDSN,
	} {
		b.Run(name, func(b *testing.B) {
			d := newDeployment(b, dsn(b), "--per-second", "1000000", "--per-minute", "60000000")
			d.serve(b, d.address)
			shop := startMerchant(b, d.sandbox)
			shop.HTTPClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			var last atomic.Int64
			pay := func(b *testing.B) {
				order := shop.order("BENCH-"+strconv.FormatInt(last.Add(1), 10), sampan.Alipay)
				if _, err := shop.Pay(b.Context(), order); err != nil {
					b.Error(err)
				}
			}
			b.Run("1", func(b *testing.B) {
				for b.Loop() {
					pay(b)
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
			})
			b.Run("64", func(b *testing.B) {
				var left atomic.Int64
				left.Store(int64(b.N))
				var clients sync.WaitGroup
				for range 64 {
					clients.Go(func() {
						for left.Add(-1) >= 0 {
							pay(b)
						}
					})
				}
				clients.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
			})
		})
	}
}
