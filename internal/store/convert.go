package store

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// ms is a time as the schema stores it: milliseconds since 1970, 0 for none.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at is the reverse of ms, in UTC.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// clean makes outside text acceptable to PostgreSQL: see pay.Storable.
func clean(s string) string { return pay.Storable(s) }

func join[S ~string](list []S) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = string(s)
	}
	return strings.Join(words, ",")
}

func split[S ~string](s string) []S {
	if s == "" {
		return nil
	}
	var list []S
	for word := range strings.SplitSeq(s, ",") {
		list = append(list, S(word))
	}
	return list
}

// notFound turns a missing row into ErrNotFound. Text that PostgreSQL cannot store
// cannot be found either.
func notFound(err error) error {
	if errors.Is(err, sql.ErrNoRows) || isBadText(err) {
		return ErrNotFound
	}
	return wrap("read", err)
}

// wrap adds what failed, and marks outages with ErrUnavailable. Errors that callers
// test for pass unchanged. The error of a statement that is its own transaction
// must go through unknown first.
func wrap(what string, err error) error {
	if err == nil || errors.Is(err, ErrNotFound) ||
		errors.Is(err, ErrExists) || errors.Is(err, ErrLeaseLost) ||
		errors.Is(err, ErrOrphansFull) {
		return err
	}
	return fmt.Errorf("store: %s: %w", what, unavailable(err))
}

// list returns a function that converts the rows of a query.
func list[R, V any](convert func(R) V) func([]R, error) ([]V, error) {
	return listTry(func(r R) (V, error) { return convert(r), nil })
}

// listTry is list for a conversion that can fail.
func listTry[R, V any](convert func(R) (V, error)) func([]R, error) ([]V, error) {
	return func(rows []R, err error) ([]V, error) {
		if err = notFound(err); err != nil {
			if errors.Is(err, ErrNotFound) {
				err = nil
			}
			return nil, err
		}
		var values []V
		for _, r := range rows {
			v, err := convert(r)
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		return values, nil
	}
}
