package alipay

import (
	"errors"
	"fmt"
)

// Errors about a message's signature, besides ErrBadSignature. None of them contains any part of a
// key.
var (
	ErrNoSignature = errors.New("alipay: message is not signed")
	ErrSignType    = errors.New("alipay: sign_type is not the agreed one")
)

// ReadNotification reads the body of a notification. It verifies the bytes as received, refuses
// fields that could be cut in another way, and then decodes the values. Names that are not ASCII
// are verified and dropped. charsetField names the field that holds the charset.
func ReadNotification(
	body []byte, charsetField string, verify func(fields map[string]string) error,
) (map[string]string, error) {
	fields, err := ParseForm(string(body))
	if err != nil {
		return nil, err
	}
	if err := verify(fields); err != nil {
		return nil, err
	}
	if err := Unambiguous(fields); err != nil {
		return nil, fmt.Errorf("alipay: notification: %w", err)
	}
	c, err := ParseCharset(fields[charsetField])
	if err != nil {
		return nil, fmt.Errorf("alipay: %s: %w", charsetField, err)
	}
	return Text(fields, c), nil
}
