package store_test

import (
	"sync"
	"testing"

	"github.com/sampanpay/sampan/internal/store/storetest"
)

// The API refuses such text. If some gets through all the same, PostgreSQL's
// refusal must neither become another order's number nor affect other orders of the
// group.
func TestTextThatPostgreSQLCannotHoldFailsAlone(t *testing.T) {
	db := storetest.Postgres(t)
	var creating sync.WaitGroup
	for i := range 40 {
		creating.Go(func() {
			p := payment(i)
			bad := i%4 == 0
			if bad {
				p.OrderNo += []string{"\xff", "\x00"}[i/4%2]
			}
			_, isNew, err := db.CreatePayment(t.Context(), p)
			if isNew == bad || (err != nil) != bad {
				t.Errorf("%q: new %v, error %v", p.OrderNo, isNew, err)
			}
		})
	}
	creating.Wait()
}
