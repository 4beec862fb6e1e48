package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

// CodeSuccess is the code of a successful call. It says nothing about the outcome of the trade.
const CodeSuccess = "10000"

// Answer is the gateway's answer to one request.
type Answer struct {
	// Content is the signed member, as sent.
	Content json.RawMessage
	// Fields holds the members of Content whose values are strings, numbers or booleans, as text.
	// Lists and objects are dropped.
	Fields map[string]string
	// Refused reports whether Content is an error_response, which the gateway may send unsigned.
	Refused bool
	Sign    string // base64; "" if the answer is unsigned
	CertSN  string // serial number of the signing certificate, in certificate mode
}

// OK reports whether the call succeeded. An answer about a token has the token instead of a code.
func (a Answer) OK() bool {
	if a.Refused {
		return false
	}
	code, there := a.Fields["code"]
	return code == CodeSuccess || !there && a.Fields["access_token"] != ""
}

// ParseAnswer parses the answer to a call of method. It is strict where two lenient readers could
// see different answers. Repeated names, anything after the end, and neither or both of the two
// members that an answer can have are errors.
//
// An answer is in UTF-8, the charset that the call asks for. One that is not valid UTF-8 is read as
// GB18030, which includes GBK. The bytes alone decide, since the HTTP header is not signed.
func ParseAnswer(method string, doc []byte) (Answer, error) {
	var a Answer
	outer, err := cut(doc)
	if err != nil {
		return a, err
	}
	content, ok := outer.members[ContentName(method)]
	refused, isRefused := outer.members["error_response"]
	switch {
	case ok == isRefused:
		return a, errors.New("openapi: the answer does not belong to the call")
	case isRefused:
		a.Refused, content = true, refused
	}
	a.Content = content
	if err := outer.text("sign", &a.Sign); err != nil {
		return a, err
	}
	if err := outer.text("alipay_cert_sn", &a.CertSN); err != nil {
		return a, err
	}
	inner, err := cut(content)
	if err != nil {
		return a, err
	}
	a.Fields = make(map[string]string, len(inner.members))
	for name, raw := range inner.members {
		switch c := raw[0]; {
		case c == '"':
			var s string
			if err := inner.text(name, &s); err != nil {
				return a, err
			}
			a.Fields[name] = s
		case c == '-' || '0' <= c && c <= '9' || c == 't' || c == 'f':
			a.Fields[name] = string(raw)
		}
	}
	return a, nil
}

// ContentName returns the name of the member that answers a call of method.
func ContentName(method string) string {
	return strings.ReplaceAll(method, ".", "_") + "_response"
}

// object is a JSON object cut into its members. Their values are as sent.
type object struct {
	charset alipay.Charset
	members map[string]json.RawMessage
}

// charsetOf returns UTF-8 for valid UTF-8, and otherwise GB18030, which includes GBK. UTF-8 text
// may contain a value that was cut within a character: then the remaining bytes stand before a byte
// that cannot end a GBK character.
func charsetOf(doc []byte) alipay.Charset {
	for len(doc) > 0 {
		r, n := utf8.DecodeRune(doc)
		if r == utf8.RuneError && n == 1 {
			n = bytes.IndexFunc(doc, func(r rune) bool { return r < utf8.RuneSelf })
			if n < 0 || utf8.FullRune(doc[:n]) || doc[n] >= 0x40 {
				return alipay.GB18030
			}
		}
		doc = doc[n:]
	}
	return alipay.UTF8
}

// cut cuts an object into its members without interpreting their values. A GBK character may end in
// the byte of \ or of a brace. So cut parses a copy in which letters replace the bytes of every
// longer character, and takes the parts of doc at the same positions.
func cut(doc []byte) (object, error) {
	o := object{charset: charsetOf(doc), members: map[string]json.RawMessage{}}
	plain := make([]byte, 0, len(doc))
	for char := range o.charset.Characters(string(doc)) {
		if char[0] < utf8.RuneSelf {
			plain = append(plain, char[0])
			continue
		}
		plain = append(plain, bytes.Repeat([]byte{'x'}, len(char))...)
	}
	d := json.NewDecoder(bytes.NewReader(plain))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return o, errors.New("openapi: the answer is not an object")
	}
	for d.More() {
		before := d.InputOffset()
		if _, err := d.Token(); err != nil { // a name; anything else is a syntax error
			return o, fmt.Errorf("openapi: %w", err)
		}
		name, err := o.decode(doc[before+int64(bytes.IndexByte(plain[before:], '"')) : d.InputOffset()])
		if err != nil {
			return o, fmt.Errorf("openapi: a member's name: %w", err)
		}
		if _, twice := o.members[name]; twice {
			return o, fmt.Errorf("openapi: member %.64q is repeated", name)
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return o, fmt.Errorf("openapi: member %.64q: %w", name, err)
		}
		end := d.InputOffset()
		o.members[name] = doc[end-int64(len(raw)) : end]
	}
	if _, err := d.Token(); err != nil {
		return o, fmt.Errorf("openapi: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return o, errors.New("openapi: the answer is followed by more text")
	}
	return o, nil
}

// decode decodes a JSON string in the object's charset.
func (o object) decode(raw []byte) (s string, err error) {
	err = json.Unmarshal([]byte(o.charset.Decode(string(raw))), &s)
	return s, err
}

// text stores the value of a string member in into, if the member exists.
func (o object) text(name string, into *string) error {
	raw, ok := o.members[name]
	if !ok {
		return nil
	}
	s, err := o.decode(raw)
	if err != nil {
		return fmt.Errorf("openapi: member %.64q: %w", name, err)
	}
	*into = s
	return nil
}

// Verify verifies the answer's signature over the bytes of Content. A success must be signed. A
// refusal may be unsigned: then Verify returns nil, but the refusal proves nothing beyond the
// connection.
//
// Like Alipay's SDKs, Verify tries a second time with \/ read as /, since some of Alipay's servers
// sign before they escape.
func (a Answer) Verify(k Keys) error {
	if a.Sign == "" {
		if a.OK() {
			return ErrNoSignature
		}
		return nil
	}
	text := string(a.Content)
	err := alipay.Verify(k.Type, k.Public, text, a.Sign)
	plain := unescapeSlashes(text, charsetOf(a.Content))
	if errors.Is(err, ErrBadSignature) && plain != text {
		err = alipay.Verify(k.Type, k.Public, plain, a.Sign)
	}
	return err
}

// unescapeSlashes replaces \/ by / where the \ is a character and not a part of one.
func unescapeSlashes(text string, c alipay.Charset) string {
	var b strings.Builder
	escaped := false // the last \ is not written yet
	for char := range c.Characters(text) {
		if escaped && char != "/" {
			b.WriteByte('\\')
		}
		if escaped = char == `\`; !escaped {
			b.WriteString(char)
		}
	}
	if escaped {
		b.WriteByte('\\')
	}
	return b.String()
}

// WriteAnswer wraps and signs content, a JSON object, as the member name. It omits certSN if it is
// "". Without a private key the answer is unsigned.
func WriteAnswer(name string, content []byte, certSN string, k Keys) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"%s":%s`, name, content)
	if certSN != "" {
		fmt.Fprintf(&b, `,"alipay_cert_sn":"%s"`, certSN)
	}
	if k.Private != nil {
		sig, err := alipay.Sign(k.Type, k.Private, string(content))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `,"sign":"%s"`, sig)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
