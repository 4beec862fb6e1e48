package store

import (
	"database/sql"
	"math"
	"strconv"
	"strings"
)

// where collects the conditions and arguments of a list query.
type where struct {
	text strings.Builder
	args []any
}

// and adds a condition, with a question mark for each argument.
func (w *where) and(condition string, args ...any) {
	if w.text.Len() == 0 {
		w.text.WriteString(" WHERE ")
	} else {
		w.text.WriteString(" AND ")
	}
	w.write(condition, args...)
}

// page ends the query. A limit of 0 means no limit.
func (w *where) page(order string, limit, offset int) string {
	most := int64(math.MaxInt64)
	if limit > 0 {
		most = int64(limit)
	}
	w.write(" ORDER BY "+order+" LIMIT ? OFFSET ?", most, int64(offset))
	return w.text.String()
}

func (w *where) write(text string, args ...any) {
	for i, part := range strings.Split(text, "?") {
		if i > 0 {
			w.args = append(w.args, args[i-1])
			w.text.WriteString("$" + strconv.Itoa(len(w.args)))
		}
		w.text.WriteString(part)
	}
}

// in is the condition that a column has one of the values of a list. The list must
// not be empty.
func in[S ~string](column string, list []S) string {
	return column + " IN (?" + strings.Repeat(", ?", len(list)-1) + ")"
}

func anys[S ~string](lists ...[]S) []any {
	var args []any
	for _, list := range lists {
		for _, s := range list {
			args = append(args, string(s))
		}
	}
	return args
}

// collect scans all rows of a query into the fields of Rs.
func collect[R any](rows *sql.Rows, err error, fields func(*R) []any) ([]R, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []R
	for rows.Next() {
		var r R
		if err := rows.Scan(fields(&r)...); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}
