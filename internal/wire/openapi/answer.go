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

// CodeSuccess is the code of a call that worked. It says nothing more.
const CodeSuccess = "10000"

// Answer is what the gateway answers to one request.
type Answer struct {
	// Content is the member that is signed, as it was sent.
	Content json.RawMessage
	// Fields are the members of Content whose values are strings, numbers or
	// booleans, as text. Lists and objects are left out.
	Fields map[string]string
	// Refused: Content is an error_response, which the gateway may send unsigned.
	Refused bool
	Sign    string // base64; "" if the answer is not signed
	CertSN  string // the number of the certificate that signed, in certificate mode
}

// OK reports whether the call worked. An answer about a token has no code, but
// the token.
func (a Answer) OK() bool {
	if a.Refused {
		return false
	}
	code, there := a.Fields["code"]
	return code == CodeSuccess || !there && a.Fields["access_token"] != ""
}

// ParseAnswer reads the answer to a call of method. It is strict where lenience
// would let one reader see another answer than the next: names that come twice,
// anything behind the end, or neither or both of the two members that an answer
// can have are errors.
func ParseAnswer(method string, doc []byte) (Answer, error) {
	var a Answer
	outer, err := members(doc)
	if err != nil {
		return a, err
	}
	content, ok := outer[ContentName(method)]
	refused, isRefused := outer["error_response"]
	switch {
	case ok == isRefused:
		return a, errors.New("openapi: the answer is not one to the call")
	case isRefused:
		a.Refused, content = true, refused
	}
	a.Content = content
	if err := text(outer, "sign", &a.Sign); err != nil {
		return a, err
	}
	if err := text(outer, "alipay_cert_sn", &a.CertSN); err != nil {
		return a, err
	}
	inner, err := members(content)
	if err != nil {
		return a, err
	}
	a.Fields = make(map[string]string, len(inner))
	for name, raw := range inner {
		switch c := raw[0]; {
		case c == '"':
			var s string
			if err := json.Unmarshal(raw, &s); err != nil {
				return a, fmt.Errorf("openapi: field %.64q: %w", name, err)
			}
			a.Fields[name] = s
		case c == '-' || '0' <= c && c <= '9' || c == 't' || c == 'f':
			a.Fields[name] = string(raw)
		}
	}
	return a, nil
}

// ContentName is the name of the member that answers a call of method.
func ContentName(method string) string {
	return strings.ReplaceAll(method, ".", "_") + "_response"
}

// members reads an object without deciding anything about its values.
func members(doc []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(doc) {
		return nil, errors.New("openapi: the answer is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("openapi: the answer is not an object")
	}
	all := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("openapi: %w", err)
		}
		name := t.(string) // of a member: anything else is a syntax error
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("openapi: member %.64q is there twice", name)
		}
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, fmt.Errorf("openapi: member %.64q: %w", name, err)
		}
		all[name] = raw
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("openapi: there is more behind the answer's end")
	}
	return all, nil
}

// text reads a member that is a text, if it is there.
func text(outer map[string]json.RawMessage, name string, into *string) error {
	raw, ok := outer[name]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("openapi: member %q: %w", name, err)
	}
	return nil
}

// Verify checks the answer's signature, over the very bytes of Content. A
// success must be signed; a refusal may come without, and then proves nothing
// (nil: whoever trusts it trusts the connection alone).
//
// Alipay's SDKs try a second time with \/ read as /, since some of its servers
// sign before they escape; so does this.
func (a Answer) Verify(k Keys) error {
	if a.Sign == "" {
		if a.OK() {
			return ErrNoSignature
		}
		return nil
	}
	err := alipay.Verify(k.Type, k.Public, string(a.Content), a.Sign)
	if errors.Is(err, ErrBadSignature) && bytes.Contains(a.Content, []byte(`\/`)) {
		err = alipay.Verify(k.Type, k.Public, strings.ReplaceAll(string(a.Content), `\/`, `/`), a.Sign)
	}
	return err
}

// WriteAnswer wraps and signs content, a JSON object, as the member called name;
// certSN is left out if it is "". Without a private key it is not signed.
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
