package api

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// endSessions ends what a store has open, so that it meets the database as it is now.
func endSessions(database string) string {
	return "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + database + "'"
}

// limitFiles lets no file of this process grow beyond what the file at path has now, as a quota would.
func limitFiles(t *testing.T, path string) (lift func()) {
	t.Helper()
	file, err := os.Stat(path)
	must(t, err)
	var was syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
	lift = func() { must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was)) }
	t.Cleanup(lift)
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(file.Size()), Max: was.Max}))
	return lift
}

func TestWithoutADatabaseMerchantsMustRetry(t *testing.T) {
	sqlite := func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "api.db") }
	closed := func(t *testing.T, h *harness, _ string) func() { must(t, h.Store.Close()); return nil }
	server := os.Getenv(storetest.Server)
	name := func(dsn string) string { u, _ := url.Parse(dsn); return strings.TrimPrefix(u.Path, "/") }
	for cause, c := range map[string]struct {
		dsn   func(t *testing.T) string
		begin func(t *testing.T, h *harness, dsn string) (end func())
	}{
		"SQLite closed":     {sqlite, closed},
		"PostgreSQL closed": {dsnOfPostgres, closed},
		"SQLite without room": {sqlite, func(t *testing.T, _ *harness, dsn string) func() {
			return limitFiles(t, strings.TrimPrefix(dsn, "sqlite:")+"-wal")
		}},
		"PostgreSQL that only reads": {dsnOfPostgres, func(t *testing.T, _ *harness, dsn string) func() {
			sqlExec(t, server, "ALTER DATABASE "+name(dsn)+" SET default_transaction_read_only = on")
			sqlExec(t, server, endSessions(name(dsn)))
			return func() {
				sqlExec(t, server, "ALTER DATABASE "+name(dsn)+" RESET default_transaction_read_only")
				sqlExec(t, server, endSessions(name(dsn)))
			}
		}},
		"PostgreSQL gone": {dsnOfPostgres, func(t *testing.T, _ *harness, dsn string) func() {
			sqlExec(t, server, "ALTER DATABASE "+name(dsn)+" WITH ALLOW_CONNECTIONS false")
			sqlExec(t, server, endSessions(name(dsn)))
			return func() { sqlExec(t, server, "ALTER DATABASE "+name(dsn)+" WITH ALLOW_CONNECTIONS true") }
		}},
	} {
		for set, want := range map[int]int{0: 503, 200: 200} {
			if set != 0 && !strings.HasPrefix(cause, "SQLite") {
				continue // no difference
			}
			t.Run(fmt.Sprint(cause, "/trouble status ", set), func(t *testing.T) {
				dsn := c.dsn(t)
				h := newHarnessOn(t, dsn)
				h.TroubleStatus = set
				calls := h.calls(t)
				before := h.kept(t)
				end := c.begin(t, h, dsn)
				for name, call := range calls {
					t.Run(name, func(t *testing.T) {
						h.pass(3 * time.Second)
						wantTrouble(t, call(), want, "1297")
					})
				}
				if end == nil {
					return
				}
				end()
				if after := h.kept(t); !slices.Equal(after, before) {
					t.Errorf("stored %q, was %q", after, before)
				}
				for name, call := range calls {
					h.pass(3 * time.Second)
					if got := call(); got.get("respcd") != "0000" {
						t.Errorf("%s afterwards: %d %s", name, got.status, got.raw)
					}
				}
			})
		}
	}
}

// A gateway that has stopped for good is out of service, whatever status the configuration
// wants for trouble that ends.
func TestAStoppedGatewayIsOutOfService(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.db")
	h := newHarnessOn(t, "sqlite:"+path, func(c *store.Config) { c.LookEvery = time.Millisecond })
	h.TroubleStatus = 200
	calls := h.calls(t)
	must(t, os.Rename(path, path+".moved"))
	for range time.Tick(10 * time.Millisecond) {
		if h.Store.Stopped() != nil {
			break
		}
	}
	for _, call := range calls {
		wantTrouble(t, call(), 503, "1297")
	}
	h.callback(t, "100001/main", "SIGNED 20260102100001000000000000 T1", 503, "fail")
}

func dsnOfPostgres(t *testing.T) string { return storetest.PostgresDSN(t) }
