package store

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"github.com/pressly/goose/v3"
)

// lookSQLite reads a file without a trace. A file with a log (-wal) is shared with
// its server through SQLite's own locks for readers. A file without a log has no
// server. It is read as one that does not change, since SQLite would leave a log
// behind; still then tells whether it has changed after all.
func lookSQLite(path string, c Config) (*look, error) {
	path, err := existing(path)
	if err != nil {
		return nil, err
	}
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)", "query_only(1)"}}
	still := func() error { return nil }
	alone, err := readAlone(path)
	if err != nil {
		return nil, err
	}
	if alone {
		q.Set("immutable", "1")
		before, err := stamp(path)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		still = func() error {
			if after, err := stamp(path); err != nil || after != before {
				return errors.Join(fmt.Errorf("store: %s %w", path, errSpoiled), err)
			}
			return nil
		}
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(sqliteReaders)
	db.SetMaxIdleConns(sqliteReaders)
	e := &sqliteEngine{readers: db, read: newPrepared(db, c.Before)}
	return &look{engine: e, dialect: goose.DialectSQLite3, place: path, still: still, end: func() error {
		return errors.Join(e.read.close(), db.Close())
	}}, nil
}

// readAlone reports whether everything that belongs to a database is in its file,
// so that no other process matters. A log that exists but cannot be read in place
// is an error.
func readAlone(path string) (bool, error) {
	log, err := sizeOf(path + "-wal")
	if err != nil {
		return false, err
	}
	if hot, err := hasHotJournal(path + "-journal"); err != nil || hot {
		return false, cmp.Or(err, error(&halfError{path}))
	}
	switch shared := log >= 0 && canShare(path); {
	case shared:
		return false, nil
	case log > 0:
		return false, fmt.Errorf("store: %s cannot be read where it is: "+
			"changes that belong to it are in its log, %s-wal, "+
			"and this user cannot write beside it. Copy both files to a directory of your own while "+
			"no server runs, "+
			"and look there", path, path)
	}
	return true, nil
}

// hasHotJournal reports whether a rollback journal undoes an interrupted change.
// SQLite has no locks on it.
func hasHotJournal(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("store: %w", err)
	}
	defer f.Close()
	var first [1]byte
	n, err := f.Read(first[:])
	if err != nil && !errors.Is(err, io.EOF) {
		return false, fmt.Errorf("store: %w", err)
	}
	return n > 0 && first[0] != 0, nil
}

// sizeOf returns -1 for a file that does not exist.
func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return -1, nil
	}
	if err == nil {
		err = syscall.Access(path, accessRead)
	}
	if err != nil {
		return 0, fmt.Errorf("store: read %s: %w", path, err)
	}
	return info.Size(), nil
}

// errSpoiled: what was read may mix several states of the database.
var errSpoiled = errors.New(
	"was opened by a server while it was read, so what was read may be wrong: run it again",
)

// existing returns the real path of a database file, beside which SQLite keeps its
// log. It names the cause where SQLite would only say that it cannot open the file.
func existing(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("store: %w", err)
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) {
		s, err := schemaKnown(goose.DialectSQLite3)
		if err != nil {
			return "", err
		}
		s.Place, s.Missing = path, true
		return "", &SchemaError{s}
	}
	if err != nil {
		return "", fmt.Errorf("store: %w", err)
	}
	info, err := os.Stat(real)
	switch {
	case err != nil:
		return "", fmt.Errorf("store: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("store: %s is not a file", path)
	}
	if err := syscall.Access(real, accessRead); err != nil {
		return "", fmt.Errorf("store: read %s: %w", path, err)
	}
	return real, nil
}

const (
	accessWrite = 2
	accessRead  = 4
)

// canShare reports whether a reader may use the log's index (-shm), in which it
// notes how far it reads.
func canShare(path string) bool {
	err := syscall.Access(path+"-shm", accessRead|accessWrite)
	if errors.Is(err, os.ErrNotExist) {
		err = syscall.Access(filepath.Dir(path), accessWrite)
	}
	return err == nil
}

// stamp tells the states of a database file apart. It does not open the file:
// closing it would end this process's locks on it. A server that opens the file
// creates a log, and a change that is not in a log changes the file.
func stamp(path string) (s [2]fileState, err error) {
	for i, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		switch {
		case err == nil:
			s[i] = fileState{true, info.Size(), info.ModTime().UnixNano()}
		case !errors.Is(err, os.ErrNotExist):
			return s, err
		}
	}
	return s, nil
}

type fileState struct {
	there    bool
	size     int64
	modified int64
}
