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

// screen writes text, with what spell makes of each hidden character in its place.
type screen struct {
	w io.Writer
	// spell appends a character to b. If r is utf8.RuneError, raw is the byte that
	// is not UTF-8.
	spell func(b []byte, r rune, raw byte) []byte
}

// ForPeople returns a screen that writes a hidden character by its number, as
// ‹U+202E›.
func ForPeople(w io.Writer) io.Writer { return screen{below(w), spellForPeople} }

// ForMachines returns a screen that writes a hidden character as a JSON string
// spells it, as \u202e: a program that decodes a line of JSON reads the same text.
func ForMachines(w io.Writer) io.Writer { return screen{below(w), spellForMachines} }

// below returns the stream under a screen.
func below(w io.Writer) io.Writer {
	if s, ok := w.(screen); ok {
		return s.w
	}
	return w
}

// Write implements io.Writer. p must not end within a character.
func (s screen) Write(p []byte) (int, error) {
	if n := plainStart(p); n < len(p) {
		if _, err := s.w.Write(s.spelt(p, n)); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return s.w.Write(p)
}

// plainStart returns how many bytes at the start of p are visible ASCII and line feeds.
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

// hidden reports whether a terminal obeys a character, or does not show it:
// control characters, those that change the direction of a text, have no width, or
// end lines and paragraphs. Letters of any script, accents and emoji show.
func hidden(r rune) bool {
	if r >= ' ' && r <= '~' {
		return false
	}
	return unicode.In(r, notShown...) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

var notShown = []*unicode.RangeTable{
	unicode.Cc, unicode.Cf, unicode.Cs, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point,
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

// OneLine returns a text without hidden characters and line feeds, to show it
// within a line.
func OneLine(s string) string { return spellOut(s, hidden) }

// Visible returns a text of which every character shows, other spaces than the
// common one included, for readers who compare it with their own.
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
