package pay

import (
	"net"
	"net/url"
	"strings"
	"time"
)

// IsNumber reports whether a number has the form of our numbers (syssn) of a
// merchant: 26 digits that begin with a date and the merchant's six digits.
func IsNumber(merchantID, number string) bool {
	const length, date = 26, 8
	if len(number) != length || !strings.HasPrefix(number[date:], merchantID) {
		return false
	}
	if strings.Trim(number, "0123456789") != "" {
		return false
	}
	_, err := time.Parse("20060102", number[:date])
	return err == nil
}

// ReceiverOf returns the server of a notification's address: scheme, host and
// port. ok is false if the address cannot be parsed.
func ReceiverOf(address string) (receiver string, ok bool) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return "", false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return strings.ToLower(u.Scheme + "://" + net.JoinHostPort(u.Hostname(), port)), true
}
