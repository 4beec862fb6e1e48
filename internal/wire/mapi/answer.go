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

// Answer is the gateway's XML answer to a call: single_trade_query,
// forex_refund, alipay.acquire.refund.query, or an error.
//
//	<alipay><is_success>T</is_success><request>…</request>
//	<response><trade>…</trade></response><sign>…</sign><sign_type>…</sign_type></alipay>
//
// The signature covers the children of response's only child (trade, or
// alipay), and neither is_success nor request. Gateway errors are not signed.
type Answer struct {
	Success  bool
	Error    string  // the code, with Success false
	Kind     string  // name of response's child: "trade" or "alipay"; "" if there is none
	Fields   Message // its children
	Sign     string
	SignType string

	charset alipay.Charset
	raw     Message // Fields before they were decoded
}

// Verify checks the signature over the bytes of Fields as they came, entities
// resolved. Some of Alipay's servers sign in UTF-8 what they send in GBK, so that
// is tried next: the fields are the same.
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

// maxDepth bounds how deeply elements may nest. Answers need four levels, and
// a fifth and sixth where a field is a list.
const maxDepth = 8

// ParseAnswer reads an answer. Elements that it does not know are ignored
// outside response and kept inside it; text is taken untrimmed; a field that
// holds elements instead of text is left out. A document that is cut off, that
// has a field twice, or that is no <alipay> is an error.
func ParseAnswer(doc []byte) (Answer, error) {
	charset, err := declared(doc)
	if err != nil {
		return Answer{}, err
	}
	d := xml.NewDecoder(strings.NewReader(hide(doc, charset)))
	d.CharsetReader = func(name string, in io.Reader) (io.Reader, error) {
		if c, err := alipay.ParseCharset(name); err != nil || c != charset { // it is hidden from declared
			return nil, fmt.Errorf("mapi: answer: charset %.32q is not where it belongs", name)
		}
		return in, nil
	}
	a := Answer{charset: charset, raw: Message{}}
	var (
		path []string        // names of the open elements
		text strings.Builder // of the innermost one, as long as it is a leaf
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
			if leaf && a.take(path, show(text.String(), charset)) {
				name := strings.Join(path, "/")
				if seen[name] {
					return Answer{}, fmt.Errorf("mapi: answer has %.64q twice", name)
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

// take sets what the element at path says, and reports whether it was one that
// may come only once.
func (a *Answer) take(path []string, text string) bool {
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

// declaration is that of a document in another charset than UTF-8, perhaps.
var declaration = regexp.MustCompile(`^\s*<\?xml[^>]*\sencoding\s*=\s*["']([^"']*)["']`)

// declared is the charset that a document says it is in: Alipay's errors come
// with the header encoding="GBK".
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

// hidden is where the bytes of longer characters are hidden from the reader of
// XML: no character of any charset here, in a plane for private use.
const hidden = 0x10FD00

// hide writes each byte of a character that is not ASCII as a character of its
// own. So the document is cut by characters, of which one of GBK may end in the
// byte of an ASCII sign, and the bytes, which are signed, are kept: also those
// that do not decode.
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

// show gives the bytes of a text that was hidden. A character that the document
// wrote as a reference (&#33590;) is in its charset.
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
