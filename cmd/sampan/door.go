package main

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
)

// The bounds of a crowd. The porch is small, and is given up quickly, so that
// what is turned away costs few file descriptors.
const (
	mostConnections = 10_000 // unless the configuration says otherwise
	porchSize       = 32
	porchTime       = 2 * time.Second // to say what one wants, at the porch
	turnedEvery     = 10 * time.Second
)

// connectionsOf is how many connections serve takes: what the configuration says,
// or two thirds of the file descriptors, mostConnections at most. The others are
// for the database, wallets and receivers.
func connectionsOf(c config) (int, error) {
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
	case c.MaxConnections > room-2*porchSize:
		return 0, errors.New("max_connections: is more than the file descriptors that this process may have: lower it, or raise LimitNOFILE")
	}
	return c.MaxConnections, nil
}

// door lets so many connections in, and sends the others to the porch.
type door struct {
	net.Listener
	most  int
	porch *porch
	log   *slog.Logger

	mu     sync.Mutex
	in     int
	turned int       // since it was logged
	logged time.Time // when
}

// serveCrowd is serveHTTP with at most so many connections. One more is read
// only far enough to see what it wants: a probe of /livez or /readyz is answered
// by h, anything else by crowded, and that is all.
func serveCrowd(ctx context.Context, l net.Listener, most int, h http.Handler, crowded http.HandlerFunc, log *slog.Logger) error {
	p := &porch{addr: l.Addr(), arrived: make(chan net.Conn, porchSize), closed: make(chan struct{})}
	d := &door{Listener: l, most: most, porch: p, log: log}
	outside := &http.Server{
		Handler: p.handler(h, crowded), ConnContext: withGuest,
		ReadHeaderTimeout: porchTime, ReadTimeout: porchTime, WriteTimeout: 2 * porchTime, MaxHeaderBytes: maxHeader,
		ErrorLog: golog.New(newStray(log), "", 0),
	}
	outside.SetKeepAlivesEnabled(false)
	var work sync.WaitGroup
	work.Go(func() { _ = outside.Serve(p) }) // it ends when the porch is closed
	err := serveHTTP(ctx, d, d.handler(h), log)
	err = errors.Join(err, outside.Close())
	work.Wait()
	return err
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if d.enter() {
			return &visitor{Conn: c, leave: sync.OnceFunc(d.leave)}, nil
		}
		d.porch.take(c)
	}
}

func (d *door) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.in < d.most {
		d.in++
		return true
	}
	d.turned++
	if now := time.Now(); now.Sub(d.logged) >= turnedEvery {
		d.log.Warn("connections turned away: there are as many as max_connections", "max_connections", d.most, "turned_away", d.turned)
		d.logged, d.turned = now, 0
	}
	return false
}

func (d *door) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.in--
}

// handler ends each connection with its answer while the last quarter of the
// room is in use, so that those who say nothing do not keep it. A small room is
// kept for what it says.
func (d *door) handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		scarce := d.most >= 100 && d.in > d.most-d.most/4
		d.mu.Unlock()
		if scarce {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// visitor is a connection that has come in.
type visitor struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (v *visitor) Close() error {
	defer v.leave()
	return v.Conn.Close()
}

// CloseWrite lets net/http end an answer without losing it.
func (v *visitor) CloseWrite() error { return closeWrite(v.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// porch is the listener of those who are turned away. Where it is full, whoever
// has waited longest without being answered makes room: a probe says at once what
// it wants, and so is always answered.
type porch struct {
	addr    net.Addr
	arrived chan net.Conn
	closed  chan struct{}
	once    sync.Once

	mu     sync.Mutex
	guests []*guest // in the order of their coming
}

// guest is a connection at the porch.
type guest struct {
	net.Conn
	porch    *porch
	answered bool // is being answered; under the porch's lock
}

func (p *porch) take(c net.Conn) {
	p.mu.Lock()
	var out *guest
	if len(p.guests) == porchSize {
		i := slices.IndexFunc(p.guests, func(g *guest) bool { return !g.answered })
		if i < 0 {
			p.mu.Unlock()
			c.Close()
			return
		}
		out = p.guests[i]
	}
	g := &guest{Conn: c, porch: p}
	p.guests = append(p.guests, g)
	p.mu.Unlock()
	if out != nil {
		out.Close()
	}
	select {
	case p.arrived <- g:
	case <-p.closed:
		g.Close()
	}
}

// Accept implements net.Listener.
func (p *porch) Accept() (net.Conn, error) {
	select {
	case c := <-p.arrived:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Who is still there is sent away.
func (p *porch) Close() error {
	p.once.Do(func() { close(p.closed) })
	p.mu.Lock()
	guests := slices.Clone(p.guests)
	p.mu.Unlock()
	for _, g := range guests {
		g.Close()
	}
	return nil
}

// Addr implements net.Listener.
func (p *porch) Addr() net.Addr { return p.addr }

// Close implements net.Conn.
func (g *guest) Close() error {
	g.porch.mu.Lock()
	if i := slices.Index(g.porch.guests, g); i >= 0 {
		g.porch.guests = slices.Delete(g.porch.guests, i, i+1)
	}
	g.porch.mu.Unlock()
	return g.Conn.Close()
}

// CloseWrite lets net/http end an answer without losing it.
func (g *guest) CloseWrite() error { return closeWrite(g.Conn) }

type guestKey struct{}

func withGuest(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, guestKey{}, c)
}

// handler answers a guest.
func (p *porch) handler(h http.Handler, crowded http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g := r.Context().Value(guestKey{}).(*guest)
		answering := func(is bool) {
			p.mu.Lock()
			defer p.mu.Unlock()
			g.answered = is
		}
		answering(true)
		defer answering(false)
		if r.URL.Path == "/livez" || r.URL.Path == "/readyz" {
			h.ServeHTTP(w, r)
			return
		}
		crowded(w, r)
	})
}
