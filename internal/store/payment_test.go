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

// payment is a valid new one with its own id and number.
func payment(n int) pay.Payment {
	return pay.Payment{
		Scope: scope, ID: fmt.Sprintf("20261122100001%012d", n), OrderNo: fmt.Sprintf("order-%d", n), Fingerprint: "f",
		PayType: pay.AlipayHK, AccountID: "main", Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, Goods: "Tea",
		ClientTime: "2026-11-22 18:00:00", DeviceID: "till 1", ReturnURL: "https://shop.test/back", NotifyURL: "https://shop.test/n",
		Status: pay.Created, CreatedAt: t0.Add(time.Duration(n) * time.Second), ExpiresAt: t0.Add(time.Hour), DueAt: t0.Add(2 * time.Hour),
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
		p.OpenID, p.NoCredit, p.WalletRef, p.TradeNo, p.BuyerID, p.Failure = "o", true, "w", "t", "b", "x"
		p.Late, p.Surplus, p.Looks, p.Refunding, p.Refunded = true, true, 3, 2, 1
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
		p := create(t, db, payment(1))
		settle := func(fail error) error {
			return db.Tx(t.Context(), func(tx *store.Tx) error {
				p, err := tx.Payment(p.MerchantID, p.ID)
				if err != nil {
					return err
				}
				p.Status, p.TradeNo, p.PaidAt, p.DueAt = pay.Paid, "T1", t0, time.Time{}
				if ok, err := tx.MovePayment(p, pay.Created); err != nil || !ok {
					return fmt.Errorf("moved %v, %w", ok, err)
				}
				if ok, err := tx.AddMovement(movement("m1")); err != nil || !ok {
					return fmt.Errorf("movement %v, %w", ok, err)
				}
				for _, kind := range []string{"notice", "paid"} {
					if err := tx.AddEvent(pay.Event{MerchantID: p.MerchantID, PaymentID: p.ID, ID: kind, At: t0, Kind: kind}); err != nil {
						return err
					}
				}
				if err := tx.AddDelivery(delivery(1, "http://a:80")); err != nil {
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
		if err != nil || got.Status != pay.Paid || got.TradeNo != "T1" || !got.DueAt.IsZero() {
			t.Errorf("%+v, %v", got, err)
		}
		events, err := db.Events(t.Context(), p.MerchantID, p.ID)
		if err != nil || len(events) != 2 || events[0].Kind != "notice" || events[1].Kind != "paid" {
			t.Errorf("events %v, %v", events, err)
		}
		movements, err := db.Movements(t.Context(), p.MerchantID, p.ID)
		if diff := cmp.Diff([]pay.Movement{movement("m1")}, movements); err != nil || diff != "" {
			t.Error(err, diff)
		}
	})
}

func movement(id string) pay.Movement {
	return pay.Movement{
		MerchantID: scope.MerchantID, ID: id, PaymentID: payment(1).ID, Kind: pay.MovementPayment,
		Debit: "wallet:main", Credit: "merchant", Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, TradeNo: "T1", At: t0,
	}
}
