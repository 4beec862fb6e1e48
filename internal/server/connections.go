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

// The bounds of connections. Those over the limit are few and short, so that what
// is refused costs few file descriptors.
const (
	mostConnections = 10_000 // unless the configuration says otherwise
	overflowSize    = 32
	overflowTime    = 2 * time.Second // for a request over the limit
	refusedEvery    = 10 * time.Second
)

// connectionsOf is how many connections serve takes: what the configuration says,
// or two thirds of the file descriptors, mostConnections at most. The others are
// for the database, wallets and receivers.
func connectionsOf(c config.Config) (int, error) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return 0, err
	}
	room := 1 << 30
	if files.Cur < 1<<30 {
		room = int(files.Cur) // Go has raised it as far as it may
	}
	switch {
	case c.MaxConnections == 0:
		return max(1, min(mostConnections, room*2/3)), nil
	case c.MaxConnections > room-2*overflowSize:
		return 0, errors.New("max_connections: is more than this process may have file descriptors: " +
			"lower it, or raise LimitNOFILE")
	}
	return c.MaxConnections, nil
}

// limitedListener accepts so many connections at once, and hands the others to
// overflow.
type limitedListener struct {
	net.Listener
	most     int
	overflow *overflow
	log      *slog.Logger

	mu      sync.Mutex
	open    int
	refused int       // since it was logged
	logged  time.Time // when
}

// serveLimited is Serve with at most so many connections. One more is read
// only far enough to see what it wants: a probe of /livez or /readyz is answered
// by h, anything else by overloaded, and that is all.
func serveLimited(
	ctx context.Context, l net.Listener, most int, h http.Handler, overloaded http.HandlerFunc, log *slog.Logger,
) error {
	over := &overflow{addr: l.Addr(), accepted: make(chan net.Conn, overflowSize), closed: make(chan struct{})}
	limited := &limitedListener{Listener: l, most: most, overflow: over, log: log}
	refuser := &http.Server{
		Handler: over.handler(h, overloaded), ConnContext: withOverflowConn,
		ReadHeaderTimeout: overflowTime, ReadTimeout: overflowTime, WriteTimeout: 2 * overflowTime,
		MaxHeaderBytes: maxHeader, ErrorLog: golog.New(newLibraryLog(log), "", 0),
	}
	refuser.SetKeepAlivesEnabled(false)
	var work sync.WaitGroup
	work.Go(func() { _ = refuser.Serve(over) }) // until it is closed
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

func (l *limitedListener) admit() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open < l.most {
		l.open++
		return true
	}
	l.refused++
	if now := time.Now(); now.Sub(l.logged) >= refusedEvery {
		l.log.Warn("connections refused: max_connections are open", "max_connections", l.most, "refused", l.refused)
		l.logged, l.refused = now, 0
	}
	return false
}

func (l *limitedListener) closed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
}

// handler ends each connection with its answer while more than three quarters of
// at least 100 are open, so that idle connections do not keep others out.
func (l *limitedListener) handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		scarce := l.most >= 100 && l.open > l.most-l.most/4
		l.mu.Unlock()
		if scarce {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// countedConn is a connection within the limit.
type countedConn struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// CloseWrite lets net/http end an answer without losing it.
func (c *countedConn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// overflow is the listener of connections over the limit. Where it is full, the
// oldest that has not sent its request is closed: a probe sends its at once, and
// so is always answered.
type overflow struct {
	addr     net.Addr
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once

	mu    sync.Mutex
	conns []*overflowConn // oldest first
}

// overflowConn is one of them.
type overflowConn struct {
	net.Conn
	overflow  *overflow
	answering bool // guarded by overflow.mu
}

func (o *overflow) add(c net.Conn) {
	o.mu.Lock()
	var oldest *overflowConn
	if len(o.conns) >= overflowSize {
		i := slices.IndexFunc(o.conns, func(c *overflowConn) bool { return !c.answering })
		if i < 0 {
			o.mu.Unlock()
			_ = c.Close()
			return
		}
		oldest = o.conns[i]
	}
	added := &overflowConn{Conn: c, overflow: o}
	o.conns = append(o.conns, added)
	o.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
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

// CloseWrite lets net/http end an answer without losing it.
func (c *overflowConn) CloseWrite() error { return closeWrite(c.Conn) }

type overflowKey struct{}

func withOverflowConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, overflowKey{}, c)
}

// handler has probes answered by h, and other requests by overloaded.
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
