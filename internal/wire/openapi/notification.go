package openapi

import (
	"errors"
	"maps"
	"slices"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

// Errors of ReadNotification, besides those of VerifyNotification.
var (
	ErrCharset   = alipay.ErrCharset
	ErrSeparator = alipay.ErrSeparator
)

// ReadNotification verifies and decodes the body of a notification, by the rules of
// alipay.ReadNotification. The charset is that of the field charset, or UTF-8 if the field is
// missing.
func ReadNotification(body []byte, k Keys) (Message, error) {
	return alipay.ReadNotification(body, "charset", func(fields map[string]string) error {
		return Message(fields).VerifyNotification(k)
	})
}

// In encodes the values in a charset, in which the message is then signed and sent. The message
// must name the charset itself.
func (m Message) In(c alipay.Charset) Message { return alipay.In(m, c) }

// SignNotification signs a notification: it sets sign and sign_type, neither of which the signature
// covers.
func (m Message) SignNotification(k Keys) error {
	sig, err := alipay.Sign(k.Type, k.Private, m.join("sign", "sign_type"))
	if err != nil {
		return err
	}
	m["sign"], m["sign_type"] = sig, string(k.Type)
	return nil
}

// VerifyNotification verifies a notification's signature. Alipay's own SDKs accept three ways to
// join the fields: without sign_type and with empty values; without both; and, for notifications of
// other products, with sign_type. Whether alipay_cert_sn, which names the key in certificate mode,
// is signed is not documented. Other libraries leave it out, so VerifyNotification accepts both. In
// each way every field with a value is signed, except sign, sign_type and alipay_cert_sn, which say
// nothing about the trade.
func (m Message) VerifyNotification(k Keys) error {
	if err := m.checkSigned(k); err != nil {
		return err
	}
	ways := [][]string{
		{"sign", "sign_type"}, {"sign", "sign_type", ""}, {"sign"}, {"sign", "sign_type", "alipay_cert_sn"},
	}
	for _, without := range ways {
		if !m.has(without[len(without)-1]) {
			continue // the same text as in the first way
		}
		err := alipay.Verify(k.Type, k.Public, m.join(without...), m["sign"])
		if !errors.Is(err, ErrBadSignature) {
			return err
		}
	}
	return ErrBadSignature
}

// has reports whether a field with this name exists. "" stands for any field without a value.
func (m Message) has(name string) bool {
	if name == "" {
		return slices.Contains(slices.Collect(maps.Values(m)), "")
	}
	_, there := m[name]
	return there
}
