package mapi

import (
	"fmt"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

// Errors of ReadNotification, besides those of Verify.
var (
	ErrCharset   = alipay.ErrCharset
	ErrSeparator = alipay.ErrSeparator
)

// ReadNotification reads the body of a notification: it verifies the bytes as
// they came, and then decodes them by the charset that was signed with them,
// _input_charset, or as UTF-8 where that is missing. Names that are not ASCII are
// verified and left out.
func ReadNotification(body []byte, k Keys) (Message, error) {
	raw, err := Parse(string(body))
	if err != nil {
		return nil, err
	}
	if err := raw.Verify(k); err != nil {
		return nil, err
	}
	if err := alipay.Unambiguous(raw); err != nil {
		return nil, fmt.Errorf("mapi: notification: %w", err)
	}
	return raw.Text()
}

// Text decodes a message that has been verified, by its _input_charset.
func (m Message) Text() (Message, error) {
	c, err := alipay.ParseCharset(m["_input_charset"])
	if err != nil {
		return nil, fmt.Errorf("mapi: _input_charset: %w", err)
	}
	return alipay.Text(m, c), nil
}

// In writes the values in a charset, to be signed and sent so. The message must
// name the charset itself.
func (m Message) In(c alipay.Charset) Message { return alipay.In(m, c) }
