package e2e_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/test/harness"
)

// The commands by what they do with the database. A new command must be put into one of the lists,
// and a command that only reads also into books.readers, which tests it.
var (
	readingCommands = []string{
		"audit", "delivery list", "delivery show", "doctor", "merchant list", "orphan list", "orphan show",
		"payment show", "wallet list",
	}
	changingCommands = []string{
		"delivery resend", "merchant add", "merchant add-store", "merchant disable", "merchant enable",
		"merchant rotate-key", "merchant set", "orphan settle", "wallet add",
		"wallet disable", "wallet enable",
	}
	otherCommands = []string{ // they open no database, migrate it, or copy files
		"backup", "bench", "close", "licences", "migrate", "note", "pay", "query", "refund",
		"restore", "sandbox", "serve", "sign", "simulator", "version", "wallet kinds",
	}
)

func TestEveryCommandReadsOrChanges(t *testing.T) {
	var listed []string
	command := regexp.MustCompile(`(?m)^  ([a-z][a-z-]*(?: [a-z-]+)?)  `)
	for _, m := range command.FindAllStringSubmatch(harness.Program(t, "--help"), -1) {
		listed = append(listed, m[1])
	}
	known := slices.Concat(readingCommands, changingCommands, otherCommands)
	slices.Sort(listed)
	slices.Sort(known)
	if !slices.Equal(listed, known) {
		t.Errorf("the program has\n%q, the lists\n%q", listed, known)
	}
	tested := map[string]bool{}
	for _, l := range (&books{}).readers() {
		tested[l.name()] = true
	}
	for _, name := range readingCommands {
		if !tested[name] {
			t.Errorf("no test runs %s", name)
		}
	}
}

// books are the database of a deployment, with an order that was paid and notified.
type books struct {
	config, key     string
	syssn, delivery string
}

