package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// closedWith creates a database with n orders that nobody has open.
func closedWith(t testing.TB, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	db, err := openAt(path)
	if err != nil {
		t.Fatal(err)
	}
	orders(t, db, 0, n)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func restoring(path, from string, replace bool) Restoring {
	return Restoring{DSN: "sqlite:" + path, MasterKey: testKey, From: from, Replace: replace, Now: noon}
}

// count opens a database, which must be whole, and counts its orders.
func count(t testing.TB, path string) int {
	t.Helper()
	if err := checkFile(t.Context(), path, Everything); err != nil {
		t.Fatal(err)
	}
	db, err := openAt(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.pool().QueryRowContext(t.Context(), "SELECT count(*) FROM payment").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// names lists a directory, without the locks.
func names(t testing.TB, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".lock") && !strings.HasSuffix(e.Name(), ".open") {
			all = append(all, e.Name())
		}
	}
	return all
}

func TestABackupHasAllThatWasAcknowledgedBeforeIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	db, err := openAt(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var written atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ctx.Err() == nil; i++ {
			orders(t, db, i, i+1)
			written.Add(1)
		}
	}()
	for written.Load() < 100 {
		time.Sleep(time.Millisecond)
	}
	dir := t.TempDir()
	copied := filepath.Join(dir, "b.db")
	before := written.Load()
	s, err := Backup(t.Context(), "sqlite:"+path, testKey, copied)
	after := written.Load()
	stop()
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	if s.Payments < before || s.Payments > after+1 || s.Bytes == 0 || s.Newest.IsZero() || s.Path != copied {
		t.Errorf("%+v, with %d to %d orders", s, before, after)
	}
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 || info.Size() != s.Bytes {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"b.db"}) {
		t.Errorf("beside the backup there are %v", got)
	}
	first := contentsOf(t, copied)
	if _, err := Backup(t.Context(), "sqlite:"+path, testKey, copied); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second backup to the same file: %v", err)
	}
	if contentsOf(t, copied) != first {
		t.Error("the first backup was changed")
	}
	if err := db.TryWrite(t.Context()); err != nil {
		t.Error(err)
	}

	restored := filepath.Join(t.TempDir(), "new", "s.db")
	r, err := Restore(t.Context(), restoring(restored, copied, false))
	if err != nil || r.Payments != s.Payments || r.Kept != "" || r.Newest != s.Newest {
		t.Fatalf("%+v %v", r, err)
	}
	if info, err := os.Stat(restored); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if n := count(t, restored); int64(n) != s.Payments {
		t.Errorf("%d orders were restored, of %d", n, s.Payments)
	}
}

