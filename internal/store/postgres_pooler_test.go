package store_test

import (
	"errors"
	"fmt"
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
	"time"

	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// pooler starts Debian's PgBouncer in the given mode in front of a database, and
// returns the database's address through it.
func pooler(t *testing.T, dsn, mode string) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer" // which is not in everybody's path
		if _, err := os.Stat(path); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal("there is no pgbouncer: run scripts/test-deps")
			}
			t.Skip("there is no pgbouncer")
		}
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir, err := os.MkdirTemp("", "sampan-pooler-") // t.TempDir is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf(`[databases]
* = host=%s port=%s user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = %s
default_pool_size = 10
server_idle_timeout = 5
max_client_conn = 200
`, u.Hostname(), u.Port(), u.User.Username(), password, port, mode)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, config)
	if os.Getuid() == 0 { // which it refuses to be
		as, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(as.Uid)
		gid, _ := strconv.Atoi(as.Gid)
		for _, name := range []string{dir, config} {
			if err := os.Chown(name, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid),
			Gid: uint32(gid)}}
	}
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("PgBouncer's log:\n%s", &log)
		}
	})
	u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for begun := time.Now(); ; {
		c, err := net.Dial("tcp", u.Host)
		if err == nil {
			c.Close()
			return u.String()
		}
		if time.Since(begun) > 30*time.Second {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestAPoolerInTransactionModeIsExplained(t *testing.T) {
	dsn := pooler(t, storetest.PostgresDSN(t), "transaction")
	config := store.Config{DSN: dsn, MasterKey: storetest.MasterKey}
	_, migrate := store.Migrate(t.Context(), config)
	_, open := store.Open(t.Context(), config)
	_, look := store.OpenReadOnly(t.Context(), config)
	_, schema := store.ReadSchema(t.Context(), dsn)
	for name, err := range map[string]error{"migrate": migrate, "open": open, "look": look,
		"schema": schema} {
		if !errors.Is(err, store.ErrPooler) ||
			!strings.Contains(err.Error(), "default_query_exec_mode=exec") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAPoolerInSessionModeNeedsNoCure(t *testing.T) {
	storetest.Open(t, pooler(t, storetest.PostgresDSN(t), "session"))
}

// Those tests of this package that use PostgreSQL run once more through a pooler,
// in a process of their own.
func TestTheStoreWorksThroughAPooler(t *testing.T) {
	if os.Getenv(storetest.Pooler) != "" {
		t.Skip("this is that process")
	}
	u, err := url.Parse(pooler(t, storetest.PostgresDSN(t), "transaction"))
	if err != nil {
		t.Fatal(err)
	}
	// Skipped are those about the connections themselves, those about opening, and
	// those whose databases are elsewhere.
	const skip = "Pooler|Stopped|ReadOnly|NoConnection|WithoutConnections|Readiness|Schema|Look|Migrat|Opener|" +
		"Standby|SQLite|sqlite"
	cmd := exec.Command(os.Args[0], "-test.v", "-test.skip="+skip)
	cmd.Env = append(os.Environ(), storetest.Pooler+"="+u.Host)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	passed := strings.Count(string(out), "--- PASS: ") - strings.Count(string(out), "/sqlite (")
	if passed < 50 {
		t.Errorf("only %d tests were run:\n%s", passed, out)
	}
}
