package simulator

import (
	"regexp"
	"strconv"
	"strings"
)

// Money is an amount in whole minor units of a currency.
type Money struct {
	Minor    int64  `json:"minor"`
	Currency string `json:"currency"`
}

// rates lists the settlement currencies (Alipay, "forex_rate_file" and the in-store list; CNY is
// never one) with the price of a unit in millionths of a yuan. The rates are invented and fixed, so
// that tests are repeatable.
var rates = map[string]int64{
	"AED": 1_930_000, "AUD": 4_700_000, "CAD": 5_200_000, "CHF": 8_000_000, "CZK": 310_000,
	"DKK": 1_030_000, "EUR": 7_700_000, "GBP": 9_000_000, "HKD": 910_000, "IDR": 440,
	"ILS": 1_900_000, "JPY": 47_000, "KRW": 5_200, "LKR": 24_000, "MUR": 155_000,
	"MYR": 1_600_000, "NOK": 670_000, "NZD": 4_300_000, "PHP": 125_000, "RUB": 80_000,
	"SEK": 680_000, "SGD": 5_300_000, "THB": 200_000, "USD": 7_100_000, "ZAR": 390_000,
}

// digits returns the number of decimals of a currency on this wire: none for JPY by the vendor's
// rule, none for KRW by analogy, two for all others.
func digits(currency string) int {
	if currency == "JPY" || currency == "KRW" {
		return 0
	}
	return 2
}

func unit(currency string) int64 {
	if digits(currency) == 0 {
		return 1
	}
	return 100
}

var feeShape = regexp.MustCompile(`^(0|[1-9][0-9]{0,6})(\.[0-9]{1,2})?$`)

// parseFee parses a total_fee or rmb_fee: 0.01 to 1000000.00, with at most two decimals, and none
// for a currency without decimals.
func parseFee(s, currency string) (Money, bool) {
	if !feeShape.MatchString(s) {
		return Money{}, false
	}
	whole, frac, point := strings.Cut(s, ".")
	if point && digits(currency) == 0 {
		return Money{}, false
	}
	if digits(currency) == 2 {
		whole += (frac + "00")[:2]
	}
	minor, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || minor < 1 || minor > 1_000_000*unit(currency) {
		return Money{}, false
	}
	return Money{minor, currency}, true
}

// Decimal formats the amount in major units: 12.30, 1200.
func (m Money) Decimal() string {
	s := strconv.FormatInt(m.Minor, 10)
	if digits(m.Currency) == 0 {
		return s
	}
	for len(s) < 3 {
		s = "0" + s
	}
	return s[:len(s)-2] + "." + s[len(s)-2:]
}

// String formats the amount for people: USD 1,234.50.
func (m Money) String() string {
	whole, frac, point := strings.Cut(m.Decimal(), ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if point {
		whole += "." + frac
	}
	return m.Currency + " " + whole
}

// yuan converts m to CNY, rounded up.
func (m Money) yuan() Money {
	scale := 1_000_000 * unit(m.Currency) / 100
	return Money{(m.Minor*rates[m.Currency] + scale - 1) / scale, "CNY"}
}

// in converts m from CNY to another currency. The result is at least one minor unit.
func (m Money) in(currency string) Money {
	return Money{max(1, m.Minor*1_000_000*unit(currency)/100/rates[currency]), currency}
}
