package store

import (
	"context"
	"database/sql"
	"database/sql/driver"

	"modernc.org/sqlite"
)

// openGuarded opens a pool of SQLite connections. s sees every error of theirs,
// from whichever call, and they refuse every call once s is stopped.
func openGuarded(address string, s *stopper) (*sql.DB, error) {
	c, err := sqlite.NewConnector(address)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(guardedConnector{c, s}), nil
}

type guardedConnector struct {
	driver.Connector
	stop *stopper
}

// Connect implements driver.Connector.
func (c guardedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	return guarded(c.stop, false, func() (driver.Conn, error) {
		conn, err := c.Connector.Connect(ctx)
		if err != nil {
			return nil, err
		}
		return &guardedConn{conn.(sqliteConn), c.stop}, nil
	})
}

// guarded makes a call unless the database is stopped.
func guarded[T any](s *stopper, commit bool, call func() (T, error)) (T, error) {
	if err := s.err(); err != nil {
		var none T
		return none, err
	}
	v, err := call()
	return v, s.see(err, commit)
}

// sqliteConn is the interface of the driver's connections that database/sql uses.
type sqliteConn interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type guardedConn struct {
	sqliteConn
	stop *stopper
}

// PrepareContext implements driver.ConnPrepareContext.
func (c *guardedConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	return guarded(c.stop, false, func() (driver.Stmt, error) {
		s, err := c.sqliteConn.PrepareContext(ctx, text)
		if err != nil {
			return nil, err
		}
		return &guardedStmt{s.(sqliteStmt), c.stop, text == "COMMIT"}, nil
	})
}

// ExecContext implements driver.ExecerContext.
func (c *guardedConn) ExecContext(
	ctx context.Context, text string, args []driver.NamedValue,
) (driver.Result, error) {
	return guarded(c.stop, text == "COMMIT", func() (driver.Result, error) {
		return c.sqliteConn.ExecContext(ctx, text, args)
	})
}

// QueryContext implements driver.QueryerContext.
func (c *guardedConn) QueryContext(
	ctx context.Context, text string, args []driver.NamedValue,
) (driver.Rows, error) {
	return guardedQuery(c.stop, func() (driver.Rows, error) {
		return c.sqliteConn.QueryContext(ctx, text, args)
	})
}

// BeginTx implements driver.ConnBeginTx.
func (c *guardedConn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	return guarded(c.stop, false, func() (driver.Tx, error) {
		tx, err := c.sqliteConn.BeginTx(ctx, options)
		return &guardedTx{tx, c.stop}, err
	})
}

// Close leaves the connection of a stopped database open: SQLite would write the
// log into the file and remove the log. The end of the process closes it.
func (c *guardedConn) Close() error {
	if c.stop.err() != nil {
		return nil
	}
	return c.sqliteConn.Close()
}

// sqliteStmt is the interface of the driver's statements that database/sql uses.
type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type guardedStmt struct {
	sqliteStmt
	stop   *stopper
	commit bool
}

// ExecContext implements driver.StmtExecContext.
func (s *guardedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return guarded(s.stop, s.commit, func() (driver.Result, error) {
		return s.sqliteStmt.ExecContext(ctx, args)
	})
}

// QueryContext implements driver.StmtQueryContext.
func (s *guardedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return guardedQuery(s.stop, func() (driver.Rows, error) { return s.sqliteStmt.QueryContext(ctx, args) })
}

func guardedQuery(s *stopper, query func() (driver.Rows, error)) (driver.Rows, error) {
	return guarded(s, false, func() (driver.Rows, error) {
		rows, err := query()
		if err != nil {
			return nil, err
		}
		return &guardedRows{rows, s}, nil
	})
}

type guardedRows struct {
	driver.Rows
	stop *stopper
}

// Next implements driver.Rows.
func (r *guardedRows) Next(into []driver.Value) error {
	if err := r.stop.err(); err != nil {
		return err
	}
	return r.stop.see(r.Rows.Next(into), false)
}

// Close implements driver.Rows.
func (r *guardedRows) Close() error { return r.stop.see(r.Rows.Close(), false) }

type guardedTx struct {
	driver.Tx
	stop *stopper
}

// Commit implements driver.Tx.
func (t *guardedTx) Commit() error {
	_, err := guarded(t.stop, true, func() (struct{}, error) { return struct{}{}, t.Tx.Commit() })
	return err
}

// Rollback implements driver.Tx.
func (t *guardedTx) Rollback() error {
	_, err := guarded(t.stop, false, func() (struct{}, error) { return struct{}{}, t.Tx.Rollback() })
	return err
}