func contentsOf(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestABackupOfAClosedDatabaseLeavesNoTrace(t *testing.T) {
	path := closedWith(t, 10)
	before := names(t, filepath.Dir(path))
	_, err := Backup(t.Context(), "sqlite:"+path, testKey, filepath.Join(t.TempDir(), "b.db"))
	if err != nil {
		t.Fatal(err)
	}
	if after := names(t, filepath.Dir(path)); !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
	_, err = Backup(t.Context(), "sqlite:"+path+"x", testKey, filepath.Join(t.TempDir(), "b.db"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a database that is not there: %v", err)
	}
	if after := names(t, filepath.Dir(path)); !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
}

// A refused restore changes nothing and leaves nothing behind.
func TestRestoreRefuses(t *testing.T) {
	path := closedWith(t, 20)
	copied := filepath.Join(t.TempDir(), "b.db")
	if _, err := Backup(t.Context(), "sqlite:"+path, testKey, copied); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		prepare    func(t *testing.T, r *Restoring, target string)
	}{
		{"a database that is there", "--replace",
			func(_ *testing.T, r *Restoring, _ string) { r.Replace = false }},
		{"a database that is served", "in use", func(t *testing.T, _ *Restoring, target string) {
			db, err := openAt(target)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
		}},
		{"a log that was left", "-wal", leave("-wal", "x")},
		{"an empty log that was left", "-wal", leave("-wal", "")},
		{"an index of a log that was left", "-shm", leave("-shm", "x")},
		{"a journal that was left", "-journal", leave("-journal", "x")},
		{"a log without a database", "-wal", func(t *testing.T, r *Restoring, target string) {
			leave("-wal", "x")(t, r, target)
			if err := os.Remove(target); err != nil {
				t.Fatal(err)
			}
			r.Replace = false
		}},
		{"a log beside the backup", "-wal",
			func(t *testing.T, r *Restoring, _ string) { leave("-wal", "x")(t, r, r.From) }},
		{"an index beside the backup", "-shm",
			func(t *testing.T, r *Restoring, _ string) { leave("-shm", "x")(t, r, r.From) }},
		{"another master key", "master key", func(_ *testing.T, r *Restoring, _ string) {
			r.MasterKey = pay.Secret(strings.Repeat("ab", 32))
		}},
		{"a damaged backup", "damaged", func(t *testing.T, r *Restoring, _ string) {
			text := []byte(contentsOf(t, r.From))
			copy(text[len(text)/2:], strings.Repeat("\xff", 4096))
			rewrite(t, r.From, text)
		}},
		{"a backup that was cut", "damaged", func(t *testing.T, r *Restoring, _ string) {
			text := contentsOf(t, r.From)
			rewrite(t, r.From, []byte(text[:len(text)/2]))
		}},
		{"an index that lacks a row", "damaged", func(t *testing.T, r *Restoring, _ string) {
			execAt(t, r.From, `PRAGMA writable_schema = ON`,
				`UPDATE sqlite_schema SET sql = 'CREATE INDEX movement_payment ON movement (payment_id, merchant_id)'
					WHERE name = 'movement_payment'`,
				`UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'refund_payment')
					WHERE name = 'payment_newest'`)
		}},
		{"no database", "not a database",
			func(t *testing.T, r *Restoring, _ string) {
				rewrite(t, r.From, []byte(strings.Repeat("x", 10_000)))
			}},
		{"an empty file", "no schema",
			func(t *testing.T, r *Restoring, _ string) { rewrite(t, r.From, nil) }},
		{"a newer schema", "newer program", func(t *testing.T, r *Restoring, _ string) {
			execAt(t, r.From, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
		}},
		{"no proof of the master key", "no proof", func(t *testing.T, r *Restoring, _ string) {
			execAt(t, r.From, `DELETE FROM setting`)
		}},
		{"the database itself", "itself",
			func(_ *testing.T, r *Restoring, target string) { r.From = target }},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := filepath.Join(t.TempDir(), "s.db")
			copyFile(t, path, target)
			from := filepath.Join(t.TempDir(), "b.db")
			copyFile(t, copied, from)
			r := restoring(target, from, true)
			c.prepare(t, &r, target)
			before, there := fingerprint(t, target), names(t, filepath.Dir(target))
			_, err := Restore(t.Context(), r)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if fingerprint(t, target) != before {
				t.Error("the database was changed")
			}
			if after := names(t, filepath.Dir(target)); !slices.Equal(there, after) {
				t.Errorf("%v became %v", there, after)
			}
		})
	}
}

// fingerprint returns the inode and the bytes of a file, "" if it does not exist.
func fingerprint(t testing.TB, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(info.Sys().(*syscall.Stat_t).Ino, contentsOf(t, path))
}

func leave(suffix, text string) func(*testing.T, *Restoring, string) {
	return func(t *testing.T, _ *Restoring, path string) {
		t.Helper()
		rewrite(t, path+suffix, []byte(text))
	}
}

