package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/migrations"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// Clocks are set back, and ids begin with the time. The numbers go on all the same.
func TestEventsAreNumberedWithoutAGap(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		p := create(t, db, payment(1))
		for n := range 5 {
			at := t0.Add(-time.Duration(n) * time.Hour)
			c := store.Change{Was: p, Payment: p,
				Events: []pay.Event{{ID: fmt.Sprint(9 - n), At: at, Kind: "note"}}}
			if err := db.Apply(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			p = becomes(c)
		}
		events, err := db.Events(t.Context(), p.MerchantID, p.ID)
		if err != nil || len(events) != 5 {
			t.Fatalf("got %v, %v", events, err)
		}
		for i, e := range events { // oldest first, which is the last one written
			if e.Seq != 5-i {
				t.Errorf("the event of %v has number %d", e.At, e.Seq)
			}
		}
	})
}

// A settlement reads as many rows with ten thousand events as with ten: SQLite's
// plans enter each table by a key that leads to the row, or to those of the kind,
// and sort nothing. PostgreSQL counts the rows.
func TestAnEventCostsTheSameHoweverManyThereAre(t *testing.T) {
	var mu sync.Mutex
	texts := map[string]string{}
	path := filepath.Join(t.TempDir(), "sampan.db")
	db := storetest.Open(t, "sqlite:"+path, func(c *store.Config) {
		c.Before = func(text string) error {
			mu.Lock()
			defer mu.Unlock()
			if name, ok := strings.CutPrefix(text, "-- name: "); ok {
				texts[strings.Fields(name)[0]] = text
			}
			return nil
		}
	})
	p := create(t, db, payment(1))
	c := paid(p, "T")
	c.Events = []pay.Event{{ID: "e", At: t0, Kind: pay.EventNote}}
	if _, err := db.Recorded(t.Context(), p.MerchantID, p.ID, "wallet:main", "T", ""); err != nil {
		t.Fatal(err)
	}
	if err := db.Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	err := db.Tx(t.Context(), func(tx *store.Tx) error {
		n, err := tx.CountEvents(p.MerchantID, p.ID, pay.EventNote)
		if n != 1 {
			t.Errorf("%d notes", n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	none := store.Delivery{MerchantID: p.MerchantID, ID: "none"}
	err = db.FinishAttempt(t.Context(), none, store.DeliveryAttempt{StartedAt: t0})
	if !errors.Is(err, store.ErrLeaseLost) {
		t.Fatal(err)
	}

	t.Run("sqlite", func(t *testing.T) {
		shell := open(t, "sqlite", path)
		for name, key := range map[string]string{
			"Flags":       "event_kind (merchant_id=? AND payment_id=? AND kind=?)",
			"CountEvents": "event_kind (merchant_id=? AND payment_id=? AND kind=?)",
			"Movement": "sqlite_autoindex_movement_2 (merchant_id=? AND debit=? AND " +
				"trade_no=? AND refund_id=?)",
			"AddAttempt": "sqlite_autoindex_delivery_attempt_1 (merchant_id=? AND delivery_id=?)",
		} {
			plan := explained(t, shell, "EXPLAIN QUERY PLAN "+texts[name], make([]any, 15)...)
			if !strings.Contains(plan, key) || strings.Contains(plan, "SCAN e") ||
				strings.Contains(plan, "B-TREE") {
				t.Errorf("%s goes by\n%s", name, plan)
			}
		}
	})
	t.Run("postgres", func(t *testing.T) {
		shell := open(t, "pgx", storetest.PostgresDSN(t))
		for _, text := range []string{
			`INSERT INTO event (merchant_id, payment_id, id, seq, at, kind, actor)
				SELECT 'm', 'p', n::text, n, n, CASE WHEN n % 200 = 0 THEN 'note' ELSE 'refunded' END, ''
				FROM generate_series(1, 10000) n`,
			`INSERT INTO movement SELECT 'm', n::text, 'p', n::text, 'refund', 'merchant', 'wallet', 1, 'HKD', 'T', n
				FROM generate_series(1, 10000) n`,
			`INSERT INTO delivery_attempt SELECT 'm', 'p', n, n, n, 200, '', '', 0 FROM generate_series(1, 10000) n`,
			`ANALYZE`,
		} {
			if _, err := shell.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		for name, args := range map[string][]any{
			"Flags":       {"m", "p"},
			"CountEvents": {"m", "p", "note"},
			"Movement":    {"m", "merchant", "T", "7"},
			"AddAttempt":  {"m", "p", 1, 1, 1, "", "", 0},
		} {
			plan := explained(t, shell, "EXPLAIN (ANALYZE, TIMING off) "+texts[name], args...)
			read := regexp.MustCompile(`(?:actual rows=|Removed by Filter: )(\d+)`)
			for _, rows := range read.FindAllStringSubmatch(plan, -1) {
				if n, err := strconv.Atoi(rows[1]); err != nil || n > 60 {
					t.Errorf("%s reads %s rows, %v:\n%s", name, rows[1], err, plan)
				}
			}
			if !strings.Contains(plan, "Index") {
				t.Errorf("%s goes by\n%s", name, plan)
			}
		}
	})
}

// The migration that creates the keys accepts what earlier releases have written.
// If two events have the same number, it fails and changes nothing.
func TestTheKeysOfEventsAreMadeOverWhatIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		driver  string
		dialect goose.Dialect
		steps   fs.FS
		dsn     func(*testing.T) (dsn, address string)
	}{
		"sqlite": {"sqlite", goose.DialectSQLite3, migrations.SQLite, func(t *testing.T) (string, string) {
			path := filepath.Join(t.TempDir(), "sampan.db")
			return "sqlite:" + path, path
		}},
		"postgres": {"pgx", goose.DialectPostgres, migrations.Postgres, func(t *testing.T) (string, string) {
			dsn := storetest.EmptyPostgresDSN(t)
			return dsn, dsn
		}},
	} {
		for _, twice := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", one number twice: ", twice), func(t *testing.T) {
				dsn, address := c.dsn(t)
				shell := open(t, c.driver, address)
				before, err := goose.NewProvider(c.dialect, shell, c.steps,
					goose.WithDisableGlobalRegistry(true))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := before.UpTo(t.Context(), 6); err != nil {
					t.Fatal(err)
				}
				for n := 1; n <= 3; n++ {
					seq := n
					if twice && n == 3 {
						seq = 2
					}
					const row = "INSERT INTO event VALUES ('m', 'p', 'e%d', %d, %d, 'note', 'merchant', '')"
					text := fmt.Sprintf(row, n, seq, n)
					if _, err := shell.ExecContext(t.Context(), text); err != nil {
						t.Fatal(err)
					}
				}
				_, err = store.Migrate(t.Context(), store.Config{DSN: dsn, MasterKey: storetest.MasterKey})
				if (err != nil) != twice {
					t.Fatalf("migrated: %v", err)
				}
				if twice {
					var events, version int
					const text = "SELECT (SELECT COUNT(*) FROM event), " +
						"(SELECT MAX(version_id) FROM goose_db_version)"
					err := shell.QueryRowContext(t.Context(), text).Scan(&events, &version)
					if err != nil || events != 3 || version != 6 {
						t.Errorf("%d events in schema %d, %v", events, version, err)
					}
					return
				}
				db := storetest.Open(t, dsn)
				if err := db.Tx(t.Context(), func(tx *store.Tx) error {
					return tx.AddEvent(pay.Event{MerchantID: "m", PaymentID: "p", ID: "e4",
						At: t0, Kind: "note"})
				}); err != nil {
					t.Fatal(err)
				}
				events, err := db.Events(t.Context(), "m", "p")
				if err != nil || len(events) != 4 || events[3].Seq != 4 {
					t.Errorf("got %+v, %v", events, err)
				}
			})
		}
	}
}

func open(t *testing.T, driver, address string) *sql.DB {
	t.Helper()
	shell, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shell.Close() })
	return shell
}

// explained is the text of a plan, the last column of each row.
func explained(t *testing.T, shell *sql.DB, text string, args ...any) string {
	t.Helper()
	rows, err := shell.QueryContext(t.Context(), text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var plan strings.Builder
	for rows.Next() {
		fields := make([]any, len(columns))
		for i := range fields {
			fields[i] = new(any)
		}
		if err := rows.Scan(fields...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, *fields[len(fields)-1].(*any))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}
