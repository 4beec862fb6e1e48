package store_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func TestSchemaVersionIsReadWithoutMakingASchema(t *testing.T) {
	read := func(dsn string) int64 {
		t.Helper()
		s, err := store.ReadSchema(t.Context(), dsn)
		if err != nil || s.Want < 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		return s.Want - s.Have
	}
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		storetest.Open(t, dsn)
		if missing := read(dsn); missing != 0 {
			t.Errorf("%d steps are missing just after they were made", missing)
		}
	})
	empty := filepath.Join(t.TempDir(), "a b?#%.db")
	for range 2 { // the first look must not leave anything for the second
		if missing := read("sqlite:" + empty); missing < 1 {
			t.Error("a database that is not there has a schema")
		}
		if _, err := os.Stat(empty); err == nil {
			t.Error("the look has made the file")
		}
	}
	t.Run("postgres, empty", func(t *testing.T) {
		dsn := storetest.EmptyPostgresDSN(t)
		for range 2 {
			if missing := read(dsn); missing < 1 {
				t.Error("an empty database has a schema")
			}
		}
	})
}

func TestTryWriteLeavesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for range 3 {
			if err := db.TryWrite(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}, func(c *store.Config) {
		c.Token = func() string { return "same" } // so that a row left behind would clash
	})
}

func TestDatabasesClockIsRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		got, err := db.Clock(t.Context())
		if off := time.Since(got).Abs(); err != nil || off > 5*time.Second {
			t.Errorf("%v, which is %v off, %v", got, off, err)
		}
	})
}

func TestBacklogIsWhatWaitsForWorkersAndForPeople(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		backlog := func(now time.Time) store.Backlog {
			t.Helper()
			b, err := db.Backlog(t.Context(), now)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		if got := backlog(t0); got != (store.Backlog{}) {
			t.Errorf("of an empty database: %+v", got)
		}

		due, later, surplus := payment(1), payment(2), payment(3)
		due.DueAt, later.DueAt, surplus.DueAt = t0.Add(-time.Hour), t0.Add(time.Hour), time.Time{}
		for _, p := range []pay.Payment{due, later, surplus} {
			if _, created, err := db.CreatePayment(t.Context(), p); err != nil || !created {
				t.Fatal(created, err)
			}
		}
		c := store.Change{Was: surplus, Payment: surplus}
		c.Payment.Status, c.Payment.Flagged, c.Payment.PaidAt = pay.Paid, true, t0
		if err := db.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		early, soon, dead := delivery(1, "http://a:80"), delivery(2, "http://a:80"),
			delivery(3, "http://b:80")
		addDeliveries(t, db, early, soon, dead)
		for _, d := range claimAll(t, db, store.Claim{Now: t0.Add(time.Second), Lease: time.Minute}) {
			switch d.ID {
			case early.ID:
				d.DueAt = t0.Add(-time.Minute)
			case soon.ID:
				d.DueAt = t0.Add(time.Minute)
			case dead.ID:
				d.State, d.DoneAt = store.DeliveryDead, t0
			}
			if err := db.FinishAttempt(t.Context(), d, store.DeliveryAttempt{StartedAt: t0}); err != nil {
				t.Fatal(err)
			}
		}

		want := store.Backlog{
			Payments: 1, PaymentDue: due.DueAt, Deliveries: 1, DeliverDue: t0.Add(-time.Minute),
			Dead: 1, Flagged: 1,
		}
		if diff := cmp.Diff(want, backlog(t0)); diff != "" {
			t.Error(diff)
		}
		want.Payments, want.Deliveries = 2, 2
		if diff := cmp.Diff(want, backlog(t0.Add(2*time.Hour))); diff != "" {
			t.Error(diff)
		}
	})
}
