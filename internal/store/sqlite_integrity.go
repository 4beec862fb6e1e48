package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
)

// ErrDamaged says that a SQLite file is not one whole database.
var ErrDamaged = errors.New("store: the database is damaged")

// Thoroughness is how much of a SQLite file is checked.
type Thoroughness int

// The degrees of thoroughness. Each includes those before it.
const (
	// Ends checks the header, the schema, the size, and the first and last rows of
	// each table and index. It takes a moment, whatever the size.
	Ends Thoroughness = iota
	// Pages checks the structure of every page, and each row's constraints.
	Pages
	// Everything also checks that each index has each row.
	Everything
)

// quickUpTo is the size in bytes up to which a file is read whole at the start
// after an unclean end.
const quickUpTo = 256 << 20

// atStart returns how thoroughly a file of this size is checked before it is
// served.
func atStart(size int64) Thoroughness {
	if size <= quickUpTo {
		return Pages
	}
	return Ends
}

// CheckSQLite checks that the file of a DSN, with its log, is one whole database.
// It changes nothing. If the file is not whole, the error wraps ErrDamaged.
func CheckSQLite(ctx context.Context, dsn string, how Thoroughness) error {
	path, err := sqlitePath(dsn)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := checkFile(ctx, path, how); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func checkFile(ctx context.Context, path string, how Thoroughness) error {
	db, err := readFile(path)
	if err != nil {
		return err
	}
	c := checker{ctx: ctx, db: db, path: path}
	return errors.Join(damaged(c.check(how)), db.Close())
}

// damaged marks SQLite's errors about a file that is not whole.
func damaged(err error) error {
	if err == nil || errors.Is(err, ErrDamaged) || !stops(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

// damagedAt is damaged for callers that cannot go on. It adds what to do.
func damagedAt(path string, err error) error {
	if err = damaged(err); !errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%s: %w: see \"A damaged database\" in docs/operating.md; "+
		"sampan restore puts a backup in its place", path, err)
}

// readFile opens an existing SQLite file for reading, without a trace: a connection
// that cannot write does not empty the log when it is closed, and without a log
// SQLite would create an empty one.
func readFile(path string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)"}}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, os.ErrNotExist) {
		q.Set("immutable", "1")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

type checker struct {
	ctx  context.Context
	db   *sql.DB
	path string
}

func (c checker) check(how Thoroughness) error {
	if err := c.size(); err != nil {
		return err
	}
	tables, err := c.texts("SELECT name FROM sqlite_schema " +
		"WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")
	if err != nil {
		return err
	}
	if len(tables) == 0 {
		return nil // created, and nothing was written yet
	}
	for _, table := range tables {
		if err := c.ends(table); err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
	}
	if how == Ends {
		return nil
	}
	pragma := "PRAGMA quick_check(5)"
	if how == Everything {
		pragma = "PRAGMA integrity_check(5)"
		// The check looks each row up in each index.
		if _, err := c.db.ExecContext(c.ctx, "PRAGMA cache_size = -65536"); err != nil {
			return err
		}
	}
	found, err := c.texts(pragma)
	if err == nil && !slices.Equal(found, []string{"ok"}) {
		err = fmt.Errorf("%w: %s", ErrDamaged, strings.ReplaceAll(strings.Join(found, "; "), "\n", " "))
	}
	return err
}

// sizeText reads the number of pages and the size of each.
const sizeText = "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size"

// size compares the file's size with the number of its pages, some of which may be
// in the log only.
func (c checker) size() error {
	var pages, size int64
	err := c.db.QueryRowContext(c.ctx, sizeText).Scan(&pages, &size)
	if err != nil {
		return err
	}
	// The log is measured first, since pages move from it into the file.
	const logHeader, frameHeader = 32, 24
	frames := int64(0)
	if log, err := os.Stat(c.path + "-wal"); err == nil && log.Size() > logHeader {
		frames = (log.Size() - logHeader) / (frameHeader + size)
	}
	file, err := os.Stat(c.path)
	if err != nil {
		return err
	}
	if missing := pages - file.Size()/size; missing > frames {
		return fmt.Errorf("%w: it is to have %d pages of %d bytes, and %d are missing",
			ErrDamaged, pages, size, missing)
	}
	return nil
}

// endRows is how many rows are read at each end of a table.
const endRows = 100

// ends reads the first and the last rows of a table in the order of writing, finds
// each of them in each index, and finds the ends of each index in the table.
func (c checker) ends(table string) error {
	t := quoted(table)
	for _, order := range []string{"ASC", "DESC"} {
		text := fmt.Sprintf("SELECT * FROM %s ORDER BY rowid %s LIMIT %d", t, order, endRows)
		if err := c.read(text); err != nil {
			return err
		}
	}
	indexes, err := c.texts("SELECT name FROM pragma_index_list(?) WHERE NOT partial", table)
	if err != nil {
		return err
	}
	for _, index := range indexes {
		columns, err := c.texts("SELECT name FROM pragma_index_info(?) ORDER BY seqno", index)
		if err != nil {
			return err
		}
		if err := c.index(t, quoted(index), columns); err != nil {
			return fmt.Errorf("index %s: %w", index, err)
		}
	}
	return nil
}

func (c checker) index(table, index string, columns []string) error {
	var same, there []string // IS, which NULL would need, cannot be looked up in an index here
	for _, name := range columns {
		same = append(same, fmt.Sprintf("b.%[1]s = a.%[1]s", quoted(name)))
		there = append(there, fmt.Sprintf("a.%s IS NOT NULL", quoted(name)))
	}
	for _, order := range []string{"ASC", "DESC"} {
		for what, text := range map[string]string{
			"rows that the index does not have": fmt.Sprintf(`SELECT count(*) FROM
				(SELECT rowid AS r, * FROM %[1]s ORDER BY rowid %[2]s LIMIT %[3]d) a
				LEFT JOIN %[1]s b INDEXED BY %[4]s ON %[5]s AND b.rowid = a.r
				WHERE b.rowid IS NULL AND %[6]s`,
				table, order, endRows, index, strings.Join(same, " AND "), strings.Join(there, " AND ")),
			"rows of the index that the table does not have": fmt.Sprintf(`SELECT count(*) FROM
				(SELECT rowid AS r FROM %[1]s INDEXED BY %[4]s ORDER BY %[5]s %[2]s LIMIT %[3]d) a
				LEFT JOIN %[1]s b ON b.rowid = a.r WHERE b.rowid IS NULL`,
				table, order, endRows, index, quoted(columns[0])),
		} {
			var n int
			if err := c.db.QueryRowContext(c.ctx, text).Scan(&n); err != nil {
				return err
			}
			if n > 0 {
				return fmt.Errorf("%w: %d %s", ErrDamaged, n, what)
			}
		}
	}
	return nil
}

// read reads all columns of all rows.
func (c checker) read(text string) error {
	rows, err := c.db.QueryContext(c.ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	values := make([]any, len(names))
	for i := range values {
		values[i] = new(any)
	}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (c checker) texts(text string, args ...any) (all []string, err error) {
	rows, err := c.db.QueryContext(c.ctx, text, args...)
	return collect(rows, err, func(s *string) []any { return []any{s} })
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
