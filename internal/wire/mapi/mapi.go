// Package mapi is the wire format of Alipay's global gateway ("mapi", gateway.do): how parameters
// are joined and signed (mapi.go, sign.go), how its XML answers are written (answer.go), and how
// notifications are read (notification.go). It does no I/O, uses no clock, and does not interpret
// the fields. The connector and the simulator share it. What the fields mean is written twice, once
// on each side.
//
// Sources: Alipay's pages "Signature", "create_forex_trade_wap", "single_trade_query" and
// "Asynchronous notification" of the global site.
package mapi

import "github.com/sampanpay/sampan/internal/wire/alipay"

// Message holds the fields of a request, an answer or a notification: either as the bytes that were
// sent, which signatures cover, or decoded. Names are unique: Parse refuses repeats.
type Message map[string]string

// Canonical returns the text to sign: every field except sign, sign_type and empty ones, sorted by
// name in byte order, joined as name=value with &, without escaping. (Alipay, "Signature": step 1
// to 3.)
func (m Message) Canonical() string {
	return alipay.Join(m, func(name, value string) bool {
		return name != "sign" && name != "sign_type" && value != ""
	})
}

// Encode encodes the fields as application/x-www-form-urlencoded, sorted by name. It omits empty
// values, which are not signed either.
func (m Message) Encode() string { return alipay.EncodeForm(m) }

// Parse decodes a form-encoded message by the rules of alipay.ParseForm.
func Parse(form string) (Message, error) { return alipay.ParseForm(form) }
