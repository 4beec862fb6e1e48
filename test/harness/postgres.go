package harness

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// Cluster is a PostgreSQL server of the test's own, which the test may stop and copy.
type Cluster struct {
	DSN, Dir, Port string
	Server         *exec.Cmd
	User           *syscall.Credential // that it runs as; nil for the user of the test

	bin string
}

// NewCluster makes and starts a server. It asks for a password and listens on loopback. If the test
// runs as root, the server runs as Debian's user for it, because PostgreSQL refuses to run as root.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		Missing(t, "a PostgreSQL server")
	}
	pg := &Cluster{bin: filepath.Dir(found[0])}
	if os.Getuid() == 0 {
		pg.User = postgresUser(t)
	}
	address := pg.place(t)
	password, secret := rand.Text(), filepath.Join(pg.Dir, "password")
	write(t, secret, password)
	pg.Own(t, secret)
	Run(t, pg.Command("initdb", "-D", "data", "-U", "postgres",
		"-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8",
		"--locale=C", "--no-sync"))
	pg.DSN = "postgres://postgres:" + password + "@" + address + "/postgres?sslmode=disable"
	pg.Start(t)
	pg.Await(t)
	t.Cleanup(func() { pg.Stop(t) })
	return pg
}

// Standby makes and starts a second server, a copy that follows this one and can be read.
func (pg *Cluster) Standby(t testing.TB) *Cluster {
	t.Helper()
	s := &Cluster{bin: pg.bin, User: pg.User}
	s.DSN = strings.Replace(pg.DSN, "127.0.0.1:"+pg.Port, s.place(t), 1)
	s.Follow(t, pg)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// place gives the server a folder and a free address.
func (pg *Cluster) place(t testing.TB) (address string) {
	t.Helper()
	var err error
	if pg.Dir, err = os.MkdirTemp("", "sampan-cluster-"); err != nil { // other users cannot enter t.TempDir
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(pg.Dir); err != nil {
			t.Error(err)
		}
	})
	pg.Own(t, pg.Dir)
	address = FreeAddress(t)
	if _, pg.Port, err = net.SplitHostPort(address); err != nil {
		t.Fatal(err)
	}
	return address
}

// Own gives a file to the server's user.
func (pg *Cluster) Own(t testing.TB, path string) {
	t.Helper()
	if pg.User == nil {
		return
	}
	if err := os.Chown(path, int(pg.User.Uid), int(pg.User.Gid)); err != nil {
		t.Fatal(err)
	}
}

// Follow replaces the server's data by a copy of the primary's, and starts it as a standby.
func (pg *Cluster) Follow(t testing.TB, primary *Cluster) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(pg.Dir, "data")); err != nil {
		t.Fatal(err)
	}
	Run(t, pg.Command("pg_basebackup", "-d", primary.DSN, "-D", "data", "-R", "-X", "stream", "-c", "fast",
		"--no-sync"))
	pg.Start(t)
	pg.Await(t)
}

func postgresUser(t testing.TB) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// Command is one of PostgreSQL's programs, in the server's folder and as its user.
func (pg *Cluster) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(pg.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = pg.Dir, &syscall.SysProcAttr{Credential: pg.User}
	return cmd
}

// Start starts the server. Its log is shown if the test fails.
func (pg *Cluster) Start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(pg.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// The server crashes in tests, and the machine does not: what it has written survives without
	// fsync.
	pg.Server = pg.Command("postgres", "-D", "data",
		"-c", "listen_addresses=127.0.0.1", "-c", "port="+pg.Port,
		"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=100")
	pg.Server.Stdout, pg.Server.Stderr = log, log
	if err := pg.Server.Start(); err != nil {
		t.Fatal(err)
	}
}

// Await waits until the server answers.
func (pg *Cluster) Await(t testing.TB) {
	t.Helper()
	db := OpenSQL(t, pg.DSN)
	defer db.Close()
	Eventually(t, "PostgreSQL", func() bool { return db.PingContext(t.Context()) == nil })
}

// Stop is PostgreSQL's immediate shutdown: without a checkpoint, and without waiting for clients.
func (pg *Cluster) Stop(t testing.TB) {
	t.Helper()
	if pg.Server.ProcessState != nil {
		return // it has exited
	}
	if err := pg.Server.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Error(err)
	}
	_ = pg.Server.Wait() // after an immediate shutdown it returns an error
	if log, err := os.ReadFile(filepath.Join(pg.Dir, "log")); t.Failed() {
		t.Logf("PostgreSQL's log (%v):\n%s", err, log)
	}
}

// URL is the server's address, for a test to change.
func (pg *Cluster) URL(t testing.TB) *url.URL {
	t.Helper()
	u, err := url.Parse(pg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// OpenSQL opens a database beside the program, without the checks of package store.
func OpenSQL(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	driver, address := "pgx", dsn
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, address = "sqlite", path+"?_txlock=immediate&_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// ExecSQL runs statements on a database beside the program.
func ExecSQL(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	db := OpenSQL(t, dsn)
	defer db.Close() // on PostgreSQL an open connection keeps others from copying the database
	for _, text := range statements {
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
}
