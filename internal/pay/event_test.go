package pay_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// Two events say the same if they differ only in their ids, time and actor. The test
// changes each field in turn.
func TestEventSaysTheSame(t *testing.T) {
	e := pay.Event{Kind: pay.EventAmountsDiffer,
		Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, TradeNo: "T"}
	same := map[string]bool{"MerchantID": true, "PaymentID": true, "ID": true, "Seq": true,
		"At": true, "By": true}
	fields := reflect.TypeFor[pay.Event]()
	for i := range fields.NumField() {
		other := e
		switch f := reflect.ValueOf(&other).Elem().Field(i).Addr().Interface().(type) {
		case *string:
			*f += "x"
		case *int:
			*f++
		case *time.Time:
			*f = f.Add(time.Hour)
		case *pay.EventKind:
			*f += "x"
		case *pay.Reason:
			*f += "x"
		case *pay.Actor:
			*f = pay.ByMerchant("A")
		case *pay.Amount:
			f.Minor++
		default:
			t.Fatalf("a field of type %T", f)
		}
		name := fields.Field(i).Name
		if got := e.Says(other); got != same[name] {
			t.Errorf("with another %s it says the same: %t", name, got)
		}
	}
	raw := pay.Event{Kind: pay.EventUnlisted, Code: "A\x00\xff\xfe"}
	if stored := (pay.Event{Kind: pay.EventUnlisted, Code: "A\uFFFD\uFFFD"}); !raw.Says(stored) ||
		!stored.Says(raw) {
		t.Error("what is stored of a code does not say the same as the code")
	}
	if e.Says(pay.Event{Kind: e.Kind, Amount: pay.Amount{Minor: 1230, Currency: "USD"}, TradeNo: "T"}) {
		t.Error("another currency says the same")
	}
}

func TestEventKindsThatFlag(t *testing.T) {
	flags := map[pay.EventKind]bool{
		"surplus": true, "given_back": true, "amounts_differ": true, "closed_after_paid": true,
		"foreign_trade": true, "unlisted": true, "refund_foreign": true, "refund_contradicted": true,
	}
	seen := map[pay.EventKind]bool{}
	for _, k := range pay.EventKinds {
		if seen[k] {
			t.Errorf("%s is listed twice", k)
		}
		seen[k] = true
		if k.Flags() != flags[k] {
			t.Errorf("%s flags: %t", k, k.Flags())
		}
	}
	if len(seen) != 20 || pay.EventKind("").Flags() {
		t.Errorf("%d kinds", len(seen))
	}
}
