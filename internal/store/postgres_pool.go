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
	// connectWithin is how long one host may take to give a connection, and a
	// connection that was idle to say that it is there. A host that has stopped
	// accepts connections for ever: its kernel does.
	connectWithin = 2 * time.Second
	// connectionLife is the longest. A server that is no longer the one that the
	// address leads to is left by then, whatever else fails to notice it.
	connectionLife = 15 * time.Minute
	// askAfter is how long a connection may have been idle and is used unasked.
	askAfter = time.Second
)

// postgresPool opens connections to PostgreSQL. With write they lead to a server
// that can be written to, unless the address says which it wants. What adapt
// does to the configuration comes first.
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
	config.ValidateConnect = func(ctx context.Context, conn *pgconn.PgConn) error { return all.admit(ctx, conn, wanted) }
	config.DialFunc = dialer().DialContext
	look := config.LookupFunc
	config.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, connectWithin) // the names of the other hosts are to have their turn
		defer cancel()
		return look(ctx, host)
	}
	config.Tracer = watch{}
	db := sql.OpenDB(connector{
		Connector: stdlib.GetConnector(*config, stdlib.OptionResetSession(reuse),
			stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false })), // reuse does, in its own time
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

// dialer notices a peer that is no longer there: the other end of a connection
// whose packets nobody acknowledges. It does not notice a process that has
// stopped, which the deadline is for.
func dialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control: func(network, _ string, c syscall.RawConn) (err error) {
			if network == "unix" {
				return nil
			}
			controlled := c.Control(func(fd uintptr) { err = setUserTimeout(int(fd), 15*time.Second) })
			return errors.Join(controlled, err)
		},
	}
}

// connector bounds the making of a connection, also of one that the pool makes
// for whoever comes next.
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

// servers are those that connections lead to, by address. When one of them is
// found unfit, all connections to it are: they are not used again.
type servers struct {
	mu sync.Mutex
	of map[string]*serverState
}

// serverState counts how often a server was found unfit.
type serverState struct{ faults atomic.Uint64 }

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

// pooled is what is known of a connection.
type pooled struct {
	server *serverState
	faults uint64 // the server's when the connection was made
	used   time.Time
}

const pooledKey = "sampan"

// pooledOf returns nil for a connection that is still being made.
func pooledOf(conn *pgconn.PgConn) *pooled {
	p, _ := conn.CustomData()[pooledKey].(*pooled)
	return p
}

// unfit has all connections to the server dropped that were made before the
// fault was found. The same fault found on the others is not another one.
func (p *pooled) unfit() { p.server.faults.CompareAndSwap(p.faults, p.faults+1) }

// admit takes a new connection into use if it leads to a server as wanted.
func (s *servers) admit(ctx context.Context, conn *pgconn.PgConn, wanted pgconn.ValidateConnectFunc) error {
	p := &pooled{server: s.at(conn.Conn().RemoteAddr().String()), used: time.Now()}
	p.faults = p.server.faults.Load()
	if wanted != nil {
		if err := wanted(ctx, conn); err != nil {
			p.unfit()
			return err
		}
	}
	conn.CustomData()[pooledKey] = p
	return nil
}

// reuse lets a connection out of the pool, or says that it is to be dropped.
func reuse(ctx context.Context, conn *pgx.Conn) error {
	p := pooledOf(conn.PgConn())
	if p.server.faults.Load() != p.faults {
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

// judge finds a server unfit that cannot be written to, that has ended the
// connection or that did not answer in time. A caller that went away is none of
// its faults.
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
