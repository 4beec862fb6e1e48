// Package mapi is the wire format of Alipay's global gateway ("mapi",
// gateway.do): how parameters are joined and signed, and how its XML answers
// are written. Bytes in, bytes out: it knows no clock, no network and no
// meaning. The connector and the simulator share it; what the fields mean is
// written twice, once on each side.
//
// Source of the facts: Alipay's pages "Signature", "create_forex_trade_wap",
// "single_trade_query", "Asynchronous notification" of the global site.
package mapi

import "github.com/sampanpay/sampan/internal/wire/alipay"

// Message is the fields of a request, an answer or a notification: as the bytes
// that were sent, which signatures cover, or decoded by Text. A name stands for
// one value: Parse refuses repeats.
type Message map[string]string

// Canonical returns the string that is signed: every field but sign and
// sign_type whose value is not empty, sorted by name in byte order, joined as
// name=value with &, nothing escaped. (Alipay, "Signature": step 1 to 3.)
func (m Message) Canonical() string {
	return alipay.Join(m, func(name, value string) bool {
		return name != "sign" && name != "sign_type" && value != ""
	})
}

// Encode writes the fields as application/x-www-form-urlencoded, sorted by
// name. Empty values are left out: they are not signed either.
func (m Message) Encode() string { return alipay.EncodeForm(m) }

// Parse decodes a form-encoded message, under the rules of alipay.ParseForm.
func Parse(form string) (Message, error) { return alipay.ParseForm(form) }
