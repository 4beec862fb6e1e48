package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// Printf is fmt.Fprintf with every value on one line.
func Printf(w io.Writer, format string, values ...any) {
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
	io.WriteString(f, OneLine(fmt.Sprintf(fmt.FormatString(f, verb), v.value)))
}

// Table writes aligned rows. The first row is the heading.
func Table(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = OneLine(cell)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// Progress rewrites one line of a terminal in each period with what line returns,
// until stop is called, which removes the line. On anything else than a terminal it
// prints nothing.
func Progress(w io.Writer, period time.Duration, line func() string) (stop func()) {
	if !IsTerminal(w) {
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
				rewrite(w, line())
			}
		}
	})
	return func() { close(stopped); showing.Wait() }
}

// Waiting shows for how many seconds something takes, until done is called.
func Waiting(w io.Writer, what string) (done func()) {
	began := time.Now()
	return Progress(w, time.Second, func() string {
		return fmt.Sprintf("%s … %.0f s", what, time.Since(began).Seconds())
	})
}

// rewrite replaces the last line of a terminal. It bypasses the screen: the line
// must not hold anything from outside the program.
func rewrite(w io.Writer, line string) { fmt.Fprint(below(w), "\r\x1b[K"+line) }
