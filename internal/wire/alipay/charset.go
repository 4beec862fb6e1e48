package alipay

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// ErrCharset means that a message names an unsupported charset.
var ErrCharset = errors.New("alipay: charset is not UTF-8, GBK, GB2312 or GB18030")

// Charset is a character encoding. Signatures cover bytes, so a message is verified first and
// decoded afterwards, by the charset that is signed with it.
type Charset string

// The charsets of both gateways. GB2312 is a subset of GBK, and GBK of GB18030, so all three are
// decoded as GB18030.
const (
	UTF8    Charset = "UTF-8"
	GBK     Charset = "GBK"
	GB2312  Charset = "GB2312"
	GB18030 Charset = "GB18030"
)

// ParseCharset returns the charset with this name, in any letter case. "" means UTF-8. Unsupported
// names give ErrCharset.
func ParseCharset(name string) (Charset, error) {
	if name == "" {
		return UTF8, nil
	}
	for _, c := range []Charset{UTF8, GBK, GB2312, GB18030} {
		if strings.EqualFold(name, string(c)) {
			return c, nil
		}
	}
	return "", fmt.Errorf("%w: it is %.32q", ErrCharset, name)
}

// Decode decodes raw. Bytes that do not decode become U+FFFD: an unimportant text that was cut
// within a character must not make its message unreadable. A byte above 0x7F never becomes an ASCII
// character.
func (c Charset) Decode(raw string) string {
	if c == UTF8 {
		return strings.ToValidUTF8(raw, "\uFFFD")
	}
	decoder := simplifiedchinese.GB18030.NewDecoder()
	var b strings.Builder
	for char := range c.Characters(raw) {
		text, err := decoder.String(char)
		if err != nil { // does not happen: the decoder replaces bad bytes
			text = "\uFFFD"
		}
		b.WriteString(text)
	}
	return b.String()
}

// Encode encodes text. Characters that the charset does not have become ?.
func (c Charset) Encode(text string) string {
	if c == UTF8 {
		return text
	}
	encoding := simplifiedchinese.GBK
	if c == GB18030 {
		encoding = simplifiedchinese.GB18030
	}
	var b strings.Builder
	for _, r := range text {
		raw, err := encoding.NewEncoder().String(string(r))
		if err != nil {
			raw = "?"
		}
		b.WriteString(raw)
	}
	return b.String()
}

// Characters yields the characters of raw, each as its bytes. In GBK and GB18030 the later bytes of
// a character may equal \ | { } or digits, so an ASCII byte is not always a character. A byte that
// does not begin a character is yielded alone, as Decode treats it.
func (c Charset) Characters(raw string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for raw != "" {
			n := c.width(raw)
			if !yield(raw[:n]) {
				return
			}
			raw = raw[n:]
		}
	}
}

// width returns the length of the first character of raw.
func (c Charset) width(raw string) int {
	if c == UTF8 {
		_, n := utf8.DecodeRuneInString(raw)
		return n
	}
	within := func(i int, low, high byte) bool { return i < len(raw) && low <= raw[i] && raw[i] <= high }
	switch {
	case !within(0, 0x81, 0xFE):
		return 1
	case within(1, 0x40, 0x7E), within(1, 0x80, 0xFE):
		return 2
	case within(1, 0x30, 0x39) && within(2, 0x81, 0xFE) && within(3, 0x30, 0x39):
		return 4
	}
	return 1
}
