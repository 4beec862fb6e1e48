package pay

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDecimal(t *testing.T) {
	for _, c := range []struct {
		minor    int64
		currency Currency
		want     string
	}{
		{1230, "HKD", "12.30"}, {5, "HKD", "0.05"}, {0, "HKD", "0.00"}, {100, "HKD", "1.00"},
		{-5, "HKD", "-0.05"},
		{-1230, "HKD", "-12.30"},
		{1200, "JPY", "1200"}, {0, "JPY", "0"}, {-7, "JPY", "-7"}, {99_999_999_999, "IDR", "999999999.99"},
	} {
		a := Amount{c.minor, c.currency}
		if got := a.Decimal(); got != c.want || a.String() != c.want+" "+string(c.currency) {
			t.Errorf("%d %s: %q, %q", c.minor, c.currency, got, a)
		}
	}
}

func TestParseDecimal(t *testing.T) {
	for _, c := range []struct {
		text     string
		currency Currency
		want     int64
	}{
		{"12.30", "HKD", 1230}, {"12.3", "HKD", 1230}, {"12", "HKD", 1200}, {"0.05", "HKD", 5},
		{"012.30", "HKD", 1230},
		{"12.300", "HKD", 1230}, {"1200", "JPY", 1200}, {"1200.00", "JPY", 1200},
		{"999999999999999.99", "HKD", 99_999_999_999_999_999},
	} {
		if got, err := ParseDecimal(c.text, c.currency); err != nil || got != (Amount{c.want, c.currency}) {
			t.Errorf("%q %s: %v, %v", c.text, c.currency, got, err)
		}
	}
	for text, why := range map[string]string{
		"": "not a decimal", ".5": "not a decimal", "5.": "not a decimal", "-5": "not a decimal",
		"+5": "not a decimal", "1e3": "not a decimal",
		" 5": "not a decimal", "5 ": "not a decimal", "1,000": "not a decimal", "1.2.3": "not a decimal",
		"０":     "not a decimal",
		"0.001": "too many decimals", "1234567890123456": "not a decimal",
		strings.Repeat("9", 400): "not a decimal",
	} {
		if got, err := ParseDecimal(text, "HKD"); err == nil || !strings.Contains(err.Error(), why) ||
			got != (Amount{}) {
			t.Errorf("%.20q: %v, %v, want %q", text, got, err, why)
		}
	}
	if _, err := ParseDecimal("1", "XXX"); err == nil || !strings.Contains(err.Error(), "unknown currency") {
		t.Errorf("XXX: %v", err)
	}
	if _, err := ParseDecimal("1.5", "JPY"); err == nil {
		t.Error("JPY has no decimals")
	}
}

func TestAmountsSurviveTheirText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Amount{rapid.Int64Range(0, 99_999_999_999_999_999).Draw(t, "minor"),
			rapid.SampledFrom(Currencies).Draw(t, "currency")}
		if a.Currency.Digits() == 0 {
			a.Minor %= 1_000_000_000_000_000
		}
		if got, err := ParseDecimal(a.Decimal(), a.Currency); err != nil || got != a {
			t.Fatalf("%s became %s: %v", a, got, err)
		}
	})
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"12.30", "0", "1.", ".1", "1e9", "999999999999999.99", "-1", "1.230"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, c := range []Currency{"HKD", "JPY"} {
			a, err := ParseDecimal(s, c)
			if err != nil {
				continue
			}
			if a.Minor < 0 || a.Currency != c {
				t.Fatalf("%q became %v", s, a)
			}
			if again, err := ParseDecimal(a.Decimal(), c); err != nil || again != a {
				t.Fatalf("%q became %v, then %v: %v", s, a, again, err)
			}
		}
	})
}

func TestCurrencies(t *testing.T) {
	if len(Currencies) != len(digits) {
		t.Errorf("%d currencies, and digits of %d", len(Currencies), len(digits))
	}
	for _, c := range Currencies {
		if !c.Known() {
			t.Errorf("%s is not known", c)
		}
	}
	if Currency("hkd").Known() || Currency("").Known() || Currency("XXX").Digits() != 0 {
		t.Error("an unknown currency is known")
	}
}
