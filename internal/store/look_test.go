package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func openReadOnly(t *testing.T, dsn string) *store.DB {
	t.Helper()
	db, err := store.OpenReadOnly(t.Context(), store.Config{DSN: dsn, MasterKey: storetest.MasterKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestADatabaseOpenedToReadCannotBeChanged(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		writer := storetest.Open(t, dsn)
		m, c := storetest.Merchant(t, writer)
		p := payment(1)
		create(t, writer, p)
		db := openReadOnly(t, dsn)
		ctx := t.Context()
		_, _, created := db.CreatePayment(ctx, payment(2))
		_, claimed := db.ClaimPayments(ctx,
			store.Claim{Now: t0, Lease: time.Minute, Keys: map[string]int{"100001/main": 1}})
		_, deliveries := db.ClaimDeliveries(ctx,
			store.Claim{Now: t0, Lease: time.Minute, Keys: map[string]int{"http://a:80": 1}})
		for what, err := range map[string]error{
			"create a payment": created,
			"claim payments":   claimed,
			"claim deliveries": deliveries,
			"finish an attempt": db.FinishAttempt(ctx, delivery(1, "http://a:80"),
				store.DeliveryAttempt{StartedAt: t0}),
			"create a merchant":  db.CreateMerchant(ctx, pay.Merchant{ID: "2"}),
			"disable a merchant": db.SetMerchantDisabled(ctx, m.ID, pay.Disabling{Disabled: true}),
			"change a key":       db.SetClientKey(ctx, c.AppCode, "k"),
			"a transaction":      db.Tx(ctx, func(*store.Tx) error { t.Error("it is begun"); return nil }),
			"try to write":       db.TryWrite(ctx),
		} {
			if !errors.Is(err, store.ErrReadOnly) {
				t.Errorf("%s: %v", what, err)
			}
		}
		equal(t, p)(db.Payment(ctx, p.MerchantID, p.ID))
		equal(t, m)(db.Merchant(ctx, m.ID))
		if err := db.Ping(ctx); err != nil {
			t.Error(err)
		}
	})
}

// A second guard below the first: the connections themselves do not write.
func TestConnectionsOfALookDoNotWrite(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		writer := storetest.Open(t, dsn)
		storetest.Merchant(t, writer)
		db := openReadOnly(t, dsn)
		_, err := store.Pool(db).ExecContext(t.Context(), "UPDATE merchant SET name = 'Coffee House'")
		if text := "read-only"; err == nil ||
			!strings.Contains(strings.ReplaceAll(err.Error(), "readonly", text), text) {
			t.Errorf("%v, want that it can only be read", err)
		}
	})
}

