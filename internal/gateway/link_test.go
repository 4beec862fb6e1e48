package gateway

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzToken checks that a token is accepted only if it is, byte for byte, the one that
// this deployment makes for its payment. So nobody can forge one, and each payment has
// one token.
func FuzzToken(f *testing.F) {
	ours := &Gateway{Config: Config{LinkKey: []byte("a key of sixteen bytes or more")}}
	other := &Gateway{Config: Config{LinkKey: []byte("another deployment's key 0123456")}}
	const id = "20260102100001000000000001"
	token := ours.Token(id)
	most := bytes.Repeat([]byte{0xff}, idBytes)
	for _, seed := range []string{
		token, other.Token(id), ours.Token(strings.Repeat("0", 26)), ours.Token(strings.Repeat("9", 26)),
		"", token[1:], token + "A", token + "=", token[:35] + "\n", token[:35] + "_", strings.ToLower(token),
		strings.Repeat("_", 36), strings.Repeat("A", 36),
		token[:15] + other.Token(id)[15:],                                  // our payment, their MAC
		tokenEncoding.EncodeToString(append(most, ours.tokenMAC(most)...)), // a number of 27 digits
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, g := range []*Gateway{ours, other} {
			merchant, payment, ok := g.parseToken(token)
			switch {
			case !ok && merchant+payment != "":
				t.Errorf("%q is refused and names %s", token, payment)
			case !ok:
			case len(payment) != 26 || merchant != payment[8:14]:
				t.Errorf("%q names %q of %q", token, payment, merchant)
			case g.Token(payment) != token:
				t.Errorf("%q is a second spelling of %q", token, g.Token(payment))
			}
		}
		// A payment's own token leads to that payment.
		digits := []byte(strings.Repeat("0", 26))
		for i := range min(len(token), len(digits)) {
			digits[i] += token[i] % 10
		}
		its := ours.Token(string(digits))
		if _, payment, ok := ours.parseToken(its); !ok || payment != string(digits) {
			t.Errorf("the token of %s leads to %q", digits, payment)
		}
		raw, _ := tokenEncoding.DecodeString(its)
		mac := bytes.Clone(raw[idBytes:])
		raw[idBytes-1] ^= 1
		if _, _, ok := ours.parseToken(tokenEncoding.EncodeToString(append(raw[:idBytes], mac...))); ok {
			t.Errorf("the MAC of %s opens the payment next to it", digits)
		}
		if _, _, ok := other.parseToken(its); ok {
			t.Errorf("the token of %s is taken under another key", digits)
		}
	})
}
