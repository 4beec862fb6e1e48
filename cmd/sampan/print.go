package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/terminal"
)

// This file has what the commands print with. The streams are screens (package
// terminal), which replace every character that a terminal would obey. In addition,
// printf and table keep each value on one line, so that no value can pass for a
// line or a column of the program's.

// printf prints to standard output, with every value on one line.
func (e *env) printf(format string, values ...any) { terminal.Printf(e.stdout, format, values...) }

// table prints aligned rows. The first row is the heading.
func (e *env) table(rows [][]string) error { return terminal.Table(e.stdout, rows) }

// section prints an empty line and a table, unless the table has only its heading.
func (e *env) section(rows [][]string) error {
	if len(rows) == 1 {
		return nil
	}
	fmt.Fprintln(e.stdout)
	return e.table(rows)
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

// complaint returns the text of the error that ends the program. Its lines after the
// first are indented, so that none can pass for another program's.
func complaint(err error) string {
	// the client's errors begin with it
	text := strings.TrimPrefix(err.Error(), "sampan: ")
	indent := strings.NewReplacer("\n\t", "\n  ", "\n", "\n  ", "\t", " ") // libraries indent with tabs
	return "sampan: " + indent.Replace(text)
}
