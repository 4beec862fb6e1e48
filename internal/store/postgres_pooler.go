package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// ErrPooler says that the address leads to a pooler that gives each transaction another
// connection to the server, so prepared statements are lost.
var ErrPooler = errors.New("store: the address leads to a pooler in transaction mode, such as PgBouncer: " +
	"add default_query_exec_mode=exec to it, and raise the schema with sampan migrate at the server's " +
	"own address")

// explained adds ErrPooler to the error of a prepared statement that unexpectedly
// exists already, or no longer exists.
func explained(err error) error {
	if misprepared(err) && !errors.Is(err, ErrPooler) {
		return fmt.Errorf("%w: %w", ErrPooler, err)
	}
	return err
}

func misprepared(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "42P05" || e.Code == "26000") // exists already, does not exist
}

// checkPooler returns ErrPooler if one connection sees the statements that another
// one has prepared. Otherwise this would show only once there are several
// connections.
func checkPooler(ctx context.Context, db *sql.DB) error {
	first, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer first.Close()
	if direct, err := isDirect(ctx, first); direct || err != nil {
		return err
	}
	second, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer second.Close()
	const name, text = "sampan_pooler", "SELECT 1"
	defer func() {
		for _, conn := range []*sql.Conn{first, second} {
			_ = raw(conn, func(c *pgx.Conn) error { return c.PgConn().Deallocate(ctx, name) })
		}
	}()
	for _, conn := range []*sql.Conn{first, second} {
		err := raw(conn, func(c *pgx.Conn) error {
			_, err := c.PgConn().Prepare(ctx, name, text, nil)
			return err
		})
		if err != nil {
			return explained(err)
		}
	}
	return nil
}

// isDirect reports whether prepared statements are safe: either the connection
// leads straight to the server, whose process is the one that it named at the
// connection's start, or the address asks for no prepared statements.
func isDirect(ctx context.Context, conn *sql.Conn) (direct bool, err error) {
	err = raw(conn, func(c *pgx.Conn) error {
		switch c.Config().DefaultQueryExecMode {
		case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol:
			direct = true
			return nil
		}
		var pid uint32
		err := c.QueryRow(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pid)
		direct = pid == c.PgConn().PID()
		return err
	})
	return direct, err
}

func raw(conn *sql.Conn, fn func(*pgx.Conn) error) error {
	return conn.Raw(func(driver any) error { return fn(driver.(*stdlib.Conn).Conn()) })
}
