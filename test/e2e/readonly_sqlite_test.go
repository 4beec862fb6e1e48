package e2e_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sampanpay/sampan/test/harness"
)

// The commands that only read need no right to write, and leave no trace.
func TestReadingCommandsOnSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sampan.db")
	b := newBooks(t, "sqlite:"+path, false)
	if _, err := os.Stat(path + "-wal"); err == nil {
		t.Fatal("the server has left a log")
	}
	t.Run("closed in good order", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		unchanged(t, dir, func() { b.readAll(t, dsn, nil) })
	})
	t.Run("by a link", func(t *testing.T) {
		dir, _ := copyOf(t, path, "")
		link := filepath.Join(sharedDir(t), "link.db")
		if err := os.Symlink(filepath.Join(dir, "sampan.db"), link); err != nil {
			t.Fatal(err)
		}
		unchanged(t, dir, func() {
			unchanged(t, filepath.Dir(link), func() { b.readAll(t, "sqlite:"+link, nil) })
		})
	})
	t.Run("without the right to write", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		sealed(t, dir)
		unchanged(t, dir, func() { b.readAll(t, dsn, nobody()) })
	})
	t.Run("read-only file system", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		unchanged(t, dir, func() { b.readAll(t, dsn, nil, readOnlyMount(t, dir)...) })
	})
	t.Run("no such file", func(t *testing.T) {
		dir := sharedDir(t)
		unchanged(t, dir, func() {
			for _, path := range []string{dir + "/typo.db", dir + "/no/such/folder.db"} {
				b.refuseAll(t, "sqlite:"+path, nil, "there is no database "+path, "sampan migrate")
			}
		})
	})
	t.Run("not a database", func(t *testing.T) {
		dir := sharedDir(t)
		long := strings.Repeat("once upon a time ", 1000)
		for name, text := range map[string]string{"empty.db": "", "text.db": long, "short.db": "x"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := errors.Join(os.Mkdir(dir+"/folder.db", 0o755), syscall.Mkfifo(dir+"/pipe.db", 0o600))
		if err != nil {
			t.Fatal(err)
		}
		unchanged(t, dir, func() {
			b.refuseAll(t, "sqlite:"+dir+"/empty.db", nil, "has no schema yet", "sampan migrate")
			b.refuseAll(t, "sqlite:"+dir+"/text.db", nil, dir+"/text.db", "file is not a database")
			b.refuseAll(t, "sqlite:"+dir+"/short.db", nil, dir+"/short.db")
			b.refuseAll(t, "sqlite:"+dir+"/folder.db", nil, dir+"/folder.db is not a file")
			b.refuseAll(t, "sqlite:"+dir+"/pipe.db", nil, dir+"/pipe.db is not a file")
		})
	})
	t.Run("a journal that was cut off", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		journal := filepath.Join(dir, "sampan.db-journal")
		for begin, then := range map[string]func(){
			"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7": func() { b.refuseAll(t, dsn, nil, "holds half of a change") },
			// a tool has emptied and kept it
			"\x00": func() { b.readAll(t, dsn, nil) },
		} {
			if err := os.WriteFile(journal, []byte(begin+strings.Repeat("\x00", 504)), 0o644); err != nil {
				t.Fatal(err)
			}
			unchanged(t, dir, then)
			got := b.try(t, dsn, nil, nil, "migrate")
			if got.status != 0 || !strings.Contains(got.printed, "nothing to do") {
				t.Errorf("migrate: status %d:\n%s", got.status, got.printed)
			}
			b.readAll(t, dsn, nil)
		}
	})
	t.Run("without the right to read", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		if err := os.Chmod(filepath.Join(dir, "sampan.db"), 0o200); err != nil {
			t.Fatal(err)
		}
		b.refuseAll(t, dsn, nobody(), "permission denied")
	})
	for name, version := range map[string]string{"newer": "99", "older": "3"} {
		t.Run(name+" schema", func(t *testing.T) {
			dir, dsn := copyOf(t, path, "")
			harness.ExecSQL(t, dsn, "DELETE FROM goose_db_version WHERE version_id > 3",
				"INSERT INTO goose_db_version (version_id, is_applied) VALUES ("+version+", 1)")
			unchanged(t, dir, func() {
				b.refuseAll(t, dsn, nil, "has schema "+version, "this program knows schema ")
			})
			if name == "older" {
				return
			}
			for _, args := range [][]string{{"migrate"}, {"serve"}} {
				unchanged(t, dir, func() {
					got := b.try(t, dsn, nil, nil, args...)
					if got.status == 0 || !strings.Contains(got.printed, "use the newer program") {
						t.Errorf("%q: status %d:\n%s", args, got.status, got.printed)
					}
				})
			}
		})
	}
	t.Run("a schema's number without tables", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		harness.ExecSQL(t, dsn, "DROP TABLE setting")
		unchanged(t, dir, func() { b.refuseAll(t, dsn, nil, "not its tables") })
	})
	t.Run("another master key", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		other := *b
		other.key = strings.Repeat("ab", 32)
		unchanged(t, dir, func() {
			for _, l := range b.readers() {
				got := other.try(t, dsn, nil, nil, l.args...)
				refused := got.status != 0 && strings.Contains(got.printed, "master key is not the one")
				if l.args[0] != "migrate" && !refused {
					t.Errorf("%q: status %d:\n%s", l.args, got.status, got.printed)
				}
			}
		})
	})
	t.Run("no proof of a master key", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		harness.ExecSQL(t, dsn, "DELETE FROM setting")
		unchanged(t, dir, func() { b.readAll(t, dsn, nil) })
	})
}

