package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

var t0 = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

var scope = pay.Scope{MerchantID: "100001", AppCode: "APP1"}

// payment returns a valid new payment with its own id and number.
func payment(n int) pay.Payment {
	return pay.Payment{
		Scope: scope, ID: fmt.Sprintf("20261122100001%012d", n),
		OrderNo: fmt.Sprintf("order-%d", n), Fingerprint: "f", PayType: pay.AlipayHK, AccountID: "main",
		Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, Goods: "Tea", ClientTime: "2026-11-22 18:00:00",
		DeviceID: "till 1", ReturnURL: "https://shop.test/back", NotifyURL: "https://shop.test/n",
		Status: pay.Created, CreatedAt: t0.Add(time.Duration(n) * time.Second), ExpiresAt: t0.Add(time.Hour),
		DueAt: t0.Add(2 * time.Hour),
	}
}

func create(t *testing.T, db *store.DB, p pay.Payment) pay.Payment {
	t.Helper()
	stored, isNew, err := db.CreatePayment(t.Context(), p)
	if err != nil || !isNew {
		t.Fatalf("create %s: new %v, error %v", p.ID, isNew, err)
	}
	return stored
}

func TestAPaymentIsReadAsItWasStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := payment(1)
		p.OpenID, p.NoCredit, p.Checkout, p.TradeNo, p.BuyerID, p.Failure = "o", true, "w", "t", "b", "x"
		p.Late, p.Flagged, p.Inquiries, p.Reserved, p.Refunded = true, true, 3, 2, 1
		p.OpenedAt, p.PaidAt, p.ClosedAt, p.AskedAt = t0.Add(1e6), t0.Add(2e6), t0.Add(3e6), t0.Add(4e6)
		create(t, db, p)
		got, err := db.Payment(t.Context(), p.MerchantID, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Error(diff)
		}
		if _, err := db.Payment(t.Context(), "100002", p.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another merchant reads it: %v", err)
		}
	})
}

func TestOfManyCreationsOfOneNumberOneIsNew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		fresh, ids := 0, map[string]int{}
		for i := range 40 {
			wg.Go(func() {
				p := payment(i)
				p.OrderNo = "the one"
				stored, isNew, err := db.CreatePayment(context.Background(), p)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if isNew {
					fresh++
				}
				ids[stored.ID]++
			})
		}
		wg.Wait()
		if fresh != 1 || len(ids) != 1 {
			t.Errorf("%d new, ids %v", fresh, ids)
		}
	})
}

func TestTxIsDurableOrUndone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p, m := create(t, db, payment(1)), movement("m1")
		settle := func(fail error) error {
			return db.Tx(t.Context(), func(tx *store.Tx) error {
				p, err := tx.Payment(p.MerchantID, p.ID)
				if err != nil {
					return err
				}
				c := paid(p, "T1")
				c.Movement, c.Payment.BuyerID = &m, "b"
				if err := tx.Apply(c); err != nil {
					return err
				}
				return fail
			})
		}
		no := errors.New("no")
		if err := settle(no); !errors.Is(err, no) {
			t.Fatal(err)
		}
		if got, _ := db.Payment(t.Context(), p.MerchantID, p.ID); got.Status != pay.Created {
			t.Fatalf("status %s after an undone transaction", got.Status)
		}
		if err := settle(nil); err != nil {
			t.Fatal(err)
		}
		got, err := db.Payment(t.Context(), p.MerchantID, p.ID)
		if err != nil || got.Status != pay.Paid || got.TradeNo != "T1" ||
			!got.DueAt.IsZero() || got.Events != 2 {
			t.Errorf("%+v, %v", got, err)
		}
		events, err := db.Events(t.Context(), p.MerchantID, p.ID)
		if err != nil || len(events) != 2 || events[0].Kind != pay.EventPaid ||
			events[1].Kind != pay.EventSurplus {
			t.Errorf("events %v, %v", events, err)
		}
		movements, err := db.Movements(t.Context(), p.MerchantID, p.ID)
		if diff := cmp.Diff([]pay.Movement{m}, movements); err != nil || diff != "" {
			t.Error(err, diff)
		}
	})
}

