package pay_test

import (
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
)

func TestActorString(t *testing.T) {
	for want, a := range map[string]pay.Actor{
		"merchant":          pay.ByMerchant("A1B2"),
		"buyer":             pay.ByBuyer,
		"wallet":            pay.ByWallet,
		"recover":           pay.ByRecover,
		"policy":            pay.ByPolicy,
		"operator":          pay.ByOperator(""),
		"operator cli:root": pay.ByOperator("cli:root"),
	} {
		if got := a.String(); got != want {
			t.Errorf("%+v is %q, want %q", a, got, want)
		}
		if !a.Role.Known() {
			t.Errorf("the role %q is not known", a.Role)
		}
	}
	if pay.Role("late").Known() || pay.Role("").Known() {
		t.Error("roles that do not exist are known")
	}
}
