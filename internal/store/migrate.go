package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/sampanpay/sampan/internal/store/migrations"
)

// migrate brings the schema up to date. On SQLite the caller holds a lock; on
// PostgreSQL the options have one.
func migrate(ctx context.Context, db *sql.DB, d goose.Dialect, options ...goose.ProviderOption) error {
	options = append(options, goose.WithDisableGlobalRegistry(true))
	provider, err := goose.NewProvider(d, db, steps(d), options...)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	// Looking first spares the lock, and so a wait, where there is nothing to do.
	if pending, err := provider.HasPending(ctx); err == nil && !pending {
		return nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// steps are those of a database's kind.
func steps(d goose.Dialect) fs.FS {
	if d == goose.DialectSQLite3 {
		return migrations.SQLite
	}
	return migrations.Postgres
}
