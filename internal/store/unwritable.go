package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Unwritable returns why the database cannot be written to, as far as that shows
// without writing; "" if nothing does.
func (db *DB) Unwritable(ctx context.Context) (why string, err error) {
	if path, ok := strings.CutPrefix(db.config.DSN, "sqlite:"); ok {
		for _, name := range []string{path, filepath.Dir(path)} {
			if err := syscall.Access(name, accessWrite); err != nil {
				return fmt.Sprintf("%s: %v", name, err), nil
			}
		}
		return "", nil
	}
	why, err = unwritablePostgres(ctx, db.config.DSN)
	return why, wrap("ask whether the server can be written to", err)
}

// unwritablePostgres uses a connection of its own, since those of a read-only
// database are always read-only.
func unwritablePostgres(ctx context.Context, dsn string) (why string, err error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "", err // which masks the password
	}
	// Of several hosts it takes a writable one, otherwise whichever answers.
	config.ConnectTimeout = connectWithin
	config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil && ctx.Err() == nil {
		config.ValidateConnect = nil
		conn, err = pgx.ConnectConfig(ctx, config)
	}
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var standby, granted bool
	var readOnly string
	const text = "SELECT pg_is_in_recovery(), has_table_privilege('payment', 'INSERT'), " +
		"current_setting('transaction_read_only')"
	switch err := conn.QueryRow(ctx, text).Scan(&standby, &granted, &readOnly); {
	case err != nil:
		return "", err
	case standby:
		return "this server is a standby", nil
	case !granted:
		return "this role may only read", nil
	case readOnly == "on":
		return "its transactions are read-only, by the setting default_transaction_read_only", nil
	}
	return "", nil
}
