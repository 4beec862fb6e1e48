package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// unavailable marks err with ErrUnavailable if the database cannot be reached or
// takes no changes now. It is for errors that leave nothing behind: of statements
// that were not sent, of reads, and of a transaction's statements. Other errors
// must go through unknown first.
func unavailable(err error) error {
	err = explained(err)
	if err == nil || errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrUnavailable) || !outage(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// outage reports whether err is caused by the state of the database or of the way
// to it, rather than by the statement.
func outage(err error) bool {
	var server *pgconn.PgError
	var connect *pgconn.ConnectError
	var file *sqlite.Error
	var network net.Error
	switch {
	case errors.As(err, &connect):
		return true
	case errors.As(err, &server):
		return outageState(server.Code)
	case errors.As(err, &file):
		return outageCode(file.Code())
	case pgconn.SafeToRetry(err), errors.As(err, &network):
		return true
	case strings.Contains(err.Error(), "sql: database is closed"):
		// of package sql, which does not give it a name
		return true
	}
	for _, cause := range []error{
		context.DeadlineExceeded, context.Canceled, driver.ErrBadConn, sql.ErrConnDone, io.EOF,
		io.ErrUnexpectedEOF, net.ErrClosed,
	} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// outageState is outage for PostgreSQL's SQLSTATE.
func outageState(state string) bool {
	switch state {
	case readOnly,
		"40001", "40P01", // serialization failure, deadlock: after several tries
		"55P03", "57014", // lock not available, statement cancelled by the server's timeout
		"57P01", "57P02", "57P03", "57P05": // shutdown, crash, starting up, idle for too long
		return true
	}
	return state[:min(2, len(state))] == "08" || state[:min(2, len(state))] == "53" // connection, resources
}

// readOnly is the SQLSTATE of a change in a read-only transaction. As a rule the
// whole server is read-only then.
const readOnly = "25006"

// outageCode is outage for SQLite's extended result code.
func outageCode(code int) bool {
	if code == sqlite3.SQLITE_IOERR_WRITE {
		return true
	}
	switch code & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_FULL,
		sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT:
		return true
	}
	return false
}
