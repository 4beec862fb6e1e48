// Package sign makes and checks the signatures of the trade API: those of
// merchants' requests and those of the notifications that merchants are sent.
// It turns bytes into bytes; where they came from is not its business.
//
// The scheme is the vendor's (trade API, signature): the parameters joined in
// order, the client key put behind them, and a plain hash over it all.
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

// Algorithm is the hash of a request's signature. The zero value is MD5, as it
// is for a request that does not name one.
type Algorithm string

// The algorithms, spelt as in the header X-QF-SIGNTYPE.
const (
	MD5    Algorithm = "MD5"
	SHA256 Algorithm = "SHA256"
)

// ParseAlgorithm reads the value of the header X-QF-SIGNTYPE, in any letter
// case; an absent one means MD5. Any other value is an error.
func ParseAlgorithm(s string) (Algorithm, error) {
	switch strings.ToUpper(s) {
	case "", "MD5":
		return MD5, nil
	case "SHA256":
		return SHA256, nil
	}
	return "", fmt.Errorf("sign: unknown algorithm %.20q", s)
}

// Params are a request's parameters: each name once, values decoded, UTF-8.
type Params map[string]string

// Canonical is the string that a signature covers, before the key: every
// parameter as name=value, sorted by name in byte order, joined by & and
// escaped in no way.
func (p Params) Canonical() string {
	size := 0
	for name, value := range p {
		size += len(name) + len(value) + 2
	}
	var b strings.Builder
	b.Grow(size) // once, since strangers choose how long it is
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

// withoutEmpty is p without the parameters whose value is empty.
func (p Params) withoutEmpty() Params {
	q := maps.Clone(p)
	maps.DeleteFunc(q, func(_, value string) bool { return value == "" })
	return q
}

// Request signs a request: upper-case hex over all of p and the key. It is ""
// for an algorithm that is not one of the above.
func Request(p Params, clientKey string, a Algorithm) string {
	return upperHex(digest(p.Canonical()+clientKey, a))
}

// VerifyRequest reports whether signature, in any letter case, is that of p.
// One over the non-empty parameters alone is right too, since some clients
// leave the empty ones out. Nothing verifies under an empty key. The comparison
// takes the same time wherever the signature differs.
func VerifyRequest(p Params, clientKey string, a Algorithm, signature string) bool {
	return verify(p.Canonical(), clientKey, a, signature) ||
		verify(p.withoutEmpty().Canonical(), clientKey, a, signature)
}

// Notification signs a notification: upper-case hex of the MD5 of its body, as
// it goes over the wire, and the key.
func Notification(body []byte, clientKey string) string {
	return upperHex(digest(string(body)+clientKey, MD5))
}

// VerifyNotification reports whether signature, in any letter case, is that of
// body. Nothing verifies under an empty key.
func VerifyNotification(body []byte, clientKey, signature string) bool {
	return verify(string(body), clientKey, MD5, signature)
}

// verify reports whether signature is the hash of message and key. An empty
// signature, and one under an unknown algorithm, is refused here on purpose:
// otherwise "" would match the digest that does not exist.
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
