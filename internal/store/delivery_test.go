package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func delivery(n int, receiver string) store.Delivery {
	return store.Delivery{
		MerchantID: scope.MerchantID, ID: fmt.Sprintf("d%d", n), PaymentID: payment(1).ID,
		AppCode: scope.AppCode, Kind: "payment",
		URL: receiver + "/notify", Receiver: receiver, Body: []byte(`{"n":1}`),
		CreatedAt: t0.Add(time.Duration(n) * time.Millisecond),
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

// claimAll claims of all receivers if c has no keys.
func claimAll(t *testing.T, db *store.DB, c store.Claim) []store.Delivery {
	t.Helper()
	if c.Keys == nil {
		c.Keys = storetest.Keys(t, 1000)(db.NextDeliveries(t.Context()))
	}
	got, err := db.ClaimDeliveries(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

var everything = store.Claim{Now: t0.Add(time.Minute), Lease: time.Minute}

func TestTwelveWorkersClaimEachDeliveryOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const rounds, each = 3, 60 // the first round while connections are being made
		for round := range rounds {
			var all []store.Delivery
			for i := range each {
				all = append(all, delivery(round*each+i, fmt.Sprintf("http://r%d:80", i%7)))
			}
			addDeliveries(t, db, all...)
			c := store.Claim{Now: t0.Add(time.Minute), Lease: time.Hour,
				Keys: storetest.Keys(t, 2)(db.NextDeliveries(t.Context()))}
			var wg sync.WaitGroup
			var mu sync.Mutex
			times := map[string]int{}
			for range 12 {
				wg.Go(func() {
					for idle := 0; idle < 3; {
						got, err := db.ClaimDeliveries(context.Background(), c)
						if err != nil || len(got) > 2*7 {
							t.Errorf("%d claimed, %v", len(got), err)
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
			if len(times) != each {
				t.Errorf("%d of %d claimed", len(times), each)
			}
		}
	})
}

func TestFinishAttemptEndsTheLease(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		addDeliveries(t, db, delivery(1, "http://a:80"))
		d := claimAll(t, db, everything)[0]
		d.Attempts, d.DueAt = 1, t0.Add(2*time.Minute)
		attempt := store.DeliveryAttempt{DeliveryID: d.ID, StartedAt: t0, Took: 1234567, Status: 500,
			Answer: "no\x00", Error: "status 500"}
		if err := db.FinishAttempt(t.Context(), d, attempt); err != nil {
			t.Fatal(err)
		}
		if next, err := storetest.Soonest(db.NextDeliveries(t.Context())); err != nil ||
			!next.Equal(d.DueAt) {
			t.Errorf("next %v, %v", next, err)
		}
		if err := db.FinishAttempt(t.Context(), d, attempt); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("second finish: %v", err)
		}
		attempts, err := db.Attempts(t.Context(), d.MerchantID, d.ID)
		if err != nil || len(attempts) != 2 || attempts[0].Number != 1 || attempts[1].Number != 2 ||
			attempts[0].Took != 1234567 {
			t.Errorf("attempts %+v, %v", attempts, err)
		}
	})
}

func TestAClaimTakesALittleOfEachReceiver(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var all []store.Delivery
		for i := range 10 {
			all = append(all, delivery(i, "http://dead:80"), delivery(100+i, "http://slow:80"))
		}
		addDeliveries(t, db, append(all, delivery(200, "http://ok:80"), delivery(300, "http://ok:80"))...)
		c := everything
		c.Keys = map[string]int{"http://dead:80": 3, "http://ok:80": 3, "http://gone:80": 3}
		names := func(all []store.Delivery) (s string) {
			for _, d := range all {
				s += d.ID + " "
			}
			return s
		}
		got := claimAll(t, db, c)
		if s := names(got); s != "d0 d1 d2 d200 d300 " {
			t.Errorf("claimed %s", s)
		}
		if got[0].Lease == "" || string(got[0].Body) != `{"n":1}` {
			t.Errorf("%+v", got[0])
		}
		c.Keys = map[string]int{"http://dead:80": 2}
		if s := names(claimAll(t, db, c)); s != "d3 d4 " {
			t.Errorf("then %s", s)
		}
		next, err := db.NextDeliveries(t.Context())
		want := map[string]time.Time{
			"http://dead:80": t0.Add(5 * time.Millisecond), "http://slow:80": t0.Add(100 * time.Millisecond),
			"http://ok:80": c.Now.Add(c.Lease),
		}
		if diff := cmp.Diff(want, next, cmp.Comparer(time.Time.Equal)); err != nil || diff != "" {
			t.Errorf("next: %v (-want +got):\n%s", err, diff)
		}
		c = everything
		c.Now = c.Now.Add(c.Lease)
		if got := claimAll(t, db, c); len(got) != 22 {
			t.Errorf("%d claimed after the leases", len(got))
		}
	})
}

func TestADeadReceiversPileDoesNotSlowAClaim(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		db := storetest.Open(t, dsn)
		sqlExec(t, dsn, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
			INSERT INTO delivery (merchant_id, id, payment_id, refund_id, app_code, kind, url, receiver, body, state,
				attempts, manual,
				created_at, due_at, done_at, lease, claimable_at)
			SELECT '100001', 'x' || i, '', '', '', 'payment', '', 'http://dead:80', '', 'due', 0, 0, 1, 1, 0, '', i
			FROM n`)
		addDeliveries(t, db, delivery(1, "http://a:80"), delivery(2, "http://z:80"))
		for range 2 {
			c := everything
			start := time.Now()
			c.Keys = storetest.Keys(t, 4)(db.NextDeliveries(t.Context()))
			got := claimAll(t, db, c)
			took := time.Since(start)
			t.Logf("%d claimed in %v", len(got), took)
			if took > 500*time.Millisecond { // a few milliseconds; reading the pile takes much longer
				t.Errorf("claimed %d in %v", len(got), took)
			}
		}
	})
}

func TestAnAttemptUnderALostLeaseIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		addDeliveries(t, db, delivery(1, "http://a:80"))
		ours := claimAll(t, db, everything)[0]
		later := everything
		later.Now = later.Now.Add(later.Lease)
		theirs := claimAll(t, db, later)[0]
		ours.State, ours.DoneAt = store.DeliveryDead, t0
		err := db.FinishAttempt(t.Context(), ours, store.DeliveryAttempt{Error: "ours"})
		if !errors.Is(err, store.ErrLeaseLost) {
			t.Error(err)
		}
		theirs.State, theirs.DoneAt, theirs.Attempts = store.DeliveryDone, t0, 1
		if err := db.FinishAttempt(t.Context(), theirs, store.DeliveryAttempt{Status: 200}); err != nil {
			t.Error(err)
		}
		done, err := db.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryDone})
		if err != nil || len(done) != 1 || done[0].Lease != "" || !done[0].DoneAt.Equal(t0) {
			t.Errorf("%+v, %v", done, err)
		}
		attempts, err := db.Attempts(t.Context(), ours.MerchantID, ours.ID)
		if err != nil || len(attempts) != 2 || attempts[0].Error != "ours" {
			t.Errorf("%+v, %v", attempts, err)
		}
		if next, err := storetest.Soonest(db.NextDeliveries(t.Context())); err != nil || !next.IsZero() {
			t.Errorf("next %v, %v", next, err)
		}
	})
}

func TestManyAttemptsFinishTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for i := range 50 {
			addDeliveries(t, db, delivery(i, "http://a:80"))
		}
		var wg sync.WaitGroup
		for i, d := range claimAll(t, db, everything) {
			for try := range 2 { // the second has no lease any more
				wg.Go(func() {
					d := d
					d.State, d.DoneAt = store.DeliveryDone, t0
					err := db.FinishAttempt(context.Background(), d, store.DeliveryAttempt{Status: 200})
					if err != nil && !errors.Is(err, store.ErrLeaseLost) {
						t.Errorf("%d, try %d: %v", i, try, err)
					}
				})
			}
		}
		wg.Wait()
		done, err := db.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryDone})
		if err != nil || len(done) != 50 {
			t.Errorf("%d done, %v", len(done), err)
		}
		for _, d := range done {
			if attempts, err := db.Attempts(t.Context(), d.MerchantID, d.ID); err != nil ||
				len(attempts) != 2 {
				t.Errorf("%s: attempts %+v, %v", d.ID, attempts, err)
			}
		}
	})
}

func TestResendStartsANewPlan(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		addDeliveries(t, db, delivery(1, "http://a:80"), delivery(2, "http://a:80"))
		if err := db.Resend(t.Context(), scope.MerchantID, "none", t0); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
		if err := db.Resend(t.Context(), scope.MerchantID, "d1", t0); !errors.Is(err, store.ErrExists) {
			t.Error(err)
		}
		d := claimAll(t, db, everything)[0]
		d.State, d.Attempts, d.DoneAt = store.DeliveryDead, 8, t0
		if err := db.FinishAttempt(t.Context(), d, store.DeliveryAttempt{}); err != nil {
			t.Fatal(err)
		}
		if err := db.Resend(t.Context(), d.MerchantID, d.ID, t0.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		c := everything
		c.Now = t0.Add(time.Hour)
		again := claimAll(t, db, c)
		if len(again) != 2 || again[1].ID != "d1" || !again[1].Manual || again[1].Attempts != 0 ||
			!again[1].DoneAt.IsZero() {
			t.Fatalf("%+v", again)
		}
		again[1].DueAt = c.Now.Add(time.Minute)
		if err := db.FinishAttempt(t.Context(), again[1], store.DeliveryAttempt{Manual: true}); err != nil {
			t.Fatal(err)
		}
		all, err := db.Deliveries(t.Context(),
			store.DeliveryFilter{MerchantID: scope.MerchantID, PaymentID: payment(1).ID, Limit: 1})
		if err != nil || len(all) != 1 || all[0].ID != "d2" {
			t.Errorf("newest: %+v, %v", all, err)
		}
		attempts, err := db.Attempts(t.Context(), d.MerchantID, d.ID)
		if err != nil || len(attempts) != 2 || attempts[1].Number != 2 || !attempts[1].Manual {
			t.Errorf("%+v, %v", attempts, err)
		}
	})
}
