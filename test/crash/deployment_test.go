package crash_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
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

// How long a killed gateway's work is left alone in these tests. Nothing is
// sent twice before sendTimeout is over.
const (
	sendTimeout = 3 * time.Second
	sendLease   = 6 * time.Second
	lookLease   = 11 * time.Second
)

// A site is a deployment whose gateway is killed and started again, each time
// on another port, while its address stays: there stands a front. Another front
// stands before the wallet. The ledger is of the kind of kill in hand.
type deployment struct {
	*harness.Deployment
	dsn           string
	delivery      string // more of its configuration
	front, wallet *front
	gateway       *harness.Process
	ledger        *ledger

	strikes atomic.Int64 // faults so far
	mu      sync.Mutex
	spans   []*span
	ready   sync.WaitGroup // who waits for a gateway's port
}

// A span is a time in which an acknowledgement could get lost: the moment of a
// kill, or as long as the database or the network is not as it should be.
type span struct {
	began, ended time.Time // zero while it lasts
	lossy        bool      // notifications get lost too, not only what is known of them
}

// newSite makes a deployment, and does not start its gateway.
func newDeployment(t *testing.T, dsn string) *deployment {
	t.Helper()
	s := &deployment{Deployment: harness.NewDeployment(t, dsn), dsn: dsn}
	s.front, s.wallet = newFront(t, s.Address), newFront(t, "127.0.0.1:0")
	s.wallet.lead(strings.TrimPrefix(s.Wallet, "http://"))
	s.AppCode, s.ClientKey = s.AddMerchant(t, "100002", "Noodle House", "--per-second", "1000000", "--per-minute", "60000000")
	s.connect(t, s.wallet.URL)
	t.Cleanup(s.ready.Wait)
	return s
}

// connect makes the address the one where the gateway finds the wallet.
func (s *deployment) connect(t *testing.T, address string) {
	t.Helper()
	s.AddWallet(t, "100002", "alipay", address, "refund_gap=0s")
}

// configure writes the gateway's configuration: it asks the wallet by itself
// after the gaps in looks.
func (s *deployment) configure(t *testing.T, looks string) {
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
`, s.Gateway, s.dsn, filepath.Join(s.Dir, "master.key"), sendTimeout, sendLease, s.delivery, looks, lookLease)
	if err := os.WriteFile(s.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

var listening = regexp.MustCompile(`"msg":"ready","listen":"([^"]+)"`)

// boot starts the gateway. The front leads to it once it is ready.
func (s *deployment) boot(t *testing.T) {
	t.Helper()
	p := harness.Start(t, "serve", "--config", s.Config)
	p.Secret = s.ClientKey
	s.gateway = p
	s.ready.Go(func() {
		for !p.Ended() {
			if m := listening.FindStringSubmatch(p.Log()); m != nil {
				s.front.lead(m[1])
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
}

// up starts the gateway and waits until it is ready.
func (s *deployment) up(t *testing.T) {
	t.Helper()
	s.boot(t)
	harness.AwaitOK(t, s.Gateway+"/readyz")
}

// kill ends the gateway as a power cut would.
func (s *deployment) kill(t *testing.T) {
	t.Helper()
	s.trouble(false)()
	s.gateway.Kill(t)
}

// trouble counts a fault that begins now and lasts until over is called.
func (s *deployment) trouble(lossy bool) (over func()) {
	s.strikes.Add(1)
	x := &span{began: time.Now(), lossy: lossy}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans = append(s.spans, x)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		x.ended = time.Now()
	}
}

// troubled reports whether there was trouble between the two times, and whether
// that lost notifications themselves.
func (s *deployment) troubled(from, to time.Time) (was, lossy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.spans {
		if x.began.Before(to) && (x.ended.IsZero() || x.ended.After(from)) {
			was, lossy = true, lossy || x.lossy
		}
	}
	return was, lossy
}

// A front is an address that outlives what stands behind it, and that can stop
// an answer on its way. While nobody stands behind it, it answers 502.
type front struct {
	*httptest.Server
	behind  atomic.Pointer[url.URL]
	stop    atomic.Pointer[stop]
	waiting atomic.Int64 // requests without an answer
}

// stop is an answer on its way, and where it is to go.
type stop struct {
	of      func(*http.Request) bool
	reached chan struct{} // closed when the answer is there
	goOn    chan bool     // true lets it pass, false loses it
}

func newFront(t *testing.T, address string) *front {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(f.behind.Load())
			r.Out.Host = r.In.Host
		},
		ModifyResponse: f.pass,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		ErrorLog:       log.New(io.Discard, "", 0),
		Transport:      &http.Transport{MaxIdleConnsPerHost: 100},
	}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.behind.Load() == nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		// Otherwise the server closes the request's body when the answer is
		// long, and the proxy loses the connection that it reads that from.
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			panic(err) // this server can
		}
		f.waiting.Add(1)
		defer f.waiting.Add(-1)
		proxy.ServeHTTP(w, r)
	}))
	f.Listener.Close()
	f.Listener = l
	f.Config.ErrorLog = proxy.ErrorLog
	f.Start()
	t.Cleanup(f.Close)
	return f
}

// lead makes the front stand before the address.
func (f *front) lead(address string) { f.behind.Store(&url.URL{Scheme: "http", Host: address}) }

// stopAnswer stops the first answer to such a request from now on. Whoever asks
// for that must let it go on.
func (f *front) stopAnswer(of func(*http.Request) bool) *stop {
	s := &stop{of: of, reached: make(chan struct{}), goOn: make(chan bool, 1)}
	f.stop.Store(s)
	return s
}

var errLost = errors.New("the answer got lost")

func (f *front) pass(res *http.Response) error {
	s := f.stop.Load()
	if s == nil || !s.of(res.Request) || !f.stop.CompareAndSwap(s, nil) {
		return nil
	}
	close(s.reached)
	if !<-s.goOn {
		return errLost
	}
	return nil
}

// wait waits until the answer is there.
func (s *stop) wait(t *testing.T, what string) {
	t.Helper()
	select {
	case <-s.reached:
	case <-time.After(harness.Patience):
		s.goOn <- true
		t.Fatalf("waited %v in vain for %s", harness.Patience, what)
	}
}

// lose loses the answer, or forgets that one was to be stopped.
func (s *stop) lose(f *front) {
	f.stop.CompareAndSwap(s, nil)
	s.goOn <- false
}

// The requests whose answers are stopped.
func callbacks(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/callback/") }
func questions(r *http.Request) bool { return r.Method == http.MethodPost }

// lockWrites keeps everybody else from writing to the table (SQLite: to any)
// until unlock, or the end of the test.
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
