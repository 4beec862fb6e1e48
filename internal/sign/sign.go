// Package sign makes and verifies the signatures of the trade API: those of merchants' requests
// (sign.go), those of the notifications to merchants (sign.go), and those of the authorisation link
// (authorize.go). It does no I/O.
//
// The scheme is the vendor's (trade API, signature): the parameters joined in order, followed by
// the client key, under a plain hash.
package sign

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Algorithm is the hash of a request's signature. The zero value means MD5, like a request that
// names no hash.
type Algorithm string

// The algorithms, spelt as in the header X-QF-SIGNTYPE.
const (
	MD5    Algorithm = "MD5"
	SHA256 Algorithm = "SHA256"
)

// ParseAlgorithm parses the value of the header X-QF-SIGNTYPE, in any letter case. The empty value
// means MD5. Any other value is an error.
func ParseAlgorithm(s string) (Algorithm, error) {
	switch strings.ToUpper(s) {
	case "", "MD5":
		return MD5, nil
	case "SHA256":
		return SHA256, nil
	}
	return "", fmt.Errorf("sign: unknown algorithm %.20q", s)
}

// Params are a request's parameters: each name once, with decoded values in UTF-8.
type Params map[string]string

// Canonical returns the text that a signature covers, without the key: every parameter as
// name=value, sorted by name in byte order, joined by &, without escaping.
func (p Params) Canonical() string {
	size := 0
	for name, value := range p {
		size += len(name) + len(value) + 2
	}
	var b strings.Builder
	b.Grow(size) // once, since strangers choose the size
	for i, name := range slices.Sorted(maps.Keys(p)) {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(name)
		b.WriteByte('=')
		b.WriteString(p[name])
	}
	return b.String()
}

// withoutEmpty returns p without its empty values.
func (p Params) withoutEmpty() Params {
	q := maps.Clone(p)
	maps.DeleteFunc(q, func(_, value string) bool { return value == "" })
	return q
}

// Request signs a request: upper-case hex of the hash of all of p and the key. It returns "" for an
// unknown algorithm.
func Request(p Params, clientKey string, a Algorithm) string {
	return upperHex(digest(p.Canonical()+clientKey, a))
}

// VerifyRequest reports whether signature is that of p, in any letter case. A signature of the
// non-empty parameters alone is valid too, since some clients omit the empty ones. Nothing verifies
// under an empty key. The comparison takes constant time.
func VerifyRequest(p Params, clientKey string, a Algorithm, signature string) bool {
	return verify(p.Canonical(), clientKey, a, signature) ||
		verify(p.withoutEmpty().Canonical(), clientKey, a, signature)
}

// Notification signs a notification: upper-case hex of the MD5 of the key appended to the body as
// sent.
func Notification(body []byte, clientKey string) string {
	return upperHex(digest(string(body)+clientKey, MD5))
}

// VerifyNotification reports whether signature is that of body, in any letter case. Nothing
// verifies under an empty key.
func VerifyNotification(body []byte, clientKey, signature string) bool {
	return verify(string(body), clientKey, MD5, signature)
}

// verify reports whether signature is the hash of message and key. It refuses an empty signature,
// which would otherwise equal the empty digest of an unknown algorithm.
func verify(message, key string, a Algorithm, signature string) bool {
	if key == "" || signature == "" {
		return false
	}
	got, err := hex.DecodeString(signature)
	if err != nil {
		return false
	}
	return hmac.Equal(got, digest(message+key, a))
}

func digest(s string, a Algorithm) []byte {
	switch a {
	case "", MD5:
		sum := md5.Sum([]byte(s))
		return sum[:]
	case SHA256:
		sum := sha256.Sum256([]byte(s))
		return sum[:]
	}
	return nil
}

func upperHex(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
