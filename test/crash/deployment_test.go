package crash_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sampanpay/sampan/test/harness"
)

// How long the work of a killed gateway stays leased in these tests. No notification is repeated
// before sendTimeout is over.
const (
	sendTimeout  = 3 * time.Second
	sendLease    = 6 * time.Second
	inquiryLease = 11 * time.Second
)

// deployment is one whose gateway is killed and started again, each time on another port. Its
// address stays the same, because a proxy listens there. Another proxy stands before the wallet.
// The merchant is 100002; each fault has a ledger of its own.
type deployment struct {
	*harness.Deployment
	dsn                       string
	delivery                  string // more lines for [delivery] in its configuration
	gatewayProxy, walletProxy *proxy
	gateway                   *harness.Process
	ledger                    *ledger

	starting    sync.WaitGroup // goroutines that wait for a gateway's port
	faultCount  atomic.Int64
	mu          sync.Mutex
	outageTimes []*outage
}

// outage is a time in which an acknowledgement can get lost: the moment of a kill, or as long as
// the database or the network is broken.
type outage struct {
	began, ended time.Time // ended is zero while it lasts
	lossy        bool      // notifications get lost too, not only their acknowledgements
}

// newDeployment sets up a deployment, and does not start its gateway.
func newDeployment(t *testing.T, dsn string) *deployment {
	t.Helper()
	d := &deployment{Deployment: harness.NewDeployment(t, dsn), dsn: dsn}
	d.gatewayProxy, d.walletProxy = newProxy(t, d.Address), newProxy(t, "127.0.0.1:0")
	d.walletProxy.forward(strings.TrimPrefix(d.Wallet, "http://"))
	d.AppCode, d.ClientKey = d.AddMerchant(t, "100002", "Noodle House",
		"--per-second", "1000000", "--per-minute", "60000000")
	d.connectWallet(t, d.walletProxy.URL)
	t.Cleanup(d.starting.Wait)
	return d
}

// connectWallet sets the address at which the gateway calls the wallet.
func (d *deployment) connectWallet(t *testing.T, address string) {
	t.Helper()
	d.AddWallet(t, "100002", "alipay", address, "refund_gap=0s")
}

// configure writes the gateway's configuration, with these gaps between inquiries at the wallet.
func (d *deployment) configure(t *testing.T, gaps string) {
	t.Helper()
	text := fmt.Sprintf(`listen = "127.0.0.1:0"
base_url = %q
database = %q
master_key_file = %q
[delivery]
allow = ["127.0.0.0/8:*"]
timeout = %q
lease = %q
%s
[recover]
looks = [%s]
lease = %q
`, d.Gateway, d.dsn, filepath.Join(d.Dir, "master.key"), sendTimeout, sendLease, d.delivery, gaps, inquiryLease)
	if err := os.WriteFile(d.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var listening = regexp.MustCompile(`"msg":"ready","listen":"([^"]+)"`)

// boot starts the gateway and returns. The proxy forwards to it once it is ready.
func (d *deployment) boot(t *testing.T) {
	t.Helper()
	p := harness.Start(t, "serve", "--config", d.Config)
	p.Secret = d.ClientKey
	d.gateway = p
	d.starting.Go(func() {
		for !p.Ended() {
			if m := listening.FindStringSubmatch(p.Log()); m != nil {
				d.gatewayProxy.forward(m[1])
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
}

// start starts the gateway and waits until it is ready.
func (d *deployment) start(t *testing.T) {
	t.Helper()
	d.boot(t)
	harness.AwaitOK(t, d.Gateway+"/readyz")
}

// kill ends the gateway as a power cut would.
func (d *deployment) kill(t *testing.T) {
	t.Helper()
	d.beginOutage(false)()
	d.gateway.Kill(t)
}

// killWallet kills the wallet and starts it again. It keeps what it has answered. What it was about
// to send it sends later or never.
func (d *deployment) killWallet(t *testing.T) {
	t.Helper()
	d.faultCount.Add(1)
	d.Simulator.Kill(t)
	d.Simulate(t)
}

// beginOutage counts a fault that begins now and lasts until end is called.
func (d *deployment) beginOutage(lossy bool) (end func()) {
	d.faultCount.Add(1)
	o := &outage{began: time.Now(), lossy: lossy}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outageTimes = append(d.outageTimes, o)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		o.ended = time.Now()
	}
}

// outageBetween reports whether there was an outage between the two times, and whether a lossy one.
func (d *deployment) outageBetween(from, to time.Time) (any, lossy bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.outageTimes {
		if o.began.Before(to) && (o.ended.IsZero() || o.ended.After(from)) {
			any, lossy = true, lossy || o.lossy
		}
	}
	return any, lossy
}

// lockWrites prevents other connections from writing to the table (SQLite: to any table) until
// unlock is called, or the test ends.
func lockWrites(t *testing.T, dsn, table string) (unlock func()) {
	t.Helper()
	begin := []string{"BEGIN", "LOCK TABLE " + table + " IN EXCLUSIVE MODE"}
	if strings.HasPrefix(dsn, "sqlite:") {
		begin = []string{"BEGIN IMMEDIATE"}
	}
	db := harness.OpenSQL(t, dsn)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unlock = sync.OnceFunc(func() {
		_, err := conn.ExecContext(context.Background(), "ROLLBACK")
		if err := errors.Join(err, conn.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(unlock)
	for _, text := range begin {
		if _, err := conn.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	return unlock
}
