// Package terminal makes text safe to show. Much of what the program prints was
// written by strangers: goods names, notes, receivers' answers, the names in
// certificates. A terminal obeys control characters in such a text, and
// bidirectional controls make it read as something else.
//
// A command writes to a screen (ForPeople, ForMachines), which lets no character
// through that a terminal obeys or that does not show. Within it, OneLine keeps a
// value on its line and Visible makes every character of it show.
package terminal

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// screen writes text, and in place of each hidden character what spell makes of it.
type screen struct {
	w     io.Writer
	spell func(b []byte, r rune, raw byte) []byte // raw is the byte that is no UTF-8, if r is utf8.RuneError
}

// ForPeople writes a character that does not show by its number, as ‹U+202E›.
func ForPeople(w io.Writer) io.Writer { return screen{Below(w), spellForPeople} }

// ForMachines writes it as a JSON string spells it, as \u202e, so that whoever
// decodes a line of JSON reads the same text.
func ForMachines(w io.Writer) io.Writer { return screen{Below(w), spellForMachines} }

// Below is the stream itself.
func Below(w io.Writer) io.Writer {
	if s, ok := w.(screen); ok {
		return s.w
	}
	return w
}

// Write implements io.Writer. Each call has whole characters.
func (s screen) Write(p []byte) (int, error) {
	if n := plainStart(p); n < len(p) {
		if _, err := s.w.Write(s.spelt(p, n)); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return s.w.Write(p)
}

// plainStart is how many bytes at the start of p are visible ASCII and line feeds.
func plainStart(p []byte) int {
	n := slices.IndexFunc(p, func(c byte) bool { return (c < ' ' || c > '~') && c != '\n' })
	if n < 0 {
		return len(p)
	}
	return n
}

func (s screen) spelt(p []byte, n int) []byte {
	out := append(make([]byte, 0, len(p)+64), p[:n]...)
	for p = p[n:]; len(p) > 0; {
		r, size := utf8.DecodeRune(p)
		switch {
		case r == utf8.RuneError && size == 1:
			out = s.spell(out, r, p[0])
		case r != '\n' && hidden(r):
			out = s.spell(out, r, 0)
		default:
			out = append(out, p[:size]...)
		}
		p = p[size:]
	}
	return out
}

// hidden reports whether a character is one that a terminal obeys, or that does
// not show: control characters, those that turn the direction of a text, of no
// width, and of lines and paragraphs. Letters of any script, accents and emoji
// show.
func hidden(r rune) bool {
	if r >= ' ' && r <= '~' {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

func spellForPeople(b []byte, r rune, raw byte) []byte {
	if raw != 0 {
		return fmt.Appendf(b, "‹%02X›", raw)
	}
	return fmt.Appendf(b, "‹%U›", r)
}

func spellForMachines(b []byte, r rune, raw byte) []byte {
	if raw != 0 {
		r = utf8.RuneError
	}
	if r > 0xFFFF {
		r -= 0x10000
		return fmt.Appendf(b, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
	}
	return fmt.Appendf(b, `\u%04x`, r)
}

// OneLine is a value as it is shown within a line.
func OneLine(s string) string { return spellOut(s, hidden) }

// Visible is a text of which every character shows, other spaces than the
// common one included, for those who compare it with their own.
func Visible(s string) string { return spellOut(s, func(r rune) bool { return !unicode.IsPrint(r) }) }

func spellOut(s string, unseen func(rune) bool) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, unseen) {
		return s
	}
	var b []byte
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			b = spellForPeople(b, r, s[0])
		case unseen(r):
			b = spellForPeople(b, r, 0)
		default:
			b = append(b, s[:size]...)
		}
		s = s[size:]
	}
	return string(b)
}

// IsTerminal reports whether an input or an output is a terminal.
func IsTerminal(stream any) bool {
	if s, ok := stream.(screen); ok {
		stream = s.w
	}
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
