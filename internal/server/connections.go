package server

import (
	"context"
	"errors"
	golog "log"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/sampanpay/sampan/internal/config"
)

// Limits of connections. Connections over the limit are few and short-lived, so
// that refusing them costs few file descriptors.
const (
	defaultConnections = 10_000 // at most, if the configuration has no max_connections
	overflowSize       = 32
	overflowTimeout    = 2 * time.Second  // for a request over the limit
	refusedLogPeriod   = 10 * time.Second // between two log lines about refused connections
)

// maxConnections returns how many connections serve keeps open: max_connections,
// or else two thirds of the process's file descriptors, up to defaultConnections.
// The remaining descriptors are for the database, the wallets and the receivers of
// notifications. It returns an error if the process may not have so many.
func maxConnections(c config.Config) (int, error) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return 0, err
	}
	descriptors := 1 << 30
	if files.Cur < 1<<30 {
		descriptors = int(files.Cur) // the Go runtime has raised it to the hard limit
	}
	switch {
	case c.MaxConnections == 0:
		return max(1, min(defaultConnections, descriptors*2/3)), nil
	case c.MaxConnections > descriptors-2*overflowSize:
		return 0, errors.New("max_connections: is more than this process may have file descriptors: " +
			"lower it, or raise LimitNOFILE")
	}
	return c.MaxConnections, nil
}

// limitedListener keeps at most limit connections open, and passes further ones to
// overflow.
type limitedListener struct {
	net.Listener
	limit    int
	overflow *overflow
	log      *slog.Logger

	mu      sync.Mutex
	open    int
	refused int       // since logged
	logged  time.Time // when refused connections were last logged
}

// serveLimited is Serve with at most limit connections. A connection over the limit
// gets one answer and is closed: h answers the probes /livez and /readyz, and
// overloaded answers every other request.
func serveLimited(
	ctx context.Context, l net.Listener, limit int, h http.Handler,
	overloaded http.HandlerFunc, log *slog.Logger,
) error {
	over := &overflow{
		addr: l.Addr(), accepted: make(chan net.Conn, overflowSize), closed: make(chan struct{}),
	}
	limited := &limitedListener{Listener: l, limit: limit, overflow: over, log: log}
	refuser := &http.Server{
		Handler: over.handler(h, overloaded), ConnContext: withOverflowConn,
		ReadHeaderTimeout: overflowTimeout, ReadTimeout: overflowTimeout, WriteTimeout: 2 * overflowTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: golog.New(newLibraryLog(log), "", 0),
	}
	refuser.SetKeepAlivesEnabled(false)
	var work sync.WaitGroup
	work.Go(func() { _ = refuser.Serve(over) }) // until Close
	err := Serve(ctx, limited, limited.handler(h), log)
	err = errors.Join(err, refuser.Close())
	work.Wait()
	return err
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.admit() {
			return &countedConn{Conn: c, closed: sync.OnceFunc(l.closed)}, nil
		}
		l.overflow.add(c)
	}
}

// admit counts one more connection, and reports whether it is within the limit.
func (l *limitedListener) admit() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open < l.limit {
		l.open++
		return true
	}
	l.refused++
	if now := time.Now(); now.Sub(l.logged) >= refusedLogPeriod {
		l.log.Warn("connections refused: max_connections are open",
			"max_connections", l.limit, "refused", l.refused)
		l.logged, l.refused = now, 0
	}
	return false
}

func (l *limitedListener) closed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
}

// handler closes each connection after its answer while more than three quarters of
// the limit are open, so that idle connections do not keep others out. A limit below
// 100 keeps idle connections.
func (l *limitedListener) handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		scarce := l.limit >= 100 && l.open > l.limit-l.limit/4
		l.mu.Unlock()
		if scarce {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// countedConn is a connection within the limit. Closing it makes room for another.
type countedConn struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// CloseWrite lets net/http half-close the connection, so that the client reads the
// whole answer.
func (c *countedConn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// overflow is the listener of connections over the limit. When it is full, a new
// connection displaces the oldest one that has not sent its request. A probe sends
// its request at once, so probes are always answered.
type overflow struct {
	addr     net.Addr
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once

	mu    sync.Mutex
	conns []*overflowConn // oldest first
}

// overflowConn is a connection over the limit.
type overflowConn struct {
	net.Conn
	overflow  *overflow
	answering bool // its request has been read; guarded by overflow.mu
}

// add hands c to Accept, or closes it if all others are being answered.
func (o *overflow) add(c net.Conn) {
	o.mu.Lock()
	var displaced *overflowConn
	if len(o.conns) >= overflowSize {
		i := slices.IndexFunc(o.conns, func(c *overflowConn) bool { return !c.answering })
		if i < 0 {
			o.mu.Unlock()
			_ = c.Close()
			return
		}
		displaced = o.conns[i]
	}
	added := &overflowConn{Conn: c, overflow: o}
	o.conns = append(o.conns, added)
	o.mu.Unlock()
	if displaced != nil {
		_ = displaced.Close()
	}
	select {
	case o.accepted <- added:
	case <-o.closed:
		_ = added.Close()
	}
}

// Accept implements net.Listener.
func (o *overflow) Accept() (net.Conn, error) {
	select {
	case c := <-o.accepted:
		return c, nil
	case <-o.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It closes the connections too.
func (o *overflow) Close() error {
	o.once.Do(func() { close(o.closed) })
	o.mu.Lock()
	conns := slices.Clone(o.conns)
	o.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
	return nil
}

// Addr implements net.Listener.
func (o *overflow) Addr() net.Addr { return o.addr }

// Close implements net.Conn.
func (c *overflowConn) Close() error {
	o := c.overflow
	o.mu.Lock()
	if i := slices.Index(o.conns, c); i >= 0 {
		o.conns = slices.Delete(o.conns, i, i+1)
	}
	o.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets net/http half-close the connection, so that the client reads the
// whole answer.
func (c *overflowConn) CloseWrite() error { return closeWrite(c.Conn) }

type overflowKey struct{}

func withOverflowConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, overflowKey{}, c)
}

// handler passes probes to h, and every other request to overloaded.
func (o *overflow) handler(h http.Handler, overloaded http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := r.Context().Value(overflowKey{}).(*overflowConn)
		answering := func(is bool) {
			o.mu.Lock()
			defer o.mu.Unlock()
			c.answering = is
		}
		answering(true)
		defer answering(false)
		if r.URL.Path == "/livez" || r.URL.Path == "/readyz" {
			h.ServeHTTP(w, r)
			return
		}
		overloaded(w, r)
	})
}
