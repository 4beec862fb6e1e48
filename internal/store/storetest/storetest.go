// Package storetest opens databases for tests: SQLite in a temporary directory,
// and PostgreSQL on the server that SAMPAN_TEST_POSTGRES names.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/migrations"
)

// MasterKey is the key that the databases are opened with.
const MasterKey = pay.Secret("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")

// Option changes how a database is opened.
type Option func(*store.Config)

// Now sets the clock.
func Now(now func() time.Time) Option { return func(c *store.Config) { c.Now = now } }

// SQLite opens an empty database in a temporary directory.
func SQLite(t testing.TB, options ...Option) *store.DB {
	t.Helper()
	return Open(t, "sqlite:"+filepath.Join(t.TempDir(), "sampan.db"), options...)
}

// Postgres opens an empty database of its own on the server that
// SAMPAN_TEST_POSTGRES names. The server must allow us to create databases. If the
// variable is not set, the test is skipped; in continuous integration it fails.
func Postgres(t testing.TB, options ...Option) *store.DB {
	t.Helper()
	return Open(t, PostgresDSN(t), options...)
}

// Open opens the database at dsn until the test ends. It is for several replicas on
// one database: see SQLite and Postgres.
func Open(t testing.TB, dsn string, options ...Option) *store.DB {
	t.Helper()
	if os.Getenv(Pooler) != "" && strings.HasPrefix(dsn, "sqlite:") {
		t.Skip("SQLite has no pooler")
	}
	c := store.Config{DSN: dsn, MasterKey: MasterKey}
	for _, o := range options {
		o(&c)
	}
	db, err := Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Create migrates and opens a database, as serve does.
func Create(ctx context.Context, c store.Config) (*store.DB, error) {
	if _, err := store.Migrate(ctx, c); err != nil {
		return nil, err
	}
	return store.Open(ctx, c)
}

// Each runs f on an empty database of each kind, as subtests.
func Each(t *testing.T, f func(t *testing.T, db *store.DB), options ...Option) {
	t.Helper()
	EachDSN(t, func(t *testing.T, dsn string) { f(t, Open(t, dsn, options...)) })
}

// EachDSN runs f with the address of an empty database of each kind, as
// subtests, for tests that open it several times.
func EachDSN(t *testing.T, f func(t *testing.T, dsn string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, "sqlite:"+filepath.Join(t.TempDir(), "sampan.db")) })
	t.Run("postgres", func(t *testing.T) { f(t, PostgresDSN(t)) })
}

