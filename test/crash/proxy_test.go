package crash_test

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sampanpay/sampan/test/harness"
)

// proxy is an address that outlives the server behind it, and that can hold an answer back. While
// it has no server to forward to, it answers 502.
type proxy struct {
	*httptest.Server
	target  atomic.Pointer[url.URL]
	hold    atomic.Pointer[heldAnswer]
	waiting atomic.Int64 // requests without an answer
}

// heldAnswer is an answer that a proxy has received and not passed on.
type heldAnswer struct {
	to      func(*http.Request) bool
	arrived chan struct{} // closed when the proxy has received the answer
	verdict chan bool     // true passes it on, false drops it
}

func newProxy(t *testing.T, address string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	reverse := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(p.target.Load())
			r.Out.Host = r.In.Host
		},
		ModifyResponse: p.pass,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
		ErrorLog:  log.New(io.Discard, "", 0),
		Transport: &http.Transport{MaxIdleConnsPerHost: 100},
	}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.target.Load() == nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		// Otherwise the server closes the request's body when the answer is long, and the reverse
		// proxy loses the connection on which it reads the body.
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			panic(err) // this server supports it
		}
		p.waiting.Add(1)
		defer p.waiting.Add(-1)
		reverse.ServeHTTP(w, r)
	}))
	p.Listener.Close()
	p.Listener = l
	p.Config.ErrorLog = reverse.ErrorLog
	p.Start()
	t.Cleanup(p.Close)
	return p
}

// forward sends requests to the address from now on.
func (p *proxy) forward(address string) { p.target.Store(&url.URL{Scheme: "http", Host: address}) }

// holdAnswer holds back the next answer to such a request. The caller must pass or drop it.
func (p *proxy) holdAnswer(to func(*http.Request) bool) *heldAnswer {
	h := &heldAnswer{to: to, arrived: make(chan struct{}), verdict: make(chan bool, 1)}
	p.hold.Store(h)
	return h
}

var errDropped = errors.New("the answer was dropped")

func (p *proxy) pass(res *http.Response) error {
	h := p.hold.Load()
	if h == nil || !h.to(res.Request) || !p.hold.CompareAndSwap(h, nil) {
		return nil
	}
	close(h.arrived)
	if !<-h.verdict {
		return errDropped
	}
	return nil
}

// wait waits until the answer has arrived at the proxy.
func (h *heldAnswer) wait(t *testing.T, what string) {
	t.Helper()
	select {
	case <-h.arrived:
	case <-time.After(harness.Patience):
		h.pass()
		t.Fatalf("waited %v in vain for %s", harness.Patience, what)
	}
}

// pass passes the answer on.
func (h *heldAnswer) pass() { h.verdict <- true }

// drop drops the answer. If none has arrived, none is held back any more.
func (h *heldAnswer) drop(p *proxy) {
	p.hold.CompareAndSwap(h, nil)
	h.verdict <- false
}

// The requests whose answers are held back.
func callbacks(r *http.Request) bool   { return strings.HasPrefix(r.URL.Path, "/callback/") }
func walletCalls(r *http.Request) bool { return r.Method == http.MethodPost }
