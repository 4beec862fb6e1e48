package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sampanpay/sampan/internal/pay"
)

// log counts ERROR lines.
type errorLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *errorLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *errorLog) errors() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), "level=ERROR")
}

// openLogged opens SQLite in a directory with a log of its own.
func openLogged(t testing.TB, dir string) (*DB, *sqliteEngine, *errorLog) {
	t.Helper()
	log := &errorLog{}
	db, err := createForTest(t, Config{
		DSN: "sqlite:" + filepath.Join(dir, "s.db"), MasterKey: testKey,
		Log: slog.New(slog.NewTextHandler(log, nil)), LookEvery: 10 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, db.engine.(*sqliteEngine), log
}

// mustBeStopped tries every kind of call.
func mustBeStopped(t *testing.T, db *DB, log *errorLog, reason string) {
	t.Helper()
	wrote := false
	for what, err := range map[string]error{
		"a transaction": db.Tx(t.Context(), func(tx *Tx) error {
			wrote = true
			return tx.AddEvent(pay.Event{MerchantID: "m", PaymentID: "p", ID: "after"})
		}),
		"a write": db.TryWrite(t.Context()),
		"a creation": func() error {
			_, _, err := db.CreatePayment(t.Context(),
				pay.Payment{Scope: pay.Scope{MerchantID: "m"}, ID: "new", Status: pay.Created})
			return err
		}(),
		"a read": func() error { _, err := db.Payment(t.Context(), "m", "p"); return err }(),
		"a list": func() error { _, err := db.Deliveries(t.Context(), DeliveryFilter{}); return err }(),
		"a claim": func() error {
			_, err := db.ClaimPayments(t.Context(), Claim{Now: time.Now(), Keys: map[string]int{"m/a": 1}})
			return err
		}(),
		"a cached value": func() error { _, err := db.Credential(t.Context(), "A"); return err }(),
		"a ping":         db.Ping(t.Context()),
	} {
		if !errors.Is(err, ErrStopped) || !errors.Is(err, ErrUnavailable) ||
			errors.Is(err, ErrOutcomeUnknown) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v, want ErrStopped and ErrUnavailable with the reason %q", what, err, reason)
		}
	}
	if wrote {
		t.Error("a transaction was begun")
	}
	if n := log.errors(); n != 1 {
		t.Errorf("%d ERROR lines, want 1:\n%s", n, log.text.String())
	}
}

// Damage that a query finds stops the writer too.
func TestADamagedFileStopsTheDatabase(t *testing.T) {
	for _, c := range []struct{ name, reason string }{{"pages", "malformed"}, {"header", "not a database"},
		{"cut", "malformed"}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			db, e, log := openLogged(t, dir)
			fill(t, db, 200)
			for _, err := range []error{
				db.CreateMerchant(t.Context(), pay.Merchant{ID: "m"}),
				db.CreateCredential(t.Context(),
					pay.Credential{MerchantID: "m", AppCode: "A", ClientKey: "k"}),
				func() error { _, err := db.Credential(t.Context(), "A"); return err }(), // which keeps it
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			var busy, pages, done int
			if err := e.conn.QueryRowContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy,
				&pages, &done); err != nil || busy != 0 {
				t.Fatal(busy, err)
			}
			// Closed only at the end: closing it ends the process's locks.
			f, err := os.OpenFile(filepath.Join(dir, "s.db"), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			switch c.name {
			case "header":
				_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, 4096), 0)
			case "cut":
				err = f.Truncate(8192)
			default:
				_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, int(info.Size()-4096)), 4096)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Payment(t.Context(), "m", "p"); !errors.Is(err, ErrStopped) ||
				!errors.Is(err, ErrUnavailable) {
				t.Errorf("the query that finds it: %v", err)
			}
			mustBeStopped(t, db, log, c.reason)
		})
	}
}

