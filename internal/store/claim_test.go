package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func TestTheFirstOpeningCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := create(t, db, payment(1))
		for i, want := range []bool{true, false} {
			opened, err := db.MarkOpened(t.Context(), p.MerchantID, p.ID, t0.Add(time.Duration(i)*time.Hour),
				t0.Add(time.Minute))
			if err != nil || opened != want {
				t.Errorf("opening %d: %v, %v", i, opened, err)
			}
		}
		got, err := db.Payment(t.Context(), p.MerchantID, p.ID)
		if err != nil || !got.OpenedAt.Equal(t0) || !got.DueAt.Equal(t0.Add(time.Minute)) {
			t.Errorf("%+v, %v", got, err)
		}
		closed := payment(2)
		closed.Status = pay.Closed
		create(t, db, closed)
		if opened, err := db.MarkOpened(t.Context(), closed.MerchantID, closed.ID, t0, t0); err != nil ||
			opened {
			t.Errorf("a closed one: %v, %v", opened, err)
		}
	})
}

func TestOfManyWhoAskOneWins(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := create(t, db, payment(1))
		ask := func(at time.Time) (wins int) {
			var wg sync.WaitGroup
			var mu sync.Mutex
			for range 10 {
				wg.Go(func() {
					won, err := db.MarkAsked(context.Background(), p.MerchantID, p.ID, at, 3*time.Second)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					if won {
						wins++
					}
				})
			}
			wg.Wait()
			return wins
		}
		for _, c := range []struct {
			after time.Duration
			want  int
		}{{0, 1}, {3 * time.Second, 0}, {3*time.Second + time.Millisecond, 1},
			{time.Second, 0}, {time.Hour, 1},
			// The hour came from a clock that was ahead: the others need not wait
			// for it.
			{time.Minute, 1}, {time.Minute - time.Second, 0}, {time.Minute - 20*time.Second, 0}} {
			if wins := ask(t0.Add(c.after)); wins != c.want {
				t.Errorf("after %v: %d winners, want %d", c.after, wins, c.want)
			}
		}
	})
}

