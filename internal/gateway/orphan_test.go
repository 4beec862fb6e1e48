package gateway

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/audit"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
)

// restored is a harness whose database is a backup that is older than an order. Another
// harness, with the same wallet, has stored that order and sent a buyer to pay it.
type restored struct {
	*harness
	number string // under which the wallet knows the order
	logged *bytes.Buffer
}

// afterRestore runs test on both databases, some hours after noon. The wallet has been
// paid for order A1 by trade T1, and has not sent a callback yet.
func afterRestore(t *testing.T, test func(t *testing.T, r restored)) {
	t.Helper()
	noon := time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC)
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		lost := newHarness(t)
		lost.now = noon
		number := lost.ordered("A1", true).ID
		r := restored{harness: newHarnessOn(t, dsn), number: number, logged: &bytes.Buffer{}}
		r.now = noon.Add(2 * time.Hour)
		r.Log = slog.New(slog.NewTextHandler(r.logged, nil))
		r.wallet.query = func(_ context.Context, o wallet.Order) (wallet.State, error) {
			if o.Number == number {
				return paidBy("T1"), nil
			}
			return wallet.State{Outcome: wallet.NotFound}, nil
		}
		test(t, r)
		r.checkAudit()
	})
}

// postLost posts the callback about the payment of the lost order.
func (r restored) postLost() error {
	r.t.Helper()
	reply, err := r.callback(r.number, paidBy("T1"))
	if err == nil && string(reply) != "success" {
		r.t.Errorf("answered %q", reply)
	}
	return err
}

func (r restored) orphans() []pay.Orphan {
	r.t.Helper()
	all, err := r.Store.Orphans(r.t.Context(), store.OrphanFilter{})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// onlyOrphan returns the only orphan.
func (r restored) onlyOrphan() pay.Orphan {
	r.t.Helper()
	all := r.orphans()
	if len(all) != 1 {
		r.t.Fatalf("%d orphans: %+v", len(all), all)
	}
	return all[0]
}

// checkAudit audits the books.
func (h *harness) checkAudit() {
	h.t.Helper()
	_, err := audit.Audit{
		Store: h.Store, Zone: h.Zone,
		Found: func(d audit.Difference) { h.t.Errorf("audit: %+v", d) },
	}.Run(h.t.Context())
	if err != nil {
		h.t.Error(err)
	}
}

// paidOnce checks that the order is paid by trade T1, once, with one notification.
func (r restored) paidOnce(p pay.Payment, moves string) {
	r.t.Helper()
	p = r.stored(p.ID)
	movements, deliveries := r.books(p.ID)
	if len(movements) != 1 || movements[0].Kind != pay.MovementPayment || len(deliveries) != 1 {
		r.t.Errorf("movements %+v, %d notifications", movements, len(deliveries))
	}
	check(r.t, p, func(want *pay.Payment) {
		want.Status = pay.Paid
		want.TradeNo = "T1"
		want.Flagged = false
		want.Late = false
	})
	if got := r.history(p.ID); got != moves {
		r.t.Errorf("history %s, want %s", got, moves)
	}
}

func TestALostOrdersNoticeIsAnOrphan(t *testing.T) {
	afterRestore(t, func(t *testing.T, r restored) {
		for range 3 {
			if err := r.postLost(); err != nil {
				t.Fatal(err)
			}
		}
		if r.wallet.calls() != 1 {
			t.Errorf("the wallet was asked %v", r.wallet.asked)
		}
		o := r.onlyOrphan()
		check(t, o, func(want *pay.Orphan) {
			want.State = pay.OrphanOpen
			want.Number = r.number
			want.TradeNo = "T1"
			want.Amount.Minor = 1230
			want.BuyerID = "2088***1"
		})
		n := strings.Count(r.logged.String(), "level=ERROR msg=\"orphan: needs a look\" reason=orphan")
		if n != 1 {
			t.Errorf("%d lines about it:\n%s", n, r.logged)
		}
		if text, err := r.Store.OrphanMessage(t.Context(), o); err != nil ||
			!strings.Contains(text, r.number) {
			t.Errorf("message %q, %v", text, err)
		}

		again, err := r.Pay(t.Context(), r.request("A1"))
		wantCode(t, err, pay.AlreadyPaid)
		if again.ID != r.number {
			t.Errorf("the order has the number %s, want the wallet's %s", again.ID, r.number)
		}
		r.paidOnce(again.Payment, "[paid by merchant orphan by merchant]")
		if o := r.onlyOrphan(); o.State != pay.OrphanMatched || o.PaymentID != r.number ||
			o.SettledBy != pay.ByMerchant("APP") || o.SettledAt.IsZero() {
			t.Errorf("orphan %+v", o)
		}
		for range 2 { // repeats of either change nothing
			if err := r.postLost(); err != nil {
				t.Fatal(err)
			}
			_, err := r.Pay(t.Context(), r.request("A1"))
			wantCode(t, err, pay.AlreadyPaid)
		}
		r.paidOnce(again.Payment, "[paid by merchant orphan by merchant]")
	})
}

func TestOnlyWhatTheWalletConfirmsIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		confirm func(context.Context, wallet.Notice) (wallet.State, error)
		query   func(context.Context, wallet.Order) (wallet.State, error)
		want    pay.Code
	}{
		"not known": {query: func(context.Context, wallet.Order) (wallet.State, error) {
			return wallet.State{Outcome: wallet.NotFound}, nil
		}, want: pay.BadSignature},
		"not paid": {query: func(context.Context, wallet.Order) (wallet.State, error) {
			return wallet.State{Outcome: wallet.Waiting, TradeNo: "T1"}, nil
		}, want: pay.BadSignature},
		"another trade": {query: func(context.Context,
			wallet.Order) (wallet.State, error) {
			return paidBy("T9"), nil
		}, want: pay.BadSignature},
		"silent": {query: func(context.Context,
			wallet.Order) (wallet.State, error) {
			return wallet.State{}, wallet.ErrUnknown
		}, want: pay.OutcomeUnknown},
		"not there": {query: func(context.Context,
			wallet.Order) (wallet.State, error) {
			return wallet.State{}, wallet.ErrNotSent
		}, want: pay.WalletBusy},
		"refuses us": {query: func(context.Context, wallet.Order) (wallet.State, error) {
			return wallet.State{}, &wallet.Rejection{Code: "X", Kind: wallet.RejectedAccount}
		}, want: pay.WalletTrouble},
		"another amount": {query: func(context.Context, wallet.Order) (wallet.State, error) {
			s := paidBy("T1")
			s.Amount.Minor++
			return s, nil
		}, want: pay.BadSignature},
		"no by a notice's own question": {
			confirm: confirmed(&wallet.Rejection{Code: "X", Kind: wallet.RejectedOrder}),
			want:    pay.BadSignature},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.now = time.Date(2026, 1, 2, 6, 0, 0, 0, time.UTC)
			h.wallet.query, h.wallet.confirm = c.query, c.confirm
			_, err := h.callback("20260102123456500000000001", paidBy("T1"))
			wantCode(t, err, c.want)
			if all, err := h.Store.Orphans(t.Context(), store.OrphanFilter{}); err != nil || len(all) != 0 {
				t.Errorf("kept %+v, %v", all, err)
			}
		})
	}
}

