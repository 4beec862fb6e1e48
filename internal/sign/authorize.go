package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// End is one end of the hosted authorisation link. Each end signs with its own key, derived from
// the client key. So a signature of one end is not valid for the other, and neither is valid for a
// request: the buyer's browser sees these signatures, but never a request's.
type End string

// The two ends.
const (
	Authorize  End = "sampan-authorize-v1"  // the link to which a merchant sends its buyer
	Authorized End = "sampan-authorized-v1" // the address to which the buyer returns
)

// SigParam is the name of the parameter that holds a link's signature.
const SigParam = "sig"

// Query returns the canonical query string of p without its signature: every parameter as
// name=value, both percent-encoded, sorted by name in byte order, joined by &. Letters, digits and
// - . _ ~ stay as they are (RFC 3986, unreserved). Every other byte is written as % and two
// upper-case digits.
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

// Link signs p for an end. It returns the lower-case hex of the HMAC-SHA256 of the canonical query.
func Link(p Params, clientKey string, end End) string {
	return hex.EncodeToString(linkMAC(p, clientKey, end))
}

// SignedQuery returns the canonical query of p followed by its signature.
func SignedQuery(p Params, clientKey string, end End) string {
	return p.Query() + "&" + SigParam + "=" + Link(p, clientKey, end)
}

// VerifyLink reports whether p holds its own signature for an end, in any letter case. Nothing
// verifies under an empty key. The comparison takes constant time.
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
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z',
			'0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
}
