package openapi

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

// Errors of ReadNotification, besides those of VerifyNotification.
var (
	ErrCharset   = alipay.ErrCharset
	ErrSeparator = alipay.ErrSeparator
)

// ReadNotification reads the body of a notification: it verifies the bytes as
// they came, and then decodes them by the charset that was signed with them, or as
// UTF-8 where that is missing. Names that are not ASCII are verified and left out.
func ReadNotification(body []byte, k Keys) (Message, error) {
	raw, err := Parse(string(body))
	if err != nil {
		return nil, err
	}
	if err := raw.VerifyNotification(k); err != nil {
		return nil, err
	}
	if err := alipay.Unambiguous(raw); err != nil {
		return nil, fmt.Errorf("openapi: notification: %w", err)
	}
	return raw.Text()
}

// Text decodes a message that has been verified, by its charset.
func (m Message) Text() (Message, error) {
	c, err := alipay.ParseCharset(m["charset"])
	if err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	return alipay.Text(m, c), nil
}

// In writes the values in a charset, to be signed and sent so. The message must
// name the charset itself.
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
