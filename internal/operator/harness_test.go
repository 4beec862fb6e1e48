package operator

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/alipayglobal"
)

// alice is the operator in these tests.
var alice = pay.ByOperator("cli:alice")

// each runs f on a new deployment on each kind of database, which has the merchant
// 100001 of storetest.Merchant.
func each(t *testing.T, f func(t *testing.T, d *Deployment, c pay.Credential)) {
	t.Helper()
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		_, c := storetest.Merchant(t, storetest.Open(t, dsn))
		settings := config.Config{
			Database: dsn, MasterKey: storetest.MasterKey, Connections: 4, BaseURL: "https://pay.example/",
			PayURL: "direct",
		}
		d, err := Open(t.Context(), settings, map[string]wallet.Driver{"alipayglobal": alipayglobal.Driver})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { check(t, d.Close()) })
		f(t, d, c)
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantField fails the test unless err is about the field, or nil for "".
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	input, ok := errors.AsType[*InputError](err)
	switch {
	case field == "" && err != nil, field != "" && (!ok || input.Field != field):
		t.Errorf("got %v, want an error about %q", err, field)
	}
}

// paid stores a paid payment with a refund of 1.00, numbered on from n.
func paid(t *testing.T, d *Deployment, s pay.Scope, n int, orderNo string) (pay.Payment, pay.Refund) {
	t.Helper()
	now := time.Now()
	id := func(n int) string { return fmt.Sprintf("20260102%s%012d", s.MerchantID, n) }
	p := pay.Payment{
		Scope: s, ID: id(n), OrderNo: orderNo, PayType: pay.AlipayHK, AccountID: "main", Status: pay.Created,
		Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, CreatedAt: now, ExpiresAt: now, DueAt: now,
	}
	r := pay.Refund{
		Scope: s, ID: id(n + 1), OrderNo: orderNo + "-BACK", PaymentID: p.ID, AccountID: "main",
		Status: pay.RefundPending,
		Amount: pay.Amount{Minor: 100, Currency: "HKD"}, CreatedAt: now,
	}
	_, _, err := d.db.CreatePayment(t.Context(), p)
	check(t, err)
	check(t, d.db.Tx(t.Context(), func(tx *store.Tx) error {
		was := p
		p.Status, p.TradeNo, p.PaidAt, p.Reserved = pay.Paid, "T"+p.ID, now, r.Amount.Minor
		check(t, tx.Apply(store.Change{Was: was, Payment: p}))
		_, err := tx.AddRefund(r, now.Add(time.Hour))
		return err
	}))
	return p, r
}
