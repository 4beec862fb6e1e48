package pay

import (
	"net"
	"net/url"
	"strings"
	"time"
)

// IsNumber reports whether a number has the form of our numbers of a merchant
// (syssn): 26 digits, which begin with a date and the merchant's six.
func IsNumber(merchantID, number string) bool {
	const length, date = 26, 8
	if len(number) != length || !strings.HasPrefix(number[date:], merchantID) || strings.Trim(number, "0123456789") != "" {
		return false
	}
	_, err := time.Parse("20060102", number[:date])
	return err == nil
}

// ReceiverOf returns who answers at a notification's address: scheme, host and
// port. ok is false for an address that cannot be read.
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
