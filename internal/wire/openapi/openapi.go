// Package openapi is the wire format of Alipay's OpenAPI gateway (gateway.do, version 1.0): how
// requests are joined and signed (openapi.go), how notifications are (notification.go), how answers
// wrap what they sign (answer.go), and how certificates are numbered (cert.go). It does no I/O,
// uses no clock, and does not interpret the fields. The connector and the simulator share it. What
// the fields mean is written twice, once on each side.
//
// Sources: Alipay's open platform, "Signature", "Self-made signature", "Asynchronous notification
// verification" and "Certificate mode", and Alipay's own SDKs where these are silent.
package openapi

import (
	"crypto/rsa"
	"slices"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

// Message holds the fields of a request or a notification: either as the bytes that were sent,
// which signatures cover, or decoded. Names are unique: Parse refuses repeats.
type Message map[string]string

// Errors of the Verify methods. None of them contains any part of a key.
var (
	ErrNoSignature  = alipay.ErrNoSignature
	ErrSignType     = alipay.ErrSignType
	ErrBadSignature = alipay.ErrBadSignature
)

// Keys is one side's key material. Each side signs with its own Private and verifies with the
// other's Public.
type Keys struct {
	Type    alipay.SignType
	Private *rsa.PrivateKey
	Public  *rsa.PublicKey
}

// Parse decodes a form-encoded message by the rules of alipay.ParseForm.
func Parse(form string) (Message, error) { return alipay.ParseForm(form) }

// Encode encodes the fields as application/x-www-form-urlencoded. It omits empty values, so no
// signature may cover them.
func (m Message) Encode() string { return alipay.EncodeForm(m) }

// Canonical returns the text that a request's signature covers: every field except sign. Unlike for
// a notification, this includes sign_type.
func (m Message) Canonical() string { return m.join("sign") }

// join joins the fields except those named. "" stands for all fields without a value.
func (m Message) join(without ...string) string {
	empty := !slices.Contains(without, "")
	return alipay.Join(m, func(name, value string) bool {
		return !slices.Contains(without, name) && (value != "" || empty)
	})
}

// Sign signs a request: it sets sign and sign_type. It removes empty fields, since implementations
// differ in whether they sign them.
func (m Message) Sign(k Keys) error {
	for name, value := range m {
		if value == "" {
			delete(m, name)
		}
	}
	m["sign_type"] = string(k.Type)
	sig, err := alipay.Sign(k.Type, k.Private, m.Canonical())
	if err != nil {
		return err
	}
	m["sign"] = sig
	return nil
}

// Verify verifies a request's signature over all received fields. It accepts only k.Type, whatever
// the message names, so that nobody can choose a weaker one.
func (m Message) Verify(k Keys) error {
	if err := m.checkSigned(k); err != nil {
		return err
	}
	return alipay.Verify(k.Type, k.Public, m.Canonical(), m["sign"])
}

// checkSigned refuses a message without a signature, with another sign_type than the agreed one, or
// with a signature that cannot be by the key, before anything is computed.
func (m Message) checkSigned(k Keys) error {
	if m["sign"] == "" {
		return ErrNoSignature
	}
	if m["sign_type"] != string(k.Type) {
		return ErrSignType
	}
	if k.Public != nil && !alipay.Plausible(k.Public, m["sign"]) {
		return ErrBadSignature
	}
	return nil
}
