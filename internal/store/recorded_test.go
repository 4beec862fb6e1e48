package store_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func TestRecordedReadsWhatAWordIsJudgedBy(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		other := paid(create(t, db, payment(2)), "T2")
		c := paid(create(t, db, payment(1)), "T1")
		r := refundOf(c.Was, 1, 30)
		c.Refund, c.Payment.Reserved, c.Payment.Flagged, c.Payment.BuyerID = &r, 30, true, "b"
		c.Events = append(c.Events, pay.Event{ID: "e3", At: t0, Kind: pay.EventUnlisted, Code: "X_Y"})
		for _, c := range []store.Change{other, c} {
			if err := db.Apply(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		p := becomes(c)
		events, err := db.Events(t.Context(), p.MerchantID, p.ID)
		if err != nil || len(events) != 3 {
			t.Fatal(events, err)
		}
		for name, tt := range map[string]struct {
			heldBy, trade, refund string
			movement              pay.Movement
			wantRefund            pay.Refund
		}{
			"nothing asked":   {heldBy: "wallet:main"},
			"its trade":       {heldBy: "wallet:main", trade: "T1", movement: *c.Movement},
			"another's trade": {heldBy: "wallet:main", trade: "T2", movement: *other.Movement},
			"another account": {heldBy: "wallet:net", trade: "T1"},
			"a new trade":     {heldBy: "wallet:main", trade: "T3"},
			"bad text":        {heldBy: "wallet:main", trade: "T\x00\xff", refund: "\x00"},
			"its refund": {heldBy: "wallet:main", trade: "T1", refund: r.ID, movement: *c.Movement,
				wantRefund: r},
			"a refund not there": {heldBy: "wallet:main", refund: "x"},
		} {
			got, err := db.Recorded(t.Context(), p.MerchantID, p.ID, tt.heldBy, tt.trade, tt.refund)
			want := pay.Recorded{Payment: p, Movement: tt.movement, Refund: tt.wantRefund, Flags: events[1:]}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: %v %s", name, err, diff)
			}
			err = db.Tx(t.Context(), func(tx *store.Tx) error {
				got, err = tx.Recorded(p.MerchantID, p.ID, tt.heldBy, tt.trade, tt.refund)
				return err
			})
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("in a transaction, %s: %v %s", name, err, diff)
			}
		}
		got, err := db.Recorded(t.Context(), p.MerchantID, other.Was.ID, "wallet:main", "", r.ID)
		flags, _ := db.Events(t.Context(), p.MerchantID, other.Was.ID)
		want := pay.Recorded{Payment: becomes(other), Refund: r, Flags: flags[1:]}
		want.Payment.BuyerID = "2088\uFFFD***1"
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("one that is not flagged any more, and another's refund: %v %s", err, diff)
		}
		for _, id := range []string{"x", "\x00"} {
			_, err := db.Recorded(t.Context(), p.MerchantID, id, "wallet:main", "T1", "")
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("no such payment %q: %v", id, err)
			}
		}
	})
}

// The cost of a callback, counted at the wire: how often it waits for the server.
func TestASettlementTakesThreeRoundTripsAtMost(t *testing.T) {
	dsn, trips := storetest.CountTrips(t, storetest.PostgresDSN(t))
	db := storetest.Open(t, dsn, func(c *store.Config) { c.Connections = 1 })
	settle := func(n int) {
		p := create(t, db, payment(n))
		trips.Store(0)
		r, err := db.Recorded(t.Context(), p.MerchantID, p.ID, "wallet:main", "T"+p.ID, "x")
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Apply(t.Context(), paid(r.Payment, "T"+p.ID)); err != nil {
			t.Fatal(err)
		}
	}
	settle(1) // which prepares the statements
	settle(2)
	if n := trips.Load(); n > 3 {
		t.Errorf("a settlement of a payment takes %d round trips", n)
	} else {
		t.Logf("%d round trips", n)
	}
}
