package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
)

const testKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// createForTest is storetest.Create for the tests inside this package.
func createForTest(t testing.TB, c Config) (*DB, error) {
	t.Helper()
	if _, err := Migrate(t.Context(), c); err != nil {
		return nil, err
	}
	return Open(t.Context(), c)
}

// openForCommit opens SQLite so that an event of kind "late" makes COMMIT fail, and
// one of kind "gone" ends the transaction.
func openForCommit(t *testing.T) (*DB, *sqliteEngine) {
	db, err := createForTest(t,
		Config{DSN: "sqlite:" + filepath.Join(t.TempDir(), "s.db"), MasterKey: testKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	e := db.engine.(*sqliteEngine)
	for _, text := range []string{
		`CREATE TABLE promise (merchant TEXT REFERENCES merchant (id) DEFERRABLE INITIALLY DEFERRED)`,
		`CREATE TRIGGER late AFTER INSERT ON event WHEN NEW.kind = 'late'
			BEGIN INSERT INTO promise VALUES ('nobody'); END`,
		`CREATE TRIGGER gone AFTER INSERT ON event WHEN NEW.kind = 'gone' BEGIN SELECT RAISE(ROLLBACK, 'gone'); END`,
	} {
		if err := e.exec(text); err != nil {
			t.Fatal(err)
		}
	}
	return db, e
}

var errOwn = errors.New("own")

// event is a job that adds an event of a kind; "own" fails after that.
func event(ctx context.Context, db *DB, n int, kind string) *job {
	return &job{ctx: ctx, done: make(chan struct{}), work: db.work(func(tx *Tx) error {
		err := tx.AddEvent(pay.Event{MerchantID: "m", PaymentID: "p", ID: fmt.Sprint(n),
			Kind: pay.EventKind(kind)})
		if kind == "panic" {
			panic(kind)
		}
		if kind == "own" {
			return errOwn
		}
		return err
	})}
}

func TestInAGroupEachFailureIsItsOwn(t *testing.T) {
	for _, c := range []struct{ kinds, want string }{
		{"ok", "ok"},
		{"own", ""},
		{"late", ""},
		{"gone", ""},
		{"panic", ""},
		{"ok own ok", "ok ok"},
		{"own own own", ""},
		{"ok panic ok", "ok ok"},
		{"ok late ok", "ok ok"},
		{"late own ok gone ok", "ok ok"},
		{"gone ok ok", "ok ok"},
		{"ok ok gone", "ok ok"},
		{"ended ok ended", "ok"},
	} {
		t.Run(c.kinds, func(t *testing.T) {
			db, e := openForCommit(t)
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			var batch []*job
			for i, kind := range strings.Fields(c.kinds) {
				ctx := t.Context()
				if kind == "ended" {
					ctx = ended
				}
				batch = append(batch, event(ctx, db, i, kind))
			}
			e.commit(batch)
			for i, kind := range strings.Fields(c.kinds) {
				<-batch[i].done
				if err := batch[i].err; (kind == "ok") != (err == nil) || errors.Is(err, ErrOutcomeUnknown) {
					t.Errorf("%d, %s: error %v", i, kind, err)
				}
			}
			events, err := db.Events(t.Context(), "m", "p")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range events {
				got = append(got, string(e.Kind))
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("stored %q, want %q", s, c.want)
			}
		})
	}
}

func TestAFullDiskFailsCleanly(t *testing.T) {
	db, e := openForCommit(t)
	var pages int
	if err := e.conn.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if err := e.conn.QueryRowContext(t.Context(),
		fmt.Sprintf("PRAGMA max_page_count = %d", pages+2)).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	large := func(n int) *job {
		return &job{ctx: t.Context(), done: make(chan struct{}), single: n%2 == 0,
			work: db.work(func(tx *Tx) error {
				return tx.AddEvent(pay.Event{MerchantID: "m", PaymentID: "p", ID: fmt.Sprint(n),
					Note: strings.Repeat("x", 20_000)})
			})}
	}
	batch := []*job{event(t.Context(), db, 100, "ok"), large(1), event(t.Context(), db, 101, "ok"), large(2),
		event(t.Context(), db, 102, "ok")}
	e.commit(batch)
	stored := 0
	for _, j := range batch {
		if j.err == nil {
			stored++
		} else if err := j.outcome(); errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, ErrUnavailable) {
			t.Errorf("not called what it is: %v", err)
		}
	}
	events, err := db.Events(t.Context(), "m", "p")
	if err != nil || len(events) != stored || stored != 3 {
		t.Errorf("%d events, %d acknowledged, %v", len(events), stored, err)
	}
}

func TestWhatIsSealedOpensInItsRowAlone(t *testing.T) {
	s, err := newSealer(testKey)
	if err != nil {
		t.Fatal(err)
	}
	sealed := s.seal("credential", "A", "secret")
	if plain, err := s.open("credential", "A", sealed); err != nil || plain != "secret" {
		t.Errorf("%q, %v", plain, err)
	}
	if sealed == s.seal("credential", "A", "secret") {
		t.Error("sealed twice to the same text")
	}
	for name, open := range map[string]func() (string, error){
		"another row":   func() (string, error) { return s.open("credential", "B", sealed) },
		"another table": func() (string, error) { return s.open("wallet_account", "A", sealed) },
		"altered": func() (string, error) {
			return s.open("credential", "A", sealed[:len(sealed)-4]+"AAAA")
		},
		"not ours": func() (string, error) { return s.open("credential", "A", "secret") },
	} {
		if plain, err := open(); err == nil {
			t.Errorf("%s: opened %q", name, plain)
		}
	}
}
