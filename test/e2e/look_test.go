package e2e_test

import (
	"context"
	"crypto/sha256"
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

	"github.com/sampanpay/sampan/test/harness"
)

// Which commands open a database, and for what. A new command must be put into
// one of the lists, and a command that looks into books.looks, which proves it.
var (
	commandsThatLook = []string{
		"audit", "delivery list", "delivery show", "doctor", "merchant list", "orphan list", "orphan show", "payment show",
		"wallet list",
	}
	commandsThatChange = []string{
		"delivery resend", "merchant add", "merchant add-store", "merchant disable", "merchant enable", "merchant rotate-key",
		"merchant set", "orphan settle", "wallet add", "wallet disable", "wallet enable",
	}
	otherCommands = []string{ // which open none, raise its schema, or copy files
		"backup", "bench", "close", "licences", "migrate", "note", "pay", "query", "refund", "restore", "sandbox", "serve",
		"sign", "simulator", "version", "wallet kinds",
	}
)

func TestEveryCommandSaysWhetherItLooksOrChanges(t *testing.T) {
	var listed []string
	command := regexp.MustCompile(`(?m)^  ([a-z][a-z-]*(?: [a-z-]+)?)  `)
	for _, m := range command.FindAllStringSubmatch(harness.Program(t, "--help"), -1) {
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
	config, key     string
	syssn, delivery string
}

// keepBooks makes a deployment on the database, has it take an order, and stops
// its gateway by a kill or in good order.
func keepBooks(t *testing.T, dsn string, kill bool) *books {
	t.Helper()
	d := harness.NewDeployment(t, dsn)
	gateway := d.Serve(t, d.Address)
	shop := harness.NewMerchant(t, d.Endpoints)
	payment := d.Pay(t, shop, "LOOKED-AT")
	shop.Notification(t)
	b := &books{key: storetest.MasterKey.Reveal(), syssn: payment.ID, config: filepath.Join(shared(t), "sampan.toml")}
	harness.Eventually(t, "the notification to be written down", func() bool {
		listed := harness.Program(t, "delivery", "list", "--config", d.Config)
		b.delivery = regexp.MustCompile(`(?m)^100001 +(\S+) +` + payment.ID + ` +done`).FindString(listed)
		if b.delivery != "" {
			b.delivery = strings.Fields(b.delivery)[1]
		}
		return b.delivery != ""
	})
	harness.ExecSQL(t, dsn, `INSERT INTO orphan (merchant_id, account_id, trade_no, refund_id, number, seq, amount,
		currency, buyer_id, wallet_at, noticed_at, due_at, state, payment_id, settled_at, settled_by, note, message)
		VALUES ('100001', 'alipay', 'T1', '', '`+orphanNumber+`', 1, 100, 'HKD', '', 1, 1, 0, 'settled elsewhere', '', 1, 'me', '', '')`)
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

// orphanNumber is an orphan's of the books.
const orphanNumber = "20261128100001123456789012"

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
	first, second, _ := strings.Cut(strings.Join(l.args, " ")+" ", " ")
	second, _, _ = strings.Cut(second, " ")
	if second == "" || strings.HasPrefix(second, "--") {
		return first
	}
	return first + " " + second
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

// sealed takes from all the right to write.
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

// While a server runs and somebody's change is not committed, neither waits for
// the other, and a look sees what is committed.
func TestALookAndAWriterDoNotWaitForEachOther(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		b := keepBooks(t, dsn, true)
		tx, err := harness.OpenSQL(t, dsn).BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(t.Context(), "UPDATE merchant SET name = 'Coffee House'"); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(dsn, "postgres") { // as a replica that migrates has it
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