func TestANumberOfAnotherFormIsNotOurs(t *testing.T) {
	h := newHarness(t)
	h.now = time.Date(2026, 1, 2, 6, 0, 0, 0, time.UTC)
	h.wallet.query = func(context.Context, wallet.Order) (wallet.State, error) { return paidBy("T1"), nil }
	for i, number := range []string{
		"", "1", "20260102999999500000000001", "2026010212345650000000000", "202601021234565000000000011",
		"20261302123456500000000001", "2026010212345650000000000x", "20260230123456500000000001",
		"SHOP-20260102123456", "２026010212345650000000",
	} {
		_, err := h.callback(number, paidBy("T1"))
		wantCode(t, err, pay.Forbidden)
		if errors.Is(err, ErrForeignLogged) != (i > 0) {
			t.Errorf("%q: %v", number, err)
		}
	}
	h.advance(59 * time.Minute)
	if _, err := h.callback("1", paidBy("T1")); !errors.Is(err, ErrForeignLogged) {
		t.Errorf("within the hour: %v", err)
	}
	h.advance(time.Minute)
	if _, err := h.callback("1", paidBy("T1")); errors.Is(err, ErrForeignLogged) ||
		!strings.Contains(err.Error(), "11 such") {
		t.Errorf("after an hour: %v", err)
	}
	if all, err := h.Store.Orphans(t.Context(), store.OrphanFilter{}); err != nil || len(all) != 0 ||
		h.wallet.calls() != 0 {
		t.Errorf("kept %+v, %v, asked %v", all, err, h.wallet.asked)
	}
}

