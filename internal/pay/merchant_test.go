package pay

import "testing"

func TestDisabling(t *testing.T) {
	for _, c := range []struct {
		d             Disabling
		shut, stopped bool
	}{
		{Disabling{}, false, false},
		{Disabling{Disabled: true}, true, false},
		{Disabling{Disabled: true, KeepLinks: true}, false, false},
		{Disabling{Disabled: true, StopRefunds: true}, true, true},
		// these matter only while it is disabled
		{Disabling{KeepLinks: true, StopRefunds: true}, false, false},
	} {
		if c.d.LinksClosed() != c.shut || c.d.RefundsStopped() != c.stopped {
			t.Errorf("%+v: links shut %t, refunds stopped %t", c.d, c.d.LinksClosed(), c.d.RefundsStopped())
		}
	}
}

func TestWalletAccount(t *testing.T) {
	a := WalletAccount{PayTypes: []PayType{AlipayHK}, Currencies: []Currency{"HKD"}}
	if !a.Serves(AlipayHK) || a.Serves(AlipayCrossBorder) || !a.SettlesIn("HKD") || a.SettlesIn("USD") ||
		a.SettlesIn("") {
		t.Error("an account serves its pay types, in its currencies, and no others")
	}
}
