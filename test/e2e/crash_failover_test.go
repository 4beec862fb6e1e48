package e2e_test

import (
	"database/sql"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Two servers, one of which follows the other, and the address names both. The
// gateway goes on with the one that can be written to, without a restart, and
// what it has acknowledged is there.
func TestAFailoverLosesNothing(t *testing.T) {
	t.Parallel()
	a := newCluster(t)
	b := a.follower(t)
	s := newSite(t, both(a, b))
	s.suffers(t,
		ordeal{what: "PostgreSQL stands still, and the other server takes over", looks: looks, strike: func(t *testing.T, s *site) {
			s.takesOver(t, func() {
				freeze(t, a.server.Process.Pid)
				b.promote(t)
			})
			a.kill(t)
		}},
		ordeal{what: "PostgreSQL is switched over, and the old server comes back to follow", looks: looks, strike: func(t *testing.T, s *site) {
			a.follow(t, b) // afresh: it has missed what happened meanwhile
			s.takesOver(t, func() {
				b.shutDown(t)
				a.promote(t)
				b.rejoin(t, a)
			})
		}},
	)
}

// takesOver has everybody at work while the other server takes over, and until
// the gateway has moved over and some work more is done.
func (s *site) takesOver(t *testing.T, takeOver func()) {
	s.ledger.transient = inTrouble
	s.up(t)
	s.busy(t, func() {
		s.work(t)
		time.Sleep(time.Second)
		over := s.trouble(false)
		takeOver()
		began := time.Now()
		e := s.ledger.order(fmt.Sprintf("AFTER-%d", s.strikes.Load()))
		eventually(t, "an order on the other server", func() bool { return s.ledger.place(e) == nil })
		t.Logf("the first order is taken %v after the other server could be written to", time.Since(began).Round(10*time.Millisecond))
		s.answers(t, s.Gateway+"/readyz")
		over()
		s.work(t)
	})
}

// both is the address that names both servers.
func both(a, b *cluster) string {
	return strings.Replace(a.dsn, "127.0.0.1:"+a.port, "127.0.0.1:"+a.port+",127.0.0.1:"+b.port, 1)
}

// follower makes a second server that follows this one. A commit waits until it
// is there too.
func (pg *cluster) follower(t *testing.T) *cluster {
	t.Helper()
	b := &cluster{bin: pg.bin, as: pg.as}
	var err error
	if b.dir, err = os.MkdirTemp("", "sampan-cluster-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(b.dir); err != nil {
			t.Error(err)
		}
	})
	if pg.as != nil {
		if err := os.Chown(b.dir, int(pg.as.Uid), int(pg.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	address := freeAddress(t)
	if _, b.port, err = net.SplitHostPort(address); err != nil {
		t.Fatal(err)
	}
	b.dsn = strings.Replace(pg.dsn, "127.0.0.1:"+pg.port, address, 1)
	b.follow(t, pg)
	t.Cleanup(func() { b.kill(t) })
	return b
}

// follow makes the server afresh as one that follows the other, and starts it.
func (pg *cluster) follow(t *testing.T, other *cluster) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(pg.dir, "data")); err != nil {
		t.Fatal(err)
	}
	run(t, pg.command("pg_basebackup", "-d", other.dsn, "-D", "data", "-R", "-X", "stream", "-c", "fast", "--no-sync"))
	pg.start(t)
	pg.answers(t)
	other.waitsFor(t, true)
}

// waitsFor has the server's commits wait for its follower, or no longer.
func (pg *cluster) waitsFor(t *testing.T, follower bool) {
	t.Helper()
	names := map[bool]string{true: "*"}[follower]
	pg.execute(t, "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'")
	pg.execute(t, "SELECT pg_reload_conf()")
	if follower {
		eventually(t, "the follower", func() bool {
			return pg.says(t, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 1
		})
	}
}

// promote makes a follower a server of its own, that waits for nobody.
func (pg *cluster) promote(t *testing.T) {
	t.Helper()
	run(t, pg.command("pg_ctl", "-D", "data", "-w", "promote"))
	pg.waitsFor(t, false)
}

// shutDown ends the server in order: what it has committed is with its follower.
func (pg *cluster) shutDown(t *testing.T) {
	t.Helper()
	if err := pg.server.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := pg.server.Wait(); err != nil {
		t.Fatal(err)
	}
}

// rejoin starts a server that was shut down in order as one that follows the
// other: it can be read, and not written to.
func (pg *cluster) rejoin(t *testing.T, other *cluster) {
	t.Helper()
	write := func(name, text string) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(pg.dir, "data", name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if pg.as != nil {
			if err := f.Chown(int(pg.as.Uid), int(pg.as.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("postgresql.auto.conf", fmt.Sprintf("\nprimary_conninfo = '%s'\nsynchronous_standby_names = ''\n", other.dsn))
	write("standby.signal", "")
	pg.start(t)
	pg.answers(t)
}

// kill ends the server and its children, also when they stand still. One that
// has ended stays so.
func (pg *cluster) kill(t *testing.T) {
	t.Helper()
	if pg.server.ProcessState != nil {
		return
	}
	for _, pid := range append(children(t, pg.server.Process.Pid), pg.server.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = pg.server.Wait()
}

func (pg *cluster) execute(t *testing.T, text string) {
	t.Helper()
	db, err := sql.Open("pgx", pg.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

func (pg *cluster) says(t *testing.T, text string) (n int) {
	t.Helper()
	db, err := sql.Open("pgx", pg.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), text).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
