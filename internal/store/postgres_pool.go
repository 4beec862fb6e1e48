package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// connectWithin is how long a host may take to accept a connection, and an idle
	// connection to prove that it is alive. A stopped host accepts connections for
	// ever: its kernel does.
	connectWithin = 2 * time.Second
	// connectionLife is the longest life of a connection. By then we leave a server
	// that the address no longer leads to, even if nothing else notices.
	connectionLife = 15 * time.Minute
	// askAfter is how long a connection may be idle before it is checked at its
	// next use.
	askAfter = time.Second
)

// postgresPool opens connections to PostgreSQL. With write they lead to a server
// that takes changes, unless the address itself says which server it wants. adapt
// changes the configuration first.
func postgresPool(c Config, write bool, adapt ...func(*pgx.ConnConfig)) (*sql.DB, error) {
	config, err := pgx.ParseConfig(c.DSN)
	if err != nil {
		return nil, err // which masks the password
	}
	for _, a := range adapt {
		a(config)
	}
	if c.NoSync {
		config.RuntimeParams["synchronous_commit"] = "off"
	}
	if !says(c.DSN, "connect_timeout", "PGCONNECT_TIMEOUT") {
		config.ConnectTimeout = connectWithin
	}
	wanted := config.ValidateConnect
	if write && !says(c.DSN, "target_session_attrs", "PGTARGETSESSIONATTRS") {
		wanted = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	var all servers
	config.ValidateConnect = func(ctx context.Context,
		conn *pgconn.PgConn) error {
		return all.admit(ctx, conn, wanted)
	}
	config.DialFunc = dialer().DialContext
	look := config.LookupFunc
	config.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
		// the names of the other hosts must get their turn
		ctx, cancel := context.WithTimeout(ctx, connectWithin)
		defer cancel()
		return look(ctx, host)
	}
	config.Tracer = watch{}
	db := sql.OpenDB(connector{
		Connector: stdlib.GetConnector(*config, stdlib.OptionResetSession(reuse),
			// reuse does that
			stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false })),
		deadline: c.Deadline,
	})
	db.SetMaxOpenConns(c.Connections)
	db.SetMaxIdleConns(c.Connections)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(connectionLife)
	return db, nil
}

// says reports whether an address, or the environment, has a setting.
func says(dsn, name, variable string) bool {
	u, err := url.Parse(dsn)
	return err == nil && u.Query().Has(name) || os.Getenv(variable) != ""
}

// dialer notices a dead peer: one that no longer acknowledges packets. It does not
// notice a stopped process; the deadline does.
func dialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3,
		},
		Control: func(network, _ string, c syscall.RawConn) (err error) {
			if network == "unix" {
				return nil
			}
			controlled := c.Control(func(fd uintptr) { err = setUserTimeout(int(fd), 15*time.Second) })
			return errors.Join(controlled, err)
		},
	}
}

// connector limits how long connecting takes, including connections that the pool
// opens in advance.
type connector struct {
	driver.Connector
	deadline time.Duration
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.deadline)
	defer cancel()
	return c.Connector.Connect(ctx)
}

// servers are the servers that connections lead to, by address. When one connection
// finds its server unfit, every connection to that server is dropped.
type servers struct {
	mu sync.Mutex
	of map[string]*serverState
}

// serverState counts how often a server was found unfit.
type serverState struct{ failures atomic.Uint64 }

func (s *servers) at(address string) *serverState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[string]*serverState{}
	}
	if s.of[address] == nil {
		s.of[address] = &serverState{}
	}
	return s.of[address]
}

// pooled is what we know of a connection.
type pooled struct {
	server   *serverState
	failures uint64 // of the server when the connection was opened
	used     time.Time
}

const pooledKey = "sampan"

// pooledOf returns nil for a connection that is still being opened.
func pooledOf(conn *pgconn.PgConn) *pooled {
	p, _ := conn.CustomData()[pooledKey].(*pooled)
	return p
}

// unfit drops all connections to the server that were opened before it was found
// unfit. If several of them find that out, it counts once.
func (p *pooled) unfit() { p.server.failures.CompareAndSwap(p.failures, p.failures+1) }

// admit accepts a new connection if it leads to a server as wanted.
func (s *servers) admit(ctx context.Context, conn *pgconn.PgConn, wanted pgconn.ValidateConnectFunc) error {
	p := &pooled{server: s.at(conn.Conn().RemoteAddr().String()), used: time.Now()}
	p.failures = p.server.failures.Load()
	if wanted != nil {
		if err := wanted(ctx, conn); err != nil {
			p.unfit()
			return err
		}
	}
	conn.CustomData()[pooledKey] = p
	return nil
}

// reuse lets a connection out of the pool, or has it dropped.
func reuse(ctx context.Context, conn *pgx.Conn) error {
	p := pooledOf(conn.PgConn())
	if p.server.failures.Load() != p.failures {
		return driver.ErrBadConn
	}
	now := time.Now()
	if now.Sub(p.used) > askAfter {
		ctx, cancel := context.WithTimeout(ctx, connectWithin)
		defer cancel()
		if err := conn.PgConn().Ping(ctx); err != nil {
			if !errors.Is(err, context.Canceled) {
				p.unfit()
			}
			return driver.ErrBadConn
		}
	}
	p.used = now
	return nil
}

// watch sees how every statement ends.
type watch struct{}

// TraceQueryStart implements pgx.QueryTracer.
func (watch) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (watch) TraceQueryEnd(_ context.Context, conn *pgx.Conn, end pgx.TraceQueryEndData) {
	judge(conn.PgConn(), end.Err)
}

// TraceBatchStart implements pgx.BatchTracer.
func (watch) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (watch) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (watch) TraceBatchEnd(_ context.Context, conn *pgx.Conn, end pgx.TraceBatchEndData) {
	judge(conn.PgConn(), end.Err)
}

// judge finds a server unfit if it is read-only, has ended the connection, or did
// not answer in time. It does not count callers that went away.
func judge(conn *pgconn.PgConn, err error) {
	p := pooledOf(conn)
	if err == nil || p == nil {
		return
	}
	var no *pgconn.PgError
	refused := errors.As(err, &no) && no.Code == readOnly
	if refused || conn.IsClosed() && !errors.Is(err, context.Canceled) {
		p.unfit()
	}
}