func TestTwelveWorkersClaimEachDuePaymentOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const rounds, each = 3, 60 // the first round while connections are being made
		for round := range rounds {
			now := t0.Add(time.Duration(round) * time.Hour)
			for i := range each {
				p := payment(round*each + i)
				p.DueAt = now.Add(-time.Duration(i%5) * time.Second)
				create(t, db, p)
			}
			c := store.Claim{Now: now, Lease: 1000 * time.Hour,
				Keys: map[string]int{store.AccountKey(scope.MerchantID, payment(0).AccountID): 4}}
			var wg sync.WaitGroup
			var mu sync.Mutex
			times := map[string]int{}
			for range 12 {
				wg.Go(func() {
					for idle := 0; idle < 3; {
						claims, err := db.ClaimPayments(context.Background(), c)
						if err != nil || len(claims) > 4 {
							t.Errorf("%d claimed, %v", len(claims), err)
							return
						}
						if len(claims) == 0 {
							idle++
						}
						mu.Lock()
						for _, c := range claims {
							times[c.ID]++
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

func TestAClaimIsOursUntilSomebodyElseHasIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for i, due := range []time.Duration{2, 1, 3, 0} {
			p := payment(i)
			p.DueAt = time.Time{}
			if due > 0 {
				p.DueAt = t0.Add(due * time.Second)
			}
			create(t, db, p)
		}
		claim := func(after time.Duration) []store.PaymentClaim {
			claims, err := db.ClaimPayments(t.Context(), store.Claim{
				Now: t0.Add(after), Lease: 10 * time.Second,
				Keys: storetest.Keys(t, 10)(db.NextPayments(t.Context()))})
			if err != nil {
				t.Fatal(err)
			}
			return claims
		}
		next := func(want time.Duration) {
			t.Helper()
			if got, err := storetest.Soonest(db.NextPayments(t.Context())); err != nil ||
				!got.Equal(t0.Add(want)) {
				t.Errorf("next is due at %v, %v", got, err)
			}
		}
		next(time.Second)
		claims := claim(2 * time.Second)
		if len(claims) != 2 || claims[0].ID != payment(1).ID || claims[1].ID != payment(0).ID {
			t.Fatalf("claimed %+v", claims)
		}
		next(3 * time.Second)
		if again := claim(2 * time.Second); len(again) != 0 {
			t.Errorf("claimed twice: %+v", again)
		}
		if err := db.ReschedulePayment(t.Context(), claims[0], t0.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got, _ := db.Payment(t.Context(), scope.MerchantID, claims[0].ID); got.Inquiries != 1 ||
			!got.DueAt.Equal(t0.Add(time.Hour)) {
			t.Errorf("rescheduled: %+v", got)
		}
		err := db.ReschedulePayment(t.Context(), claims[0], time.Time{})
		if !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("rescheduled twice: %v", err)
		}
		if theirs := claim(12 * time.Second); len(theirs) != 2 {
			t.Errorf("after the lease: %+v", theirs)
		}
		err = db.ReschedulePayment(t.Context(), claims[1], time.Time{})
		if !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("rescheduled what is somebody else's: %v", err)
		}
		if theirs := claim(30 * time.Second); len(theirs) != 2 {
			t.Errorf("after their lease: %+v", theirs)
		} else if err := db.ReschedulePayment(t.Context(), theirs[0], time.Time{}); err != nil {
			t.Error(err)
		}
		opened, err := db.MarkOpened(t.Context(), scope.MerchantID, payment(2).ID, t0, t0.Add(time.Minute))
		if err != nil || !opened {
			t.Error(opened, err)
		}
		next(time.Minute)
	})
}

func TestAClaimTakesItsAccountsAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for i, account := range []string{"hangs", "main", "hangs-not", "hangs", "main", "main"} {
			p := payment(i)
			p.AccountID, p.DueAt = account, t0.Add(time.Duration(i)*time.Second)
			create(t, db, p)
		}
		claim := func(keys map[string]int) (got []string) {
			claims, err := db.ClaimPayments(t.Context(),
				store.Claim{Now: t0.Add(4 * time.Second), Lease: time.Minute, Keys: keys})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range claims {
				got = append(got, c.Account()+" "+c.ID[len(c.ID)-1:])
			}
			return got
		}
		for _, tt := range []struct {
			keys map[string]int
			want []string
		}{
			{map[string]int{"100001/main": 1, "100001/hangs-not": 3, "999999/main": 1},
				[]string{"100001/main 1", "100001/hangs-not 2"}},
			{map[string]int{"100001/main": 5}, []string{"100001/main 4"}}, // the last one is not due yet
			{nil, nil},
			{map[string]int{"100001/hangs": 1}, []string{"100001/hangs 0"}},
			{map[string]int{"100001/hangs": 5}, []string{"100001/hangs 3"}},
		} {
			if diff := cmp.Diff(tt.want, claim(tt.keys)); diff != "" {
				t.Errorf("of %v (-want +got):\n%s", tt.keys, diff)
			}
		}
		next, err := db.NextPayments(t.Context())
		lease := t0.Add(4 * time.Second).Add(time.Minute)
		want := map[string]time.Time{"100001/main": t0.Add(5 * time.Second), "100001/hangs": lease,
			"100001/hangs-not": lease}
		if diff := cmp.Diff(want, next, cmp.Comparer(time.Time.Equal)); err != nil || diff != "" {
			t.Errorf("next: %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestABacklogDoesNotSlowAClaim(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		db := storetest.Open(t, dsn)
		p := payment(0)
		p.AccountID, p.DueAt = "behind", t0
		create(t, db, p)
		p = payment(1)
		p.DueAt = t0.Add(time.Hour)
		create(t, db, p)
		values := strings.Join(store.PaymentColumns(), ", ")
		for column, value := range map[string]string{"id": "'x' || i", "order_no": "'x' || i",
			"claimable_at": "i", "account_id": "'behind'"} {
			values = strings.Replace(", "+values+",", ", "+column+",", ", "+value+",", 1)
			values = strings.Trim(values, ", ")
		}
		sqlExec(t, dsn, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
			INSERT INTO payment (`+strings.Join(store.PaymentColumns(), ", ")+`) SELECT `+values+`
			FROM payment, n WHERE id = '`+payment(0).ID+`'`)
		for range 2 {
			start := time.Now()
			c := store.Claim{Now: t0.Add(2 * time.Hour), Lease: time.Hour,
				Keys: storetest.Keys(t, 4)(db.NextPayments(t.Context()))}
			claims, err := db.ClaimPayments(t.Context(), c)
			if err != nil || len(claims) < 4 {
				t.Errorf("%d claimed, %v", len(claims), err)
			}
			// a few milliseconds; reading the backlog takes much longer
			if took := time.Since(start); took > 300*time.Millisecond {
				t.Errorf("claimed %d in %v", len(claims), took)
			} else {
				t.Logf("claimed %d in %v", len(claims), took)
			}
		}
	})
}
