package alipay

import (
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strings"
)

// MaxFields bounds the fields of a message; true ones have about forty at most.
// Strangers can post messages, and what a message costs before its signature is
// refused grows with its fields.
const MaxFields = 100

// Join returns the text that is signed: the fields that keep chooses, sorted by
// name in byte order, joined as name=value with &, nothing escaped.
func Join(fields map[string]string, keep func(name, value string) bool) string {
	names, size := make([]string, 0, len(fields)), 0
	for name, value := range fields {
		if keep(name, value) {
			names, size = append(names, name), size+len(name)+len(value)+2
		}
	}
	sort.Strings(names)
	var b strings.Builder
	b.Grow(size)
	for i, name := range names {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(name)
		b.WriteByte('=')
		b.WriteString(fields[name])
	}
	return b.String()
}

// ParseForm decodes a form-encoded message: a request's query or body, or a
// notification's body. Names and values are the bytes that were sent, in whatever
// charset, since signatures cover these; Text decodes them.
//
// It is done by hand rather than by http.Request because Alipay posts
// notifications with a malformed media type
// ("application/x-www-form-urlencoded; text/html; charset=UTF-8"), and because
// a name that comes twice must be refused: two readers could each see another
// of its values. So are more than MaxFields. Errors name the field, never its value.
func ParseForm(form string) (map[string]string, error) {
	if strings.Count(form, "&") >= MaxFields {
		return nil, fmt.Errorf("alipay: the message has more than %d fields", MaxFields)
	}
	fields := map[string]string{}
	for pair := range strings.SplitSeq(form, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil || name == "" {
			return nil, errors.New("alipay: a field's name cannot be decoded")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, fmt.Errorf("alipay: field %.64q cannot be decoded", name)
		}
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("alipay: field %.64q is there twice", name)
		}
		fields[name] = value
	}
	return fields, nil
}

// EncodeForm writes fields as application/x-www-form-urlencoded, sorted by
// name. Empty values are left out: what is not sent is read alike by everybody.
func EncodeForm(fields map[string]string) string {
	v := make(url.Values, len(fields))
	for name, value := range fields {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v.Encode()
}

// ErrSeparator means that a signed text could be cut into other fields than these.
var ErrSeparator = errors.New("alipay: a field holds a separator of the signed string")

// Unambiguous refuses fields that hold a separator of the signed text. A
// signature covers values joined by & and =, unescaped, so that a message could
// be cut into other fields and keep it. Without & in names and values, and
// without = in names, there is one way only to cut it: the fields are the ones
// that were signed. The bytes count, and no charset of Alipay's has these two
// within a longer character.
func Unambiguous(fields map[string]string) error {
	for name, value := range fields {
		if strings.ContainsAny(name, "&=") || strings.Contains(value, "&") {
			return fmt.Errorf("%w: %.64q", ErrSeparator, name)
		}
	}
	return nil
}

// Text decodes the values of a message that has been verified. Fields whose names
// are not ASCII are left out: nobody reads them, and decoded they could clash.
func Text(fields map[string]string, c Charset) map[string]string {
	text := make(map[string]string, len(fields))
	for name, value := range fields {
		if c.Decode(name) == name && !strings.ContainsFunc(name, func(r rune) bool { return r > 0x7F }) {
			text[name] = c.Decode(value)
		}
	}
	return text
}

// In writes the values of a message in a charset: the reverse of Text.
func In(fields map[string]string, c Charset) map[string]string {
	raw := make(map[string]string, len(fields))
	for name, value := range fields {
		raw[name] = c.Encode(value)
	}
	return raw
}
