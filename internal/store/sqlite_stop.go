package store

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrStopped means: the SQLite file cannot be trusted, and this process uses it no
// more. errors.Is(err, ErrUnavailable) holds too, except for a change whose
// COMMIT found it out: its outcome is unknown. Only a restart ends it.
var ErrStopped = errors.New("store: the database is stopped until sampan is restarted")

// stopError is ErrStopped with the reason.
type stopError struct {
	reason string
	cause  error // of the call that found the reason; nil for those that were not made after it
	commit bool  // the call was a COMMIT
}

func (e *stopError) Error() string { return ErrStopped.Error() + ": " + e.reason }
func (e *stopError) Unwrap() error { return e.cause }

// Is makes it ErrStopped, and what a caller is to think of its change.
func (e *stopError) Is(target error) bool {
	return target == ErrStopped || target == ErrUnavailable && !e.commit || target == ErrOutcomeUnknown && e.commit
}

// stopper ends the use of a database, once and for all calls.
type stopper struct {
	log    *slog.Logger
	once   sync.Once
	reason atomic.Pointer[stopError]
}

// err is nil until the database is stopped.
func (s *stopper) err() error {
	if e := s.reason.Load(); e != nil {
		return e
	}
	return nil
}

// Stopped returns ErrStopped with the reason if the database is used no more,
// and asks nobody.
func (db *DB) Stopped() error { return db.usable() }

// stop logs the reason and refuses every later call. The first reason stays.
func (s *stopper) stop(reason string) {
	s.once.Do(func() {
		s.reason.Store(&stopError{reason: reason})
		s.log.Error("the database is stopped: nothing is read or written until sampan is restarted", "reason", reason)
	})
}

// see stops the database if err, of a call that was made, is a reason to.
func (s *stopper) see(err error, commit bool) error {
	if err == nil || !stops(err) {
		return err
	}
	reason := err.Error()
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code() > 0xff { // whose words are "disk I/O error"
		reason += " " + sqlite.ErrorCodeString[e.Code()]
	}
	s.stop(strings.TrimSpace(reason))
	return &stopError{reason: s.reason.Load().reason, cause: err, commit: commit}
}

// stops reports whether err means that the file, or what was read of it, cannot
// be trusted: it is damaged, a read failed, or a sync failed, after which
// nobody knows what the disk holds and the next sync reports success.
//
// A failed write is no such error: SQLite knows what it has not written, and a
// full disk, a quota or a limit end by themselves. So do errors of locks, of
// memory and of the index of the log (-shm), which is made afresh.
func stops(err error) bool {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return true
	}
	switch e.Code() {
	case sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_FSTAT,
		sqlite3.SQLITE_IOERR_CORRUPTFS, sqlite3.SQLITE_IOERR_DATA, sqlite3.SQLITE_IOERR_IN_PAGE,
		sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_IOERR_COMMIT_ATOMIC,
		sqlite3.SQLITE_READONLY_DBMOVED:
		return true
	}
	return false
}

// lookEvery is how often the files at the database's path are compared with
// those that are open.
const lookEvery = 5 * time.Second

// openFiles are the files of an open database: what is written to one that
// stands no more at its path is lost with the process.
type openFiles map[string]fs.FileInfo

// statFiles notes the database's files. The connection that has them open must
// have read from it.
func statFiles(path string) (openFiles, error) {
	real, err := filepath.EvalSymlinks(path) // SQLite puts its other files beside that one
	if err != nil {
		return nil, err
	}
	files := openFiles{}
	for _, name := range []string{path, real + "-wal", real + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		files[name] = info
	}
	return files, nil
}

// moved says which file at its path is not the open one, "" if none is. A path
// that cannot be looked at says nothing.
func (f openFiles) moved() string {
	for name, open := range f {
		switch now, err := os.Stat(name); {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			return name + " is gone: somebody has moved or removed it while it was open"
		case err == nil && !os.SameFile(now, open):
			return name + " is another file than the one that is open: somebody has replaced it"
		}
	}
	return ""
}

// watch stops the database when one of its files is gone or replaced, until ctx
// ends.
func (f openFiles) watch(ctx context.Context, s *stopper, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for s.err() == nil {
		if why := f.moved(); why != "" {
			s.stop(why)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
