package e2e_test

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/test/harness"
)

// The commands that only read need no more than a role or a server that can read, and change
// nothing.
func TestReadingCommandsOnPostgreSQL(t *testing.T) {
	pg := harness.NewCluster(t)
	b := newBooks(t, pg.DSN, false)
	t.Run("a role that may only read", func(t *testing.T) {
		harness.ExecSQL(t, pg.DSN, "CREATE ROLE reader LOGIN PASSWORD 'reads'",
			"GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
			"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader")
		dsn := dsnOf(t, pg, "reader", "reads", pg.Port)
		b.readAll(t, dsn, nil)
		for _, args := range b.changes() {
			got := b.try(t, dsn, nil, nil, args...)
			if got.status == 0 || !strings.Contains(got.printed, "permission denied") {
				t.Errorf("%q: status %d:\n%s", args, got.status, got.printed)
			}
		}
	})
	t.Run("a role without rights", func(t *testing.T) {
		harness.ExecSQL(t, pg.DSN, "CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
		dsn := dsnOf(t, pg, "stranger", "stranger", pg.Port)
		b.refuseAll(t, dsn, nil, "permission denied for table goose_db_version")
	})
	t.Run("a hot standby", func(t *testing.T) {
		standby := pg.Standby(t)
		password, _ := pg.URL(t).User.Password()
		dsn := dsnOf(t, pg, "postgres", password, standby.Port)
		b.readAll(t, dsn, nil)
		// Commands that only read take any server, although serve needs one that can be written to.
		b.readAll(t, dsn+"&target_session_attrs=read-write", nil)
		for _, args := range b.changes() {
			if got := b.try(t, dsn, nil, nil, args...); got.status == 0 {
				t.Errorf("%q:\n%s", args, got.printed)
			}
		}
		t.Run("before its primary in the address", func(t *testing.T) {
			both := pg.URL(t)
			both.Host = "127.0.0.1:" + standby.Port + "," + both.Host
			got := b.try(t, both.String(), nil, nil, "doctor", "--offline", "--write")
			if got.status != 0 || !strings.Contains(got.printed, "a durable write") {
				t.Errorf("status %d:\n%s", got.status, got.printed)
			}
			b.readAll(t, both.String(), nil)
		})
		t.Run("its primary is down", func(t *testing.T) {
			both := pg.URL(t)
			both.Host += ",127.0.0.1:" + standby.Port
			pg.Stop(t)
			b.readAll(t, both.String(), nil)
			pg.Start(t)
			pg.Await(t)
		})
	})
	t.Run("an empty database", func(t *testing.T) {
		dsn := storetest.EmptyPostgresDSN(t)
		b.refuseAll(t, dsn, nil, "has no schema yet", "sampan migrate")
		harness.ExecSQL(t, dsn, "DO 'BEGIN IF EXISTS (SELECT FROM pg_tables WHERE schemaname = ''public'') "+
			"THEN RAISE ''a command has made a table''; END IF; END'")
	})
	t.Run("no such database", func(t *testing.T) {
		none := pg.URL(t)
		none.Path = "/typo"
		b.refuseAll(t, none.String(), nil, `database "typo" does not exist`)
	})
	for name, version := range map[string]string{"newer": "99", "older": "3"} {
		t.Run(name+" schema", func(t *testing.T) {
			dsn := storetest.PostgresDSN(t)
			harness.ExecSQL(t, dsn, "DELETE FROM goose_db_version WHERE version_id > 3",
				"INSERT INTO goose_db_version (version_id, is_applied) VALUES ("+version+", true)")
			b.refuseAll(t, dsn, nil, "has schema "+version, "this program knows schema ")
			harness.ExecSQL(t, dsn, fmt.Sprintf("DO 'BEGIN "+
				"IF (SELECT max(version_id) FROM goose_db_version) <> %s "+
				"THEN RAISE ''raised''; END IF; END'", version))
		})
	}
	t.Run("a schema's number without tables", func(t *testing.T) {
		dsn := storetest.PostgresDSN(t)
		harness.ExecSQL(t, dsn, "DROP TABLE setting")
		b.refuseAll(t, dsn, nil, "not its tables")
	})
}

// dsnOf is the address of the server at the port, for that role.
func dsnOf(t *testing.T, pg *harness.Cluster, role, password, port string) string {
	t.Helper()
	u := pg.URL(t)
	u.User, u.Host = url.UserPassword(role, password), net.JoinHostPort("127.0.0.1", port)
	return u.String()
}
