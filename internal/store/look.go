package store

import (
	"context"
	"errors"
	"strings"

	"github.com/pressly/goose/v3"
)

// ErrReadOnly says that the database was opened by OpenReadOnly, and a change was asked for.
var ErrReadOnly = errors.New("store: the database was opened to look only")

// look is an engine that only reads. It has no way to change anything.
type look struct {
	engine
	dialect goose.Dialect
	place   string       // the database's name for people
	still   func() error // returns an error if what was read may mix several states
	end     func() error
}

func (l *look) run(context.Context, work) error                       { return ErrReadOnly }
func (l *look) runOne(context.Context, work) error                    { return ErrReadOnly }
func (l *look) insertPayment(context.Context, creation) (bool, error) { return false, ErrReadOnly }
func (l *look) apply(context.Context, *changeRows) error              { return ErrReadOnly }
func (l *look) finishAttempt(context.Context, finish) (bool, error)   { return false, ErrReadOnly }

// usable returns nil: what makes a database unusable concerns later changes.
func (l *look) usable() error { return nil }

// close also returns an error if what was read may be wrong.
func (l *look) close() error { return errors.Join(l.still(), l.end()) }

func (l *look) schema(ctx context.Context) (Schema, error) {
	return schemaOf(ctx, l.pool(), l.dialect, l.place)
}

// openLook opens an existing database with any schema. A SQLite file that does not
// exist is a *SchemaError.
func openLook(ctx context.Context, c Config) (*look, error) {
	if path, ok := strings.CutPrefix(c.DSN, "sqlite:"); ok {
		return lookSQLite(path, c)
	}
	if isPostgres(c.DSN) {
		return lookPostgres(ctx, c)
	}
	return nil, errAddress
}

// looks is how often a reading is tried that servers disturb.
const looks = 3

// withLook runs fn on a database that is opened for reading, and runs it again if a
// server has opened the database meanwhile.
func withLook[T any](ctx context.Context, c Config, fn func(*look) (T, error)) (T, error) {
	for try := 1; ; try++ {
		l, err := openLook(ctx, c)
		if err != nil {
			var none T
			return none, err
		}
		v, err := fn(l)
		moved := l.still()
		if closed := l.end(); moved == nil || try == looks {
			return v, errors.Join(damagedAt(l.place, err), closed, moved)
		}
	}
}
