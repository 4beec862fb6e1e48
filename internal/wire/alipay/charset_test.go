package alipay

import (
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"
)

func TestParseCharset(t *testing.T) {
	for name, want := range map[string]Charset{
		"": UTF8, "UTF-8": UTF8, "utf-8": UTF8, "Gbk": GBK, "gb2312": GB2312, "GB18030": GB18030,
	} {
		if c, err := ParseCharset(name); err != nil || c != want {
			t.Errorf("%q: %q, %v", name, c, err)
		}
	}
	for _, name := range []string{"utf8", "UTF-7", "UTF-16", "ISO-8859-1", "latin1", "Big5",
		"cp936", "HZ-GB-2312", " GBK", "GBK\x00", "ＧＢＫ"} {
		if c, err := ParseCharset(name); err == nil {
			t.Errorf("%q: read as %s", name, c)
		}
	}
}

func TestDecodeAndEncode(t *testing.T) {
	for _, x := range []struct {
		c         Charset
		raw, text string
	}{
		{UTF8, "茶", "茶"},
		{GBK, "\xb2\xe8", "茶"},
		{GB2312, "\xb2\xe8", "茶"},
		{GBK, "\xd5\\\x81|\x81{\x81}", "誠亅亄亇"}, // their last bytes are ASCII
		{GB18030, "\x94\x39\xbb\x35", "🍵"},
	} {
		if got := x.c.Decode(x.raw); got != x.text {
			t.Errorf("%s: %q is read as %q, want %q", x.c, x.raw, got, x.text)
		}
		if got := x.c.Encode(x.text); got != x.raw {
			t.Errorf("%s: %q is written as %q, want %q", x.c, x.text, got, x.raw)
		}
	}
	for raw, want := range map[string]string{
		"\xb2": "\uFFFD", "\xb2\"": "\uFFFD\"", "\xb2\xe8\xb2": "茶\uFFFD", "\xff": "\uFFFD",
		"\x81=\x810":   "\uFFFD=\uFFFD0",
		"\x81\x30\x81": "\uFFFD0\uFFFD",
	} {
		if got := GBK.Decode(raw); got != want {
			t.Errorf("%q is read as %q, want %q", raw, got, want)
		}
	}
	if got := GBK.Encode("a🍵茶"); got != "a?\xb2\xe8" {
		t.Errorf("a character that GBK does not have is encoded as %q", got)
	}
}

// Characters and Decode must agree, and no longer character may become an ASCII one: quotes, & and
// = stand only for themselves.
func FuzzCharactersAreThoseThatAreDecoded(f *testing.F) {
	for _, s := range []string{"茶", "\xd5\\\"\xb2", "\x81\x30\x81\x30", "\x81=\x81\x30", "\x80\xff",
		"\xfe\x39\xfe\x39", "\xe3\x32\x9a\x36"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, c := range []Charset{UTF8, GBK, GB18030} {
			var whole, ascii strings.Builder
			for char := range c.Characters(raw) {
				whole.WriteString(char)
				if char[0] < 0x80 {
					ascii.WriteString(char)
				} else if len(char) > 1 && c != UTF8 && len([]rune(c.Decode(char))) > len(char) {
					t.Errorf("%q is read as %q", char, c.Decode(char))
				}
			}
			if whole.String() != raw {
				t.Errorf("%s: %q is cut into %q", c, raw, whole.String())
			}
			text := c.Decode(raw)
			kept := strings.Map(func(r rune) rune {
				if r < 0x80 {
					return r
				}
				return -1
			}, text)
			if kept != ascii.String() && !strings.Contains(text, "\uFFFD") {
				t.Errorf("%s: %q: ASCII is %q, read %q", c, raw, ascii.String(), kept)
			}
			if strings.Count(text, "&") > strings.Count(raw, "&") ||
				strings.Count(text, "=") > strings.Count(raw, "=") {
				t.Errorf("%s: %q: a separator that was not there: %q", c, raw, text)
			}
			// Where all characters are valid, the library decodes the whole text as Decode does.
			if c == UTF8 || strings.Contains(text, "\uFFFD") {
				continue
			}
			if want, err := simplifiedchinese.GB18030.NewDecoder().String(raw); err != nil || want != text {
				t.Errorf("%q is read as %q, and as a whole as %q", raw, text, want)
			}
		}
	})
}

func TestUnambiguous(t *testing.T) {
	for _, bad := range []map[string]string{{"a&b": ""}, {"a=b": ""}, {"a": "x&y"},
		{"\xd5\\&": ""}, {"a": "\xd5&"}} {
		if Unambiguous(bad) == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
	if err := Unambiguous(map[string]string{"a": "x=y", "\xd5\\": "誠"}); err != nil {
		t.Error(err)
	}
}

func TestMaxFields(t *testing.T) {
	var all []string
	for i := range MaxFields + 1 {
		all = append(all, strings.Repeat("a", i+1)+"=1")
	}
	if fields, err := ParseForm(strings.Join(all[:MaxFields], "&")); err != nil || len(fields) != MaxFields {
		t.Errorf("%d fields: %v", len(fields), err)
	}
	if _, err := ParseForm(strings.Join(all, "&")); err == nil {
		t.Error("one field too many is accepted")
	}
}
