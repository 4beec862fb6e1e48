package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pressly/goose/v3"

	"github.com/sampanpay/sampan/internal/store/migrations"
)

// Schema is which migrations a database has had.
type Schema struct {
	Place   string   // SQLite's file, or server and database
	Missing bool     // the file does not exist
	Have    int64    // the newest migration that the database has had; 0 for none
	Want    int64    // the newest migration that this program has
	Pending []string // the migrations that the database lacks
}

// ReadSchema returns a database's schema. It creates and changes nothing, and needs
// no master key.
func ReadSchema(ctx context.Context, dsn string) (Schema, error) {
	s, err := withLook(ctx, Config{DSN: dsn}.complete(), func(l *look) (Schema, error) {
		return l.schema(ctx)
	})
	if different := (*SchemaError)(nil); errors.As(err, &different) {
		return different.Schema, nil // that of a file that is not there
	}
	return s, err
}

// Check returns a *SchemaError unless the schema is this program's.
func (s Schema) Check() error {
	if s.Have == s.Want && len(s.Pending) == 0 {
		return nil
	}
	return &SchemaError{s}
}

// newer is Check for callers that can migrate an older schema.
func (s Schema) newer() error {
	if s.Have > s.Want {
		return s.Check()
	}
	return nil
}

// need is Check for a database that is about to be changed.
func need(ctx context.Context, db *sql.DB, d goose.Dialect, place string) error {
	s, err := schemaOf(ctx, db, d, place)
	if err != nil {
		return err
	}
	return s.Check()
}

// SchemaError is the error of opening a database whose schema is not this
// program's.
type SchemaError struct{ Schema }

// Error names the schema found, the schema expected, and what to do.
func (e *SchemaError) Error() string {
	switch {
	case e.Missing:
		return fmt.Sprintf("store: there is no database %s: is the address right? "+
			"sampan migrate creates it, with schema %d", e.Place, e.Want)
	case e.Have == 0:
		return fmt.Sprintf("store: %s has no schema yet: is the address right? "+
			"sampan migrate makes schema %d, which this program knows",
			e.Place, e.Want)
	case e.Have > e.Want:
		return fmt.Sprintf("store: %s has schema %d, and this program knows schema %d: use the newer program",
			e.Place, e.Have, e.Want)
	}
	return fmt.Sprintf("store: %s has schema %d, and this program knows schema %d (steps to do: %d): "+
		"use the program of that schema, "+
		"or back the database up and run sampan migrate", e.Place, e.Have, e.Want, len(e.Pending))
}

// schemaOf reads which migrations a database has had.
func schemaOf(ctx context.Context, db *sql.DB, d goose.Dialect, place string) (Schema, error) {
	s, err := schemaKnown(d)
	if err != nil {
		return s, err
	}
	s.Place = place
	had, err := stepsOf(ctx, db, d)
	if err != nil {
		return s, fmt.Errorf("store: read the schema of %s: %w", place, unavailable(err))
	}
	for _, version := range had {
		s.Have = max(s.Have, version)
	}
	s.Pending = slices.DeleteFunc(s.Pending, func(name string) bool {
		version, _ := goose.NumericComponent(name) // schemaKnown has read it
		return slices.Contains(had, version)
	})
	return s, nil
}

// schemaKnown returns the schema of a database without any migration.
func schemaKnown(d goose.Dialect) (s Schema, err error) {
	if s.Pending, err = fs.Glob(steps(d), "*.sql"); err != nil {
		return s, fmt.Errorf("store: %w", err)
	}
	slices.Sort(s.Pending)
	for _, name := range s.Pending {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return s, fmt.Errorf("store: %w", err)
		}
		s.Want = max(s.Want, version)
	}
	return s, nil
}

// stepsOf returns the numbers in goose's table. A new database has no such table.
func stepsOf(ctx context.Context, db *sql.DB, d goose.Dialect) (had []int64, err error) {
	if there, err := hasTable(ctx, db, d, "goose_db_version"); err != nil || !there {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, "SELECT version_id FROM goose_db_version WHERE is_applied")
	had, err = collect(rows, err, func(version *int64) []any { return []any{version} })
	if err != nil || slices.Max(append(had, 0)) == 0 { // goose's own first row is 0
		return had, err
	}
	if there, err := hasTable(ctx, db, d, "setting"); err != nil || !there {
		return nil, cmp.Or(err, errors.New("it has a number and not its tables: was it restored in part?"))
	}
	return had, nil
}

func hasTable(ctx context.Context, db *sql.DB, d goose.Dialect, name string) (bool, error) {
	text := "SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)"
	if d == goose.DialectSQLite3 {
		text = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
	}
	var n int64
	err := db.QueryRowContext(ctx, text, name).Scan(&n)
	return n > 0, err
}

// steps returns the migrations for a kind of database.
func steps(d goose.Dialect) fs.FS {
	if d == goose.DialectSQLite3 {
		return migrations.SQLite
	}
	return migrations.Postgres
}
