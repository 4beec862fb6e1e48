package e2e_test

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/store/storetest"
)

func TestLooksAtPostgreSQLOnlyLook(t *testing.T) {
	pg := newCluster(t)
	b := keepBooks(t, pg.dsn, false)
	t.Run("a role that may only read", func(t *testing.T) {
		execute(t, "pgx", pg.dsn, "CREATE ROLE looker LOGIN PASSWORD 'looks'",
			"GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker",
			"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO looker")
		dsn := pg.by(t, "looker", "looks", pg.port)
		b.allLook(t, dsn, nil)
		for _, args := range b.changes() {
			if got := b.try(t, dsn, nil, nil, args...); got.status == 0 || !strings.Contains(got.printed, "permission denied") {
				t.Errorf("%q: status %d:\n%s", args, got.status, got.printed)
			}
		}
	})
	t.Run("a role without rights", func(t *testing.T) {
		execute(t, "pgx", pg.dsn, "CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
		b.allRefuse(t, pg.by(t, "stranger", "stranger", pg.port), nil, "permission denied for table goose_db_version")
	})
	t.Run("a hot standby", func(t *testing.T) {
		standby := pg.standby(t)
		password, _ := pg.url(t).User.Password()
		dsn := pg.by(t, "postgres", password, standby.port)
		b.allLook(t, dsn, nil)
		// Commands that look take what there is, whatever serve asks for.
		b.allLook(t, dsn+"&target_session_attrs=read-write", nil)
		for _, args := range b.changes() {
			if got := b.try(t, dsn, nil, nil, args...); got.status == 0 {
				t.Errorf("%q:\n%s", args, got.printed)
			}
		}
		t.Run("before its primary in the address", func(t *testing.T) {
			both := pg.url(t)
			both.Host = "127.0.0.1:" + standby.port + "," + both.Host
			got := b.try(t, both.String(), nil, nil, "doctor", "--offline", "--write")
			if got.status != 0 || !strings.Contains(got.printed, "a durable write") {
				t.Errorf("status %d:\n%s", got.status, got.printed)
			}
			b.allLook(t, both.String(), nil)
		})
		t.Run("its primary is down", func(t *testing.T) {
			both := pg.url(t)
			both.Host += ",127.0.0.1:" + standby.port
			pg.stop(t)
			b.allLook(t, both.String(), nil)
			pg.start(t)
			pg.answers(t)
		})
	})
	t.Run("an empty database", func(t *testing.T) {
		dsn := storetest.EmptyPostgresDSN(t)
		b.allRefuse(t, dsn, nil, "has no schema yet", "sampan migrate")
		execute(t, "pgx", dsn, "DO 'BEGIN IF EXISTS (SELECT FROM pg_tables WHERE schemaname = ''public'') "+
			"THEN RAISE ''a look made a table''; END IF; END'")
	})
	t.Run("no such database", func(t *testing.T) {
		none := pg.url(t)
		none.Path = "/typo"
		b.allRefuse(t, none.String(), nil, `database "typo" does not exist`)
	})
	for name, version := range map[string]string{"newer": "99", "older": "3"} {
		t.Run(name+" schema", func(t *testing.T) {
			dsn := storetest.PostgresDSN(t)
			execute(t, "pgx", dsn, "DELETE FROM goose_db_version WHERE version_id > 3",
				"INSERT INTO goose_db_version (version_id, is_applied) VALUES ("+version+", true)")
			b.allRefuse(t, dsn, nil, "has schema "+version, "this program knows schema ")
			execute(t, "pgx", dsn, fmt.Sprintf("DO 'BEGIN IF (SELECT max(version_id) FROM goose_db_version) <> %s "+
				"THEN RAISE ''raised''; END IF; END'", version))
		})
	}
	t.Run("a schema's number without tables", func(t *testing.T) {
		dsn := storetest.PostgresDSN(t)
		execute(t, "pgx", dsn, "DROP TABLE setting")
		b.allRefuse(t, dsn, nil, "not its tables")
	})
}

func (pg *cluster) url(t *testing.T) *url.URL {
	t.Helper()
	u, err := url.Parse(pg.dsn)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// by is the address at which a role finds the server at the port.
func (pg *cluster) by(t *testing.T, role, password, port string) string {
	t.Helper()
	u := pg.url(t)
	u.User, u.Host = url.UserPassword(role, password), net.JoinHostPort("127.0.0.1", port)
	return u.String()
}

// standby makes a copy of the server that follows it and can be read.
func (pg *cluster) standby(t *testing.T) *cluster {
	t.Helper()
	s := &cluster{bin: pg.bin, as: pg.as}
	var err error
	if s.dir, err = os.MkdirTemp("", "sampan-standby-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(s.dir); err != nil {
			t.Error(err)
		}
	})
	if s.as != nil {
		if err := os.Chown(s.dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	run(t, s.command("pg_basebackup", "-d", strings.Replace(pg.dsn, "/postgres?", "/?", 1), "-D", "data", "-R",
		"-X", "stream", "--checkpoint=fast", "--no-sync"))
	address := freeAddress(t)
	if _, s.port, err = net.SplitHostPort(address); err != nil {
		t.Fatal(err)
	}
	password, _ := pg.url(t).User.Password()
	s.dsn = pg.by(t, "postgres", password, s.port)
	s.start(t)
	s.answers(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}
