package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
)

// lookConns is how many connections a reading command opens at most.
const lookConns = 4

// lookDeadline is longer than a server's: an audit adds up whole tables.
const lookDeadline = 10 * time.Minute

// lookPostgres reads from whichever server answers, a hot standby included. Where
// the address names several hosts it prefers the primary, which knows most.
func lookPostgres(ctx context.Context, c Config) (*look, error) {
	c.Connections = lookConns
	guard, primary := true, true
	for {
		several := false
		db, err := postgresPool(c, false, func(config *pgx.ConnConfig) {
			if guard { // a second guard: every statement of this engine only reads
				config.RuntimeParams["default_transaction_read_only"] = "on"
			}
			several = severalHosts(config)
			switch wanted(c.DSN) {
			case "", "any", "read-write", "primary":
				config.ValidateConnect = nil
				if several && primary {
					config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
				}
			}
		})
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		if err = db.PingContext(ctx); err == nil {
			err = checkPooler(ctx, db)
		}
		if err == nil {
			return &look{
				engine: &postgresEngine{db: db, deadline: c.Deadline}, dialect: goose.DialectPostgres,
				place: placeOf(c.DSN),
				still: func() error { return nil }, end: db.Close,
			}, nil
		}
		err = errors.Join(err, db.Close())
		switch {
		case errors.Is(err, ErrPooler):
			return nil, fmt.Errorf("store: open %s: %w", placeOf(c.DSN), err)
		case guard && isUnknownParameter(err):
			guard = false // PgBouncer knows only a few
		case several && primary && ctx.Err() == nil:
			primary = false // none answers
		default:
			return nil, unavailable(fmt.Errorf("store: open %s: %w", placeOf(c.DSN), err))
		}
	}
}

// isUnknownParameter reports whether a proxy, perhaps one of several hosts, refuses
// a parameter at the connection's start.
func isUnknownParameter(err error) bool {
	return strings.Contains(err.Error(), "unsupported startup parameter")
}

// wanted returns what kind of server the address asks for.
func wanted(dsn string) string {
	const name = "target_session_attrs"
	if u, err := url.Parse(dsn); err == nil && u.Query().Has(name) {
		return u.Query().Get(name)
	}
	return os.Getenv("PGTARGETSESSIONATTRS")
}

func severalHosts(c *pgx.ConnConfig) bool {
	for _, f := range c.Fallbacks { // sslmode=prefer has one of the same host
		if f.Host != c.Host || f.Port != c.Port {
			return true
		}
	}
	return false
}

// placeOf returns server and database, without the password.
func placeOf(dsn string) string {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "PostgreSQL"
	}
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))) + "/" + c.Database
}