// A flood of invented numbers causes one call a second, over all replicas.
func TestUnknownNumbersAreAskedAboutOnceASecond(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		h.now = time.Date(2026, 1, 2, 6, 0, 0, 0, time.UTC)
		replicas := []*Gateway{h.Gateway, h.newReplica(h.Store), h.newReplica(h.Store)}
		for second := range 3 {
			var all sync.WaitGroup
			for i := range 30 {
				all.Go(func() {
					body, _ := json.Marshal(message{OrderID: fmt.Sprintf("20260102123456%06d%06d", second, i),
						State: paidBy(fmt.Sprint("T", second, i))})
					_, err := replicas[i%3].Callback(t.Context(), "123456", "main", Callback{Body: body})
					if err == nil {
						t.Error("a made-up number is acknowledged")
					}
				})
			}
			all.Wait()
			if n := h.wallet.calls(); n != second+1 {
				t.Errorf("asked %d times within %d seconds", n, second+1)
			}
			h.advance(time.Second)
		}
		if all, err := h.Store.Orphans(t.Context(), store.OrphanFilter{}); err != nil || len(all) != 0 {
			t.Errorf("kept %+v, %v", all, err)
		}
	})
}

func TestALostNumbersRefundIsAnOrphanToo(t *testing.T) {
	afterRestore(t, func(t *testing.T, r restored) {
		r.wallet.queryRefund = func(_ context.Context, back wallet.Refund) (wallet.State, error) {
			return wallet.State{Outcome: wallet.Succeeded, TradeNo: "T1",
				Amount: pay.Amount{Minor: 30, Currency: "HKD"}}, nil
		}
		body, _ := json.Marshal(message{OrderID: r.number, RefundID: "W1",
			State: wallet.State{Outcome: wallet.Succeeded, TradeNo: "T1"}})
		for range 2 {
			if _, err := r.Callback(t.Context(), "123456", "main", Callback{Body: body}); err != nil {
				t.Fatal(err)
			}
		}
		if o := r.onlyOrphan(); !o.IsRefund() || o.RefundID != "W1" || o.Amount.Minor != 30 ||
			o.State != pay.OrphanOpen {
			t.Errorf("orphan %+v", o)
		}
		// The order gets the number, and the wallet says that it is paid.
		o, err := r.Pay(t.Context(), r.request("A1"))
		wantCode(t, err, pay.AlreadyPaid)
		p := r.stored(r.number)
		if o.ID != r.number {
			t.Errorf("the order is %s, want %s", o.ID, r.number)
		}
		check(t, p, func(want *pay.Payment) {
			want.Status, want.TradeNo, want.Flagged = pay.Paid, "T1", true
		})
		check(t, r.onlyOrphan(), func(want *pay.Orphan) { want.State = pay.OrphanMatched })
	})
}

func TestAnAccountTakesABoundedNumberOfOrphans(t *testing.T) {
	path := t.TempDir() + "/sampan.db"
	r := restored{harness: newHarnessOn(t, "sqlite:"+path), logged: &bytes.Buffer{}}
	r.now = time.Date(2026, 1, 2, 6, 0, 0, 0, time.UTC)
	r.Log = slog.New(slog.NewTextHandler(r.logged, nil))
	r.wallet.query = func(_ context.Context,
		o wallet.Order) (wallet.State, error) {
		return paidBy("T" + o.Number), nil
	}
	shell, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer shell.Close()
	_, err = shell.ExecContext(t.Context(), `
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
		INSERT INTO orphan SELECT '123456', 'main', CAST(i AS TEXT), '', printf('20260101123456%012d', i),
			i, 1, 'HKD', '', 0, $2, 0, 'open', '', 0, '', '', '', '' FROM n`,
		maxOpenOrphans, r.now.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	r.throttle.mark("orphans 123456/main", r.now) // the wallet was asked just now
	tell := func(number string) error {
		_, err := r.callback(number, paidBy("T"+number))
		r.advance(time.Second)
		return err
	}
	for range 3 {
		if err := tell("20260102123456500000000001"); !errors.Is(err, store.ErrOrphansFull) {
			t.Errorf("one more: %v", err)
		}
	}
	if n := strings.Count(r.logged.String(), "reason=orphans_full"); n != 1 || r.wallet.calls() != 0 {
		t.Errorf("%d lines, asked %v", n, r.wallet.asked)
	}
	// Orders are still stored, and settling an orphan makes room for another one.
	check(t, r.ordered("A1", false), func(want *pay.Payment) { want.Status = pay.Pending })
	settle := func(want pay.Code) {
		wantCode(t,
			SettleElsewhere(t.Context(), r.Store,
				pay.Orphan{MerchantID: "123456", AccountID: "main", TradeNo: "1"}, r.now,
				pay.ByOperator("cli:root"), "given back by hand"), want)
	}
	settle("")
	settle(pay.AlreadyClosed)
	if err := tell("20260102123456500000000001"); err != nil {
		t.Errorf("with room for one: %v", err)
	}
}