func TestALookSeesWhatIsWrittenMeanwhile(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		writer := storetest.Open(t, dsn)
		db := openReadOnly(t, dsn)
		for n := range 3 {
			create(t, writer, payment(n))
			if _, err := db.Payment(t.Context(), scope.MerchantID, payment(n).ID); err != nil {
				t.Error(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A file that nobody has open is read as one that does not change. If a server
// opens it after all, the reading fails.
func TestAServerThatStartsDuringALookSpoilsIt(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "sampan.db")
	made, err := storetest.Create(t.Context(), store.Config{DSN: dsn, MasterKey: storetest.MasterKey})
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	calm := openReadOnly(t, dsn)
	if err := errors.Join(calm.Unchanged(), calm.Close()); err != nil {
		t.Error(err)
	}
	for what, end := range map[string]func(*store.DB){
		"and runs": func(*store.DB) {}, "and has ended": func(db *store.DB) { db.Close() },
	} {
		t.Run(what, func(t *testing.T) {
			db := openReadOnly(t, dsn)
			server, err := store.Open(t.Context(), store.Config{DSN: dsn, MasterKey: storetest.MasterKey})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			if err := server.TryWrite(t.Context()); err != nil {
				t.Fatal(err)
			}
			end(server)
			if err := db.Unchanged(); err == nil || !strings.Contains(err.Error(), "run it again") {
				t.Errorf("Unchanged: %v", err)
			}
			if err := db.Close(); err == nil || !strings.Contains(err.Error(), "run it again") {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func TestOpenMakesNoDatabaseAndRaisesNoSchema(t *testing.T) {
	c := store.Config{MasterKey: storetest.MasterKey}
	refused := func(t *testing.T, c store.Config, have int64) {
		t.Helper()
		type opening func(context.Context, store.Config) (*store.DB, error)
		for what, open := range map[string]opening{"to change": store.Open, "to look": store.OpenReadOnly} {
			db, err := open(t.Context(), c)
			if err == nil {
				db.Close()
			}
			different := (*store.SchemaError)(nil)
			if !errors.As(err, &different) || different.Have != have || different.Want < 7 {
				t.Errorf("opened %s: %v", what, err)
			}
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		c.DSN = "sqlite:" + filepath.Join(dir, "sampan.db")
		refused(t, c, 0)
		if made, err := os.ReadDir(dir); err != nil || len(made) > 0 {
			t.Errorf("made %v, %v", made, err)
		}
	})
	t.Run("postgres", func(t *testing.T) {
		c.DSN = storetest.EmptyPostgresDSN(t)
		refused(t, c, 0)
		if s, err := store.ReadSchema(t.Context(), c.DSN); err != nil || s.Have != 0 {
			t.Errorf("%+v, %v", s, err)
		}
	})
	for name, version := range map[string]int64{"older": 3, "newer": 99} {
		t.Run(name, func(t *testing.T) {
			storetest.EachDSN(t, func(t *testing.T, dsn string) {
				c.DSN = dsn
				storetest.Open(t, dsn)
				renumber(t, dsn, version)
				refused(t, c, version)
			})
		})
	}
}

// renumber makes a database claim the migrations up to 3, and a version.
func renumber(t *testing.T, dsn string, version int64) {
	t.Helper()
	driver, address := "pgx", dsn
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		driver, address = "sqlite", path
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const remove, add = "DELETE FROM goose_db_version WHERE version_id > 3 OR version_id = $1",
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)"
	if _, err := db.ExecContext(t.Context(), remove, version); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), add, version, true); err != nil {
		t.Fatal(err)
	}
}

func TestMigrateMakesTheSchemaOnceAndSaysWhatItWas(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		if strings.HasPrefix(dsn, "postgres") {
			dsn = storetest.EmptyPostgresDSN(t)
		}
		c := store.Config{DSN: dsn, MasterKey: storetest.MasterKey}
		was, err := store.Migrate(t.Context(), c)
		if err != nil || was.Have != 0 || len(was.Pending) == 0 {
			t.Fatalf("%+v, %v", was, err)
		}
		again, err := store.Migrate(t.Context(), c)
		if err != nil || again.Have != was.Want || len(again.Pending) > 0 {
			t.Errorf("again: %+v, %v", again, err)
		}
		// The first one to migrate stores proof of its key; after that no other key
		// may migrate.
		c.MasterKey = pay.Secret(strings.Repeat("ab", 32))
		renumber(t, dsn, 3)
		if _, err := store.Migrate(t.Context(), c); err == nil ||
			!strings.Contains(err.Error(), "master key is not the one") {
			t.Errorf("with another master key: %v", err)
		}
		if s, err := store.ReadSchema(t.Context(), dsn); err != nil || s.Have != 3 {
			t.Errorf("it was raised all the same: %+v, %v", s, err)
		}
		c.MasterKey = storetest.MasterKey
		renumber(t, dsn, 99)
		if _, err := store.Migrate(t.Context(), c); err == nil ||
			!strings.Contains(err.Error(), "use the newer program") {
			t.Errorf("from a newer schema: %v", err)
		}
	})
}

// Replicas start at the same time, some of them when others have migrated already.
func TestReplicasMigrateAtTheSameTime(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		if strings.HasPrefix(dsn, "postgres") {
			dsn = storetest.EmptyPostgresDSN(t)
		}
		c := store.Config{DSN: dsn, MasterKey: storetest.MasterKey}
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if was, err := store.Migrate(t.Context(), c); err != nil {
					t.Errorf("%+v, %v", was, err)
					return
				}
				db, err := store.OpenReadOnly(t.Context(), c)
				if err != nil {
					t.Error(err)
					return
				}
				_ = db.Close() // which may say that another replica has just opened it
			})
		}
		wg.Wait()
	})
}

// A pooler in transaction mode refuses most parameters at a connection's start, and
// hands one session's settings to the next client, so a reading command sets none.
func TestALookGoesThroughAPooler(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	writer := storetest.Open(t, dsn)
	m, _ := storetest.Merchant(t, writer)
	through := pooler(t, dsn, "transaction") + "&default_query_exec_mode=exec"
	for range 3 {
		db := openReadOnly(t, through)
		equal(t, m)(db.Merchant(t.Context(), m.ID))
		if err := db.TryWrite(t.Context()); !errors.Is(err, store.ErrReadOnly) {
			t.Errorf("a change: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if s, err := store.ReadSchema(t.Context(), through); err != nil || s.Have != s.Want {
		t.Errorf("%+v, %v", s, err)
	}
	// The server's connections are unchanged: they still write.
	next := storetest.Open(t, through)
	if err := next.TryWrite(t.Context()); err != nil {
		t.Error(err)
	}
}
