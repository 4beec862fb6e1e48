package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// serving serves the true program's handlers, with so many connections, and returns
// its address.
func serving(t *testing.T, most int) string {
	t.Helper()
	c := config.Config{Database: "sqlite:" + filepath.Join(t.TempDir(), "sampan.db"), BaseURL: "https://pay.example.com", MaxConnections: most, MasterKey: storetest.MasterKey}
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), c, drivers, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// caller is one connection.
type caller struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func call(t *testing.T, address string) caller {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return caller{t, c, bufio.NewReader(c)}
}

// asks sends a request and returns the answer.
func (c caller) asks(method, path string) (res *http.Response, body string) {
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

// enters is a connection that came in and stays.
func enters(t *testing.T, address string) caller {
	t.Helper()
	c := call(t, address)
	if res, _ := c.asks("GET", "/livez"); res.StatusCode != 200 || res.Close {
		t.Fatalf("not let in: %v", res)
	}
	return c
}

// over reports whether the other end has closed the connection.
func (c caller) over() bool {
	_, err := c.r.Peek(1)
	return err != nil
}

func TestOneConnectionMoreIsRefusedButProbesAreAnswered(t *testing.T) {
	address := serving(t, 4)
	var in []caller
	for range 4 {
		in = append(in, enters(t, address))
	}
	for _, c := range []struct {
		method, path string
		status       int
		kind, body   string
	}{
		{"GET", "/", 503, "text/plain", "too many connections"},
		{"GET", "/pay/x", 503, "text/plain", "too many connections"},
		{"POST", "/trade/v1/payment", 503, "application/json", `{"respcd":"1297","resperr":"gateway not available","respmsg":"the server has all the connections`},
		{"GET", "/trade/v1/query?a=b", 503, "application/json", `{"respcd":"1297"`},
		{"POST", "/callback/100001/main", 503, "text/plain", "fail"},
		{"GET", "/livez", 200, "text/plain", "ok\n"},
		{"GET", "/readyz", 200, "text/plain", "ok\n"},
	} {
		more := call(t, address)
		res, body := more.asks(c.method, c.path)
		if res.StatusCode != c.status || !strings.HasPrefix(body, c.body) || !strings.HasPrefix(res.Header.Get("Content-Type"), c.kind) {
			t.Errorf("%s %s: %d %v %q", c.method, c.path, res.StatusCode, res.Header, body)
		}
		if !res.Close || !more.over() {
			t.Errorf("%s %s: the connection stays", c.method, c.path)
		}
		if again := res.Header.Get("Retry-After"); c.status == 503 && again != "1" {
			t.Errorf("%s %s: Retry-After %q", c.method, c.path, again)
		}
	}
	for i, c := range in {
		if res, _ := c.asks("GET", "/livez"); res.StatusCode != 200 || res.Close {
			t.Errorf("connection %d, which was in before, is answered %v", i, res)
		}
	}
	in[0].Close()
	for { // the server learns of it in its own time
		res, _ := call(t, address).asks("GET", "/pay/x")
		if res.StatusCode == 404 {
			break
		}
		if res.StatusCode != 503 {
			t.Fatalf("after one has left: %v", res)
		}
	}
}

// Whoever opens any number of connections and says nothing holds no more of them
// than overflowSize, and keeps no probe away.
func TestSilentConnectionsKeepNoProbeAway(t *testing.T) {
	address := serving(t, 1)
	enters(t, address)
	var silent []caller
	for n := range 5 * overflowSize {
		c := call(t, address)
		if n%2 == 0 {
			fmt.Fprint(c, "GET /livez HTTP/1.1\r\nX-Slow: ") // and no more
		}
		silent = append(silent, c)
		if n%overflowSize == 0 {
			for _, path := range []string{"/livez", "/readyz"} {
				if res, _ := call(t, address).asks("GET", path); res.StatusCode != 200 {
					t.Errorf("with %d silent connections %s is answered %v", len(silent), path, res)
				}
			}
		}
	}
	for i, c := range silent[:4*overflowSize] { // more than overflowSize ago
		if !c.over() {
			t.Errorf("connection %d is still there", i)
		}
	}
}

// Where all connections over the limit are being answered, one more is closed at
// once, and none of them is.
func TestNoConnectionThatIsBeingAnsweredIsClosed(t *testing.T) {
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
		ended <- serveLimited(ctx, l, 1, slow, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, slog.New(slog.DiscardHandler))
	}()
	address := l.Addr().String()
	enters(t, address)
	var waiting []caller
	for range overflowSize {
		c := call(t, address)
		fmt.Fprint(c, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
		waiting = append(waiting, c)
	}
	asked.Wait()
	if c := call(t, address); !c.over() {
		t.Error("one more is let in")
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

// The last quarter of a large room is for those who have something to say.
func TestConnectionsDoNotStayWhereRoomIsScarce(t *testing.T) {
	address := serving(t, 100)
	for range 75 {
		enters(t, address)
	}
	for range 30 { // one after the other: each is let in, answered, and gone
		c := call(t, address)
		if res, _ := c.asks("GET", "/pay/x"); res.StatusCode != 404 || !res.Close || !c.over() {
			t.Fatalf("got %v", res)
		}
	}
}

func TestTheNumberOfConnectionsFitsTheFileDescriptors(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	most, err := connectionsOf(config.Config{})
	if err != nil || most < 1 || most > mostConnections || uint64(most) > files.Cur*2/3 {
		t.Errorf("%d of %d file descriptors, %v", most, files.Cur, err)
	}
	if most, err := connectionsOf(config.Config{MaxConnections: 7}); err != nil || most != 7 {
		t.Errorf("%d, %v", most, err)
	}
	if files.Cur < 1<<30 {
		if _, err := connectionsOf(config.Config{MaxConnections: int(files.Cur)}); err == nil || !strings.Contains(err.Error(), "max_connections: ") {
			t.Errorf("as many as there are descriptors: %v", err)
		}
	}
	c := config.Config{Database: "sqlite:x.db", MaxConnections: -1, MasterKey: storetest.MasterKey}
	if err := c.Complete(); err == nil || !strings.Contains(err.Error(), "max_connections: ") {
		t.Errorf("a number below 0: %v", err)
	}
}