// fill writes n events of 4 KB, so that there is something to damage.
func fill(t testing.TB, db *DB, n int) {
	t.Helper()
	err := db.Tx(t.Context(), func(tx *Tx) error {
		for i := range n {
			err := tx.AddEvent(pay.Event{MerchantID: "m", PaymentID: "p", ID: fmt.Sprint(i),
				Note: strings.Repeat("x", 4000)})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What is written to a file that is no longer at its path is lost.
func TestAMovedFileStopsTheDatabase(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		move         func(path string) error
	}{
		{"removed", "is gone", os.Remove},
		{"renamed", "is gone", func(path string) error { return os.Rename(path, path+".old") }},
		{"replaced", "another file", func(path string) error {
			if err := os.WriteFile(path+".new", []byte("x"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}},
	} {
		for _, file := range []string{"s.db", "s.db-wal", "s.db-shm"} {
			t.Run(c.name+" "+file, func(t *testing.T) {
				dir := t.TempDir()
				db, e, log := openLogged(t, dir)
				if err := db.TryWrite(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := c.move(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
				e.watch.Wait() // which ends when it has found it
				mustBeStopped(t, db, log, file+" ")
				if err := db.Ping(t.Context()); !strings.Contains(err.Error(), c.reason) {
					t.Errorf("%v, want %q", err, c.reason)
				}
			})
		}
	}
}

// A directory that is reached by a link is watched at its real place.
func TestAFileThatStaysStopsNothing(t *testing.T) {
	real, link := t.TempDir(), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(real, "there.db"), filepath.Join(real, "s.db")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(real, "there.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db, _, log := openLogged(t, link)
	files, err := statFiles(filepath.Join(link, "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	if why := files.moved(); why != "" || len(files) != 3 {
		t.Errorf("%q, %v", why, files)
	}
	if err := db.TryWrite(t.Context()); err != nil || log.errors() != 0 {
		t.Errorf("%v, %d errors", err, log.errors())
	}
}

func TestWhatStopsTheDatabase(t *testing.T) {
	for code, want := range map[int]bool{
		sqlite3.SQLITE_CORRUPT: true, sqlite3.SQLITE_CORRUPT_INDEX: true,
		sqlite3.SQLITE_CORRUPT_SEQUENCE: true, sqlite3.SQLITE_NOTADB: true,
		sqlite3.SQLITE_IOERR_FSYNC: true, sqlite3.SQLITE_IOERR_DIR_FSYNC: true,
		sqlite3.SQLITE_IOERR_READ: true, sqlite3.SQLITE_IOERR_SHORT_READ: true,
		sqlite3.SQLITE_IOERR_CORRUPTFS: true, sqlite3.SQLITE_IOERR_FSTAT: true, sqlite3.SQLITE_FULL: false,
		sqlite3.SQLITE_IOERR_WRITE: false, sqlite3.SQLITE_IOERR_TRUNCATE: false,
		sqlite3.SQLITE_IOERR_SHMSIZE: false, sqlite3.SQLITE_IOERR_SHMMAP: false,
		sqlite3.SQLITE_IOERR_LOCK: false, sqlite3.SQLITE_IOERR_NOMEM: false, sqlite3.SQLITE_BUSY: false,
		sqlite3.SQLITE_READONLY: false, sqlite3.SQLITE_CONSTRAINT: false, sqlite3.SQLITE_INTERRUPT: false,
	} {
		for _, commit := range []bool{false, true} {
			s := &stopper{log: slog.New(slog.DiscardHandler)}
			err := s.see(fmt.Errorf("wrapped: %w", sqliteError(code)), commit)
			if got := errors.Is(err, ErrStopped) && s.err() != nil; got != want {
				t.Errorf("%d: stopped %v, want %v", code, got, want)
			}
			if errors.Is(err, ErrOutcomeUnknown) != (want && commit) ||
				errors.Is(err, ErrUnavailable) != (want && !commit) {
				t.Errorf("%d, commit %v: %v", code, commit, err)
			}
		}
	}
	s := &stopper{log: slog.New(slog.DiscardHandler)}
	for _, err := range []error{nil, io.EOF, sql.ErrNoRows, context.Canceled} {
		if got := s.see(err, true); got != err || s.err() != nil {
			t.Errorf("%v became %v", err, got)
		}
	}
}

// sqliteError returns the driver's error for a code. Only the driver can make one.
func sqliteError(code int) error {
	e := &sqlite.Error{}
	*(*int)(unsafe.Pointer(reflect.ValueOf(e).Elem().FieldByName("code").UnsafeAddr())) = code
	return e
}
