package store

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// recordset returns a statement's source of rows, named alias: its argument $1,
// which jsonRows makes. Of the ways to hand over many rows, JSON is the cheapest
// for the server: arrays, one for each column, cost it three times as much for a
// single row.
//
// The LIMIT is for the planner. It takes json_to_recordset for 100 rows, for
// which it would rather read the whole table that they are joined with. With a
// limit that it cannot know it expects a tenth, and looks each row up.
func (t table[R]) recordset(alias string) string {
	typed := make([]string, len(t.columns))
	for i, f := range t.fields(new(R)) {
		kind := "text"
		switch f.(type) {
		case *int64:
			kind = "bigint"
		case *[]byte:
			kind = "bytea"
		}
		typed[i] = t.columns[i] + " " + kind
	}
	return fmt.Sprintf("(SELECT * FROM json_to_recordset($1::json) AS given (%s) LIMIT (SELECT %d)) AS %s",
		strings.Join(typed, ", "), atMost, alias)
}

// jsonRows is the argument of a statement with a recordset. It takes at most
// atMost rows. Text must be UTF-8.
func (t table[R]) jsonRows(rows []R) string {
	text := []byte{'['}
	for i := range rows {
		if i > 0 {
			text = append(text, ',')
		}
		text = t.appendJSON(text, &rows[i])
	}
	return string(append(text, ']'))
}

func (t table[R]) appendJSON(text []byte, row *R) []byte {
	for i, f := range t.fields(row) {
		before := byte(',')
		if i == 0 {
			before = '{'
		}
		text = append(append(append(text, before, '"'), t.columns[i]...), '"', ':')
		switch f := f.(type) {
		case *string:
			quoted, _ := json.Marshal(*f) // of a string: cannot fail
			text = append(text, quoted...)
		case *int64:
			text = strconv.AppendInt(text, *f, 10)
		case *[]byte:
			text = hex.AppendEncode(append(text, `"\\x`...), *f)
			text = append(text, '"')
		}
	}
	return append(text, '}')
}

// errBadText: PostgreSQL can hold neither what is not UTF-8 nor NUL.
var errBadText = errors.New("store: text is not UTF-8 or has a NUL")

func checkText(fields []any) error {
	for _, f := range fields {
		if s, ok := f.(*string); ok && clean(*s) != *s {
			return errBadText
		}
	}
	return nil
}
