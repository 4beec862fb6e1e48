package crash_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sampanpay/sampan/test/harness"
)

// Two servers, one of which follows the other, and the address names both. The
// gateway goes on with the one that can be written to, without a restart, and
// what it has acknowledged is there.
func TestAFailoverLosesNothing(t *testing.T) {
	t.Parallel()
	a := newCluster(t)
	b := a.follower(t)
	s := newDeployment(t, both(a, b))
	s.suffers(t,
		ordeal{what: "PostgreSQL stands still, and the other server takes over", looks: looks, strike: func(t *testing.T, s *deployment) {
			s.takesOver(t, func() {
				freeze(t, a.Server.Process.Pid)
				b.promote(t)
			})
			a.kill(t)
		}},
		ordeal{what: "PostgreSQL is switched over, and the old server comes back to follow", looks: looks, strike: func(t *testing.T, s *deployment) {
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
func (s *deployment) takesOver(t *testing.T, takeOver func()) {
	s.ledger.transient = inTrouble
	s.up(t)
	s.busy(t, func() {
		s.work(t)
		time.Sleep(time.Second)
		over := s.trouble(false)
		takeOver()
		began := time.Now()
		e := s.ledger.order(fmt.Sprintf("AFTER-%d", s.strikes.Load()))
		harness.Eventually(t, "an order on the other server", func() bool { return s.ledger.place(e) == nil })
		t.Logf("the first order is taken %v after the other server could be written to", time.Since(began).Round(10*time.Millisecond))
		harness.AwaitOK(t, s.Gateway+"/readyz")
		over()
		s.work(t)
	})
}

// both is the address that names both servers.
func both(a, b cluster) string {
	return strings.Replace(a.DSN, "127.0.0.1:"+a.Port, "127.0.0.1:"+a.Port+",127.0.0.1:"+b.Port, 1)
}

// follower makes a second server that follows this one. A commit waits until it
// is there too.
func (pg cluster) follower(t *testing.T) cluster {
	t.Helper()
	b := cluster{pg.Standby(t)}
	t.Cleanup(func() { b.kill(t) })
	pg.waitsFor(t, true)
	return b
}

// follow makes the server afresh as one that follows the other, and starts it.
func (pg cluster) follow(t *testing.T, other cluster) {
	t.Helper()
	pg.Follow(t, other.Cluster)
	other.waitsFor(t, true)
}

// waitsFor has the server's commits wait for its follower, or no longer.
func (pg cluster) waitsFor(t *testing.T, follower bool) {
	t.Helper()
	names := map[bool]string{true: "*"}[follower]
	harness.ExecSQL(t, pg.DSN, "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'")
	harness.ExecSQL(t, pg.DSN, "SELECT pg_reload_conf()")
	if follower {
		harness.Eventually(t, "the follower", func() bool {
			return pg.says(t, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 1
		})
	}
}

// promote makes a follower a server of its own, that waits for nobody.
func (pg cluster) promote(t *testing.T) {
	t.Helper()
	harness.Run(t, pg.Command("pg_ctl", "-D", "data", "-w", "promote"))
	pg.waitsFor(t, false)
}

// shutDown ends the server in order: what it has committed is with its follower.
func (pg cluster) shutDown(t *testing.T) {
	t.Helper()
	if err := pg.Server.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := pg.Server.Wait(); err != nil {
		t.Fatal(err)
	}
}

// rejoin starts a server that was shut down in order as one that follows the
// other: it can be read, and not written to.
func (pg cluster) rejoin(t *testing.T, other cluster) {
	t.Helper()
	write := func(name, text string) {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(pg.Dir, "data", name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		pg.Own(t, f.Name())
	}
	write("postgresql.auto.conf", fmt.Sprintf("\nprimary_conninfo = '%s'\nsynchronous_standby_names = ''\n", other.DSN))
	write("standby.signal", "")
	pg.Start(t)
	pg.Await(t)
}

// kill ends the server and its children, also when they stand still. One that
// has ended stays so.
func (pg cluster) kill(t *testing.T) {
	t.Helper()
	if pg.Server.ProcessState != nil {
		return
	}
	for _, pid := range append(children(t, pg.Server.Process.Pid), pg.Server.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = pg.Server.Wait()
}

func (pg cluster) says(t *testing.T, text string) (n int) {
	t.Helper()
	db := harness.OpenSQL(t, pg.DSN)
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), text).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