// A killed server leaves a log, which belongs to the database.
func TestReadingCommandsOnSQLitesLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sampan.db")
	b := newBooks(t, "sqlite:"+path, true)
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		t.Fatalf("the server has left no log: %v", err)
	}
	t.Run("in place", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "", "-wal", "-shm")
		unchanged(t, dir, func() { b.readAll(t, dsn, nil) }, "sampan.db-shm", filepath.Base(dir))
	})
	t.Run("copied without its index", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "", "-wal")
		// The program must make the index.
		unchanged(t, dir, func() { b.readAll(t, dsn, nil) }, "sampan.db-shm", filepath.Base(dir))
	})
	t.Run("that this user cannot read", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "", "-wal")
		if err := os.Chmod(filepath.Join(dir, "sampan.db-wal"), 0o200); err != nil {
			t.Fatal(err)
		}
		b.refuseAll(t, dsn, nobody(), "sampan.db-wal: permission denied")
	})
	for name, suffixes := range map[string][]string{
		"with its index": {"", "-wal", "-shm"}, "without its index": {"", "-wal"},
	} {
		t.Run("without the right to write, "+name, func(t *testing.T) {
			dir, dsn := copyOf(t, path, suffixes...)
			sealed(t, dir)
			unchanged(t, dir, func() { b.refuseAll(t, dsn, nobody(), "Copy both files") })
		})
	}
	t.Run("read-only file system", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "", "-wal", "-shm")
		mount := readOnlyMount(t, dir)
		unchanged(t, dir, func() {
			got := b.try(t, dsn, nil, mount, "audit")
			if got.status == 0 || !strings.Contains(got.printed, "Copy both files") {
				t.Errorf("status %d:\n%s", got.status, got.printed)
			}
		})
		copied, dsn := copyOf(t, filepath.Join(dir, "sampan.db"), "", "-wal") // as the message says
		unchanged(t, copied, func() { b.readAll(t, dsn, nil) }, "sampan.db-shm", filepath.Base(copied))
	})
}

// readOnlyMount returns the beginning of a command line that mounts the folder read-only for the
// command.
func readOnlyMount(t *testing.T, dir string) []string {
	t.Helper()
	const script = `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"`
	wrapper := []string{"unshare", "--mount", "sh", "-c", script, dir}
	if out, err := exec.Command(wrapper[0], append(wrapper[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("this user cannot mount: %v %s", err, out)
	}
	return wrapper
}
