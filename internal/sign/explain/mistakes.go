package explain

import (
	"cmp"
	"fmt"
	"html"
	"slices"
	"strings"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/sampanpay/sampan/internal/sign"
)

// optionalParams are the API's parameters that a client may sign empty and not
// send.
var optionalParams = []string{
	"expired_time", "goods_name", "limit_pay", "mchid", "notify_url", "openid", "return_url", "udid",
}

// requestMistakes are the mistakes that clients make with requests, the likelier
// ones first. docs/signing.md lists them.
func requestMistakes(body, stated string, declared sign.Algorithm, appCode string) []mistake {
	m := readMessage(body)
	all := hashMistakes(stated, declared)
	all = append(all, mistake{
		"the parameters are not sorted: they are in the order of the body", "sort them by name, byte by byte",
		func(s *signing) { s.order = nil },
	})
	all = append(all, valueMistakes()...)
	all = append(all, keyMistakes(appCode)...)
	all = append(all, mistake{
		"the names are sorted without regard to upper and lower case",
		"sort byte by byte: B before _ before a",
		func(s *signing) {
			s.order = func(a, b param) int {
				return strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name))
			}
		},
	})
	all = append(all, charsetMistakes()...)
	all = append(all, chosenMistakes(m, stated, declared, appCode)...)
	return append(all, joinMistakes()...)
}

// chosenMistakes are about which parameters are signed.
func chosenMistakes(m message, stated string, declared sign.Algorithm, appCode string) (all []mistake) {
	for _, p := range m.params {
		without := func(params []param) []param {
			return slices.DeleteFunc(params, func(q param) bool { return q == p })
		}
		all = append(all, mistake{
			p.name + " is sent and was not signed", "sign last, when every parameter is there",
			func(s *signing) { s.choose = without },
		})
	}
	add := func(p param, cause, fix string) {
		if slices.ContainsFunc(m.params, func(q param) bool { return q.name == p.name }) {
			return
		}
		p.raw = p.value
		with := func(params []param) []param { return append(params, p) }
		all = append(all, mistake{cause, fix, func(s *signing) { s.choose = with }})
	}
	for _, name := range optionalParams {
		add(param{name: name},
			name+" was signed, empty, and is not sent", "send it too, or leave it out of what is signed")
	}
	const noHeaders = "sign the parameters only, not the headers"
	if appCode != "" {
		for _, name := range []string{"app_code", "appcode", "X-QF-APPCODE"} {
			add(param{name: name, value: appCode}, "the app code was signed as "+name, noHeaders)
		}
	}
	add(param{name: "sign_type", value: cmp.Or(stated, string(declared))},
		"the algorithm's name was signed as sign_type", noHeaders)
	return all
}

// joinMistakes are about how the parameters become one text.
func joinMistakes() (all []mistake) {
	const fix = "join them as name=value with &"
	for _, joined := range []struct{ equals, separator, cause string }{
		{"=", "", "the parameters are joined without &"},
		{"", "", "the parameters are joined without = and &"},
		{"=", ",", "the parameters are joined by commas"},
	} {
		all = append(all, mistake{joined.cause, fix,
			func(s *signing) { s.equals, s.separator = joined.equals, joined.separator }})
	}
	for _, style := range jsonStyles {
		all = append(all, mistake{"the parameters were signed as JSON", fix,
			func(s *signing) { s.whole = func(m message) string { return style.write(m.params) } }})
	}
	return all
}

// hashMistakes are about the hash. stated is the header X-QF-SIGNTYPE as it came.
func hashMistakes(stated string, declared sign.Algorithm) []mistake {
	says := "X-QF-SIGNTYPE is " + stated
	if stated == "" {
		says = "without X-QF-SIGNTYPE it is MD5"
	}
	all := []mistake{}
	for _, h := range hashes {
		fix := "send X-QF-SIGNTYPE: SHA256"
		switch {
		case strings.ReplaceAll(h.name, "-", "") == string(declared):
			continue
		case h.name != "SHA-256":
			fix = "hash with MD5 or SHA-256, and name it in X-QF-SIGNTYPE"
		}
		all = append(all,
			mistake{"it is hashed with " + h.name + ", and " + says, fix, func(s *signing) {
				s.hash = h.new
			}})
	}
	return append(all, mistake{
		"it is an HMAC", "append the key to the text and hash both plainly",
		func(s *signing) { s.mac = true },
	})
}

