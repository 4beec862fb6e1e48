package store

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// recordset returns a statement's source of rows, named alias: the argument with
// that number, which jsonRows makes. Each row has a number n beside its columns.
// JSON is the cheapest way for the server to take many rows: arrays, one for each
// column, cost it three times as much for a single row.
//
// The LIMIT is for the planner. It estimates json_to_recordset at 100 rows, and
// would rather read the whole table that they are joined with. For a limit that it
// cannot know, it estimates a tenth, and looks each row up.
func (t table[R]) recordset(alias string, argument int) string {
	typed := []string{"n bigint"}
	for i, f := range t.fields(new(R)) {
		kind := "text"
		switch f.(type) {
		case *int64:
			kind = "bigint"
		case *[]byte:
			kind = "bytea"
		}
		typed = append(typed, t.columns[i]+" "+kind)
	}
	return fmt.Sprintf("(SELECT * FROM json_to_recordset($%d::json) AS given (%s) LIMIT (SELECT %d)) AS %s",
		argument, strings.Join(typed, ", "), math.MaxInt32, alias)
}

// jsonRows is the argument of a recordset.
type jsonRows[R any] struct {
	table table[R]
	text  []byte
}

func (t table[R]) rows() *jsonRows[R] { return &jsonRows[R]{t, []byte{'['}} }

// String returns the argument.
func (r *jsonRows[R]) String() string { return string(r.text) + "]" }

// add adds a row and its number. Text must be valid UTF-8.
func (r *jsonRows[R]) add(n int, row *R) {
	if len(r.text) > 1 {
		r.text = append(r.text, ',')
	}
	r.text = strconv.AppendInt(append(r.text, `{"n":`...), int64(n), 10)
	for i, f := range r.table.fields(row) {
		r.text = append(append(append(r.text, ',', '"'), r.table.columns[i]...), '"', ':')
		switch f := f.(type) {
		case *string:
			quoted, _ := json.Marshal(*f) // of a string: cannot fail
			r.text = append(r.text, quoted...)
		case *int64:
			r.text = strconv.AppendInt(r.text, *f, 10)
		case *[]byte:
			r.text = append(hex.AppendEncode(append(r.text, `"\\x`...), *f), '"')
		}
	}
	r.text = append(r.text, '}')
}

// errBadText: PostgreSQL stores neither invalid UTF-8 nor NUL.
var errBadText = errors.New("store: text is not UTF-8 or has a NUL")

func checkText(fields []any) error {
	for _, f := range fields {
		if s, ok := f.(*string); ok && clean(*s) != *s {
			return errBadText
		}
	}
	return nil
}
