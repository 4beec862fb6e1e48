package store

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// table is the columns of a row type R, in the order of its fields. A field is a
// column if it has a db tag, as in all of sqlc's models; embedded structs count.
// Statements composed in Go take their lists of columns from here.
type table[R any] struct {
	columns []string
	index   [][]int // of each column's field
}

func tableOf[R any]() table[R] {
	var t table[R]
	for _, f := range reflect.VisibleFields(reflect.TypeFor[R]()) {
		if name := f.Tag.Get("db"); name != "" {
			t.columns, t.index = append(t.columns, name), append(t.index, f.Index)
		}
	}
	return t
}

// list returns the columns for a statement, each with the prefix.
func (t table[R]) list(prefix string) string {
	return prefix + strings.Join(t.columns, ", "+prefix)
}

// fields returns pointers to the row's fields in the order of the columns, to scan
// into or to pass as arguments.
func (t table[R]) fields(row *R) []any {
	v := reflect.ValueOf(row).Elem()
	fields := make([]any, len(t.index))
	for i, index := range t.index {
		fields[i] = v.FieldByIndex(index).Addr().Interface()
	}
	return fields
}

// reference returns a statement's name for a column: "p.id" where the rows come from a
// source p, "$2" where they are the statement's arguments.
func (t table[R]) reference(source string) func(column string) string {
	return func(column string) string {
		if source != "" {
			return source + "." + column
		}
		return "$" + strconv.Itoa(slices.Index(t.columns, column)+1)
	}
}

// The tables whose rows are read or written by statements composed in Go.
var (
	paymentTable  = tableOf[queries.Payment]()
	refundTable   = tableOf[queries.Refund]()
	deliveryTable = tableOf[queries.Delivery]()
	orphanTable   = tableOf[queries.Orphan]()
)
