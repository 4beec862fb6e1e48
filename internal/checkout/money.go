package checkout

import (
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
)

// symbols are the usual symbols of currencies. Some currencies share one, so the
// pages show the currency's code too.
var symbols = map[pay.Currency]string{
	"AUD": "A$", "CAD": "C$", "CNY": "¥", "EUR": "€", "HKD": "HK$", "IDR": "Rp ", "JPY": "¥",
	"MMK": "K ", "MYR": "RM ", "SGD": "S$", "THB": "฿", "USD": "US$",
}

// price writes an amount for buyers: "HK$1,234.50". It uses no-break spaces.
func price(a pay.Amount) string {
	whole, cents, _ := strings.Cut(a.Decimal(), ".")
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(symbols[a.Currency], " ", "\u00a0"))
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	if cents != "" {
		b.WriteString("." + cents)
	}
	return b.String()
}
