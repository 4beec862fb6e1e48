package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// report prints tables row by row and, at the end, which targets were met.
type report struct {
	w         io.Writer
	widths    []int
	targets   [][]string
	creations map[string]float64 // a second at 64 connections, by database
}

// title begins a table.
func (r *report) title(what string, columns ...string) {
	fmt.Fprintf(r.w, "\n%s\n\n", what)
	r.widths = nil
	for _, c := range columns {
		r.widths = append(r.widths, max(len(c), 9))
	}
	r.row(columns...)
}

// row prints a row at once, since a table takes minutes.
func (r *report) row(cells ...string) {
	var b strings.Builder
	for i, c := range cells {
		fmt.Fprintf(&b, "  %*s", r.widths[i], c)
	}
	fmt.Fprintln(r.w, b.String())
}

// target records a target and whether it was met.
func (r *report) target(what, got, want string, met bool) {
	verdict := "met"
	if !met {
		verdict = "NOT MET"
	}
	r.targets = append(r.targets, []string{what, got, want, verdict})
}

// end prints the targets.
func (r *report) end() error {
	fmt.Fprint(r.w, "\nTargets\n\n")
	t := tabwriter.NewWriter(r.w, 0, 0, 2, ' ', 0)
	for _, row := range r.targets {
		fmt.Fprintln(t, "  "+strings.Join(row, "\t"))
	}
	return t.Flush()
}

func whole(n float64) string   { return fmt.Sprintf("%.0f", n) }
func ratioOf(n float64) string { return fmt.Sprintf("%.2f", n) }
