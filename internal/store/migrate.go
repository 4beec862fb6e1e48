package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/sampanpay/sampan/internal/store/migrations"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// Migrate brings a database's schema up to date, under a lock, and returns the
// schema as it was. It creates a SQLite file that does not exist. A schema newer
// than this program's is a *SchemaError, and a master key other than the database's
// is an error; then nothing is changed.
func Migrate(ctx context.Context, c Config) (Schema, error) {
	c = c.complete()
	seal, err := newSealer(c.MasterKey)
	if err != nil {
		return Schema{}, err
	}
	// Reading first avoids the lock, and the wait for it, where there is nothing to
	// do.
	see := func() (Schema, error) {
		return withLook(ctx, c, func(l *look) (Schema, error) {
			s, err := l.schema(ctx)
			if err == nil && s.Have == 0 && l.dialect == goose.DialectSQLite3 {
				err = vacant(ctx, l.pool(), l.place)
			}
			if err != nil || s.Have == 0 || s.Have > s.Want {
				return s, errors.Join(err, s.newer())
			}
			if _, err = seal.proved(ctx, queries.New(l.reader())); err == nil &&
				l.dialect == goose.DialectSQLite3 {
				err = checker{ctx, l.pool(), l.place}.check(Ends) // fast, whatever the size
			}
			return s, err
		})
	}
	was, err := see()
	if half := (*halfError)(nil); errors.As(err, &half) {
		if err := half.undo(ctx); err != nil {
			return was, err
		}
		was, err = see()
	}
	different := (*SchemaError)(nil)
	switch {
	case errors.As(err, &different) && different.Missing:
		was = different.Schema
	case err != nil:
		return was, err
	case len(was.Pending) == 0:
		return was, nil
	}
	if strings.HasPrefix(c.DSN, "sqlite:") {
		err = migrateSQLite(ctx, c, was.Place)
	} else {
		err = migratePostgres(ctx, c)
	}
	if err != nil {
		return was, err
	}
	db, err := Open(ctx, c) // which stores proof of the master key
	if err != nil {
		return was, err
	}
	return was, db.Close()
}

// vacant returns an error if a file without any migration holds tables: they are
// another program's. A PostgreSQL database may be shared with one.
func vacant(ctx context.Context, db *sql.DB, path string) error {
	var table string
	err := db.QueryRowContext(ctx, `SELECT name FROM sqlite_master
		WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name <> 'goose_db_version'
		LIMIT 1`).Scan(&table)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("store: read the tables of %s: %w", path, err)
	}
	return fmt.Errorf("store: %s has a table %q and no schema of Sampan's: it is another program's; "+
		"is the address right?",
		path, table)
}

func migrateSQLite(ctx context.Context, c Config, path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	unlock, err := lockFile(ctx, path)
	if err != nil {
		return fmt.Errorf("store: lock %s: %w", path, err)
	}
	defer unlock()
	// The file is created here so that only its owner can read it; SQLite gives its
	// other files the same mode. An existing file must not be opened and closed:
	// that would end this process's own locks on it.
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		if err := errors.Join(os.WriteFile(path, nil, 0o600), giveTo(path, path)); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	u, err := useChecked(ctx, path)
	if err != nil {
		return fmt.Errorf("store: migrate %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, u.end(err == nil)) }()
	db, err := openForSteps(path)
	if err != nil {
		return err
	}
	return errors.Join(runMigrations(ctx, c, db, goose.DialectSQLite3, path), db.Close())
}

func openForSteps(path string) (*sql.DB, error) {
	q := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(10000)", "foreign_keys(1)", "synchronous(FULL)", "journal_mode(WAL)"},
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// halfError is the error of reading a file that holds half of a change, as a
// process leaves it that was killed while it created the file.
type halfError struct{ path string }

func (e *halfError) Error() string {
	return fmt.Sprintf("store: %s holds half of a change, which %s-journal undoes: sampan migrate has "+
		"SQLite do so",
		e.path, e.path)
}

// undo makes SQLite undo the half change.
func (e *halfError) undo(ctx context.Context) error {
	unlock, err := lockFile(ctx, e.path)
	if err != nil {
		return fmt.Errorf("store: lock %s: %w", e.path, err)
	}
	defer unlock()
	db, err := openForSteps(e.path)
	if err != nil {
		return err
	}
	var tables int // any read does it
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables)
	return errors.Join(wrap("undo half of a change", err), db.Close())
}

func migratePostgres(ctx context.Context, c Config) error {
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120)) // each second, two minutes
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	db, err := postgresPool(c, true)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	err = runMigrations(ctx, c, db, goose.DialectPostgres, placeOf(c.DSN), goose.WithSessionLocker(locker))
	return errors.Join(err, db.Close())
}

// runMigrations runs the migrations that a database lacks. On SQLite the caller holds a
// lock; on PostgreSQL the options include one.
func runMigrations(ctx context.Context, c Config, db *sql.DB, d goose.Dialect, place string,
	options ...goose.ProviderOption) error {
	house := migrations.House(d == goose.DialectPostgres, c.Migrating)
	options = append(options, goose.WithDisableGlobalRegistry(true),
		goose.WithExcludeVersions([]int64{migrations.HouseVersion}),
		goose.WithGoMigrations(
			goose.NewGoMigration(migrations.HouseVersion, &goose.GoFunc{RunTx: house}, nil)))
	provider, err := goose.NewProvider(d, db, steps(d), options...)
	if err != nil {
		return fmt.Errorf("store: migrate: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("store: migrate %s: %w", place, err)
	}
	return nil
}
