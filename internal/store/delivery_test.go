package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func delivery(n int, receiver string) store.Delivery {
	return store.Delivery{
		MerchantID: scope.MerchantID, ID: fmt.Sprintf("d%d", n), PaymentID: payment(1).ID, AppCode: scope.AppCode, Kind: "payment",
		URL: receiver + "/notify", Receiver: receiver, Body: []byte(`{"n":1}`), CreatedAt: t0.Add(time.Duration(n) * time.Millisecond),
	}
}

func addDeliveries(t *testing.T, db *store.DB, all ...store.Delivery) {
	t.Helper()
	err := db.Tx(t.Context(), func(tx *store.Tx) error {
		for _, d := range all {
			if err := tx.AddDelivery(d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func claimAll(t *testing.T, db *store.DB, c store.DeliveryClaim) []store.Delivery {
	t.Helper()
	got, err := db.ClaimDeliveries(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var everything = store.DeliveryClaim{Now: t0.Add(time.Minute), Lease: time.Minute, Limit: 1000, PerReceiver: 1000}

func TestTwelveWorkersClaimEachDeliveryOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for i := range 60 {
			addDeliveries(t, db, delivery(i, fmt.Sprintf("http://r%d:80", i%7)))
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		times := map[string]int{}
		for range 12 {
			wg.Go(func() {
				for idle := 0; idle < 3; {
					c := everything
					c.Limit, c.PerReceiver = 4, 2
					got, err := db.ClaimDeliveries(context.Background(), c)
					if err != nil {
						t.Error(err)
						return
					}
					if len(got) == 0 {
						idle++
					}
					mu.Lock()
					for _, d := range got {
						times[d.ID]++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for id, n := range times {
			if n != 1 {
				t.Errorf("%s was claimed %d times", id, n)
			}
		}
		if len(times) != 60 {
			t.Errorf("%d of 60 claimed", len(times))
		}
	})
}

func TestFinishAttemptEndsTheLease(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		addDeliveries(t, db, delivery(1, "http://a:80"))
		d := claimAll(t, db, everything)[0]
		d.Attempts, d.DueAt = 1, t0.Add(2*time.Minute)
		attempt := store.DeliveryAttempt{DeliveryID: d.ID, StartedAt: t0, Took: 1234567, Status: 500, Answer: "no\x00", Error: "status 500"}
		if err := db.FinishAttempt(t.Context(), d, attempt); err != nil {
			t.Fatal(err)
		}
		if next, err := db.NextDelivery(t.Context(), nil); err != nil || !next.Equal(d.DueAt) {
			t.Errorf("next %v, %v", next, err)
		}
		if err := db.FinishAttempt(t.Context(), d, attempt); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("second finish: %v", err)
		}
		attempts, err := db.Attempts(t.Context(), d.MerchantID, d.ID)
		if err != nil || len(attempts) != 2 || attempts[0].Number != 1 || attempts[1].Number != 2 || attempts[0].Took != 1234567 {
			t.Errorf("attempts %+v, %v", attempts, err)
		}
	})
}
