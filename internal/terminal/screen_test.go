package terminal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"unicode"
	"unicode/utf8"
)

// obeyed lists the characters of a text that a terminal obeys or that do not show. It
// is written independently of hidden, from the names in the Unicode standard.
func obeyed(text string) (found []string) {
	for i, r := range text {
		if _, size := utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && size == 1 {
			found = append(found, fmt.Sprintf("byte %#x", text[i]))
			continue
		}
		switch {
		case r == '\n':
		case r < ' ', r >= 0x7f && r <= 0x9f, r >= 0x202a && r <= 0x202e,
			r >= 0x2066 && r <= 0x2069, r == 0x200e,
			r == 0x200f, r == 0x61c,
			r >= 0x200b && r <= 0x200d, r == 0xfeff, r == 0x2028, r == 0x2029, r == 0xad, r == 0x2060,
			unicode.Is(unicode.Cf, r):
			found = append(found, fmt.Sprintf("%U", r))
		}
	}
	return found
}

// No character that a terminal obeys, or that does not show, gets through. All are tried.
func TestOnlyWhatShowsComesThrough(t *testing.T) {
	for r := range rune(unicode.MaxRune + 1) {
		if !utf8.ValidRune(r) || r >= ' ' && r <= '~' {
			continue
		}
		in := "a" + string(r) + "b"
		var people, machines bytes.Buffer
		fmt.Fprint(ForPeople(&people), in)
		fmt.Fprint(ForMachines(&machines), `"`+in+`"`)
		if r == '\n' {
			continue
		}
		found := obeyed(people.String() + machines.String())
		if len(found) > 0 && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
			t.Fatalf("%U comes through", r)
		}
		var back string
		if err := json.Unmarshal(machines.Bytes(), &back); err != nil || back != in {
			t.Fatalf("%U: a reader of the JSON gets %q, %v", r, back, err)
		}
		shows := unicode.IsPrint(r) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
		mark := unicode.IsMark(r) && r < 0xe0000 && r != 0x34f && r != 0x17b4 && r != 0x17b5
		if people.String() != in && (shows || mark) {
			t.Fatalf("%U does not come through: %q", r, people.String())
		}
	}
	var people bytes.Buffer
	if n, err := ForPeople(&people).Write([]byte("a\xffb")); n != 3 || err != nil ||
		people.String() != "a‹FF›b" {
		t.Errorf("%d, %v, %q", n, err, people.String())
	}
}
