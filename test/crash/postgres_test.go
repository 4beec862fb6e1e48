package crash_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sampanpay/sampan/test/harness"
)

// The database's server is shut down as if its power were cut, again and again, while everybody is
// at work. The gateway is not restarted for it.
func TestACrashedPostgreSQLLosesNothing(t *testing.T) {
	t.Parallel()
	pg := newCluster(t)
	newDeployment(t, pg.DSN).survive(t,
		fault{name: "PostgreSQL, at random", gaps: shortGaps, inject: pg.crashAtRandom, long: true},
		fault{name: "PostgreSQL, gateway or wallet, at random", gaps: shortGaps, inject: pg.crashAny},
	)
}

// cluster is a PostgreSQL server of the test's own.
type cluster struct{ *harness.Cluster }

func newCluster(t *testing.T) cluster { return cluster{harness.NewCluster(t)} }

func (pg cluster) crashAtRandom(t *testing.T, d *deployment) {
	d.ledger.transient = unavailable
	d.start(t)
	d.busy(t, func() {
		for range crashes(t) {
			d.work(t)
			time.Sleep(rand.N(time.Second)) // it takes about as long to recover
			pg.crash(t, d)
		}
	})
}

func (pg cluster) crashAny(t *testing.T, d *deployment) {
	d.ledger.transient = unavailable
	d.start(t)
	d.busy(t, func() {
		for range crashes(t) {
			d.work(t)
			switch rand.N(3) {
			case 0:
				pg.crash(t, d)
			case 1:
				d.kill(t)
				d.boot(t)
			default:
				d.killWallet(t)
			}
		}
	})
}

// crash stops the server for a moment and starts it again. A gateway that was starting meanwhile
// has exited, because it had no database: it is started again, as a supervisor does.
func (pg cluster) crash(t *testing.T, d *deployment) {
	t.Helper()
	defer d.beginOutage(false)()
	pg.Stop(t)
	time.Sleep(rand.N(300 * time.Millisecond))
	pg.Start(t)
	pg.Await(t)
	harness.Eventually(t, "the gateway", func() bool {
		if d.gateway.Ended() {
			d.boot(t)
		}
		return harness.OK(d.Gateway + "/readyz")
	})
}
