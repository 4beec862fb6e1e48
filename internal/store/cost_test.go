package store_test

import (
	"fmt"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// BenchmarkEvent shows that an event costs the same however many its payment has.
//
//	go test -run '^$' -bench Event ./internal/store
func BenchmarkEvent(b *testing.B) {
	for _, have := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("after %d", have), func(b *testing.B) {
			db := storetest.SQLite(b, func(c *store.Config) { c.NoSync = true })
			p := payment(1)
			if _, _, err := db.CreatePayment(b.Context(), p); err != nil {
				b.Fatal(err)
			}
			n := 0
			add := func(tx *store.Tx) error {
				c := store.Change{Was: p, Payment: p,
					Events: []pay.Event{{ID: fmt.Sprintf("%08d", n), At: t0, Kind: pay.EventRefunded}}}
				n++
				p = becomes(c)
				return tx.Apply(c)
			}
			err := db.Tx(b.Context(), func(tx *store.Tx) (err error) {
				for n < have && err == nil {
					err = add(tx)
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := db.Tx(b.Context(), add); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
