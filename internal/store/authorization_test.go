package store_test

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func authorization(id, nonce string) pay.Authorization {
	return pay.Authorization{
		MerchantID: "100001", ID: id, AppCode: "A", Nonce: nonce, AccountID: "window",
		ReturnURL: "https://shop.example/?a=茶", State: "s", CreatedAt: t0, ExpiresAt: t0.Add(time.Minute),
	}
}

func TestALinkAndItsAuthorizationServeOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var opened, used atomic.Int64
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				switch err := db.OpenAuthorization(t.Context(), authorization(strconv.Itoa(i), "n")); {
				case err == nil:
					opened.Add(1)
				case !errors.Is(err, store.ErrExists):
					t.Error(err)
				}
			})
		}
		all.Wait()
		a := authorization("one", "m")
		if err := db.OpenAuthorization(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			all.Go(func() {
				switch got, err := db.UseAuthorization(t.Context(), "100001", "one", t0); {
				case err == nil && cmp.Equal(got, a):
					used.Add(1)
				case !errors.Is(err, store.ErrNotFound):
					t.Errorf("got %+v, %v", got, err)
				}
			})
		}
		all.Wait()
		if opened.Load() != 1 || used.Load() != 1 {
			t.Errorf("opened %d times, used %d times", opened.Load(), used.Load())
		}
		other := authorization("other", "n")
		other.AppCode = "B"
		if err := db.OpenAuthorization(t.Context(), other); err != nil {
			t.Errorf("another app code's nonce is taken: %v", err)
		}
	})
}

func TestAnAuthorizationEndsAndIsForgottenLater(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := authorization("one", "n")
		for _, err := range []error{db.OpenAuthorization(t.Context(), a),
			db.DropAuthorizations(t.Context(), a.ExpiresAt)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, who := range [][2]string{{"100001", "two"}, {"100002", "one"}} {
			_, err := db.UseAuthorization(t.Context(), who[0], who[1], t0)
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", who, err)
			}
		}
		_, err := db.UseAuthorization(t.Context(), "100001", "one", a.ExpiresAt)
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("used at its end: %v", err)
		}
		if err := db.OpenAuthorization(t.Context(), a); !errors.Is(err, store.ErrExists) {
			t.Errorf("opened again before it is forgotten: %v", err)
		}
		if err := db.DropAuthorizations(t.Context(), a.ExpiresAt.Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if err := db.OpenAuthorization(t.Context(), a); err != nil {
			t.Errorf("not forgotten: %v", err)
		}
	})
}
