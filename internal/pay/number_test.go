package pay_test

import (
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
)

func TestIsNumber(t *testing.T) {
	for number, want := range map[string]bool{
		"20261129100001123456789012":  true,
		"20261129100002123456789012":  false,
		"20261329100001123456789012":  false,
		"2026112910000112345678901":   false,
		"202611291000011234567890123": false,
		"2026112910000112345678901x":  false,
		"":                            false,
	} {
		if got := pay.IsNumber("100001", number); got != want {
			t.Errorf("%q: %t", number, got)
		}
	}
}

func TestReceiverOf(t *testing.T) {
	for address, want := range map[string]string{
		"https://Shop.example/notify":     "https://shop.example:443",
		"http://shop.example":             "http://shop.example:80",
		"http://user@shop.example:8080/x": "http://shop.example:8080",
		"https://[2001:db8::1]/":          "https://[2001:db8::1]:443",
		"":                                "",
		"/notify":                         "",
		"https://shop.example:port/":      "",
	} {
		if got, ok := pay.ReceiverOf(address); got != want || ok != (want != "") {
			t.Errorf("%q is %q, %t", address, got, ok)
		}
	}
}