// Merchant adds a merchant with a credential and an account that takes both
// phone wallets, in HKD and JPY. Call it once for each database.
func Merchant(t testing.TB, db *store.DB) (pay.Merchant, pay.Credential) {
	t.Helper()
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	m := pay.Merchant{ID: "100001", Name: "Tea House", MCC: "5499", CreatedAt: created}
	c := pay.Credential{
		MerchantID: m.ID, AppCode: "8A1B2C3D4E5F60718293A4B5C6D7E8F9",
		ClientKey: "0F1E2D3C4B5A69788796A5B4C3D2E1F0",
		NotifyURL: "http://shop.test/notify", PerSecond: 100, PerMinute: 400, CreatedAt: created,
	}
	a := pay.WalletAccount{
		MerchantID: m.ID, ID: "main", Wallet: "alipayglobal",
		PayTypes:   []pay.PayType{pay.AlipayCrossBorder, pay.AlipayHK},
		Currencies: []pay.Currency{"HKD", "JPY"},
		Settings:   map[string]string{"partner": "2088101122136241"},
		Secrets:    map[string]pay.Secret{"md5_key": "760bdzec6y9goq7ctyx96ezkz78287de"},
		CreatedAt:  created, UpdatedAt: created,
	}
	for _, err := range []error{
		db.CreateMerchant(t.Context(), m),
		db.CreateCredential(t.Context(), c),
		db.PutWalletAccount(t.Context(), a),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return m, c
}

// Server names the variable with the address of a PostgreSQL server.
const Server = "SAMPAN_TEST_POSTGRES"

// Pooler names the variable with host and port of a PgBouncer in transaction mode
// in front of that server. If it is set, tests go through it.
const Pooler = "SAMPAN_TEST_POOLER"

// PostgresDSN creates an empty database with our schema and returns its address.
// The database is dropped when the test ends.
func PostgresDSN(t testing.TB) string {
	t.Helper()
	server := server(t)
	template, err := makeTemplate(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	return pooled(makeDatabase(t, server, template))
}

// pooled is the address through the pooler, if there is one.
func pooled(dsn string) string {
	host := os.Getenv(Pooler)
	u, err := url.Parse(dsn)
	if host == "" || err != nil {
		return dsn
	}
	u.Host = host
	return u.String() + "&default_query_exec_mode=exec"
}

// EmptyPostgresDSN is PostgresDSN without the schema.
func EmptyPostgresDSN(t testing.TB) string {
	t.Helper()
	return makeDatabase(t, server(t), "template0")
}

func server(t testing.TB) string {
	t.Helper()
	server := os.Getenv(Server)
	if server == "" {
		if os.Getenv("CI") != "" {
			t.Fatal(Server + " is not set: a PostgreSQL server where databases may be created")
		}
		t.Skip(Server + " is not set")
	}
	return server
}

// makeDatabase copies a template. Only one process can do so at a time.
func makeDatabase(t testing.TB, server, template string) string {
	t.Helper()
	name := "sampan_test_" + strings.ToLower(rand.Text())
	execute := func(ctx context.Context, text string) error {
		admin, unlock, err := lock(ctx, server)
		if err != nil {
			return err
		}
		defer unlock()
		_, err = admin.ExecContext(ctx, text)
		return err
	}
	if err := execute(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return database(server, name)
}

// makeTemplate creates a database with our schema, once for each version of the
// schema. Others are quickly copied from it. Concurrent test programs share it.
func makeTemplate(ctx context.Context, server string) (name string, err error) {
	schema := crc32.NewIEEE()
	steps, err := fs.Glob(migrations.Postgres, "*.sql")
	if err != nil {
		return "", err
	}
	for _, step := range steps {
		text, err := fs.ReadFile(migrations.Postgres, step)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(schema, step)
		schema.Write(text)
	}
	name = fmt.Sprintf("sampan_template_%08x", schema.Sum32())
	admin, unlock, err := lock(ctx, server)
	if err != nil {
		return "", err
	}
	defer unlock()
	var n int
	if err := admin.QueryRowContext(ctx, "SELECT count(*) FROM pg_database WHERE datname = $1",
		name).Scan(&n); err != nil || n > 0 {
		return name, err
	}
	half := name + "_half" // until it is whole
	for _, text := range []string{"DROP DATABASE IF EXISTS " + half, "CREATE DATABASE " + half} {
		if _, err := admin.ExecContext(ctx, text); err != nil {
			return "", err
		}
	}
	db, err := Create(ctx, store.Config{DSN: database(server, half), MasterKey: MasterKey})
	if err != nil {
		return "", err
	}
	if err := db.Close(); err != nil {
		return "", err
	}
	_, err = admin.ExecContext(ctx, "ALTER DATABASE "+half+" RENAME TO "+name)
	return name, err
}

// lock returns a connection to the server. Until unlock, no other test program
// creates databases. unlock closes the connection, which ends the lock.
func lock(ctx context.Context, server string) (admin *sql.Conn, unlock func(), err error) {
	pool, err := sql.Open("pgx", server)
	if err != nil {
		return nil, nil, err
	}
	pool.SetMaxIdleConns(-1)
	admin, err = pool.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, pool.Close())
	}
	unlock = func() { admin.Close(); pool.Close() }
	const key = 1935764846 // a number that means this lock
	if _, err := admin.ExecContext(ctx, "SELECT pg_advisory_lock($1)", key); err != nil {
		unlock()
		return nil, nil, err
	}
	return admin, unlock, nil
}

// database is the address of another database of the same server.
func database(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		panic(err) // it has just been connected to
	}
	u.Path = "/" + name
	return u.String()
}

// Soonest returns the earliest of the times that db.NextPayments and its like
// return; zero if they return none.
func Soonest(next map[string]time.Time, err error) (soonest time.Time, _ error) {
	for _, at := range next {
		if soonest.IsZero() || at.Before(soonest) {
			soonest = at
		}
	}
	return soonest, err
}

// Keys returns the keys of what db.NextPayments and its like return, for a claim of
// at most so many (most) rows of each.
func Keys(t testing.TB, most int) func(map[string]time.Time, error) map[string]int {
	t.Helper()
	return func(next map[string]time.Time, err error) map[string]int {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		keys := map[string]int{}
		for key := range next {
			keys[key] = most
		}
		return keys
	}
}
