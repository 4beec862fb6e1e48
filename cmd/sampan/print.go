package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/sampanpay/sampan/internal/terminal"
)

// This file has what several commands print with. The streams are screens (package
// terminal), which replace every character that a terminal would obey. In addition,
// printf and table keep each value on one line, so that no value can pass for a
// line or a column of the program's.

// printf is fmt.Fprintf with every value on one line.
func printf(w io.Writer, format string, values ...any) {
	lines := make([]any, len(values))
	for i, v := range values {
		lines[i] = inLine{v}
	}
	fmt.Fprintf(w, format, lines...)
}

// inLine formats as its value does, on one line.
type inLine struct{ value any }

// Format implements fmt.Formatter.
func (v inLine) Format(f fmt.State, verb rune) {
	io.WriteString(f, terminal.OneLine(fmt.Sprintf(fmt.FormatString(f, verb), v.value)))
}

// table writes aligned rows. The first row is the heading.
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

// section writes an empty line and a table, unless the table has only its heading.
func section(w io.Writer, rows [][]string) error {
	if len(rows) == 1 {
		return nil
	}
	fmt.Fprintln(w)
	return table(w, rows)
}

// rewrite replaces the last line of a terminal. It bypasses the screen: the values
// must not come from outside the program.
func rewrite(w io.Writer, format string, values ...any) {
	fmt.Fprintf(terminal.Below(w), "\r\x1b[K"+format, values...)
}

// when formats a time in the deployment's zone, or a dash for the zero time.
func when(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "-"
	}
	return t.In(zone).Format(time.DateTime)
}

// orDash returns text, or a dash if it is empty.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// ifAny returns before and text, or nothing if text is empty.
func ifAny(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// progress rewrites one line of a terminal in each period with what line returns,
// until stop is called, which removes the line. On anything else than a terminal it
// prints nothing.
func progress(w io.Writer, period time.Duration, line func() string) (stop func()) {
	if !terminal.IsTerminal(w) {
		return func() {}
	}
	stopped := make(chan struct{})
	var showing sync.WaitGroup
	showing.Go(func() {
		tick := time.NewTicker(period)
		defer tick.Stop()
		for {
			select {
			case <-stopped:
				rewrite(w, "")
				return
			case <-tick.C:
				rewrite(w, "%s", line())
			}
		}
	})
	return func() { close(stopped); showing.Wait() }
}

// waiting shows for how many seconds something takes, until done is called.
func waiting(w io.Writer, what string) (done func()) {
	began := time.Now()
	return progress(w, time.Second, func() string {
		return fmt.Sprintf("%s … %.0f s", what, time.Since(began).Seconds())
	})
}

// complaint returns the text of the error that ends the program. Its lines after the
// first are indented, so that none can pass for another program's.
func complaint(err error) string {
	text := strings.TrimPrefix(err.Error(), "sampan: ")                    // the client's errors begin with it
	indent := strings.NewReplacer("\n\t", "\n  ", "\n", "\n  ", "\t", " ") // libraries indent with tabs
	return "sampan: " + indent.Replace(text)
}