// newBooks sets up a deployment on the database, takes an order, and stops the gateway: by a kill,
// or in good order.
func newBooks(t *testing.T, dsn string, kill bool) *books {
	t.Helper()
	d := harness.NewDeployment(t, dsn)
	gateway := d.Serve(t, d.Address)
	shop := harness.NewMerchant(t, d.Endpoints)
	payment := d.Pay(t, shop, "LOOKED-AT")
	shop.Notification(t)
	b := &books{
		key: storetest.MasterKey.Reveal(), syssn: payment.ID,
		config: filepath.Join(sharedDir(t), "sampan.toml"),
	}
	harness.Eventually(t, "the acknowledgement to be stored", func() bool {
		listed := harness.Program(t, "delivery", "list", "--config", d.Config)
		b.delivery = regexp.MustCompile(`(?m)^100001 +(\S+) +` + payment.ID + ` +done`).FindString(listed)
		if b.delivery != "" {
			b.delivery = strings.Fields(b.delivery)[1]
		}
		return b.delivery != ""
	})
	harness.ExecSQL(t, dsn, `INSERT INTO orphan (merchant_id, account_id, trade_no, refund_id, number, seq, amount,
			currency, buyer_id, wallet_at, noticed_at, due_at, state, payment_id, settled_at, settled_by, note, message)
		VALUES ('100001', 'alipay', 'T1', '', '`+orphanNumber+`', 1, 100,
			'HKD', '', 1, 1, 0, 'settled elsewhere', '', 1, 'me', '', '')`)
	if kill {
		gateway.Kill(t)
	} else {
		gateway.End(t)
	}
	text := "listen = \"127.0.0.1:0\"\nbase_url = \"https://pay.example.com\"\n" +
		"database = \"sqlite:/nowhere/sampan.db\"\nmaster_key_file = \"/nowhere/key\"\n"
	if err := os.WriteFile(b.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return b
}

// orphanNumber is the number of the orphan in the books.
const orphanNumber = "20261128100001123456789012"

// sharedDir returns a temporary folder that other users can read too.
func sharedDir(t *testing.T) string {
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

// reader is a command that only reads, and a text that it must print.
type reader struct {
	args   []string
	prints string
}

// name is the command without its arguments.
func (l reader) name() string {
	first, second, _ := strings.Cut(strings.Join(l.args, " ")+" ", " ")
	second, _, _ = strings.Cut(second, " ")
	if second == "" || strings.HasPrefix(second, "--") {
		return first
	}
	return first + " " + second
}

func (b *books) readers() []reader {
	return []reader{
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

// changes are commands that would change the books.
func (b *books) changes() [][]string {
	return [][]string{
		{"merchant", "add", "--name", "Other"},
		{"merchant", "disable", "--merchant", "100001"},
		{"merchant", "enable", "--merchant", "100001"},
		{"wallet", "disable", "--merchant", "100001", "--id", "alipay"},
		{"delivery", "resend", "--merchant", "100001", b.delivery},
	}
}

// nobody is a user without rights to our files. It is nil if the test does not run as root.
func nobody() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

// outcome is what a command printed, and its exit status.
type outcome struct {
	printed string
	status  int
}

// try runs the program on another database than the configuration names.
func (b *books) try(t *testing.T, dsn string, as *syscall.Credential, wrapper []string,
	args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	line := append(append(slices.Clone(wrapper), harness.Binary(t)), append(args, "--config", b.config)...)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = append(os.Environ(), "SAMPAN_DATABASE="+dsn, "SAMPAN_MASTER_KEY="+b.key)
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: as}
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return outcome{string(out), cmd.ProcessState.ExitCode()}
}

// readAll runs every reading command. Each must succeed.
func (b *books) readAll(t *testing.T, dsn string, as *syscall.Credential, wrapper ...string) {
	t.Helper()
	for _, l := range b.readers() {
		got := b.try(t, dsn, as, wrapper, l.args...)
		// The doctor finds that serve could not write.
		const unwritable = "✘ database        it can be read and not written: "
		unfit := l.args[0] == "doctor" && strings.Contains(got.printed, unwritable)
		if !strings.Contains(got.printed, l.prints) || got.status != 0 && !unfit {
			t.Errorf("%q: status %d, want %q in\n%s", l.args, got.status, l.prints, got.printed)
		}
	}
}

// refuseAll runs every command. Each must fail and print the texts. The doctor may succeed in
// saying what is wrong.
func (b *books) refuseAll(t *testing.T, dsn string, as *syscall.Credential, texts ...string) {
	t.Helper()
	tries := b.changes()
	for _, l := range b.readers() {
		tries = append(tries, l.args)
	}
	for _, args := range tries {
		got := b.try(t, dsn, as, nil, args...)
		if strings.Contains(got.printed, "in order") || got.status == 0 && args[0] != "doctor" {
			t.Errorf("%q: status %d:\n%s", args, got.status, got.printed)
		}
		for _, text := range texts {
			if !strings.Contains(got.printed, text) && args[0] != "doctor" && args[0] != "migrate" {
				t.Errorf("%q: no %q in\n%s", args, text, got.printed)
			}
		}
	}
}

// fileFacts is what can be seen of a file.
type fileFacts struct {
	mode     os.FileMode
	modified time.Time
	content  [sha256.Size]byte
}

// facts are those of a folder and of everything in it.
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

// unchanged runs fn, which must leave the folder as it was.
func unchanged(t *testing.T, dir string, fn func(), but ...string) {
	t.Helper()
	before := facts(t, dir, but...)
	fn()
	if diff := cmp.Diff(before, facts(t, dir, but...), cmp.AllowUnexported(fileFacts{})); diff != "" {
		t.Errorf("%s has changed:\n%s", dir, diff)
	}
}

// copyOf copies SQLite's files into a folder of their own.
func copyOf(t *testing.T, from string, suffixes ...string) (dir, dsn string) {
	t.Helper()
	dir = sharedDir(t)
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

// sealed makes the folder and its files read-only.
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

// While a change is not committed, a reading command does not wait for it, and reads what is
// committed.
func TestAReaderDoesNotWaitForAWriter(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		b := newBooks(t, dsn, true)
		tx, err := harness.OpenSQL(t, dsn).BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(t.Context(), "UPDATE merchant SET name = 'Coffee House'"); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(dsn, "postgres") { // as while a replica migrates
			_, err := tx.ExecContext(t.Context(), "SELECT pg_advisory_xact_lock(5887940537704921958)")
			if err != nil {
				t.Fatal(err)
			}
		}
		b.readAll(t, dsn, nil)
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		got := b.try(t, dsn, nil, nil, "merchant", "list")
		if !strings.Contains(got.printed, "Coffee House") {
			t.Errorf("after the commit:\n%s", got.printed)
		}
	})
}
