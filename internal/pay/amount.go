package pay

import (
	"fmt"
	"strconv"
	"strings"
)

// Currency is an ISO 4217 code in upper case.
type Currency string

// digits is the number of minor-unit digits of each currency that the trade
// API accepts, per ISO 4217. (CLDR, and so golang.org/x/text, gives IDR and
// MMK none: it describes cash, not accounts.)
var digits = map[Currency]int{
	"AED": 2, "AUD": 2, "CAD": 2, "CNY": 2, "EUR": 2, "HKD": 2, "IDR": 2,
	"JPY": 0, "MMK": 2, "MYR": 2, "SGD": 2, "THB": 2, "USD": 2,
}

// Currencies lists the known currencies in alphabetical order.
var Currencies = []Currency{
	"AED", "AUD", "CAD", "CNY", "EUR", "HKD", "IDR", "JPY", "MMK", "MYR", "SGD", "THB", "USD",
}

// Known reports whether c is one of Currencies.
func (c Currency) Known() bool { _, ok := digits[c]; return ok }

// Digits is the number of decimal places of the major unit: 2 for HKD, 0 for JPY.
func (c Currency) Digits() int { return digits[c] }

// Amount is money: a whole number of minor units of a currency. It is never
// converted from or to a float.
type Amount struct {
	Minor    int64
	Currency Currency
}

// Decimal writes the amount in major units with exactly the currency's number
// of decimals: "12.30" for 1230 HKD, "1200" for 1200 JPY.
func (a Amount) Decimal() string {
	d := a.Currency.Digits()
	s := strconv.FormatInt(a.Minor, 10)
	if d == 0 {
		return s
	}
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	if len(s) <= d {
		s = strings.Repeat("0", d+1-len(s)) + s
	}
	return sign + s[:len(s)-d] + "." + s[len(s)-d:]
}

// String returns the amount for people and logs: "12.30 HKD".
func (a Amount) String() string { return a.Decimal() + " " + string(a.Currency) }

// ParseDecimal reads an amount in major units, as wallets write it. It accepts
// fewer decimals than the currency has ("12.3"), and more if they are zeros. More
// decimals, signs, exponents and spaces are errors.
func ParseDecimal(s string, c Currency) (Amount, error) {
	bad := func(why string) (Amount, error) {
		return Amount{}, fmt.Errorf("amount %q in %s: %s", s, c, why)
	}
	d, ok := digits[c]
	if !ok {
		return bad("unknown currency")
	}
	whole, frac, dot := strings.Cut(s, ".")
	if whole == "" || (dot && frac == "") || len(whole) > 15 {
		return bad("not a decimal number")
	}
	for _, r := range whole + frac {
		if r < '0' || r > '9' {
			return bad("not a decimal number")
		}
	}
	for len(frac) > d && strings.HasSuffix(frac, "0") {
		frac = frac[:len(frac)-1]
	}
	if len(frac) > d {
		return bad("too many decimals")
	}
	frac += strings.Repeat("0", d-len(frac))
	minor, err := strconv.ParseInt(whole+frac, 10, 64)
	if err != nil {
		return bad("out of range")
	}
	return Amount{Minor: minor, Currency: c}, nil
}
