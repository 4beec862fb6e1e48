package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func orphan(n int) pay.Orphan {
	now := time.UnixMilli(1_767_300_000_000).UTC()
	return pay.Orphan{
		MerchantID: "100001", AccountID: "main", Number: fmt.Sprintf("20260102100001%012d", n),
		TradeNo: fmt.Sprint("T", n),
		Amount:  pay.Amount{Minor: 1234, Currency: "HKD"}, BuyerID: "2088***0001", At: now.Add(-time.Hour),
		NoticedAt: now, DueAt: now,
	}
}

func addOrphan(t *testing.T, db *store.DB, o pay.Orphan, message string, most int) (isNew bool, err error) {
	t.Helper()
	err = db.Tx(t.Context(), func(tx *store.Tx) error {
		if err := tx.LockNumbers(o.MerchantID); err != nil {
			return err
		}
		isNew, err = tx.AddOrphan(o, []byte(message), most)
		return err
	})
	return isNew, err
}

func TestAnOrphanIsOneRowByAccountTradeAndRefund(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		want := orphan(1)
		for i := range 3 {
			isNew, err := addOrphan(t, db, want, "out_trade_no=1&sign=SECRET", 10)
			if err != nil || isNew != (i == 0) {
				t.Fatalf("time %d: new %v, %v", i, isNew, err)
			}
		}
		back := want
		back.RefundID, back.Amount = "R1", pay.Amount{}
		elsewhere := want
		elsewhere.AccountID = "net"
		for _, o := range []pay.Orphan{back, elsewhere} {
			if isNew, err := addOrphan(t, db, o, "", 10); err != nil || !isNew {
				t.Fatalf("%+v: new %v, %v", o, isNew, err)
			}
		}
		all, err := db.OrphansOfNumber(t.Context(), "100001", want.Number)
		want.Seq, want.State = 1, pay.OrphanOpen
		if err != nil || len(all) != 3 || all[0] != want || all[1].Seq != 2 || all[2].Seq != 1 {
			t.Fatalf("%+v, %v, want first %+v", all, err, want)
		}
		text, err := db.OrphanMessage(t.Context(), want)
		if err != nil || text != "out_trade_no=1&sign=SECRET" {
			t.Errorf("message %q, %v", text, err)
		}
		sums, err := db.OpenOrphanSums(t.Context())
		if err != nil || len(sums) != 3 || sums[0].Orphans != 1 ||
			sums[0].Amount != want.Amount || !sums[1].Back {
			t.Errorf("%+v, %v", sums, err)
		}
	})
}

func TestAnOrphanMovesOnceAndDropsItsMessageLater(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := orphan(1)
		long := strings.Repeat("x", 20<<10)
		if _, err := addOrphan(t, db, o, long, 10); err != nil {
			t.Fatal(err)
		}
		if text, err := db.OrphanMessage(t.Context(), o); err != nil || text != long[:16<<10] {
			t.Errorf("%d bytes of the message are kept, %v", len(text), err)
		}
		claim := store.Claim{Now: o.NoticedAt, Lease: time.Minute,
			Keys: storetest.Keys(t, 5)(db.NextOrphans(t.Context()))}
		due, err := db.ClaimOrphans(t.Context(), claim)
		if err != nil || len(due) != 1 || due[0].Number != o.Number {
			t.Fatalf("%+v, %v", due, err)
		}
		if again, err := db.ClaimOrphans(t.Context(), claim); err != nil || len(again) != 0 {
			t.Errorf("claimed twice: %+v, %v", again, err)
		}
		settled := o.NoticedAt.Add(time.Hour)
		for i, state := range []pay.OrphanState{pay.OrphanMatched, pay.OrphanSettled} {
			o.State, o.PaymentID, o.SettledAt, o.SettledBy, o.Note = state, "P", settled, pay.ByWallet, "why"
			var moved bool
			err := db.Tx(t.Context(), func(tx *store.Tx) (err error) {
				moved, err = tx.MoveOrphan(o)
				return err
			})
			if err != nil || moved != (i == 0) {
				t.Errorf("to %s: %v, %v", state, moved, err)
			}
		}
		if next, err := storetest.Soonest(db.NextOrphans(t.Context())); err != nil || !next.IsZero() {
			t.Errorf("due again at %v, %v", next, err)
		}
		for _, test := range []struct {
			before time.Time
			want   int
		}{{settled, 0}, {settled.Add(time.Second), 1}, {settled.Add(time.Hour), 0}} {
			if n, err := db.DropOrphanMessages(t.Context(), test.before); err != nil || n != test.want {
				t.Errorf("%d dropped, %v, want %d", n, err, test.want)
			}
		}
		got, err := db.Orphan(t.Context(), o.MerchantID, o.AccountID, o.TradeNo, "")
		if err != nil || got.State != pay.OrphanMatched || got.PaymentID != "P" || got.Note != "why" ||
			!got.SettledAt.Equal(settled) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestAnAccountHasABoundedNumberOfOpenOrphans(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for n := range 4 {
			_, err := addOrphan(t, db, orphan(n), "", 3)
			if errors.Is(err, store.ErrOrphansFull) != (n == 3) {
				t.Errorf("orphan %d: %v", n, err)
			}
		}
		if n, err := db.CountOpenOrphans(t.Context(), "100001", "main", 2); err != nil || n != 2 {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestAnOrderIsComparedWithEveryOrphan(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		o := orphan(1)
		if _, err := addOrphan(t, db, o, "", 10); err != nil {
			t.Fatal(err)
		}
		p := payment(1)
		p.MerchantID, p.AccountID = o.MerchantID, o.AccountID
		if _, _, err := db.CreatePayment(t.Context(), p); !errors.Is(err, store.ErrOrphansUnseen) {
			t.Fatalf("stored beside an orphan: %v", err)
		}
		other := p
		other.AccountID, other.OrderNo, other.ID = "another", "B", "20260102100001000000000099"
		if _, isNew, err := db.CreatePayment(t.Context(), other); err != nil || !isNew {
			t.Errorf("of another account: %v, %v", isNew, err)
		}
		if _, isNew, err := db.CreatePaymentKnowing(t.Context(), p, 1); err != nil || !isNew {
			t.Errorf("of which the orphan was seen: %v, %v", isNew, err)
		}
		if _, isNew, err := db.CreatePayment(t.Context(), p); err != nil || isNew {
			t.Errorf("a repeat: %v, %v", isNew, err)
		}
	})
}

// Whichever commits first, the other sees it: the creation sees the orphan, or the
// transaction that adds the orphan sees the payment.
func TestAnOrderAndAnOrphanDoNotMissEachOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for n := range 60 {
			o, p := orphan(n), payment(n)
			o.AccountID = fmt.Sprint("a", n)
			p.MerchantID, p.AccountID, p.OrderNo, p.ID = o.MerchantID, o.AccountID,
				fmt.Sprint("order", n), o.Number
			var both sync.WaitGroup
			var created, orphaned error
			both.Go(func() { _, _, created = db.CreatePayment(t.Context(), p) })
			both.Go(func() { _, orphaned = addOrphan(t, db, o, "", 10) })
			both.Wait()
			if orphaned != nil || created != nil && !errors.Is(created, store.ErrOrphansUnseen) {
				t.Fatal(orphaned, created)
			}
			found, err := db.PaymentsOfAnySlot(t.Context(), p.MerchantID, p.ID[:14], p.ID[17:])
			if err != nil || (len(found) == 1) != (created == nil) {
				t.Fatalf("%d payments after the orphan, and the creation says %v, %v",
					len(found), created, err)
			}
		}
	})
}