// valueMistakes are about how a value is signed.
func valueMistakes() []mistake {
	const (
		encoded = "the values were URL-encoded before they were signed"
		before  = "sign the values as they are before URL encoding"
		both    = "sign exactly what is sent"
	)
	all := []mistake{}
	for _, v := range []struct {
		cause, fix string
		value      func(param) string
	}{
		{
			"a space was signed as +, or a + was sent as it is, which arrives as a space",
			"sign the space as it is; send a + as %2B",
			func(p param) string { return strings.ReplaceAll(p.value, " ", "+") },
		},
		{"a space was signed as %20", before, func(p param) string {
			return strings.ReplaceAll(p.value, " ", "%20")
		}},
		{encoded, before, func(p param) string { return p.raw }},
		{encoded, before, percent("-._*", "+", "%02X")},
		{encoded + ", in lower-case hex", before, percent("-_.!*()", "+", "%02x")},
		{encoded + ", spaces as %20", before, percent("-._~", "%20", "%02X")},
		{encoded + ", as by encodeURIComponent", before, percent("-_.!~*'()", "%20", "%02X")},
		{
			"a + was sent as %2B and signed as a space", both,
			func(p param) string { return strings.ReplaceAll(p.value, "+", " ") },
		},
		{
			"white space at the ends of values was signed on one side only", both,
			func(p param) string { return strings.TrimSpace(p.value) },
		},
		{
			"the values were escaped for HTML before they were signed", before,
			func(p param) string { return html.EscapeString(p.value) },
		},
	} {
		all = append(all, mistake{v.cause, v.fix, func(s *signing) { s.value = v.value }})
	}
	return all
}

// percent URL-encodes all but ASCII letters, digits and the characters to keep.
func percent(keep, space, hex string) func(param) string {
	return func(p param) string {
		var b strings.Builder
		for _, c := range []byte(p.value) {
			switch {
			case c == ' ':
				b.WriteString(space)
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z',
				'0' <= c && c <= '9', strings.IndexByte(keep, c) >= 0:
				b.WriteByte(c)
			default:
				fmt.Fprintf(&b, "%%"+hex, c)
			}
		}
		return b.String()
	}
}

// keyMistakes are about the client key.
func keyMistakes(appCode string) []mistake {
	const directly = "append the key directly, as it is, and nothing else"
	all := []mistake{}
	for _, k := range []struct {
		cause  string
		attach func(text, k string) string
	}{
		{"&key= is before the client key", func(t, k string) string { return t + "&key=" + k }},
		{"& is before the client key", func(t, k string) string { return t + "&" + k }},
		{"&client_key= is before the client key", func(t, k string) string { return t + "&client_key=" + k }},
		{
			"a line feed is behind the client key, as echo or a file leaves it",
			func(t, k string) string { return t + k + "\n" },
		},
		{"a line feed is before the client key", func(t, k string) string { return t + "\n" + k }},
		{"a space is behind the client key", func(t, k string) string { return t + k + " " }},
		{"a space is before the client key", func(t, k string) string { return t + " " + k }},
		{"the client key is in front of the text", func(t, k string) string { return k + t }},
		{"the client key is in front of the text and behind it", func(t, k string) string {
			return k + t + k
		}},
		{"the client key is in lower case", func(t, k string) string { return t + strings.ToLower(k) }},
		{"the client key is in upper case", func(t, k string) string { return t + strings.ToUpper(k) }},
		{"there is no client key", func(t, _ string) string { return t }},
		{"the app code is in the client key's place", func(t, _ string) string { return t + appCode }},
	} {
		all = append(all, mistake{k.cause, directly, func(s *signing) { s.attach = k.attach }})
	}
	return all
}

// charsetMistakes are about the bytes of characters beyond ASCII.
func charsetMistakes() []mistake {
	all := []mistake{}
	for _, c := range []struct {
		cause   string
		charset func(string) string
	}{
		{"the text was hashed in GBK", func(s string) string {
			text, _ := simplifiedchinese.GBK.NewEncoder().String(s) // "" fits nothing
			return text
		}},
		{"the text was encoded to UTF-8 twice", func(s string) string {
			text, _ := charmap.ISO8859_1.NewDecoder().String(s)
			return text
		}},
		{"characters beyond Latin-1 were hashed as ?", func(s string) string {
			return strings.Map(func(r rune) rune {
				if r > 0xff {
					return '?'
				}
				return r
			}, s)
		}},
		{`characters beyond ASCII were hashed as \u escapes`, escapeUnicode},
	} {
		all = append(all, mistake{
			c.cause, "hash the text's bytes in UTF-8", func(s *signing) { s.charset = c.charset },
		})
	}
	return all
}
