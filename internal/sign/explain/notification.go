package explain

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/sampanpay/sampan/internal/sign"
)

// notificationMistakes are the mistakes that merchants make when they check a
// notification.
func notificationMistakes(body, appCode string) []mistake {
	const (
		again = "the body was parsed and written again"
		raw   = "keep the raw body, byte for byte, and check that before anything parses it"
	)
	whole := func(cause, fix string, text string) mistake {
		return mistake{cause, fix, func(s *signing) { s.whole = func(message) string { return text } }}
	}
	all := hashMistakes("", sign.MD5)
	all = append(all,
		whole("the body has a line feed at its end that was not signed",
			"leave it out: a file often ends in one",
			strings.TrimRight(body, "\r\n")),
		whole("the body lacks a line feed at its end that was signed", raw, body+"\n"))
	if members, ok := readMembers(body); ok {
		sorted := slices.Clone(members)
		slices.SortStableFunc(sorted, func(a, b param) int { return strings.Compare(a.name, b.name) })
		for _, style := range jsonStyles {
			all = append(all,
				whole(again+", as "+style.name+" does", raw, style.write(members)),
				whole(again+" with its members sorted, as "+style.name+" can", raw, style.write(sorted)))
		}
		var pairs []string
		for _, p := range sorted {
			pairs = append(pairs, p.name+"="+p.value)
		}
		all = append(all, whole("the members were sorted and joined, as for a request",
			raw, strings.Join(pairs, "&")))
	}
	return append(all, keyMistakes(appCode)...)
}

// jsonStyle is how a language writes an object of texts.
type jsonStyle struct {
	name         string
	comma, colon string
	quote        func(string) string
}

var jsonStyles = []jsonStyle{
	{"JavaScript", ",", ":", quoted},
	{"Python", ", ", ": ", func(s string) string { return escapeUnicode(quoted(s)) }},
	{"PHP", ",", ":", func(s string) string {
		return strings.ReplaceAll(escapeUnicode(quoted(s)), "/", `\/`)
	}},
	{"Python without ensure_ascii", ", ", ": ", quoted},
}

func (j jsonStyle) write(members []param) string {
	var b strings.Builder
	for i, p := range members {
		if i > 0 {
			b.WriteString(j.comma)
		}
		b.WriteString(j.quote(p.name) + j.colon + j.quote(p.value))
	}
	return "{" + b.String() + "}"
}

func quoted(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // of a string: cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}

func escapeUnicode(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}

// readMembers reads a JSON object whose values are all texts, in its order.
func readMembers(body string) (members []param, ok bool) {
	d := json.NewDecoder(strings.NewReader(body))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		var p param
		for _, part := range []*string{&p.name, &p.value} {
			token, err := d.Token()
			text, isText := token.(string)
			if err != nil || !isText {
				return nil, false
			}
			*part = text
		}
		members = append(members, p)
	}
	return members, true
}
