package e2e_test

import (
	"crypto/rand"
	"database/sql"
	"errors"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/sampanpay/sampan"
)

// The database's own server is shut down as if its power were cut, again and
// again, in the middle of everything; the gateway is not started anew for it.
func TestACrashedPostgreSQLLosesNothing(t *testing.T) {
	t.Parallel()
	pg := newCluster(t)
	s := newSite(t, pg.dsn)
	s.suffers(t,
		ordeal{what: "PostgreSQL, at random", looks: looks, strike: pg.crashAtRandom, long: true},
		ordeal{what: "PostgreSQL, gateway or wallet, at random", looks: looks, strike: pg.crashAny},
	)
}

func (pg *cluster) crashAtRandom(t *testing.T, s *site) {
	s.ledger.transient = inTrouble
	s.up(t)
	s.busy(t, func() {
		for range crashes(t) {
			s.work(t)
			time.Sleep(mathrand.N(time.Second)) // it takes as long to come back
			pg.crash(t, s)
		}
	})
}

func (pg *cluster) crashAny(t *testing.T, s *site) {
	s.ledger.transient = inTrouble
	s.up(t)
	s.busy(t, func() {
		for range crashes(t) {
			s.work(t)
			switch mathrand.N(3) {
			case 0:
				pg.crash(t, s)
			case 1:
				s.kill(t)
				s.boot(t)
			default:
				s.killWallet(t)
			}
		}
	})
}

// inTrouble reports whether err is that of a gateway that is away or has a
// database that is: it says that it does not know, and never that it is done.
func inTrouble(err error) bool {
	var e *sampan.Error
	return away(err) || errors.As(err, &e) && (e.HTTPStatus == http.StatusServiceUnavailable && sampan.Repeat(err) || e.Code == sampan.CodeOutcomeUnknown)
}

// A cluster is a PostgreSQL server of the test's own.
type cluster struct {
	dsn, dir, bin, port string
	as                  *syscall.Credential // whom it runs as; nil: as we do
	server              *exec.Cmd
}

// newCluster makes a server that asks for a password and listens on loopback, and
// starts it. As root it runs as Debian's user for it: it refuses to be root.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	pg := &cluster{}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, path)
	}
	if len(found) == 0 {
		needed(t, "a PostgreSQL server")
	}
	pg.bin = filepath.Dir(found[0])
	var err error
	if pg.dir, err = os.MkdirTemp("", "sampan-cluster-"); err != nil { // t.TempDir is closed to other users
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(pg.dir); err != nil {
			t.Error(err)
		}
	})
	password, secret := rand.Text(), filepath.Join(pg.dir, "password")
	if err := os.WriteFile(secret, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		pg.as = postgresUser(t)
		for _, path := range []string{pg.dir, secret} {
			if err := os.Chown(path, int(pg.as.Uid), int(pg.as.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(t, pg.command("initdb", "-D", "data", "-U", "postgres", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--locale=C", "--no-sync"))
	address := freeAddress(t)
	if _, pg.port, err = net.SplitHostPort(address); err != nil {
		t.Fatal(err)
	}
	pg.dsn = "postgres://postgres:" + password + "@" + address + "/postgres?sslmode=disable"
	pg.start(t)
	pg.answers(t)
	t.Cleanup(func() { pg.stop(t) })
	return pg
}

func postgresUser(t *testing.T) *syscall.Credential {
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

func (pg *cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(pg.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = pg.dir, &syscall.SysProcAttr{Credential: pg.as}
	return cmd
}

// start starts the server. What it writes goes to a log, which is shown if the
// test fails.
func (pg *cluster) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(pg.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	// A crash of the server is none of the machine: what it has written is there
	// without fsync too.
	pg.server = pg.command("postgres", "-D", "data", "-c", "listen_addresses=127.0.0.1", "-c", "port="+pg.port,
		"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=100")
	pg.server.Stdout, pg.server.Stderr = log, log
	if err := pg.server.Start(); err != nil {
		t.Fatal(err)
	}
}

// stop is PostgreSQL's immediate shutdown: no goodbye and no checkpoint.
func (pg *cluster) stop(t *testing.T) {
	t.Helper()
	if pg.server.ProcessState != nil {
		return // it has ended
	}
	if err := pg.server.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Error(err)
	}
	_ = pg.server.Wait() // in an immediate shutdown it ends with an error
	if log, err := os.ReadFile(filepath.Join(pg.dir, "log")); t.Failed() {
		t.Logf("PostgreSQL's log (%v):\n%s", err, log)
	}
}

// crash stops the server, leaves it so for a moment, and starts it again. A
// gateway that was just starting has ended for want of it: it is started anew, as
// whoever runs it would.
func (pg *cluster) crash(t *testing.T, s *site) {
	t.Helper()
	defer s.trouble(false)()
	pg.stop(t)
	time.Sleep(mathrand.N(300 * time.Millisecond))
	pg.start(t)
	pg.answers(t)
	eventually(t, "the gateway", func() bool {
		if s.gateway.ended() {
			s.boot(t)
		}
		res, err := http.Get(s.Gateway + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func (pg *cluster) answers(t *testing.T) {
	t.Helper()
	db, err := sql.Open("pgx", pg.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	eventually(t, "PostgreSQL", func() bool { return db.PingContext(t.Context()) == nil })
}