func movement(id string) pay.Movement {
	return pay.Movement{
		MerchantID: scope.MerchantID, ID: id, PaymentID: payment(1).ID, Kind: pay.MovementPayment,
		Debit: "wallet:main", Credit: "merchant",
		Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, TradeNo: "T1", At: t0,
	}
}

func TestABadRowOfAGroupFailsByItself(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				p := payment(i)
				if i%10 == 3 {
					p.Amount.Minor = 0 // which the schema refuses
				}
				_, isNew, err := db.CreatePayment(context.Background(), p)
				if bad := i%10 == 3; bad == (err == nil) || bad == isNew {
					t.Errorf("%d: new %v, error %v", i, isNew, err)
				}
			})
		}
		wg.Wait()
	})
}

func TestANumberOfARefundIsUsed(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		db := storetest.Open(t, dsn)
		sqlExec(t, dsn, `INSERT INTO refund (merchant_id, id, app_code, store_id, order_no, fingerprint, payment_id,
				amount, currency,
			status, client_time, device_id, failure, created_at, done_at, due_at, inquiries, lease, claimable_at)
			VALUES ('100001', 'r1', 'APP1', '', 'order-1', '', 'p', 1, 'HKD', 'pending', '', '', '', 0, 0, 0, 0,
				'', 0)`)
		_, _, err := db.CreatePayment(t.Context(), payment(1))
		if pay.CodeOf(err) != pay.NumberUsed {
			t.Error(err)
		}
		p := payment(1)
		p.StoreID = "S1" // a number of its own
		create(t, db, p)
	})
}

func TestATakenIDAsksForAnother(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		create(t, db, payment(1))
		p := payment(2)
		p.ID = payment(1).ID
		if _, _, err := db.CreatePayment(t.Context(), p); !errors.Is(err, store.ErrIDClash) {
			t.Error(err)
		}
		p.MerchantID = "100002" // whose ids are others
		create(t, db, p)
	})
}

func TestAConnectionLostInCommitIsInDoubt(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	db := storetest.Open(t, dsn)
	create(t, db, payment(1))
	sqlExec(t, dsn, `CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'`)
	for _, table := range []string{"payment", "event"} {
		sqlExec(t, dsn, `CREATE CONSTRAINT TRIGGER die AFTER INSERT ON `+table+` DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION die()`)
	}
	if _, _, err := db.CreatePayment(t.Context(), payment(2)); !errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("create: %v", err)
	}
	err := db.Tx(t.Context(), func(tx *store.Tx) error {
		return tx.AddEvent(pay.Event{MerchantID: scope.MerchantID, PaymentID: payment(1).ID, ID: "e", At: t0})
	})
	if !errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("transaction: %v", err)
	}
	if _, err := db.Payment(t.Context(), scope.MerchantID, payment(1).ID); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestACallerThatGivesUpInTheQueueLeavesNoTrace(t *testing.T) {
	db := storetest.SQLite(t)
	inside, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		db.Tx(context.Background(), func(*store.Tx) error {
			close(inside)
			<-release
			return nil
		})
	})
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		if _, _, err := db.CreatePayment(ctx, payment(1)); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(release)
	})
	cancel()
	wg.Wait()
	_, err := db.Payment(t.Context(), scope.MerchantID, payment(1).ID)
	if !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
}

func TestAPanicInATransactionIsItsCallers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		func() {
			defer func() {
				if p := recover(); p != "mine" {
					t.Errorf("recovered %v", p)
				}
			}()
			db.Tx(t.Context(), func(*store.Tx) error { panic("mine") })
		}()
		create(t, db, payment(1))
	})
}

func TestOfTwoMovesFromOneStatusOneHappens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := create(t, db, payment(1))
		var wg sync.WaitGroup
		var mu sync.Mutex
		moves := 0
		for i, status := range []pay.Status{pay.Paid, pay.Closed, pay.Expired, pay.Paid,
			pay.Failed, pay.Closed} {
			wg.Go(func() {
				m := movement(fmt.Sprint("m", i))
				c := store.Change{Was: p, Payment: p, Movement: &m, Events: []pay.Event{{ID: "e"}}}
				c.Payment.Status = status
				err := db.Apply(context.Background(), c)
				if err != nil && !errors.Is(err, store.ErrChanged) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					moves++
				}
			})
		}
		wg.Wait()
		movements, err := db.Movements(t.Context(), p.MerchantID, p.ID)
		if err != nil || moves != 1 || len(movements) != 1 {
			t.Errorf("%d moves, movements %v, %v", moves, movements, err)
		}
	})
}

