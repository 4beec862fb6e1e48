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

// ErrStopped says that the SQLite file cannot be trusted, and this process no longer uses
// it. Only a restart ends that. errors.Is(err, ErrUnavailable) holds too, except
// for a change whose COMMIT was the call that failed: its outcome is unknown.
var ErrStopped = errors.New("store: the database is stopped until sampan is restarted")

// stopError is ErrStopped with the reason.
type stopError struct {
	reason string
	cause  error // of the call that found the reason; nil for later calls, which are not made
	commit bool  // the call was a COMMIT
}

func (e *stopError) Error() string { return ErrStopped.Error() + ": " + e.reason }
func (e *stopError) Unwrap() error { return e.cause }

// Is matches ErrStopped, and the error that tells the caller what became of its
// change.
func (e *stopError) Is(target error) bool {
	return target == ErrStopped || target == ErrUnavailable && !e.commit ||
		target == ErrOutcomeUnknown && e.commit
}

// stopper ends the use of a database for all calls, once and for all.
type stopper struct {
	log    *slog.Logger
	once   sync.Once
	reason atomic.Pointer[stopError]
}

// err returns nil until the database is stopped.
func (s *stopper) err() error {
	if e := s.reason.Load(); e != nil {
		return e
	}
	return nil
}

// Stopped returns ErrStopped with the reason if the database is stopped. It does
// not ask the database.
func (db *DB) Stopped() error { return db.usable() }

// stop logs the reason and refuses every later call. The first reason stays.
func (s *stopper) stop(reason string) {
	s.once.Do(func() {
		s.reason.Store(&stopError{reason: reason})
		s.log.Error("the database is stopped: nothing is read or written until sampan is restarted",
			"reason", reason)
	})
}

// see stops the database if err, of a call that was made, is a reason to.
func (s *stopper) see(err error, commit bool) error {
	if err == nil || !stops(err) {
		return err
	}
	reason := err.Error()
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code() > 0xff { // its message is only "disk I/O error"
		reason += " " + sqlite.ErrorCodeString[e.Code()]
	}
	s.stop(strings.TrimSpace(reason))
	return &stopError{reason: s.reason.Load().reason, cause: err, commit: commit}
}

// stops reports whether err means that the file, or what was read of it, cannot be
// trusted: the file is damaged, a read failed, or a sync failed. After a failed
// sync nobody knows what the disk holds, and the next sync reports success.
//
// A failed write is not such an error: SQLite knows what it has not written, and a
// full disk, a quota or a limit may pass. The same holds for errors of locks, of
// memory and of the log's index (-shm), which is rebuilt.
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

// lookEvery is how often the files at the database's path are compared with the
// open ones.
const lookEvery = 5 * time.Second

// openFiles are the files of an open database. What is written to a file that is no
// longer at its path is lost with the process.
type openFiles map[string]fs.FileInfo

// statFiles records the database's files. The connection that has them open must
// have read from the database.
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

// moved returns which path no longer leads to the open file, and why; "" if every
// path does. A path that cannot be read counts as unchanged.
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
