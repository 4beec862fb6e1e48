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

// ReadNotification verifies and decodes the body of a notification, by the rules of alipay.ReadNotification. The charset is
// that of the field charset, or UTF-8 if the field is missing.
func ReadNotification(body []byte, k Keys) (Message, error) {
	return alipay.ReadNotification(body, "charset", func(fields map[string]string) error {
		return Message(fields).VerifyNotification(k)
	})
}

// In encodes the values in a charset, in which the message is then signed and sent. The message must name the charset
// itself.
func (m Message) In(c alipay.Charset) Message { return alipay.In(m, c) }

// SignNotification sets sign and sign_type of a notification, whose signature
// covers neither.
func (m Message) SignNotification(k Keys) error {
	sig, err := alipay.Sign(k.Type, k.Private, m.join("sign", "sign_type"))
	if err != nil {
		return err
	}
	m["sign"], m["sign_type"] = sig, string(k.Type)
	return nil
}

// VerifyNotification checks a notification's signature. There are three ways to
// join the fields that Alipay's own SDKs check: without sign_type and with
// empty values; the same without these; and, for notifications of other
// products, with sign_type. Of alipay_cert_sn, which names the key in certificate
// mode, there is no word on whether it is signed: others' libraries leave it out,
// so both are taken. None of the ways lets a field go unsigned that has a value,
// but these three, which say nothing of the trade.
func (m Message) VerifyNotification(k Keys) error {
	if err := m.signed(k); err != nil {
		return err
	}
	ways := [][]string{{"sign", "sign_type"}, {"sign", "sign_type", ""}, {"sign"}, {"sign", "sign_type", "alipay_cert_sn"}}
	for _, without := range ways {
		if !m.has(without[len(without)-1]) {
			continue // the same text as in the first way
		}
		if err := alipay.Verify(k.Type, k.Public, m.join(without...), m["sign"]); !errors.Is(err, ErrBadSignature) {
			return err
		}
	}
	return ErrBadSignature
}

// has reports whether there is a field of that name; "" stands for one without a
// value.
func (m Message) has(name string) bool {
	if name == "" {
		return slices.Contains(slices.Collect(maps.Values(m)), "")
	}
	_, there := m[name]
	return there
}