func TestReadingInATransactionLocksThePayment(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := create(t, db, payment(1))
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				err := db.Tx(context.Background(), func(tx *store.Tx) error {
					p, err := tx.Payment(p.MerchantID, p.ID)
					if err != nil {
						return err
					}
					c := store.Change{Was: p, Payment: p}
					c.Payment.Failure += "x"
					return tx.Apply(c)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got, err := db.Payment(t.Context(), p.MerchantID, p.ID); err != nil || len(got.Failure) != 20 {
			t.Errorf("%d of 20 changes, %v", len(got.Failure), err)
		}
	})
}

func TestTheSameMoneyIsWrittenOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		other := func(id string, change func(*pay.Movement)) pay.Movement {
			m := movement(id)
			change(&m)
			return m
		}
		for _, c := range []struct {
			m    pay.Movement
			want bool
		}{
			{movement("m1"), true},
			{movement("m2"), false},
			{other("m3", func(m *pay.Movement) { m.TradeNo = "T2" }), true},
			{other("m4", func(m *pay.Movement) { m.Kind = pay.MovementSurplus }), false},
			{other("m5", func(m *pay.Movement) { m.RefundID = "r1" }), true},
			{other("m6", func(m *pay.Movement) { m.Debit = "wallet:second" }), true},
			{other("m7", func(m *pay.Movement) { m.PaymentID = "another" }), false},
		} {
			var added bool
			err := db.Tx(t.Context(),
				func(tx *store.Tx) (err error) { added, err = tx.AddMovement(c.m); return err })
			if err != nil || added != c.want {
				t.Errorf("%s: added %v, %v", c.m.ID, added, err)
			}
		}
		err := db.Tx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.AddMovement(other("m1", func(m *pay.Movement) { m.TradeNo = "T3" }))
			return err
		})
		if err == nil {
			t.Error("a second movement of one id was taken for the same money")
		}
	})
}

func TestPaymentsAreListedByWhatIsAskedFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for i := 1; i <= 6; i++ {
			p := payment(i)
			if i%2 == 0 {
				p.PayType = pay.AlipayCrossBorder
			}
			if i == 6 {
				p.StoreID = "S1"
			}
			create(t, db, p)
		}
		sec := func(n int) time.Time { return t0.Add(time.Duration(n) * time.Second) }
		id := func(n int) string { return payment(n).ID }
		for name, c := range map[string]struct {
			f    store.Filter
			want string
		}{
			"all of the scope": {store.Filter{}, "54321"},
			"another scope": {store.Filter{Scope: pay.Scope{MerchantID: "100001", AppCode: "APP1",
				StoreID: "S1"}}, "6"},
			"ids":     {store.Filter{IDs: []string{id(2), id(4), id(6), "x"}}, "42"},
			"numbers": {store.Filter{OrderNos: []string{"order-1", "order-%"}}, "1"},
			"either id or number": {store.Filter{IDs: []string{id(2)}, OrderNos: []string{"order-5"}},
				"52"},
			"pay type":              {store.Filter{PayTypes: []pay.PayType{pay.AlipayHK}}, "531"},
			"status":                {store.Filter{Statuses: []pay.Status{pay.Paid, pay.Closed}}, ""},
			"time, both included":   {store.Filter{From: sec(2), To: sec(4)}, "432"},
			"page":                  {store.Filter{Limit: 2, Offset: 1}, "43"},
			"no limit, with offset": {store.Filter{Offset: 3}, "21"},
			"all conditions": {store.Filter{IDs: []string{id(2), id(4)},
				PayTypes: []pay.PayType{pay.AlipayCrossBorder}, Statuses: []pay.Status{pay.Created},
				From: sec(3), To: sec(9), Limit: 5}, "4"},
		} {
			if c.f.Scope == (pay.Scope{}) {
				c.f.Scope = scope
			}
			got, err := db.Payments(t.Context(), c.f)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			order := ""
			for _, p := range got {
				order += p.OrderNo[len("order-"):]
			}
			if order != c.want {
				t.Errorf("%s: %q, want %q", name, order, c.want)
			}
		}
	})
}