func rewrite(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// execAt changes a file behind the store's back.
func execAt(t testing.TB, path string, texts ...string) {
	t.Helper()
	db, err := openGuarded("file:"+path, &stopper{log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, text := range texts {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAReplacedDatabaseIsKept(t *testing.T) {
	path := closedWith(t, 20)
	copied := filepath.Join(t.TempDir(), "b.db")
	if _, err := Backup(t.Context(), "sqlite:"+path, testKey, copied); err != nil {
		t.Fatal(err)
	}
	db, err := openAt(path)
	if err != nil {
		t.Fatal(err)
	}
	orders(t, db, 20, 50)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Restore(t.Context(), restoring(path, copied, true))
	if err != nil {
		t.Fatal(err)
	}
	if want := path + ".replaced-20261129T120000Z"; s.Kept != want {
		t.Errorf("kept as %q, want %q", s.Kept, want)
	}
	if got, kept := count(t, path), count(t, s.Kept); got != 20 || kept != 50 {
		t.Errorf("%d orders, and %d are kept; want 20 and 50", got, kept)
	}
	before := fingerprint(t, path)
	if _, err := Restore(t.Context(), restoring(path, copied, true)); !errors.Is(err, os.ErrExist) {
		t.Errorf("what is kept was overwritten: %v", err)
	}
	if fingerprint(t, path) != before || count(t, s.Kept) != 50 {
		t.Error("something was changed")
	}
	// Without a database, --replace replaces nothing.
	fresh := filepath.Join(t.TempDir(), "s.db")
	if s, err := Restore(t.Context(), restoring(fresh, copied, true)); err != nil || s.Kept != "" ||
		count(t, fresh) != 20 {
		t.Errorf("%+v %v", s, err)
	}
}

// The process is killed in the middle of backups and restores. The file under the
// database's name is whole, the old one or the new one.
func TestAKilledBackupLeavesTheOldOrTheNewFile(t *testing.T) {
	if work := os.Getenv("STORE_TEST_COPY"); work != "" {
		copyUntilKilled(work)
	}
	dir := t.TempDir()
	for name, n := range map[string]int{"a": 300, "b": 900} {
		copyFile(t, closedWith(t, n), filepath.Join(dir, name))
	}
	copyFile(t, filepath.Join(dir, "a"), filepath.Join(dir, "s.db"))
	old, renewed := 0, 0
	for range 12 {
		child, out := StartChild(t, "STORE_TEST_COPY="+dir,
			"-test.run=^TestAKilledBackupLeavesTheOldOrTheNewFile$")
		if _, err := out.Read(make([]byte, 1)); err != nil { // it has begun
			t.Fatal(err)
		}
		time.Sleep(rand.N(300 * time.Millisecond))
		child.Process.Kill()
		child.Wait()
		switch n := count(t, filepath.Join(dir, "s.db")); n {
		case 300:
			old++
		case 900:
			renewed++
		default:
			t.Fatalf("%d orders", n)
		}
		for _, name := range names(t, dir) {
			if strings.HasPrefix(name, "backup-") || strings.HasPrefix(name, "s.db.replaced-") {
				if n := count(t, filepath.Join(dir, name)); n != 300 && n != 900 {
					t.Fatalf("%s has %d orders", name, n)
				}
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	t.Logf("%d times the one, %d times the other", old, renewed)
}

// copyUntilKilled is what the child process does: it restores two backups in turn,
// and backs up what it has restored.
func copyUntilKilled(dir string) {
	path := filepath.Join(dir, "s.db")
	for i := 0; ; i++ {
		from := filepath.Join(dir, []string{"a", "b"}[i%2])
		now := time.Now()
		r := Restoring{DSN: "sqlite:" + path, MasterKey: testKey, From: from, Replace: true,
			Now: now.Add(time.Duration(i) * time.Second)}
		fmt.Println("begin")
		if _, err := Restore(context.Background(), r); err != nil {
			panic(err)
		}
		if _, err := Backup(context.Background(), "sqlite:"+path, testKey,
			fmt.Sprintf("%s/backup-%d-%d", dir, now.UnixNano(), i)); err != nil {
			panic(err)
		}
	}
}

// A backup that finds no room leaves nothing behind, and does no harm.
func TestABackupWithoutRoomLeavesNothing(t *testing.T) {
	if work := os.Getenv("STORE_TEST_ROOM"); work != "" {
		db, err := openAt(work)
		if err == nil {
			err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100_000, Max: 100_000})
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = Backup(context.Background(), "sqlite:"+work, testKey,
			filepath.Join(filepath.Dir(work), "b.db"))
		fmt.Println("BACKUP:", err)
		fmt.Println("READ:", db.Ping(context.Background()))
		os.Exit(0)
	}
	path := closedWith(t, 500)
	child := exec.Command(os.Args[0], "-test.run=^TestABackupWithoutRoomLeavesNothing$")
	child.Env = append(os.Environ(), "STORE_TEST_ROOM="+path)
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "BACKUP: store: back up: disk I/O error") ||
		!strings.Contains(string(out), "READ: <nil>") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, name := range names(t, filepath.Dir(path)) {
		if !strings.HasPrefix(name, "s.db") {
			t.Errorf("%s was left", name)
		}
	}
	if n := count(t, path); n != 500 {
		t.Errorf("%d orders", n)
	}
}

// Root restores for a server that runs as another user.
func TestWhatRootMakesIsTheServers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	path := closedWith(t, 5)
	copied := filepath.Join(t.TempDir(), "b.db")
	if _, err := Backup(t.Context(), "sqlite:"+path, testKey, copied); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	for _, there := range []bool{true, false} {
		dir := t.TempDir()
		target := filepath.Join(dir, "s.db")
		if there {
			copyFile(t, path, target)
			if err := os.Chown(target, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(t.Context(), restoring(target, copied, true)); err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{"", ".open", ".lock"} {
			info, err := os.Stat(target + suffix)
			if err != nil {
				t.Fatal(err)
			}
			if owner := info.Sys().(*syscall.Stat_t).Uid; owner != nobody {
				t.Errorf("there %v: s.db%s is user %d's", there, suffix, owner)
			}
		}
	}
}
