package gateway

import (
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

func TestNumbersSortByTimeAndSayWhatTheyAreOf(t *testing.T) {
	h := newHarness(t)
	scope := pay.Scope{MerchantID: "123456", AppCode: "APP"}
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, h.Zone)
	number := func(at time.Duration) string { return h.paymentNumber(scope, "A", "F", day.Add(at), 0) }
	first := number(0)
	for _, c := range []struct {
		at   time.Duration
		slot string
	}{{0, "000"}, {86*time.Second + 399*time.Millisecond, "000"},
		{86*time.Second + 400*time.Millisecond, "001"},
		{12 * time.Hour, "500"}, {24*time.Hour - time.Nanosecond, "999"}} {
		if got := number(c.at); got != "20260102123456"+c.slot+first[17:] || !pay.IsNumber("123456", got) {
			t.Errorf("after %v: %s", c.at, got)
		}
	}
	seen := map[string]bool{first: true}
	for _, other := range []string{
		h.paymentNumber(scope, "A", "F", day, 1), h.paymentNumber(scope, "A", "G", day, 0),
		h.paymentNumber(scope, "AF", "", day, 0),
		h.paymentNumber(pay.Scope{MerchantID: "123456", AppCode: "APP", StoreID: "S"}, "A", "F", day, 0),
		h.paymentNumber(scope, "A", "F", day.Add(24*time.Hour), 0),
	} {
		if digits := other[17:]; seen[digits] {
			t.Errorf("%s has digits that another has", other)
		} else {
			seen[digits] = true
		}
	}
}
