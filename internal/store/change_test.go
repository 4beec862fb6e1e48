package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// paid returns the change that makes a payment paid by a trade. It has every part
// of a change except a refund.
func paid(p pay.Payment, trade string) store.Change {
	c := store.Change{Was: p, Payment: p}
	c.Payment.Status, c.Payment.TradeNo = pay.Paid, trade
	c.Payment.PaidAt, c.Payment.DueAt = t0.Add(time.Minute), time.Time{}
	c.Payment.BuyerID, c.Payment.WalletID = "2088\x00***1", "W-"+trade
	c.Movement = &pay.Movement{
		MerchantID: p.MerchantID, ID: "m-" + p.ID + "-" + trade, PaymentID: p.ID, Kind: pay.MovementPayment,
		Debit: "wallet:main", Credit: "merchant", Amount: p.Amount, TradeNo: trade, At: t0,
	}
	c.Events = []pay.Event{{ID: fmt.Sprint("e", p.Events+1), At: t0, Kind: "paid"},
		{ID: fmt.Sprint("e", p.Events+2), At: t0, Kind: "surplus"}}
	d := delivery(0, "http://a:80")
	d.ID, d.PaymentID = "d-"+p.ID+"-"+trade, p.ID
	c.Delivery = &d
	return c
}

// becomes returns the payment as it reads after a change.
func becomes(c store.Change) pay.Payment {
	p := c.Payment
	p.Events = c.Was.Events + len(c.Events)
	return p
}

// refundOf returns a new refund of a payment.
func refundOf(p pay.Payment, n int, minor int64) pay.Refund {
	id := fmt.Sprintf("%s-r%d", p.ID, n)
	return pay.Refund{
		Scope: p.Scope, ID: id, OrderNo: id, PaymentID: p.ID, AccountID: p.AccountID,
		Amount: pay.Amount{Minor: minor, Currency: p.Amount.Currency},
		Status: pay.RefundPending, CreatedAt: t0, DueAt: t0,
	}
}

// record is everything that is stored of a payment.
type record struct {
	Payment    pay.Payment
	Refunds    []pay.Refund
	Movements  []pay.Movement
	Events     []pay.Event
	Deliveries int
}

func recordOf(t require, db *store.DB, p pay.Payment) (r record) {
	t.Helper()
	var errs [5]error
	var deliveries []store.Delivery
	ctx := context.Background()
	r.Payment, errs[0] = db.Payment(ctx, p.MerchantID, p.ID)
	r.Refunds, errs[1] = db.RefundsOf(ctx, p.MerchantID, p.ID)
	r.Movements, errs[2] = db.Movements(ctx, p.MerchantID, p.ID)
	r.Events, errs[3] = db.Events(ctx, p.MerchantID, p.ID)
	deliveries, errs[4] = db.Deliveries(ctx, store.DeliveryFilter{MerchantID: p.MerchantID, PaymentID: p.ID})
	r.Deliveries = len(deliveries)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return r
}

// require is what testing.T and rapid.T have in common.
type require interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

