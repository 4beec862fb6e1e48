package mapi

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

// Answer is the gateway's XML answer to single_trade_query, forex_refund or
// alipay.acquire.refund.query, or an error:
//
//	<alipay><is_success>T</is_success><request>…</request>
//	<response><trade>…</trade></response><sign>…</sign><sign_type>…</sign_type></alipay>
//
// The signature covers the children of response's only child (trade or alipay). It covers neither
// is_success nor request. Gateway errors are unsigned.
type Answer struct {
	Success  bool
	Error    string  // the error's code, if Success is false
	Kind     string  // name of response's child: "trade" or "alipay"; "" without a response
	Fields   Message // its children
	Sign     string
	SignType string

	charset alipay.Charset
	raw     Message // Fields before decoding
}

// Verify verifies the signature over the bytes of Fields as received, with entities resolved. Some
// of Alipay's servers sign in UTF-8 what they send in GBK, so Verify tries that next: the fields
// are the same.
func (a Answer) Verify(k Keys) error {
	if a.Sign == "" {
		return ErrNoSignature
	}
	if a.SignType != string(k.Type) {
		return ErrSignType
	}
	err := k.verify(a.raw.Canonical(), a.Sign)
	if errors.Is(err, ErrBadSignature) && a.charset != alipay.UTF8 {
		err = k.verify(a.Fields.Canonical(), a.Sign)
	}
	return err
}

// maxDepth limits how deeply elements may nest. Answers need four levels, and six where a field is
// a list.
const maxDepth = 8

// ParseAnswer parses an answer. It ignores unknown elements outside response and keeps them inside.
// It does not trim text. It drops a field that contains elements instead of text. A document that
// is cut off, that repeats a field, or that is not an <alipay> element is an error.
func ParseAnswer(doc []byte) (Answer, error) {
	charset, err := declared(doc)
	if err != nil {
		return Answer{}, err
	}
	d := xml.NewDecoder(strings.NewReader(hide(doc, charset)))
	d.CharsetReader = func(name string, in io.Reader) (io.Reader, error) {
		if c, err := alipay.ParseCharset(name); err != nil || c != charset { // one that declared did not find
			return nil, fmt.Errorf("mapi: answer: charset %.32q is not declared in the first line", name)
		}
		return in, nil
	}
	a := Answer{charset: charset, raw: Message{}}
	var (
		path []string        // names of the open elements
		text strings.Builder // of the innermost element, while it is a leaf
		leaf bool
		seen = map[string]bool{}
		done bool
	)
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Answer{}, fmt.Errorf("mapi: answer: %w", err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if len(path) == 0 && (done || t.Name.Local != "alipay") {
				return Answer{}, errors.New("mapi: answer is not one <alipay> element")
			}
			if len(path) == maxDepth {
				return Answer{}, errors.New("mapi: answer is nested too deeply")
			}
			path = append(path, t.Name.Local)
			if len(path) == 3 && path[1] == "response" {
				if a.Kind != "" {
					return Answer{}, errors.New("mapi: answer has two response elements")
				}
				a.Kind = t.Name.Local
			}
			leaf = true
			text.Reset()
		case xml.CharData:
			text.Write(t)
		case xml.EndElement:
			if leaf && a.set(path, show(text.String(), charset)) {
				name := strings.Join(path, "/")
				if seen[name] {
					return Answer{}, fmt.Errorf("mapi: answer repeats %.64q", name)
				}
				seen[name] = true
			}
			leaf = false
			path = path[:len(path)-1]
			done = len(path) == 0
		}
	}
	if !done || !seen["alipay/is_success"] {
		return Answer{}, errors.New("mapi: answer is incomplete")
	}
	a.Fields = alipay.Text(a.raw, charset)
	return a, nil
}

// set stores the text of the element at path. It reports whether the element may occur only once.
func (a *Answer) set(path []string, text string) bool {
	switch {
	case len(path) == 2:
		switch path[1] {
		case "is_success":
			a.Success = text == "T"
		case "error":
			a.Error = text
		case "sign":
			a.Sign = text
		case "sign_type":
			a.SignType = text
		default:
			return false
		}
		return true
	case len(path) == 4 && path[1] == "response":
		a.raw[path[3]] = text
		return true
	}
	return false
}

// declaration matches the XML declaration and captures its charset.
var declaration = regexp.MustCompile(`^\s*<\?xml[^>]*\sencoding\s*=\s*["']([^"']*)["']`)

// declared returns the charset in a document's XML declaration. Alipay's errors declare
// encoding="GBK".
func declared(doc []byte) (alipay.Charset, error) {
	found := declaration.FindSubmatch(doc)
	if found == nil {
		return alipay.UTF8, nil
	}
	c, err := alipay.ParseCharset(string(found[1]))
	if err != nil {
		return "", fmt.Errorf("mapi: answer: %w", err)
	}
	return c, nil
}

// hidden is the first of the private-use characters that stand for the bytes of longer characters
// while the XML is parsed. No charset here has these characters.
const hidden = 0x10FD00

// hide replaces each byte of a character that is not ASCII by a character of its own. A GBK
// character may end in the byte of an ASCII sign; hidden, that byte cannot be taken for XML. And
// the bytes, which are signed, are kept, even those that do not decode.
func hide(doc []byte, c alipay.Charset) string {
	var b strings.Builder
	for char := range c.Characters(string(doc)) {
		if char[0] < utf8.RuneSelf {
			b.WriteString(char)
			continue
		}
		for i := range len(char) {
			b.WriteRune(hidden + rune(char[i]))
		}
	}
	return b.String()
}

// show returns the bytes of a text that hide changed. It encodes a character that the document
// wrote as a reference (&#33590;) in the document's charset.
func show(text string, c alipay.Charset) string {
	var b strings.Builder
	for _, r := range text {
		if hidden <= r && r <= hidden+0xFF {
			b.WriteByte(byte(r - hidden))
			continue
		}
		b.WriteString(c.Encode(string(r)))
	}
	return b.String()
}
