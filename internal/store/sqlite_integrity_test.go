package store

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// orders creates orders from to to, with an event each.
func orders(t testing.TB, db *DB, from, to int) {
	t.Helper()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for first := from; first < to; first += 200 {
		err := db.Tx(t.Context(), func(tx *Tx) error {
			for i := first; i < min(first+200, to); i++ {
				// Ids look random, so that they are spread over the indexes.
				id := fmt.Sprintf("%026d", uint64(i+1)*0x9E3779B97F4A7C15)
				row := creation{Payment: fromPayment(pay.Payment{
					Scope: pay.Scope{MerchantID: "m", AppCode: "A"}, ID: id,
					OrderNo: "order-" + id, Goods: "Tea", PayType: pay.AlipayHK,
					Amount: pay.Amount{Minor: 1, Currency: "HKD"}, Status: pay.Created, CreatedAt: now,
					ExpiresAt: now, DueAt: now,
				})}
				_, err := tx.db.ExecContext(tx.ctx, insertOneText, creationTable.fields(&row)...)
				if err != nil {
					return err
				}
				if err := tx.AddEvent(pay.Event{MerchantID: "m", PaymentID: id, ID: "1", At: now,
					Kind: "created"}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// empty writes the log into the file.
func empty(t testing.TB, e *sqliteEngine) {
	t.Helper()
	var busy, pages, done int
	err := e.conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)").
		Scan(&busy, &pages, &done)
	if err != nil || busy != 0 {
		t.Fatal(busy, err)
	}
}

// crashed copies an open database as it would be found after its process was
// killed.
func crashed(t testing.TB, path string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "s.db")
	for _, suffix := range []string{"", "-wal", ".open"} {
		copyFile(t, path+suffix, copied+suffix)
	}
	return copied
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// openAt opens a file as serve does.
func openAt(path string) (*DB, error) {
	c := Config{DSN: "sqlite:" + path, MasterKey: testKey}
	if _, err := Migrate(context.Background(), c); err != nil {
		return nil, err
	}
	return Open(context.Background(), c)
}

// A backup was copied over a database whose log was still there. The log holds
// pages of the file's other state, so the two no longer make one database.
func TestABackupCopiedOverAnOldLogIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	db, err := openAt(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	e := db.engine.(*sqliteEngine)
	orders(t, db, 0, 400)
	empty(t, e)
	backup := filepath.Join(t.TempDir(), "backup.db")
	copyFile(t, path, backup)

	images := map[string]string{}
	orders(t, db, 400, 430)
	images["everything since the backup is in the log"] = crashed(t, path)
	empty(t, e)
	orders(t, db, 430, 431)
	images["an order after a checkpoint"] = crashed(t, path)
	orders(t, db, 431, 2000)
	empty(t, e)
	orders(t, db, 2000, 2030)
	images["30 orders after a checkpoint"] = crashed(t, path)
	orders(t, db, 2030, 7000) // which writes the log into the file by itself
	images["a large log"] = crashed(t, path)

	for name, image := range images {
		t.Run(name, func(t *testing.T) {
			mixed := crashed(t, image)
			copyFile(t, backup, mixed)
			before := contents(t, mixed)
			db, err := openAt(mixed)
			if name == "everything since the backup is in the log" {
				// It looks like a crash, and the result is the state before it: the
				// restore is undone. docs/operating.md says so.
				if err != nil {
					t.Fatal(err)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
				if err := checkFile(t.Context(), mixed, Everything); err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), mixed) {
				t.Fatalf("opened with %v, want ErrDamaged", err)
			}
			if _, err := openAt(mixed); !errors.Is(err, ErrDamaged) {
				t.Errorf("opened again with %v, want ErrDamaged", err)
			}
			if contents(t, mixed) != before {
				t.Error("what is damaged was changed")
			}
			// Without the copied backup the same crash does no harm.
			db, err = openAt(image)
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			if err := checkFile(t.Context(), image, Everything); err != nil {
				t.Error(err)
			}
		})
	}
}

// contents are the bytes of a database and its log.
func contents(t testing.TB, path string) string {
	t.Helper()
	var all string
	for _, suffix := range []string{"", "-wal"} {
		text, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	return all
}

var orderCount = flag.Int("orders", 20_000, "how many orders the file of the benchmark has")

// BenchmarkCheck measures the checks of a file. The first one must not grow with
// the file: it runs at the start after an unclean end, however large the file is.
func BenchmarkCheck(b *testing.B) {
	path := filepath.Join(b.TempDir(), "s.db")
	c := Config{DSN: "sqlite:" + path, MasterKey: testKey, NoSync: true, Deadline: time.Hour}
	if _, err := Migrate(b.Context(), c); err != nil {
		b.Fatal(err)
	}
	db, err := Open(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	orders(b, db, 0, 1)
	more := strings.NewReplacer(" id,", " printf('%026d', n),", " order_no,",
		" printf('order-%d', n),").Replace(" " + paymentTable.list(""))
	err = db.Tx(b.Context(), func(tx *Tx) error {
		_, err := tx.db.ExecContext(tx.ctx, `WITH RECURSIVE number (n) AS (
				SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < $1)
			INSERT INTO payment (`+paymentTable.list("")+`) SELECT `+more+`
			FROM number, (SELECT * FROM payment)`, *orderCount-1)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	if db, err = openAt(path); err != nil {
		b.Fatal(err)
	}
	orders(b, db, *orderCount, *orderCount+100)
	image := crashed(b, path)
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(image)
	if err != nil {
		b.Fatal(err)
	}
	for _, how := range []Thoroughness{Ends, Pages, Everything} {
		b.Run([]string{"ends", "pages", "everything"}[how], func(b *testing.B) {
			for b.Loop() {
				if err := checkFile(b.Context(), image, how); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(info.Size())/(1<<20), "MiB")
		})
	}
}

// A file that is not whole is not served, whatever the cause. Here nobody had it
// open, so no unclean end is on record.
func TestAFileWithoutItsEndIsNotServed(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(text []byte) []byte
	}{
		{"its second half is missing", func(text []byte) []byte { return text[:len(text)/2/4096*4096] }},
		{"its last pages are empty",
			func(text []byte) []byte { clear(text[len(text)-8*4096:]); return text }},
		{"its first page is of another kind",
			func(text []byte) []byte { copy(text, "not a database"); return text }},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := closedWith(t, 3000)
			rewrite(t, path, c.spoil([]byte(contentsOf(t, path))))
			before := contentsOf(t, path)
			if _, err := openAt(path); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) ||
				!strings.Contains(err.Error(), "sampan restore") {
				t.Errorf("opened with %v, want ErrDamaged", err)
			}
			if err := CheckSQLite(t.Context(), "sqlite:"+path, Everything); !errors.Is(err, ErrDamaged) {
				t.Errorf("checked: %v, want ErrDamaged", err)
			}
			if contentsOf(t, path) != before {
				t.Error("it was changed")
			}
		})
	}
}