func TestApplyWritesTheWholeChange(t *testing.T) {
	applies := map[string]func(*store.DB, store.Change) error{
		"alone": func(db *store.DB, c store.Change) error { return db.Apply(context.Background(), c) },
		"in a transaction": func(db *store.DB, c store.Change) error {
			return db.Tx(context.Background(), func(tx *store.Tx) error { return tx.Apply(c) })
		},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for i, name := range slices.Sorted(maps.Keys(applies)) {
			t.Run(name, func(t *testing.T) {
				apply := applies[name]
				p := create(t, db, payment(i))
				c := paid(p, fmt.Sprint("T", i))
				c.Payment.Checkout, c.Payment.CheckoutEndsAt, c.Payment.WalletNumber = "ref",
					t0.Add(time.Hour), "N"
				c.Payment.Failure, c.Payment.Late, c.Payment.Flagged = "f", true, true
				c.Payment.ClosedAt = t0.Add(time.Second)
				c.Payment.CloseID, c.Payment.CloseAskedAt, c.Payment.Reserved = "c", t0.Add(2*time.Second), 30
				r := refundOf(p, 1, 30)
				c.Refund = &r
				if err := apply(db, c); err != nil {
					t.Fatal(err)
				}
				want := record{Payment: becomes(c), Refunds: []pay.Refund{r},
					Movements: []pay.Movement{*c.Movement}, Deliveries: 1}
				want.Payment.BuyerID = "2088\uFFFD***1"
				for i, e := range c.Events {
					e.MerchantID, e.PaymentID, e.Seq = p.MerchantID, p.ID, i+1
					want.Events = append(want.Events, e)
				}
				if diff := gocmp.Diff(want, recordOf(t, db, p)); diff != "" {
					t.Error(diff)
				}

				done := r
				done.Status, done.Failure = pay.RefundSucceeded, "x"
				done.DoneAt, done.DueAt = t0.Add(time.Hour), time.Time{}
				c = store.Change{Was: want.Payment, Payment: want.Payment, WasRefund: &r, Refund: &done}
				c.Payment.Refunded = 30
				c.Events = []pay.Event{{ID: "e3", At: t0, Kind: "refunded"}}
				if err := apply(db, c); err != nil {
					t.Fatal(err)
				}
				got := recordOf(t, db, p)
				if got.Payment.Refunded != 30 || got.Payment.Events != 3 || len(got.Events) != 3 ||
					got.Events[2].Seq != 3 {
					t.Errorf("%+v", got)
				}
				if diff := gocmp.Diff([]pay.Refund{done}, got.Refunds); diff != "" {
					t.Error(diff)
				}
				if err := apply(db, c); !errors.Is(err, store.ErrChanged) {
					t.Errorf("applied again: %v", err)
				}
				if diff := gocmp.Diff(got, recordOf(t, db, p)); diff != "" {
					t.Error(diff)
				}
			})
		}
	})
}

func TestApplyEndsALeaseIfTheTimeIsNew(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		create(t, db, payment(1))
		claim := func(now time.Time) store.PaymentClaim {
			claims, err := db.ClaimPayments(t.Context(), store.Claim{
				Now: now, Lease: time.Hour, Keys: storetest.Keys(t, 1)(db.NextPayments(t.Context())),
			})
			if err != nil || len(claims) != 1 {
				t.Fatal(claims, err)
			}
			return claims[0]
		}
		ours := claim(t0.Add(2 * time.Hour))
		c := store.Change{Was: ours.Payment, Payment: ours.Payment,
			Events: []pay.Event{{ID: "e1", At: t0, Kind: "unlisted"}}}
		c.Payment.Flagged = true
		if err := db.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := db.ReschedulePayment(t.Context(), ours, t0.Add(4*time.Hour)); err != nil {
			t.Errorf("the lease was lost although the time is the old one: %v", err)
		}
		ours = claim(t0.Add(4 * time.Hour))
		c = store.Change{Was: ours.Payment, Payment: ours.Payment}
		c.Payment.DueAt = t0.Add(6 * time.Hour) // not when the lease would have ended
		if err := db.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := db.ReschedulePayment(t.Context(), ours, t0); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("the lease outlived a new time: %v", err)
		}
		if next, err := storetest.Soonest(db.NextPayments(t.Context())); err != nil ||
			!next.Equal(c.Payment.DueAt) {
			t.Errorf("next %v, %v", next, err)
		}
	})
}

func TestApplyEndsTheLeaseOfARefund(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := paid(create(t, db, payment(1)), "T1")
		r := refundOf(c.Was, 1, 30)
		c.Refund, c.Payment.Reserved = &r, 30
		if err := db.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		claims, err := db.ClaimRefunds(t.Context(), store.Claim{
			Now: t0.Add(time.Hour), Lease: time.Hour, Keys: storetest.Keys(t, 1)(db.NextRefunds(t.Context())),
		})
		if err != nil || len(claims) != 1 {
			t.Fatal(claims, err)
		}
		done := claims[0].Refund
		done.Status, done.DoneAt, done.DueAt = pay.RefundSucceeded, t0, time.Time{}
		c = store.Change{Was: becomes(c), Payment: becomes(c), WasRefund: &r, Refund: &done}
		c.Payment.Refunded = 30
		c.Events = []pay.Event{{ID: "e3", At: t0, Kind: pay.EventRefunded}}
		if err := db.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := db.RescheduleRefund(t.Context(), claims[0], t0); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("the lease outlived the refund: %v", err)
		}
		if next, err := db.NextRefunds(t.Context()); err != nil || len(next) != 0 {
			t.Errorf("to be claimed: %v, %v", next, err)
		}
	})
}

