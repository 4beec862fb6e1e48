package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sampanpay/sampan/internal/terminal"
)

// What the commands print with. The streams are screens (package terminal), which
// let no character through that a terminal obeys. Within that, printf and table
// keep each value on its line, so that none can look like a line or a column of
// ours.

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
	io.WriteString(f, terminal.OneLine(fmt.Sprintf(fmt.FormatString(f, verb), v.value)))
}

// table writes aligned rows; the first is the heading.
func table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = terminal.OneLine(cell)
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
	fmt.Fprintf(terminal.Below(w), "\r\x1b[K"+format, values...)
}

// when prints a time in the deployment's zone.
func when(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(zone).Format(time.DateTime)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// ifAny is a text with words before it, or nothing.
func ifAny(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// complaint is the text of the error that ends the program. Its lines after the
// first are set in, so that none looks like another program's.
func complaint(err error) string {
	text := strings.TrimPrefix(err.Error(), "sampan: ")                                            // the client's errors say it too
	return "sampan: " + strings.NewReplacer("\n\t", "\n  ", "\n", "\n  ", "\t", " ").Replace(text) // libraries indent by tabs
}
