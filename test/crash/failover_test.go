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

// The database's address names two servers, a primary and its standby. The gateway moves to the
// server that can be written to, without a restart, and everything that it has acknowledged is
// there.
func TestAFailoverLosesNothing(t *testing.T) {
	t.Parallel()
	a := newCluster(t)
	b := a.standby(t)
	newDeployment(t, both(a, b)).survive(t,
		fault{
			name: "PostgreSQL stands still, and the other server takes over", gaps: shortGaps,
			inject: func(t *testing.T, d *deployment) {
				d.moveOver(t, func() {
					freeze(t, a.Server.Process.Pid)
					b.promote(t)
				})
				a.kill(t)
			},
		},
		fault{
			name: "PostgreSQL is switched over, and the old server comes back to follow", gaps: shortGaps,
			inject: func(t *testing.T, d *deployment) {
				a.follow(t, b) // from a new copy, because it has missed what b has written since
				d.moveOver(t, func() {
					b.shutDown(t)
					a.promote(t)
					b.rejoin(t, a)
				})
			},
		},
	)
}

// moveOver runs failOver while everybody is at work, and waits until the gateway has moved to the
// other server and some more work is done.
func (d *deployment) moveOver(t *testing.T, failOver func()) {
	d.ledger.transient = unavailable
	d.start(t)
	d.busy(t, func() {
		d.work(t)
		time.Sleep(time.Second)
		end := d.beginOutage(false)
		failOver()
		began := time.Now()
		o := d.ledger.newOrder(fmt.Sprintf("AFTER-%d", d.faultCount.Load()))
		harness.Eventually(t, "an order on the other server", func() bool { return d.ledger.place(o) == nil })
		t.Logf("the first order is taken %v after the other server could be written to",
			time.Since(began).Round(10*time.Millisecond))
		harness.AwaitOK(t, d.Gateway+"/readyz")
		end()
		d.work(t)
	})
}

// both is the address that names both servers.
func both(a, b cluster) string {
	return strings.Replace(a.DSN, "127.0.0.1:"+a.Port, "127.0.0.1:"+a.Port+",127.0.0.1:"+b.Port, 1)
}

// standby makes a second server that follows this one. A commit waits until it has arrived there.
func (pg cluster) standby(t *testing.T) cluster {
	t.Helper()
	b := cluster{pg.Standby(t)}
	t.Cleanup(func() { b.kill(t) })
	pg.setSynchronous(t, true)
	return b
}

// follow replaces the server by a copy of the primary that follows it.
func (pg cluster) follow(t *testing.T, primary cluster) {
	t.Helper()
	pg.Follow(t, primary.Cluster)
	primary.setSynchronous(t, true)
}

// setSynchronous makes the server's commits wait for its standby, or not.
func (pg cluster) setSynchronous(t *testing.T, on bool) {
	t.Helper()
	names := map[bool]string{true: "*"}[on]
	harness.ExecSQL(t, pg.DSN, "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'",
		"SELECT pg_reload_conf()")
	if !on {
		return
	}
	db := harness.OpenSQL(t, pg.DSN)
	defer db.Close()
	const query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
	harness.Eventually(t, "the standby", func() bool {
		var n int
		if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
}

// promote makes a standby a primary that waits for no standby.
func (pg cluster) promote(t *testing.T) {
	t.Helper()
	harness.Run(t, pg.Command("pg_ctl", "-D", "data", "-w", "promote"))
	pg.setSynchronous(t, false)
}

// shutDown ends the server in good order: its standby has everything that it has committed.
func (pg cluster) shutDown(t *testing.T) {
	t.Helper()
	if err := pg.Server.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := pg.Server.Wait(); err != nil {
		t.Fatal(err)
	}
}

// rejoin starts a server that was shut down as a standby of the primary.
func (pg cluster) rejoin(t *testing.T, primary cluster) {
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
	write("postgresql.auto.conf",
		fmt.Sprintf("\nprimary_conninfo = '%s'\nsynchronous_standby_names = ''\n", primary.DSN))
	write("standby.signal", "")
	pg.Start(t)
	pg.Await(t)
}

// kill ends the server and its children, even if they are frozen. If it has exited, kill does
// nothing.
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
