package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// client is one connection to a server.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, address string) client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return client{t, c, bufio.NewReader(c)}
}

// request sends a request and returns the answer.
func (c client) request(method, path string) (res *http.Response, body string) {
	c.t.Helper()
	length := ""
	if method == "POST" {
		length = "Content-Length: 0\r\n"
	}
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: pay.example.com\r\n%s\r\n", method, path, length)
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res, string(text)
}

// admitted returns a connection within the limit, which the server keeps open.
func admitted(t *testing.T, address string) client {
	t.Helper()
	c := dial(t, address)
	if res, _ := c.request("GET", "/livez"); res.StatusCode != 200 || res.Close {
		t.Fatalf("not admitted: %v", res)
	}
	return c
}

// closed reports whether the server has closed the connection.
func (c client) closed() bool {
	_, err := c.r.Peek(1)
	return err != nil
}

func TestConnectionsOverTheLimit(t *testing.T) {
	address := running(t, 4)
	var in []client
	for range 4 {
		in = append(in, admitted(t, address))
	}
	for _, c := range []struct {
		method, path string
		status       int
		kind, body   string
	}{
		{"GET", "/", 503, "text/plain", "too many connections"},
		{"GET", "/pay/x", 503, "text/plain", "too many connections"},
		{"POST", "/trade/v1/payment", 503, "application/json", `{"respcd":"1297",` +
			`"resperr":"gateway not available","respmsg":"the server has all the connections`},
		{"GET", "/trade/v1/query?a=b", 503, "application/json", `{"respcd":"1297"`},
		{"POST", "/callback/100001/main", 503, "text/plain", "fail"},
		{"GET", "/livez", 200, "text/plain", "ok\n"},
		{"GET", "/readyz", 200, "text/plain", "ok\n"},
	} {
		more := dial(t, address)
		res, body := more.request(c.method, c.path)
		kind := res.Header.Get("Content-Type")
		if res.StatusCode != c.status || !strings.HasPrefix(body, c.body) ||
			!strings.HasPrefix(kind, c.kind) {
			t.Errorf("%s %s: %d %v %q", c.method, c.path, res.StatusCode, res.Header, body)
		}
		if !res.Close || !more.closed() {
			t.Errorf("%s %s: the connection stays open", c.method, c.path)
		}
		if again := res.Header.Get("Retry-After"); c.status == 503 && again != "1" {
			t.Errorf("%s %s: Retry-After %q", c.method, c.path, again)
		}
	}
	for i, c := range in {
		if res, _ := c.request("GET", "/livez"); res.StatusCode != 200 || res.Close {
			t.Errorf("admitted connection %d: %v", i, res)
		}
	}
	in[0].Close()
	for { // until the server notices that it is closed
		res, _ := dial(t, address).request("GET", "/pay/x")
		if res.StatusCode == 404 {
			break
		}
		if res.StatusCode != 503 {
			t.Fatalf("after one is closed: %v", res)
		}
	}
}

// A client that opens any number of connections and sends nothing holds at most
// overflowSize of them open, and probes are still answered.
func TestSilentConnectionsOverTheLimit(t *testing.T) {
	address := running(t, 1)
	admitted(t, address)
	var silent []client
	for n := range 5 * overflowSize {
		c := dial(t, address)
		if n%2 == 0 {
			fmt.Fprint(c, "GET /livez HTTP/1.1\r\nX-Slow: ") // and no more
		}
		silent = append(silent, c)
		if n%overflowSize == 0 {
			for _, path := range []string{"/livez", "/readyz"} {
				if res, _ := dial(t, address).request("GET", path); res.StatusCode != 200 {
					t.Errorf("%d silent connections: %s: %v", len(silent), path, res)
				}
			}
		}
	}
	for i, c := range silent[:4*overflowSize] { // the others may still be open
		if !c.closed() {
			t.Errorf("connection %d is still open", i)
		}
	}
}

// While all connections over the limit are being answered, a further one is closed
// at once, and the others get their answers.
func TestAnsweredConnectionsAreNotDisplaced(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked sync.WaitGroup
	asked.Add(overflowSize)
	answer := make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			asked.Done()
			<-answer
		}
		io.WriteString(w, "ok\n")
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		overloaded := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }
		ended <- serveLimited(ctx, l, 1, slow, overloaded, slog.New(slog.DiscardHandler))
	}()
	address := l.Addr().String()
	admitted(t, address)
	var waiting []client
	for range overflowSize {
		c := dial(t, address)
		fmt.Fprint(c, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
		waiting = append(waiting, c)
	}
	asked.Wait()
	if c := dial(t, address); !c.closed() {
		t.Error("a further connection stays open")
	}
	close(answer)
	for i, c := range waiting {
		if res, err := http.ReadResponse(c.r, nil); err != nil || res.StatusCode != 200 {
			t.Errorf("%d: %v, %v", i, res, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Idle connections do not use the last quarter of the limit.
func TestScarceConnectionsAreClosedAfterAnAnswer(t *testing.T) {
	address := running(t, 100)
	for range 75 {
		admitted(t, address)
	}
	for range 30 { // one after the other: each is admitted, answered and closed
		c := dial(t, address)
		if res, _ := c.request("GET", "/pay/x"); res.StatusCode != 404 || !res.Close || !c.closed() {
			t.Fatalf("got %v", res)
		}
	}
}

func TestMaxConnectionsFitFileDescriptors(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	n, err := maxConnections(config.Config{})
	if err != nil || n < 1 || n > defaultConnections || uint64(n) > files.Cur*2/3 {
		t.Errorf("%d of %d file descriptors, %v", n, files.Cur, err)
	}
	if n, err := maxConnections(config.Config{MaxConnections: 7}); err != nil || n != 7 {
		t.Errorf("got %d, %v, want 7", n, err)
	}
	if files.Cur < 1<<30 {
		_, err := maxConnections(config.Config{MaxConnections: int(files.Cur)})
		if err == nil || !strings.Contains(err.Error(), "max_connections: ") {
			t.Errorf("as many connections as descriptors: %v", err)
		}
	}
	c := config.Config{Database: "sqlite:x.db", MaxConnections: -1, MasterKey: storetest.MasterKey}
	if err := c.Complete(); err == nil || !strings.Contains(err.Error(), "max_connections: ") {
		t.Errorf("a number below 0: %v", err)
	}
}