// Of concurrent changes each fails by itself, and the others are made.
func TestApplyFailsAlone(t *testing.T) {
	bad := map[string]struct {
		change func(c *store.Change)
		want   error // nil: any
	}{
		"another status":   {func(c *store.Change) { c.Was.Status = pay.Pending }, store.ErrChanged},
		"another version":  {func(c *store.Change) { c.Was.Events++ }, store.ErrChanged},
		"opened meanwhile": {func(c *store.Change) { c.Was.OpenedAt = t0 }, store.ErrChanged},
		"no such payment":  {func(c *store.Change) { c.Was.ID, c.Payment.ID = "x", "x" }, store.ErrChanged},
		"a trade taken":    {func(c *store.Change) { c.Movement.TradeNo = "T-first" }, store.ErrTradeTaken},
		"a refund taken": {func(c *store.Change) { r := refundOf(payment(0), 1, 1); c.Refund = &r },
			store.ErrIDClash},
		"a refund moved": {func(c *store.Change) {
			r := refundOf(payment(0), 1, 1)
			c.Refund, c.WasRefund = &r, &pay.Refund{Status: pay.RefundFailed}
		}, store.ErrChanged},
		"a refund not there": {func(c *store.Change) {
			r := refundOf(payment(7), 1, 1)
			c.Refund, c.WasRefund = &r, &r
		}, store.ErrChanged},
		"beyond the bound":     {func(c *store.Change) { c.Payment.Reserved = 1231 }, nil},
		"less than given back": {func(c *store.Change) { c.Payment.Refunded = 1 }, nil},
		"no such status":       {func(c *store.Change) { c.Payment.Status = "x" }, nil},
		"an event's id":        {func(c *store.Change) { c.Events[1].ID = c.Events[0].ID }, nil},
		"no receiver":          {func(c *store.Change) { c.Delivery.Receiver = "" }, nil},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		first := paid(create(t, db, payment(0)), "T-first")
		r := refundOf(first.Was, 1, 1)
		first.Refund, first.Payment.Reserved = &r, 1
		if err := db.Apply(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			var wg sync.WaitGroup
			for i, name := range slices.Sorted(maps.Keys(bad)) {
				n := 1 + round*1000 + i*10
				good := create(t, db, payment(n))
				poor := create(t, db, payment(n+1))
				wg.Go(func() {
					if err := db.Apply(t.Context(), paid(good, fmt.Sprint("T", n))); err != nil {
						t.Errorf("beside %s: %v", name, err)
					}
				})
				wg.Go(func() {
					c := paid(poor, fmt.Sprint("T", n+1))
					bad[name].change(&c)
					err := db.Apply(t.Context(), c)
					if err == nil || bad[name].want != nil && !errors.Is(err, bad[name].want) ||
						errors.Is(err, store.ErrOutcomeUnknown) ||
						bad[name].want == nil && errors.Is(err, store.ErrChanged) {
						t.Errorf("%s: %v", name, err)
					}
					if diff := gocmp.Diff(record{Payment: poor}, recordOf(t, db, poor)); diff != "" {
						t.Errorf("%s: %s", name, diff)
					}
				})
			}
			wg.Wait()
		}
		if diff := gocmp.Diff([]pay.Refund{r}, recordOf(t, db, first.Was).Refunds); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOfManyChangesOfOnePaymentOneIsMade(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		replicas := []*store.DB{storetest.Open(t, dsn), storetest.Open(t, dsn)}
		for round := range 5 {
			p := create(t, replicas[0], payment(round))
			var wg sync.WaitGroup
			var mu sync.Mutex
			made := map[string]int{}
			for i := range 16 {
				wg.Go(func() {
					err := replicas[i%2].Apply(t.Context(), paid(p, "T1-"+p.ID))
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						made["made"]++
					case errors.Is(err, store.ErrChanged):
						made["changed"]++
					default:
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if made["made"] != 1 || made["changed"] != 15 {
				t.Errorf("%v", made)
			}
			if r := recordOf(t, replicas[0], p); len(r.Movements) != 1 || len(r.Events) != 2 ||
				r.Payment.Events != 2 || r.Deliveries != 1 {
				t.Errorf("%+v", r)
			}
		}
	})
}

// A trade that is found for several payments at the same time pays one of them.
func TestOfManyPaymentsOneHasTheTrade(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		replicas := []*store.DB{storetest.Open(t, dsn), storetest.Open(t, dsn)}
		for round := range 5 {
			var wg sync.WaitGroup
			var mu sync.Mutex
			made, taken := 0, 0
			for i := range 8 {
				p := create(t, replicas[0], payment(round*10+i))
				wg.Go(func() {
					err := replicas[i%2].Apply(t.Context(), paid(p, fmt.Sprint("T", round)))
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						made++
					case errors.Is(err, store.ErrTradeTaken):
						taken++
					default:
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if made != 1 || taken != 7 {
				t.Errorf("made %d, taken %d", made, taken)
			}
		}
	})
}

// A locked payment holds up its own change only.
func TestApplyWaitsForALockAlone(t *testing.T) {
	db := storetest.Postgres(t)
	held := time.Hour
	for n := 1; n <= 3 && held > 700*time.Millisecond; n++ { // a busy machine may hold up one of them
		held = min(held, applyBesideALock(t, db, create(t, db, payment(2*n)), create(t, db, payment(2*n+1))))
	}
	if held > 700*time.Millisecond { // a group that waits is overtaken after a second
		t.Errorf("held up for %s", held)
	}
}

// applyBesideALock changes two payments, one of which is locked, and returns how long
// the other one takes.
func applyBesideALock(t *testing.T, db *store.DB, locked, free pay.Payment) (took time.Duration) {
	result := make(chan error, 1)
	err := db.Tx(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Payment(locked.MerchantID, locked.ID); err != nil {
			return err
		}
		go func() { result <- db.Apply(context.Background(), paid(locked, "T-"+locked.ID)) }()
		time.Sleep(50 * time.Millisecond)
		start := time.Now()
		if err := db.Apply(t.Context(), paid(free, "T-"+free.ID)); err != nil {
			t.Error(err)
		}
		took = time.Since(start)
		select {
		case err := <-result:
			t.Errorf("did not wait: %v", err)
		default:
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("once the lock was free: %v", err)
	}
	return took
}

// What a change has waited for may have changed the payment.
func TestApplyLooksAgainAfterALock(t *testing.T) {
	nothing := func(c *store.Change) { *c = store.Change{Was: c.Was, Payment: c.Was} }
	db := storetest.Postgres(t)
	n := 0
	for name, c := range map[string]struct {
		meanwhile func(*store.Change)
		want      error
	}{
		"another status": {func(c *store.Change) { c.Events = nil }, store.ErrChanged},
		"another version": {func(c *store.Change) { events := c.Events; nothing(c); c.Events = events },
			store.ErrChanged},
		"nothing": {nothing, nil},
	} {
		t.Run(name, func(t *testing.T) {
			n++
			p := create(t, db, payment(n))
			result := make(chan error, 1)
			err := db.Tx(t.Context(), func(tx *store.Tx) error {
				if _, err := tx.Payment(p.MerchantID, p.ID); err != nil {
					return err
				}
				go func() { result <- db.Apply(context.Background(), paid(p, fmt.Sprint("late", n))) }()
				time.Sleep(100 * time.Millisecond)
				other := paid(p, fmt.Sprint("T", n))
				c.meanwhile(&other)
				return tx.Apply(other)
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := <-result; !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if r := recordOf(t, db, p); len(r.Events) != r.Payment.Events || len(r.Movements) > 1 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Random changes, right and stale ones, by concurrent callers, must leave what a
// model says.
func TestApplyAgreesWithAModel(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		next := 0
		rapid.Check(t, func(t *rapid.T) {
			const payments, rounds = 3, 6
			model := map[int]*record{}
			owner := map[string]int{} // of each trade
			base := next
			next += payments
			for n := base; n < base+payments; n++ {
				p, _, err := db.CreatePayment(context.Background(), payment(n))
				if err != nil {
					t.Fatal(err)
				}
				model[n] = &record{Payment: p}
			}
			for round := range rounds {
				// One change for each payment, so that the outcome does not depend
				// on their order.
				changes := map[int]store.Change{}
				wants := map[int]error{}
				trades := map[string]bool{}
				for n := base; n < base+payments; n++ {
					c, want := drawChange(t, *model[n], round, base, owner)
					if c.Movement != nil && trades[c.Movement.TradeNo] && want == nil {
						continue // two want the same one
					}
					if c.Movement != nil {
						trades[c.Movement.TradeNo] = true
					}
					changes[n], wants[n] = c, want
				}
				var wg sync.WaitGroup
				var mu sync.Mutex
				for n, c := range changes {
					wg.Go(func() {
						err := db.Apply(context.Background(), c)
						mu.Lock()
						defer mu.Unlock()
						if !errors.Is(err, wants[n]) {
							t.Errorf("payment %d: got %v, want %v", n, err, wants[n])
						}
						if err == nil {
							model[n].apply(c)
							if c.Movement != nil {
								owner[c.Movement.TradeNo] = n
							}
						}
					})
				}
				wg.Wait()
			}
			for n := base; n < base+payments; n++ {
				if diff := gocmp.Diff(*model[n], recordOf(t, db, model[n].Payment)); diff != "" {
					t.Errorf("payment %d: %s", n, diff)
				}
			}
		})
	})
}

// drawChange draws a change of a payment, and the error that Apply must return.
func drawChange(t *rapid.T, r record, round, base int, owner map[string]int) (c store.Change, want error) {
	c = store.Change{Was: r.Payment, Payment: r.Payment}
	p := &c.Payment
	p.Status = rapid.SampledFrom([]pay.Status{pay.Created, pay.Pending, pay.Paid, pay.Expired}).
		Draw(t, "status")
	p.Flagged = rapid.Bool().Draw(t, "flagged")
	p.DueAt = rapid.SampledFrom([]time.Time{p.DueAt, {}, t0.Add(time.Hour)}).Draw(t, "due")
	p.Failure = rapid.SampledFrom([]string{"", "ACQ.X", "\u9999\u6e2f \"'\\"}).Draw(t, "failure")
	for i := range rapid.IntRange(0, 2).Draw(t, "events") {
		c.Events = append(c.Events, pay.Event{ID: fmt.Sprint("e", r.Payment.Events+1+i),
			At: t0.Add(time.Duration(r.Payment.Events+i) * time.Second), Kind: "paid"})
	}
	if rapid.Bool().Draw(t, "delivery") {
		d := delivery(0, "http://a:80")
		d.ID, d.PaymentID = fmt.Sprint("d-", p.ID, round), p.ID
		c.Delivery = &d
	}
	switch kind := rapid.SampledFrom([]string{"none", "new", "move"}).Draw(t, "refund"); {
	case kind == "new" && p.Reserved+10 <= p.Amount.Minor:
		refund := refundOf(*p, len(r.Refunds), 10)
		refund.CreatedAt = t0.Add(time.Duration(len(r.Refunds)) * time.Second)
		c.Refund = &refund
		p.Reserved += 10
	case kind == "move" && len(r.Refunds) > 0:
		was := r.Refunds[rapid.IntRange(0, len(r.Refunds)-1).Draw(t, "which")]
		refund := was
		refund.Status = rapid.SampledFrom([]pay.RefundStatus{pay.RefundSucceeded, pay.RefundFailed}).
			Draw(t, "becomes")
		refund.DueAt, refund.DoneAt = time.Time{}, t0.Add(time.Duration(round)*time.Second)
		c.Refund, c.WasRefund = &refund, &was
		if rapid.IntRange(0, 4).Draw(t, "stale refund") == 0 {
			stale := was
			stale.Status = map[pay.RefundStatus]pay.RefundStatus{
				pay.RefundPending: pay.RefundFailed}[was.Status]
			stale.Status = cmp.Or(stale.Status, pay.RefundPending)
			c.WasRefund, want = &stale, store.ErrChanged
		}
	}
	if rapid.Bool().Draw(t, "movement") {
		trade := fmt.Sprint("T", base, "-", rapid.IntRange(0, 9).Draw(t, "trade"))
		c.Movement = &pay.Movement{
			MerchantID: p.MerchantID, ID: fmt.Sprint("m", p.ID, round), PaymentID: p.ID,
			Kind: pay.MovementSurplus, Debit: "wallet:main",
			Credit: "x", Amount: p.Amount, TradeNo: trade, At: t0.Add(time.Duration(round) * time.Second),
		}
		if _, taken := owner[trade]; taken && want == nil {
			want = store.ErrTradeTaken
		}
	}
	if rapid.IntRange(0, 4).Draw(t, "stale") == 0 {
		c.Was.Events++
		want = store.ErrChanged
	}
	return c, want
}

// apply changes the model as the change changes the database.
func (r *record) apply(c store.Change) {
	r.Payment = becomes(c)
	for i, e := range c.Events {
		e.MerchantID, e.PaymentID, e.Seq = r.Payment.MerchantID, r.Payment.ID, c.Was.Events+1+i
		r.Events = append(r.Events, e)
	}
	if c.Movement != nil {
		r.Movements = append(r.Movements, *c.Movement)
	}
	if c.Delivery != nil {
		r.Deliveries++
	}
	if c.Refund != nil {
		if i := slices.IndexFunc(r.Refunds,
			func(old pay.Refund) bool { return old.ID == c.Refund.ID }); i >= 0 {
			r.Refunds[i] = *c.Refund
		} else {
			r.Refunds = append(r.Refunds, *c.Refund)
		}
	}
}

// A statement for many rows looks each of them up, however large the tables are.
func TestGroupedStatementsReadNoWholeTable(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	storetest.Open(t, dsn)
	const rows = " FROM generate_series(1, 20000) AS i"
	for _, text := range []string{
		`INSERT INTO payment SELECT 'm', 'p' || i, 'a', '', 'o' || i, '', '', 'main', 100, 'HKD', '', '', '', '', '',
			'', 0, 'created', '', '', '', '', 0, 0, i, i, 0, 0, 0, 0, i, 0, 0, 0, '', i`,
		`INSERT INTO refund SELECT 'm', 'r' || i, 'a', '', 'q' || i, '', 'p' || i, 10, 'HKD', 'pending', '', '', '',
			i, 0, i, 0, '', i`,
		`INSERT INTO movement SELECT 'm', 'm' || i, 'p' || i, '', 'payment', 'wallet:main', 'merchant', 100, 'HKD',
			'T' || i, i`,
		`INSERT INTO delivery SELECT 'm', 'd' || i, 'p' || i, '', 'a', 'payment', '', 'r', '', 'due', 0, 0, i, i, 0,
			'', i`,
	} {
		sqlExec(t, dsn, text+rows)
	}
	sqlExec(t, dsn, "ANALYZE")
	shell := open(t, "pgx", dsn)
	for text, arguments := range store.Grouped() {
		args := slices.Repeat([]any{"[]"}, arguments)
		plan := explained(t, shell, "EXPLAIN "+text, args...)
		for _, table := range []string{"payment", "refund", "movement", "delivery"} {
			if strings.Contains(plan, "Seq Scan on "+table+" ") {
				t.Errorf("%.60s…: %s", text, plan)
			}
		}
	}
}
