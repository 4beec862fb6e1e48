package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// SchemaVersion returns the version of the schema that a database has, 0 if
// there is none yet, and the one that this program brings it to. Unlike Open it
// changes nothing, and needs no master key.
func SchemaVersion(ctx context.Context, dsn string) (have, want int64, err error) {
	dialect := goose.DialectPostgres
	if strings.HasPrefix(dsn, "sqlite:") {
		dialect = goose.DialectSQLite3
	}
	names, err := fs.Glob(steps(dialect), "*.sql")
	if err != nil {
		return 0, 0, fmt.Errorf("store: %w", err)
	}
	for _, step := range names {
		version, err := goose.NumericComponent(step)
		if err != nil {
			return 0, 0, fmt.Errorf("store: %w", err)
		}
		want = max(want, version)
	}
	have, err = schemaVersion(ctx, dsn)
	return have, want, wrap("read the schema's version", err)
}

func schemaVersion(ctx context.Context, dsn string) (version int64, err error) {
	driver, address := "pgx", dsn
	table := "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'goose_db_version'"
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		if path, err = filepath.Abs(path); err != nil {
			return 0, err
		}
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return 0, nil
		}
		q := url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(2000)", "query_only(1)"}}
		driver, address = "sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
		table = "SELECT count(*) FROM sqlite_master WHERE name = 'goose_db_version'"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var tables int64
	if err := db.QueryRowContext(ctx, table).Scan(&tables); err != nil || tables == 0 {
		return 0, err
	}
	err = db.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&version)
	return version, err
}

// TryWrite makes a change that leaves nothing behind and returns once it is
// durable, as an order's would be.
func (db *DB) TryWrite(ctx context.Context) error {
	name := "try-" + db.config.Token()
	return wrap("try to write", db.Tx(ctx, func(tx *Tx) error {
		if _, err := tx.db.ExecContext(tx.ctx, "INSERT INTO setting (name, value) VALUES ($1, '')", name); err != nil {
			return err
		}
		_, err := tx.db.ExecContext(tx.ctx, "DELETE FROM setting WHERE name = $1", name)
		return err
	}))
}

// Clock returns the time by the database's server; for SQLite that is this
// machine's.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	text := "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
	if _, ok := db.engine.(*sqliteEngine); ok {
		text = "SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
	}
	var now int64
	err := db.pool().QueryRowContext(ctx, text).Scan(&now)
	return at(now), wrap("read the clock", err)
}

// Backlog is what waits for workers, or for people.
type Backlog struct {
	Payments   int       // whose look at the wallet is due
	PaymentDue time.Time // since when, the oldest; zero if there is none
	Deliveries int       // that are due and nobody has
	DeliverDue time.Time // since when, the oldest; zero if there is none
	Dead       int       // deliveries that were given up
	Surplus    int       // payments with money beyond the order
}

// Backlog counts. It reads whole tables: it is for people who ask.
func (db *DB) Backlog(ctx context.Context, now time.Time) (Backlog, error) {
	var b Backlog
	var payment, delivery int64
	for _, q := range []struct {
		text string
		args []any
		into []any
	}{
		{"SELECT count(*), COALESCE(MIN(claimable_at), 0) FROM payment WHERE claimable_at > 0 AND claimable_at <= $1", []any{ms(now)}, []any{&b.Payments, &payment}},
		{"SELECT count(*), COALESCE(MIN(claimable_at), 0) FROM delivery WHERE claimable_at > 0 AND claimable_at <= $1", []any{ms(now)}, []any{&b.Deliveries, &delivery}},
		{"SELECT count(*) FROM delivery WHERE state = 'dead'", nil, []any{&b.Dead}},
		{"SELECT count(*) FROM payment WHERE surplus = 1", nil, []any{&b.Surplus}},
	} {
		if err := db.pool().QueryRowContext(ctx, q.text, q.args...).Scan(q.into...); err != nil {
			return Backlog{}, wrap("count the backlog", err)
		}
	}
	b.PaymentDue, b.DeliverDue = at(payment), at(delivery)
	return b, nil
}
