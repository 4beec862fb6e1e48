package store_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// counted counts the writes that Ready tries.
func counted(n *atomic.Int32) storetest.Option {
	return func(c *store.Config) {
		c.Token = func() string {
			n.Add(1)
			return "T"
		}
	}
}

func TestReadinessTriesOneWriteForAllWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		db := storetest.Open(t, "sqlite:"+filepath.Join(t.TempDir(), "s.db"), counted(&tries))
		for round := range int32(3) {
			var wg sync.WaitGroup
			for range 200 {
				wg.Go(func() {
					if err := db.Ready(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			time.Sleep(4900 * time.Millisecond)
			if err := db.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			if n := tries.Load(); n != round+1 {
				t.Errorf("%d writes were tried, want %d", n, round+1)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

func TestReadinessWaitsTwoSecondsForAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, g := openGated(t)
		g.holds("COMMIT")
		asked := time.Now()
		ready := func() error { return db.Ready(context.Background()) }
		var first error
		var wg sync.WaitGroup
		wg.Go(func() { first = ready() })
		<-g.reached
		wg.Wait()
		if took := time.Since(asked); first == nil || took > 2*time.Second {
			t.Errorf("%v after %v", first, took)
		}
		for range 100 { // and then nobody waits
			if err := ready(); err == nil {
				t.Error("ready, and a write hangs")
			}
		}
		if took := time.Since(asked); took > 2*time.Second {
			t.Errorf("a hundred more took until %v", took)
		}
		g.goOn <- struct{}{}
		time.Sleep(6 * time.Second)
		if err := ready(); err != nil {
			t.Error(err)
		}
	})
}

func TestReadinessFollowsARefusedChangeAtOnce(t *testing.T) {
	t.Run("a server that can only be read", func(t *testing.T) {
		dsn := storetest.PostgresDSN(t)
		db := storetest.Open(t, dsn, func(c *store.Config) { c.Connections = 1 })
		if err := db.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		sqlExec(t, dsn, "ALTER DATABASE "+nameOf(dsn)+" SET default_transaction_read_only = on")
		if err := db.Tx(t.Context(), func(tx *store.Tx) error {
			return store.Execute(tx,
				"SET default_transaction_read_only = on")
		}); err != nil {
			t.Fatal(err)
		}
		for range 2 { // refused by the server, and then no server is left to write to
			if err := settles(t.Context(), db); kind(err) != "unavailable" {
				t.Fatalf("%s: %v", kind(err), err)
			}
			if err := db.Ready(t.Context()); err == nil {
				t.Error("ready")
			}
		}
		sqlExec(t, dsn+"&default_transaction_read_only=off",
			"ALTER DATABASE "+nameOf(dsn)+" SET default_transaction_read_only = off")
		create(t, db, payment(1))
		if err := db.Ready(t.Context()); err != nil {
			t.Errorf("an order was taken, and: %v", err)
		}
	})
	t.Run("a full disk", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "s.db")
		var full atomic.Bool
		db := storetest.Open(t, "sqlite:"+file, func(c *store.Config) {
			c.Before = func(statement string) error {
				if full.Load() && strings.Contains(statement, "INSERT INTO payment") {
					return fullDisk(t)
				}
				return nil
			}
		})
		if err := db.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		full.Store(true)
		if err := ordered(t.Context(), db); kind(err) != "unavailable" {
			t.Fatalf("%s: %v", kind(err), err)
		}
		if err := db.Ready(t.Context()); err == nil {
			t.Error("ready, and there is no room for an order")
		}
		full.Store(false)
		create(t, db, payment(1))
		if err := db.Ready(t.Context()); err != nil {
			t.Errorf("an order was taken, and: %v", err)
		}
	})
}

// fullDisk is SQLite's own error of a file that may not grow.
func fullDisk(t *testing.T) error {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Error(err)
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, text := range []string{"CREATE TABLE t (x)", "PRAGMA max_page_count = 2"} {
		if _, err := db.Exec(text); err != nil {
			t.Error(err)
		}
	}
	_, err = db.Exec("INSERT INTO t VALUES (zeroblob(100000))")
	return err
}

func TestAClosedDatabaseIsNotReady(t *testing.T) {
	db, err := storetest.Create(t.Context(),
		store.Config{DSN: "sqlite:" + filepath.Join(t.TempDir(), "s.db"), MasterKey: storetest.MasterKey})
	if err != nil {
		t.Fatal(err)
	}
	db.Close()
	if err := db.Ready(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
}
