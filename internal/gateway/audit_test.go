package gateway

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/audit"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
)

// audited is a harness with payments of every kind, and a shell on its database.
type audited struct {
	*harness
	dsn   string
	shell *sql.DB
	ids   map[string]string // of the payments, by order number
}

// onEachAudited runs test on payments of every kind, on each database.
func onEachAudited(t *testing.T, test func(t *testing.T, a *audited)) {
	t.Helper()
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		a := &audited{harness: newHarnessOn(t, dsn), dsn: dsn, ids: map[string]string{}}
		driver, address := "pgx", dsn
		if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
			driver, address = "sqlite", path+"?_pragma=busy_timeout(10000)"
		}
		var err error
		if a.shell, err = sql.Open(driver, address); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { a.shell.Close() })
		a.makePayments()
		test(t, a)
	})
}

// audit returns the lines of the report.
func (a *audited) audit() (audit.Report, []string) {
	a.t.Helper()
	var found []string
	report, err := audit.Audit{
		Store: a.Store, Zone: a.Zone,
		Asked: func(p pay.Payment) bool { return p.Fingerprint == p.OrderNo+" "+p.Amount.String() },
		RefundAsked: func(r pay.Refund,
			syssn string) bool {
			return r.Fingerprint == fmt.Sprint("f-", syssn, r.Amount.Minor)
		},
		Found: func(d audit.Difference) {
			found = append(found,
				fmt.Sprintf("%s: %s: %s, should be %s", a.orderNo(d.PaymentID), d.What, d.Stored, d.Want))
		},
	}.Run(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	return report, found
}

func (a *audited) orderNo(id string) string {
	for no, known := range a.ids {
		if id == known {
			return no
		}
	}
	return id
}

// order places an order of 12.30 HKD and, if open is true, opens its link.
func (a *audited) order(no string, open bool, change func(*PayRequest)) string {
	a.t.Helper()
	r := a.request(no)
	r.Fingerprint = no + " " + r.Amount.String()
	if change != nil {
		change(&r)
	}
	o, err := a.Pay(a.t.Context(), r)
	if o.ID == "" {
		a.t.Fatal(no, err)
	}
	a.ids[no] = o.ID
	if open {
		if _, _, err := a.Visit(a.t.Context(), a.Token(o.ID)); err != nil {
			a.t.Fatal(no, err)
		}
	}
	return o.ID
}

// postCallback posts a callback about a payment.
func (a *audited) postCallback(id string, s wallet.State) {
	a.t.Helper()
	if _, err := a.settle(a.t.Context(), a.stored(id), wordOf(s, ""), pay.ByWallet); err != nil {
		a.t.Fatal(err)
	}
}

func (a *audited) refund(no string, minor int64) pay.Refund {
	a.t.Helper()
	r, _, err := a.Refund(a.t.Context(),
		a.refundRequest(a.stored(a.ids[no]), no+"-R"+fmt.Sprint(minor), minor))
	if r.ID == "" {
		a.t.Fatal(no, err)
	}
	return r
}

func (a *audited) close(no string) {
	a.t.Helper()
	if _, err := a.Close(a.t.Context(), a.closeRequest(a.stored(a.ids[no]))); err != nil {
		a.t.Fatal(no, err)
	}
}

// makePayments makes payments of every kind.
func (a *audited) makePayments() {
	online := func(r *PayRequest) { r.PayType = pay.AlipayHK }
	answering := func(err error) {
		a.wallet.refund = func(context.Context, wallet.Refund) (wallet.State, error) {
			return wallet.State{}, err
		}
	}
	expired := wallet.State{Outcome: wallet.Closed, Code: "GONE"}

	a.order("expired-unopened", false, nil)
	a.order("expired-opened", true, nil)
	a.advance(time.Hour)
	a.recoverDue()

	a.order("unopened", false, nil)
	a.order("opened", true, nil)
	a.wallet.pay = func(wallet.Order) (wallet.Checkout, error) { return wallet.Checkout{Ref: "REF"}, nil }
	a.order("registered", false, online)
	a.wallet.pay = func(wallet.Order) (wallet.Checkout, error) { return wallet.Checkout{}, wallet.ErrNotSent }
	a.order("created", false, online)
	a.wallet.pay = func(wallet.Order) (wallet.Checkout, error) {
		return wallet.Checkout{}, &wallet.Rejection{Code: "NO: WAY"}
	}
	a.order("failed", false, online)
	a.postCallback(a.order("failed-paid", false, online), paidBy("T-failed-paid"))
	a.wallet.pay = nil

	for _, no := range []string{"paid", "refunded", "in-parts", "refund-pending", "refund-failed",
		"refund-contradicted", "noted", "second-trade", "two-amounts", "refunded-elsewhere"} {
		a.postCallback(a.order(no, true, nil), paidBy("T-"+no))
	}
	a.postCallback(a.order("untold", true, func(r *PayRequest) { r.NotifyURL = "" }), paidBy("T-untold"))
	a.postCallback(a.ids["second-trade"], paidBy("T-second"))
	a.postCallback(a.ids["two-amounts"],
		wallet.State{Outcome: wallet.Paid, TradeNo: "T-two-amounts",
			Amount: pay.Amount{Minor: 1, Currency: "HKD"}})
	a.postCallback(a.order("other-amount", true, nil),
		wallet.State{Outcome: wallet.Paid, TradeNo: "T-other",
			Amount: pay.Amount{Minor: 500, Currency: "JPY"}})
	err := a.Note(a.t.Context(), a.credential, a.ids["noted"], "12.30 HKD under trade T-mine")
	if err != nil {
		a.t.Fatal(err)
	}
	elsewhere, err := json.Marshal(message{OrderID: a.ids["refunded-elsewhere"], RefundID: "9",
		State: wallet.State{Outcome: wallet.Succeeded}})
	if err != nil {
		a.t.Fatal(err)
	}
	if _, err := a.Callback(a.t.Context(), "123456", "main", Callback{Body: elsewhere}); err != nil {
		a.t.Fatal(err)
	}
	a.refund("refunded", 1230)
	a.refund("in-parts", 230)
	a.refund("in-parts", 500)
	contradicted := a.refund("refund-contradicted", 100)
	if _, err := a.settleRefund(a.t.Context(), a.stored(contradicted.PaymentID), contradicted,
		wallet.State{Outcome: wallet.Failed, Code: "NO"}, pay.ByWallet); err != nil {
		a.t.Fatal(err)
	}
	answering(&wallet.Rejection{Code: "NO: AS IS", Kind: wallet.RejectedFunds})
	a.refund("refund-failed", 100)
	answering(wallet.ErrUnknown)
	a.refund("refund-pending", 1000)

	late := func(no string, end func(string)) {
		a.order(no, true, nil)
		end(no)
		a.postCallback(a.ids[no], paidBy("T-"+no))
	}
	expires := func(no string) { a.postCallback(a.ids[no], expired) }
	late("late-kept", expires)
	answering(&wallet.Rejection{Code: "NO"})
	late("late-stuck", a.close)
	a.recoverDue()
	a.wallet.refund = nil
	late("late-back", a.close)
	a.recoverDue()
	late("late-going-back", a.close)

	a.order("closed-unopened", false, nil)
	a.close("closed-unopened")
	a.order("closed-opened", true, nil)
	a.close("closed-opened")
	a.wallet.query = func(context.Context,
		wallet.Order) (wallet.State, error) {
		return wallet.State{}, wallet.ErrUnknown
	}
	a.order("closing", true, nil)
	a.close("closing")
	a.order("closed-expired", true, nil)
	a.close("closed-expired")
	a.postCallback(a.ids["closed-expired"], expired)
}

func TestAuditOfEveryKindOfPayment(t *testing.T) {
	onEachAudited(t, func(t *testing.T, a *audited) {
		report, found := a.audit()
		for _, f := range found {
			t.Error(f)
		}
		if report.Payments != len(a.ids) || report.Refunds != 9 || report.Movements < 20 ||
			report.Events < 40 || report.Deliveries < 14 || report.Merchants != 1 {
			t.Errorf("looked at %+v of %d payments", report.Counts, len(a.ids))
		}
		var kinds []string
		for no := range a.ids {
			p := a.stored(a.ids[no])
			kinds = append(kinds, fmt.Sprint(p.Status, p.Late, p.Flagged, p.Refunded > 0,
				p.Reserved > p.Refunded))
		}
		slices.Sort(kinds)
		if kinds = slices.Compact(kinds); len(kinds) < 14 {
			t.Errorf("only these kinds of payments: %v", kinds)
		}
		balances := map[string]string{}
		for _, b := range report.Balances {
			balances[b.Account] += b.Recorded.String() + " "
		}
		// Sixteen were paid by their own trades, 12.30 each, one of them through the other
		// account; 12.30 + 7.30 + 1 + 12.30 went back; 12.30 and 500 belong to no order.
		if want := fmt.Sprint(map[string]string{
			"wallet:main": "163.90 HKD 500 JPY ", "wallet:net": "12.30 HKD ", "merchant": "163.90 HKD ",
			"surplus": "12.30 HKD 500 JPY ",
		}); fmt.Sprint(balances) != want {
			t.Errorf("got %v, want %s", balances, want)
		}
	})
}

// The gateway goes on during an audit. The audit reports no difference for what is
// half done.
func TestAuditWhileGatewayWorks(t *testing.T) {
	onEachAudited(t, func(t *testing.T, a *audited) {
		a.wallet.query, a.wallet.refund = nil, nil
		ctx, orders := t.Context(), 0
		var mu sync.Mutex
		var working sync.WaitGroup
		ended := make(chan struct{})
		for worker := range 4 {
			working.Go(func() {
				for n := range 12 {
					no := fmt.Sprintf("busy-%d-%d", worker, n)
					r := a.request(no)
					r.Fingerprint = no + " " + r.Amount.String()
					o, err := a.Pay(ctx, r)
					if err != nil {
						t.Error(err)
						return
					}
					var both sync.WaitGroup
					for _, do := range []func() error{
						func() error {
							_, err := a.settle(ctx, o.Payment, wordOf(paidBy("T-"+no), ""), pay.ByWallet)
							return err
						},
						func() error {
							_, err := a.settle(ctx, o.Payment, wordOf(paidBy("T2-"+no), ""), pay.ByRecover)
							return err
						},
						func() error { return a.Note(ctx, a.credential, o.ID, "one") },
						func() error { return a.Note(ctx, a.credential, o.ID, "two") },
					} {
						both.Go(func() {
							if err := do(); err != nil {
								t.Error(err)
							}
						})
					}
					both.Wait()
					for minor := range int64(3) {
						if _, _, err := a.Refund(ctx,
							a.refundRequest(o.Payment, fmt.Sprint(no, "-", minor), minor+1)); err != nil {
							t.Error(err)
						}
					}
					mu.Lock()
					orders++
					mu.Unlock()
				}
			})
		}
		go func() { working.Wait(); close(ended) }()
		for audits, last := 1, false; !last; audits++ {
			select {
			case <-ended:
				last = true // one more audit after all is done
			default:
			}
			report, found := a.audit()
			for _, f := range found {
				t.Error(f)
			}
			if last && (report.Payments != len(a.ids)+48 || orders != 48 || audits < 3) {
				t.Errorf("%d audits, the last of %+v, with %d orders", audits, report.Counts, orders)
			}
		}
	})
}
