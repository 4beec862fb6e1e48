package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// End is one of the two ends of the hosted authorisation link. Each signs under
// a key of its own, derived from the client key, so that no signature of one
// passes for one of the other, and none for a request's: these are seen by a
// browser, which a request's never is.
type End string

// The ends.
const (
	Authorize  End = "sampan-authorize-v1"  // the link that a merchant sends its buyer to
	Authorized End = "sampan-authorized-v1" // the address that the buyer comes back to
)

// SigParam is the parameter that holds a link's signature.
const SigParam = "sig"

// Query is the canonical query string of p without its signature: every
// parameter as name=value, both percent-encoded, sorted by name in byte order,
// joined by &. Letters, digits and - . _ ~ stay as they are (RFC 3986,
// unreserved); every other byte is written as % and two upper-case digits.
func (p Params) Query() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if name == SigParam {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		escape(&b, name)
		b.WriteByte('=')
		escape(&b, p[name])
	}
	return b.String()
}

// Link signs p for an end: lower-case hex of the HMAC-SHA256 of its canonical
// query.
func Link(p Params, clientKey string, end End) string {
	return hex.EncodeToString(linkMAC(p, clientKey, end))
}

// SignedQuery is p's canonical query with its signature at the end.
func SignedQuery(p Params, clientKey string, end End) string {
	return p.Query() + "&" + SigParam + "=" + Link(p, clientKey, end)
}

// VerifyLink reports whether p holds, in any letter case, its own signature for
// an end. Nothing verifies under an empty key. The comparison takes the same
// time wherever the signature differs.
func VerifyLink(p Params, clientKey string, end End) bool {
	got, err := hex.DecodeString(p[SigParam])
	if err != nil || clientKey == "" {
		return false
	}
	return hmac.Equal(got, linkMAC(p, clientKey, end))
}

func linkMAC(p Params, clientKey string, end End) []byte {
	return hmacSHA256(hmacSHA256([]byte(clientKey), string(end)), p.Query())
}

func hmacSHA256(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}

func escape(b *strings.Builder, s string) {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
}
