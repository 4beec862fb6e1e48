package main_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/store/storetest"
)

// Which commands open a database, and for what. A new command must be put into
// one of the lists, and a command that looks into books.looks, which proves it.
var (
	commandsThatLook   = []string{"audit", "delivery list", "delivery show", "doctor", "merchant list", "orphan list", "orphan show", "payment show", "wallet list"}
	commandsThatChange = []string{
		"delivery resend", "merchant add", "merchant add-store", "merchant disable", "merchant enable", "merchant rotate-key",
		"merchant set", "orphan settle", "wallet add", "wallet disable", "wallet enable",
	}
	otherCommands = []string{ // which open none, raise its schema, or copy files
		"backup", "bench", "close", "licences", "migrate", "note", "pay", "query", "refund", "restore", "sandbox", "serve", "sign", "simulator",
		"version", "wallet kinds",
	}
)

func TestEveryCommandSaysWhetherItLooksOrChanges(t *testing.T) {
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z][a-z-]*(?: [a-z-]+)?)  `).FindAllStringSubmatch(program(t, "--help"), -1) {
		listed = append(listed, m[1])
	}
	known := slices.Concat(commandsThatLook, commandsThatChange, otherCommands)
	slices.Sort(listed)
	slices.Sort(known)
	if !slices.Equal(listed, known) {
		t.Errorf("the program has\n%q, the lists\n%q", listed, known)
	}
	looked := map[string]bool{}
	for _, l := range (&books{}).looks() {
		looked[l.name()] = true
	}
	for _, name := range commandsThatLook {
		if !looked[name] {
			t.Errorf("nobody tries how %s looks", name)
		}
	}
}

// books are a deployment's, with an order that was paid and notified.
type books struct {
	config, dsn, key string
	syssn, delivery  string
}

// keepBooks makes a deployment on the database, has it take an order, and stops
// its gateway by a kill or in good order.
func keepBooks(t *testing.T, dsn string, kill bool) *books {
	t.Helper()
	d := newDeployment(t, dsn)
	gateway := d.serve(t, d.address)
	shop := startMerchant(t, d.sandbox)
	payment := d.pay(t, shop, "LOOKED-AT")
	shop.notification(t)
	b := &books{dsn: dsn, key: storetest.MasterKey.Reveal(), syssn: payment.ID, config: filepath.Join(shared(t), "sampan.toml")}
	eventually(t, "the notification to be written down", func() bool {
		listed := d.run(t, "delivery", "list", "--config", d.config)
		b.delivery = regexp.MustCompile(`(?m)^100001 +(\S+) +` + payment.ID + ` +done`).FindString(listed)
		if b.delivery != "" {
			b.delivery = strings.Fields(b.delivery)[1]
		}
		return b.delivery != ""
	})
	driver, address := raw(dsn)
	execute(t, driver, address, `INSERT INTO orphan (merchant_id, account_id, trade_no, refund_id, number, seq, amount, currency, buyer_id, wallet_at,
		noticed_at, due_at, state, payment_id, settled_at, settled_by, note, message)
		VALUES ('100001', 'alipay', 'T1', '', '`+orphanNumber+`', 1, 100, 'HKD', '', 1, 1, 0, 'settled elsewhere', '', 1, 'me', '', '')`)
	if kill {
		gateway.kill(t)
	} else {
		gateway.end(t)
	}
	text := "listen = \"127.0.0.1:0\"\nbase_url = \"https://pay.example.com\"\ndatabase = \"sqlite:/nowhere/sampan.db\"\nmaster_key_file = \"/nowhere/key\"\n"
	if err := os.WriteFile(b.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return b
}

// orphanNumber is an orphan's of the books.
const orphanNumber = "20261128100001123456789012"

// raw is how package sql opens a database.
func raw(dsn string) (driver, address string) {
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		return "sqlite", path + "?_txlock=immediate&_pragma=busy_timeout(10000)"
	}
	return "pgx", dsn
}

// shared is a temporary folder that others can read too.
func shared(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sampan-look-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = os.Chmod(dir, 0o700)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// aLook is a command that looks, and a line that it must print.
type aLook struct {
	args []string
	says string
}

func (l aLook) name() string {
	words := slices.DeleteFunc(slices.Clone(l.args[:min(2, len(l.args))]), func(w string) bool { return strings.HasPrefix(w, "--") })
	return strings.Join(words, " ")
}

func (b *books) looks() []aLook {
	return []aLook{
		{[]string{"audit"}, "✔ the books are in order"},
		{[]string{"audit", "--json"}, `{"audited":{"merchants":1,"payments":1,`},
		{[]string{"payment", "show", b.syssn}, "LOOKED-AT"},
		{[]string{"payment", "show", "LOOKED-AT"}, b.syssn},
		{[]string{"delivery", "list"}, b.delivery},
		{[]string{"delivery", "show", "--merchant", "100001", b.delivery}, b.syssn},
		{[]string{"merchant", "list"}, "Tea House"},
		{[]string{"orphan", "list", "--state", "all"}, orphanNumber},
		{[]string{"orphan", "show", orphanNumber}, "dropped"},
		{[]string{"wallet", "list", "--merchant", "100001"}, "alipayglobal"},
		{[]string{"doctor", "--offline"}, "✔ merchants "},
		{[]string{"doctor", "--offline", "--deep"}, "✔ merchants "},
		{[]string{"migrate", "--check"}, "nothing to do"},
	}
}

// changes are commands that change something, which would work on the books.
func (b *books) changes() [][]string {
	return [][]string{
		{"merchant", "add", "--name", "Other"},
		{"merchant", "disable", "--merchant", "100001"},
		{"merchant", "enable", "--merchant", "100001"},
		{"wallet", "disable", "--merchant", "100001", "--id", "alipay"},
		{"delivery", "resend", "--merchant", "100001", b.delivery},
	}
}

// nobody is who has no rights to our files; nil where we are nobody special.
func nobody() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

// outcome is what a command printed, and its status.
type outcome struct {
	printed string
	status  int
}

// try runs the program on another database than the configuration's.
func (b *books) try(t *testing.T, dsn string, as *syscall.Credential, wrapper []string, args ...string) outcome {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(scratch, 0o711); err != nil { // nobody may run it
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	line := append(append(slices.Clone(wrapper), path), append(args, "--config", b.config)...)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = append(os.Environ(), "SAMPAN_DATABASE="+dsn, "SAMPAN_MASTER_KEY="+b.key)
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: as}
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return outcome{string(out), cmd.ProcessState.ExitCode()}
}

// allLook has every look succeed.
func (b *books) allLook(t *testing.T, dsn string, as *syscall.Credential, wrapper ...string) {
	t.Helper()
	for _, l := range b.looks() {
		got := b.try(t, dsn, as, wrapper, l.args...)
		// That serve could not write is for doctor to find.
		unfit := l.args[0] == "doctor" && strings.Contains(got.printed, "✘ database        it can be read and not written: ")
		if !strings.Contains(got.printed, l.says) || got.status != 0 && !unfit {
			t.Errorf("%q: status %d, want %q in\n%s", l.args, got.status, l.says, got.printed)
		}
	}
}

// allRefuse has every look and every change fail, and say why. The doctor only
// has to say it.
func (b *books) allRefuse(t *testing.T, dsn string, as *syscall.Credential, says ...string) {
	t.Helper()
	tries := b.changes()
	for _, l := range b.looks() {
		tries = append(tries, l.args)
	}
	for _, args := range tries {
		got := b.try(t, dsn, as, nil, args...)
		if strings.Contains(got.printed, "in order") || got.status == 0 && args[0] != "doctor" {
			t.Errorf("%q: status %d:\n%s", args, got.status, got.printed)
		}
		for _, text := range says {
			if !strings.Contains(got.printed, text) && args[0] != "doctor" && args[0] != "migrate" {
				t.Errorf("%q: no %q in\n%s", args, text, got.printed)
			}
		}
	}
}

// fileFacts is all that is to be seen of a file.
type fileFacts struct {
	mode     os.FileMode
	modified time.Time
	content  [sha256.Size]byte
}

// facts are those of a folder and of all in it.
func facts(t *testing.T, dir string, but ...string) map[string]fileFacts {
	t.Helper()
	all := map[string]fileFacts{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || slices.Contains(but, filepath.Base(path)) {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		f := fileFacts{mode: info.Mode(), modified: info.ModTime()}
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			f.content = sha256.Sum256(text)
		}
		all[strings.TrimPrefix(path, dir)] = f
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// unchanged fails the test unless the folder is as it was after fn.
func unchanged(t *testing.T, dir string, fn func(), but ...string) {
	t.Helper()
	before := facts(t, dir, but...)
	fn()
	if after := facts(t, dir, but...); !maps.Equal(before, after) {
		t.Errorf("%s has changed from\n%v to\n%v", dir, before, after)
	}
}

// copyOf puts files of SQLite's into a folder of their own.
func copyOf(t *testing.T, from string, suffixes ...string) (dir, dsn string) {
	t.Helper()
	dir = shared(t)
	for _, suffix := range suffixes {
		text, err := os.ReadFile(from + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "sampan.db"+suffix), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir, "sqlite:" + filepath.Join(dir, "sampan.db")
}

// seal takes from all the right to write.
func sealed(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Chmod(f, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
}

func TestLooksAtSQLiteOnlyLook(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sampan.db")
	b := keepBooks(t, "sqlite:"+path, false)
	if _, err := os.Stat(path + "-wal"); err == nil {
		t.Fatal("the server has left a log")
	}
	t.Run("closed in good order", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		unchanged(t, dir, func() { b.allLook(t, dsn, nil) })
	})
	t.Run("by a link", func(t *testing.T) {
		dir, _ := copyOf(t, path, "")
		link := filepath.Join(shared(t), "link.db")
		if err := os.Symlink(filepath.Join(dir, "sampan.db"), link); err != nil {
			t.Fatal(err)
		}
		unchanged(t, dir, func() { unchanged(t, filepath.Dir(link), func() { b.allLook(t, "sqlite:"+link, nil) }) })
	})
	t.Run("without the right to write", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		sealed(t, dir)
		unchanged(t, dir, func() { b.allLook(t, dsn, nobody()) })
	})
	t.Run("read-only file system", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		unchanged(t, dir, func() { b.allLook(t, dsn, nil, readOnlyMount(t, dir)...) })
	})
	t.Run("no such file", func(t *testing.T) {
		dir := shared(t)
		unchanged(t, dir, func() {
			b.allRefuse(t, "sqlite:"+filepath.Join(dir, "typo.db"), nil, "there is no database "+dir+"/typo.db", "sampan migrate")
			b.allRefuse(t, "sqlite:"+filepath.Join(dir, "no", "such", "folder.db"), nil, "there is no database ", "sampan migrate")
		})
	})
	t.Run("not a database", func(t *testing.T) {
		dir := shared(t)
		for name, text := range map[string]string{"empty.db": "", "text.db": strings.Repeat("once upon a time ", 1000), "mine.db": "x"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "folder.db"), 0o755), syscall.Mkfifo(filepath.Join(dir, "pipe.db"), 0o600)); err != nil {
			t.Fatal(err)
		}
		unchanged(t, dir, func() {
			b.allRefuse(t, "sqlite:"+dir+"/empty.db", nil, "has no schema yet", "sampan migrate")
			b.allRefuse(t, "sqlite:"+dir+"/text.db", nil, dir+"/text.db", "file is not a database")
			b.allRefuse(t, "sqlite:"+dir+"/mine.db", nil, dir+"/mine.db")
			b.allRefuse(t, "sqlite:"+dir+"/folder.db", nil, dir+"/folder.db is not a file")
			b.allRefuse(t, "sqlite:"+dir+"/pipe.db", nil, dir+"/pipe.db is not a file")
		})
	})
	t.Run("a journal that was cut off", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		journal := filepath.Join(dir, "sampan.db-journal")
		for begin, then := range map[string]func(){
			"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7": func() { b.allRefuse(t, dsn, nil, "holds half of a change") },
			"\x00":                             func() { b.allLook(t, dsn, nil) }, // which a tool has emptied and kept
		} {
			if err := os.WriteFile(journal, []byte(begin+strings.Repeat("\x00", 504)), 0o644); err != nil {
				t.Fatal(err)
			}
			unchanged(t, dir, then)
			if got := b.try(t, dsn, nil, nil, "migrate"); got.status != 0 || !strings.Contains(got.printed, "nothing to do") {
				t.Errorf("migrate: status %d:\n%s", got.status, got.printed)
			}
			b.allLook(t, dsn, nil)
		}
	})
	t.Run("without the right to read", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		if err := os.Chmod(filepath.Join(dir, "sampan.db"), 0o200); err != nil {
			t.Fatal(err)
		}
		b.allRefuse(t, dsn, nobody(), "permission denied")
	})
	for name, version := range map[string]string{"newer": "99", "older": "3"} {
		t.Run(name+" schema", func(t *testing.T) {
			dir, dsn := copyOf(t, path, "")
			execute(t, "sqlite", filepath.Join(dir, "sampan.db"), "DELETE FROM goose_db_version WHERE version_id > 3",
				"INSERT INTO goose_db_version (version_id, is_applied) VALUES ("+version+", 1)")
			unchanged(t, dir, func() { b.allRefuse(t, dsn, nil, "has schema "+version, "this program knows schema ") })
			if name == "older" {
				return
			}
			for _, args := range [][]string{{"migrate"}, {"serve"}} {
				unchanged(t, dir, func() {
					if got := b.try(t, dsn, nil, nil, args...); got.status == 0 || !strings.Contains(got.printed, "use the newer program") {
						t.Errorf("%q: status %d:\n%s", args, got.status, got.printed)
					}
				})
			}
		})
	}
	t.Run("a schema's number without tables", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		execute(t, "sqlite", filepath.Join(dir, "sampan.db"), "DROP TABLE setting")
		unchanged(t, dir, func() { b.allRefuse(t, dsn, nil, "not its tables") })
	})
	t.Run("another master key", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		other := *b
		other.key = strings.Repeat("ab", 32)
		unchanged(t, dir, func() {
			for _, l := range b.looks() {
				if got := other.try(t, dsn, nil, nil, l.args...); l.args[0] != "migrate" && (got.status == 0 || !strings.Contains(got.printed, "master key is not the one")) {
					t.Errorf("%q: status %d:\n%s", l.args, got.status, got.printed)
				}
			}
		})
	})
	t.Run("no proof of a master key", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "")
		execute(t, "sqlite", filepath.Join(dir, "sampan.db"), "DELETE FROM setting")
		unchanged(t, dir, func() { b.allLook(t, dsn, nil) })
	})
}

// A server that was killed leaves a log, which belongs to its database.
func TestLooksAtSQLitesLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sampan.db")
	b := keepBooks(t, "sqlite:"+path, true)
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		t.Fatalf("the server has left no log: %v", err)
	}
	t.Run("in place", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "", "-wal", "-shm")
		unchanged(t, dir, func() { b.allLook(t, dsn, nil) }, "sampan.db-shm", filepath.Base(dir))
	})
	t.Run("copied without its index", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "", "-wal")
		unchanged(t, dir, func() { b.allLook(t, dsn, nil) }, "sampan.db-shm", filepath.Base(dir)) // the index must be made
	})
	t.Run("that this user cannot read", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "", "-wal")
		if err := os.Chmod(filepath.Join(dir, "sampan.db-wal"), 0o200); err != nil {
			t.Fatal(err)
		}
		b.allRefuse(t, dsn, nobody(), "sampan.db-wal: permission denied")
	})
	for name, suffixes := range map[string][]string{"with its index": {"", "-wal", "-shm"}, "without its index": {"", "-wal"}} {
		t.Run("without the right to write, "+name, func(t *testing.T) {
			dir, dsn := copyOf(t, path, suffixes...)
			sealed(t, dir)
			unchanged(t, dir, func() { b.allRefuse(t, dsn, nobody(), "Copy both files") })
		})
	}
	t.Run("read-only file system", func(t *testing.T) {
		dir, dsn := copyOf(t, path, "", "-wal", "-shm")
		mount := readOnlyMount(t, dir)
		unchanged(t, dir, func() {
			if got := b.try(t, dsn, nil, mount, "audit"); got.status == 0 || !strings.Contains(got.printed, "Copy both files") {
				t.Errorf("status %d:\n%s", got.status, got.printed)
			}
		})
		copied, dsn := copyOf(t, filepath.Join(dir, "sampan.db"), "", "-wal") // as it says
		unchanged(t, copied, func() { b.allLook(t, dsn, nil) }, "sampan.db-shm", filepath.Base(copied))
	})
}

// readOnlyMount is the start of a command line for which a folder is on a
// read-only file system.
func readOnlyMount(t *testing.T, dir string) []string {
	t.Helper()
	wrapper := []string{"unshare", "--mount", "sh", "-c", `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"`, dir}
	if out, err := exec.Command(wrapper[0], append(wrapper[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("this user cannot mount: %v %s", err, out)
	}
	return wrapper
}

func execute(t *testing.T, driver, address string, texts ...string) {
	t.Helper()
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, text := range texts {
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
}

// While a server runs and somebody's change is not committed, neither waits for
// the other, and a look sees what is committed.
func TestALookAndAWriterDoNotWaitForEachOther(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		b := keepBooks(t, dsn, true)
		driver, address := raw(dsn)
		db, err := sql.Open(driver, address)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(t.Context(), "UPDATE merchant SET name = 'Coffee House'"); err != nil {
			t.Fatal(err)
		}
		if driver == "pgx" { // as a replica that migrates has it
			if _, err := tx.ExecContext(t.Context(), "SELECT pg_advisory_xact_lock(5887940537704921958)"); err != nil {
				t.Fatal(err)
			}
		}
		b.allLook(t, dsn, nil)
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		if got := b.try(t, dsn, nil, nil, "merchant", "list"); !strings.Contains(got.printed, "Coffee House") {
			t.Errorf("after the commit:\n%s", got.printed)
		}
	})
}
