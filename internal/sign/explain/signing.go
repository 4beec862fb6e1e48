package explain

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/url"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/sign"
)

// message is what a client sent: a form or, without params, any body.
type message struct {
	params []param // in the order of the body
	body   string  // as it travelled
}

type param struct {
	name, value string
	raw         string // the value as it travelled
}

// readMessage splits a form that the API can read. It keeps the order and the
// encoding of the parameters, which sign.Params does not.
func readMessage(body string) message {
	m := message{body: body}
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		name, raw, _ := strings.Cut(pair, "=")
		p := param{raw: raw}
		p.name, _ = url.QueryUnescape(name) // no error: the API has decoded it already
		p.value, _ = url.QueryUnescape(raw)
		m.params = append(m.params, p)
	}
	return m
}

// Form writes parameters, each as NAME=VALUE before any URL encoding, as the body
// of a form.
func Form(params []string) (string, error) {
	pairs := make([]string, len(params))
	for i, p := range params {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return "", fmt.Errorf("%q is not NAME=VALUE", p)
		}
		pairs[i] = url.QueryEscape(name) + "=" + url.QueryEscape(value)
	}
	return strings.Join(pairs, "&"), nil
}

// FormOf finds the form in a text that may be an address, and may end in the line
// feed of a file.
func FormOf(text string) string {
	text = strings.TrimRight(text, "\r\n")
	if before, query, ok := strings.Cut(text, "?"); ok && !strings.Contains(before, "=") {
		return query
	}
	return text
}

// signing is a way to sign. Package sign has the right one. This one can be given
// mistakes.
type signing struct {
	choose            func([]param) []param       // nil: all
	order             func(a, b param) int        // nil: as sent
	value             func(param) string          // as it is signed
	equals, separator string                      // within and between parameters
	whole             func(message) string        // not nil: instead of all above
	charset           func(string) string         // nil: UTF-8
	attach            func(text, k string) string // the key to the text
	hash              func() hash.Hash
	mac               bool // HMAC with the key, which is not attached
}

// signedForm is the right way for a request.
func signedForm(a sign.Algorithm) signing {
	s := signing{
		order:  func(a, b param) int { return strings.Compare(a.name, b.name) },
		value:  func(p param) string { return p.value },
		equals: "=", separator: "&",
		attach: func(text, k string) string { return text + k },
		hash:   md5.New,
	}
	if a == sign.SHA256 {
		s.hash = sha256.New
	}
	return s
}

// signedBody is the right way for a notification.
func signedBody() signing {
	s := signedForm(sign.MD5)
	s.whole = func(m message) string { return m.body }
	return s
}

// text is what is signed, without the key.
func (s signing) text(m message) string {
	if s.whole != nil {
		return s.whole(m)
	}
	params := slices.Clone(m.params)
	if s.choose != nil {
		params = s.choose(params)
	}
	if s.order != nil {
		slices.SortStableFunc(params, s.order)
	}
	parts := make([]string, len(params))
	for i, p := range params {
		parts[i] = p.name + s.equals + s.value(p)
	}
	return strings.Join(parts, s.separator)
}

// shown is what is hashed, with KeyMark for the key.
func (s signing) shown(m message) string {
	if s.mac {
		return s.text(m)
	}
	return s.attach(s.text(m), KeyMark)
}

func (s signing) sum(m message, key string) []byte {
	text := s.text(m)
	if s.charset != nil {
		text = s.charset(text)
	}
	h := s.hash()
	if s.mac {
		h = hmac.New(s.hash, []byte(key))
	} else {
		text = s.attach(text, key)
	}
	h.Write([]byte(text))
	return h.Sum(nil)
}

// mistake is one way to get a signature wrong. plant makes it.
type mistake struct {
	cause, fix string
	plant      func(*signing)
}

// findMistakes returns the fewest mistakes, two at most, that make the digest,
// and the way to sign that has them.
func findMistakes(
	right signing, usual []mistake, m message, key string, digest []byte,
) ([]mistake, signing, bool) {
	withoutEmpty := right // also right: the API lets clients leave empty values out
	withoutEmpty.choose = func(all []param) []param {
		return slices.DeleteFunc(all, func(p param) bool { return p.value == "" })
	}
	try := func(planted ...mistake) (signing, bool) {
		for _, s := range []signing{right, withoutEmpty} {
			for _, p := range planted {
				p.plant(&s)
			}
			if hmac.Equal(s.sum(m, key), digest) {
				return s, true
			}
		}
		return signing{}, false
	}
	if s, ok := try(); ok {
		return nil, s, true
	}
	for _, a := range usual {
		if s, ok := try(a); ok {
			return []mistake{a}, s, true
		}
	}
	for i, a := range usual {
		for _, b := range usual[i+1:] {
			if s, ok := try(a, b); ok {
				return []mistake{a, b}, s, true
			}
		}
	}
	return nil, signing{}, false
}

// readSignature decodes a signature. A signature in base64 is a mistake. digest
// is nil if s is neither hex nor base64.
func readSignature(s string) (digest []byte, m mistake) {
	s = strings.TrimSpace(s)
	if b, err := hex.DecodeString(s); err == nil && len(b) > 0 {
		return b, m
	}
	unpadded := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	if b, err := base64.RawStdEncoding.DecodeString(unpadded); err == nil && knownLength(len(b)) {
		return b, mistake{cause: "the hash is written in base64", fix: "write it in hex"}
	}
	return nil, m
}

// hashes are those that a client may have used.
var hashes = []struct {
	name string
	new  func() hash.Hash
}{
	{"MD5", md5.New}, {"SHA-256", sha256.New}, {"SHA-1", sha1.New}, {"SHA-512", sha512.New},
}

func knownLength(n int) bool {
	for _, h := range hashes {
		if h.new().Size() == n {
			return true
		}
	}
	return false
}
