package mapi

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"
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
}

// Verify checks the signature over Fields, as Message.Verify does.
func (a Answer) Verify(k Keys) error {
	if a.Sign == "" {
		return ErrNoSignature
	}
	if a.SignType != string(k.Type) {
		return ErrSignType
	}
	return k.verify(a.Fields.Canonical(), a.Sign)
}

// maxDepth bounds how deeply elements may nest. Answers need four levels, and
// a fifth and sixth where a field is a list.
const maxDepth = 8

// ParseAnswer reads an answer. Elements that it does not know are ignored
// outside response and kept inside it; text is taken untrimmed; a field that
// holds elements instead of text is left out. A document that is cut off, that
// has a field twice, or that is no <alipay> is an error.
func ParseAnswer(doc []byte) (Answer, error) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	d.CharsetReader = charsetReader
	a := Answer{Fields: Message{}}
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
			if leaf && a.take(path, text.String()) {
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
		a.Fields[path[3]] = text
		return true
	}
	return false
}

// charsetReader lets encoding/xml read what Alipay declares: errors come with
// the header encoding="GBK".
func charsetReader(charset string, in io.Reader) (io.Reader, error) {
	switch strings.ToUpper(charset) {
	case "GBK", "GB2312", "GB18030":
		return simplifiedchinese.GB18030.NewDecoder().Reader(in), nil
	}
	return nil, fmt.Errorf("mapi: answer in unknown charset %.64q", charset)
}
