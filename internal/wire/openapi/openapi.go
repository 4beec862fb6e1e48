// Package openapi is the wire format of Alipay's OpenAPI gateway (gateway.do,
// version 1.0): how requests and notifications are joined and signed, how
// answers wrap what they sign, and how certificates are numbered. Bytes in,
// bytes out: it knows no clock, no network and no meaning. The connector and the
// simulator share it; what the fields mean is written twice, once on each side.
//
// Source of the facts: Alipay's open platform, "Signature", "Self-made
// signature", "Asynchronous notification verification", "Certificate mode", and
// its own SDKs where these are silent.
package openapi

import (
	"crypto/rsa"
	"slices"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

// Message is the fields of a request or a notification: as the bytes that were
// sent, which signatures cover, or decoded by Text. A name stands for one value:
// Parse refuses repeats.
type Message map[string]string

// Errors of the Verify methods. None of them holds any part of a key.
var (
	ErrNoSignature  = alipay.ErrNoSignature
	ErrSignType     = alipay.ErrSignType
	ErrBadSignature = alipay.ErrBadSignature
)

// Keys is one side's key material: each side signs with its own Private and
// verifies with the other's Public.
type Keys struct {
	Type    alipay.SignType
	Private *rsa.PrivateKey
	Public  *rsa.PublicKey
}

// Parse decodes a form-encoded message, under the rules of alipay.ParseForm.
func Parse(form string) (Message, error) { return alipay.ParseForm(form) }

// Encode writes the fields as application/x-www-form-urlencoded. Empty values
// are left out, and so they are in no signature either.
func (m Message) Encode() string { return alipay.EncodeForm(m) }

// Canonical returns the string that a request's signature covers: every field
// but sign. sign_type is among them, other than in a notification's.
func (m Message) Canonical() string { return m.join("sign") }

// join leaves out the fields of the names, and with "" among these the ones that
// have no value.
func (m Message) join(without ...string) string {
	empty := !slices.Contains(without, "")
	return alipay.Join(m, func(name, value string) bool {
		return !slices.Contains(without, name) && (value != "" || empty)
	})
}

// Sign sets sign and sign_type of a request. Fields that are empty are removed:
// whether they are signed is where implementations part ways.
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

// Verify checks a request's signature over all fields received. Only k.Type is
// accepted, whatever the message says, so that nobody can choose a weaker one.
func (m Message) Verify(k Keys) error {
	if err := m.signed(k); err != nil {
		return err
	}
	return alipay.Verify(k.Type, k.Public, m.Canonical(), m["sign"])
}

// signed refuses a message that has no signature, one of another type than agreed
// on, or one that cannot be the key's, before anything is computed.
func (m Message) signed(k Keys) error {
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
