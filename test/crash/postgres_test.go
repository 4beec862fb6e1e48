package crash_test

import (
	"errors"
	mathrand "math/rand/v2"
	"net/http"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/sampanpay/sampan"

	"github.com/sampanpay/sampan/test/harness"
)

// The database's own server is shut down as if its power were cut, again and
// again, in the middle of everything; the gateway is not started anew for it.
func TestACrashedPostgreSQLLosesNothing(t *testing.T) {
	t.Parallel()
	pg := newCluster(t)
	s := newDeployment(t, pg.DSN)
	s.suffers(t,
		ordeal{what: "PostgreSQL, at random", looks: looks, strike: pg.crashAtRandom, long: true},
		ordeal{what: "PostgreSQL, gateway or wallet, at random", looks: looks, strike: pg.crashAny},
	)
}

func (pg cluster) crashAtRandom(t *testing.T, s *deployment) {
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

func (pg cluster) crashAny(t *testing.T, s *deployment) {
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

// cluster is a PostgreSQL server of the test's own.
type cluster struct{ *harness.Cluster }

func newCluster(t *testing.T) cluster { return cluster{harness.NewCluster(t)} }

// crash stops the server, leaves it so for a moment, and starts it again. A
// gateway that was just starting has ended for want of it: it is started anew, as
// whoever runs it would.
func (pg cluster) crash(t *testing.T, s *deployment) {
	t.Helper()
	defer s.trouble(false)()
	pg.Stop(t)
	time.Sleep(mathrand.N(300 * time.Millisecond))
	pg.Start(t)
	pg.Await(t)
	harness.Eventually(t, "the gateway", func() bool {
		if s.gateway.Ended() {
			s.boot(t)
		}
		return harness.OK(s.Gateway + "/readyz")
	})
}
