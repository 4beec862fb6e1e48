package mapi

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Parse decodes a form-encoded message: a request's query or body, or a
// notification's body. It is done by hand rather than by http.Request because
// Alipay posts notifications with a malformed media type
// ("application/x-www-form-urlencoded; text/html; charset=UTF-8"), and because
// a name that comes twice must be refused: two readers could each see another
// of its values. Errors name the field, never its value.
func Parse(form string) (Message, error) {
	m := Message{}
	for pair := range strings.SplitSeq(form, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil || !utf8.ValidString(name) || name == "" {
			return nil, errors.New("mapi: a field's name cannot be decoded")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil || !utf8.ValidString(value) {
			return nil, fmt.Errorf("mapi: field %.64q cannot be decoded", name)
		}
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("mapi: field %.64q is there twice", name)
		}
		m[name] = value
	}
	return m, nil
}
