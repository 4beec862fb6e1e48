package alipay

import (
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strings"
)

// MaxFields limits the fields of a message. Genuine ones have about forty at most. Strangers can
// post messages, and the work before the signature is refused grows with the number of fields.
const MaxFields = 100

// Join returns the text to sign: the fields that keep accepts, sorted by name in byte order, joined
// as name=value with &, without escaping.
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

// ParseForm decodes a form-encoded message: a request's query or body, or a notification's body.
// Names and values are the bytes as sent, in whatever charset, since signatures cover these bytes.
// Text decodes them. A repeated name and more than MaxFields fields are errors. Errors name the
// field, never its value.
//
// http.Request does not do, because Alipay posts notifications with a malformed media type
// ("application/x-www-form-urlencoded; text/html; charset=UTF-8"), and because two readers could
// take different values of a repeated name.
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
			return nil, fmt.Errorf("alipay: field %.64q is repeated", name)
		}
		fields[name] = value
	}
	return fields, nil
}

// EncodeForm encodes fields as application/x-www-form-urlencoded, sorted by name. It omits empty
// values, since readers differ in how they treat them.
func EncodeForm(fields map[string]string) string {
	v := make(url.Values, len(fields))
	for name, value := range fields {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v.Encode()
}

// ErrSeparator means that the signed text could be cut into other fields.
var ErrSeparator = errors.New("alipay: a field holds a separator of the signed string")

// Unambiguous returns ErrSeparator if a field contains a separator of the signed text. A signature
// covers values joined by & and = without escaping, so a message could be cut into other fields
// under the same signature. Without & in names and values, and without = in names, there is only
// one way to cut it: the fields are the signed ones. The check is on bytes: in Alipay's charsets
// these two bytes never occur within a longer character.
func Unambiguous(fields map[string]string) error {
	for name, value := range fields {
		if strings.ContainsAny(name, "&=") || strings.Contains(value, "&") {
			return fmt.Errorf("%w: %.64q", ErrSeparator, name)
		}
	}
	return nil
}

// Text decodes the values of a verified message. It drops fields whose names are not ASCII: nobody
// reads them, and decoded names could clash.
func Text(fields map[string]string, c Charset) map[string]string {
	text := make(map[string]string, len(fields))
	for name, value := range fields {
		if c.Decode(name) == name && !strings.ContainsFunc(name, func(r rune) bool { return r > 0x7F }) {
			text[name] = c.Decode(value)
		}
	}
	return text
}

// In encodes the values of a message in a charset. It is the reverse of Text.
func In(fields map[string]string, c Charset) map[string]string {
	raw := make(map[string]string, len(fields))
	for name, value := range fields {
		raw[name] = c.Encode(value)
	}
	return raw
}
