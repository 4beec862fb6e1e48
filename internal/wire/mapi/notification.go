package mapi

import "github.com/sampanpay/sampan/internal/wire/alipay"

// Errors of ReadNotification, besides those of Verify.
var (
	ErrCharset   = alipay.ErrCharset
	ErrSeparator = alipay.ErrSeparator
)

// ReadNotification verifies and decodes the body of a notification, by the rules of
// alipay.ReadNotification. The charset is that of _input_charset, or UTF-8 if the field is missing.
func ReadNotification(body []byte, k Keys) (Message, error) {
	return alipay.ReadNotification(body, "_input_charset", func(fields map[string]string) error {
		return Message(fields).Verify(k)
	})
}

// In encodes the values in a charset, in which the message is then signed and sent. The message
// must name the charset itself.
func (m Message) In(c alipay.Charset) Message { return alipay.In(m, c) }
