package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"
)

// All that the program prints goes through this file, since much of it was
// written by strangers: goods names, notes, receivers' answers, the names in
// certificates. A terminal obeys what such texts hold, and bidirectional controls
// make them read as something else.
//
// There are two guards. The streams themselves (screen) let no character through
// that a terminal obeys or that does not show, whatever a command does. Within
// that, printf and table keep each value on its line, so that none can look like
// a line or a column of ours.

// screen writes text, and in place of each hidden character what spell makes of it.
type screen struct {
	w     io.Writer
	spell func(b []byte, r rune, raw byte) []byte // raw is the byte that is no UTF-8, if r is utf8.RuneError
}

// forPeople writes a character that does not show by its number, as ‹U+202E›.
func forPeople(w io.Writer) io.Writer { return screen{below(w), spellForPeople} }

// forMachines writes it as a JSON string spells it, as \u202e, so that whoever
// decodes a line of JSON reads the same text.
func forMachines(w io.Writer) io.Writer { return screen{below(w), spellForMachines} }

// below is the stream itself.
func below(w io.Writer) io.Writer {
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

// oneLine is a value as it is shown within a line.
func oneLine(s string) string { return spellOut(s, hidden) }

// visible is a text of which every character shows, other spaces than the
// common one included, for those who compare it with their own.
func visible(s string) string { return spellOut(s, func(r rune) bool { return !unicode.IsPrint(r) }) }

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

// printf is fmt.Fprintf with every value on its line.
func printf(w io.Writer, format string, values ...any) {
	lines := make([]any, len(values))
	for i, v := range values {
		lines[i] = inLine{v}
	}
	fmt.Fprintf(w, format, lines...)
}

// inLine prints as its value does, on one line.
type inLine struct{ value any }

// Format implements fmt.Formatter.
func (v inLine) Format(f fmt.State, verb rune) {
	io.WriteString(f, oneLine(fmt.Sprintf(fmt.FormatString(f, verb), v.value)))
}

// table writes aligned rows; the first is the heading.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = oneLine(cell)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// section prints a table after an empty line, if there is more than its heading.
func section(w io.Writer, rows [][]string) error {
	if len(rows) == 1 {
		return nil
	}
	fmt.Fprintln(w)
	return table(w, rows)
}

// rewrite replaces the last line of a terminal. Nothing of a stranger's is in it.
func rewrite(w io.Writer, format string, values ...any) {
	fmt.Fprintf(below(w), "\r\x1b[K"+format, values...)
}

// complaint is the text of the error that ends the program. Its lines after the
// first are set in, so that none looks like another program's.
func complaint(err error) string {
	text := strings.TrimPrefix(err.Error(), "sampan: ")                                            // the client's errors say it too
	return "sampan: " + strings.NewReplacer("\n\t", "\n  ", "\n", "\n  ", "\t", " ").Replace(text) // libraries indent by tabs
}
