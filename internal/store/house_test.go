package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// Step 9 turns the events' sentences into facts, and leaves the rest as it is. What
// the previous release's binary wrote is held against what the audit and the
// commands make of it in test/e2e; here it is the rows.
func TestHouseKeepsRows(t *testing.T) {
	storetest.EachPrevious(t, func(t *testing.T, dsn, _ string) {
		shell := openDSN(t, dsn)
		before := kept(t, shell)
		var done, all int64
		was, err := store.Migrate(t.Context(), store.Config{
			DSN: dsn, MasterKey: storetest.MasterKey, Migrating: func(d, a int64) { done, all = d, a },
		})
		if err != nil || was.Have != 8 {
			t.Fatalf("migrated from %+v: %v", was, err)
		}
		if diff := cmp.Diff(before, kept(t, shell)); diff != "" {
			t.Errorf("rows have changed:\n%s", diff)
		}
		if done != all || int(all) != len(before["event"]) {
			t.Errorf("progress ended with %d of %d, and there are %d events", done, all, len(before["event"]))
		}
		appendOnly(t, shell, dsn)

		// Every kind is there, with an actor of a known role, and each payment counts its events.
		db := storetest.Open(t, dsn)
		kinds := map[pay.EventKind]int{}
		for _, merchant := range []string{"100001", "100002"} {
			for id, d := range dossiers(t, db, merchant) {
				if d.Payment == nil || d.Payment.Events != len(d.Events) {
					t.Errorf("%s counts %+v, and has %d events", id, d.Payment, len(d.Events))
				}
				for _, e := range d.Events {
					kinds[e.Kind]++
					named := e.By.Role == pay.RoleMerchant
					if !e.By.Role.Known() || (e.By.Name != "") != named ||
						named && e.By.Name != d.Payment.AppCode {
						t.Errorf("%s by %+v", e.Kind, e.By)
					}
				}
			}
		}
		for _, k := range pay.EventKinds {
			if kinds[k] == 0 {
				t.Errorf("no event of kind %s", k)
			}
			delete(kinds, k)
		}
		if len(kinds) > 0 {
			t.Errorf("unknown kinds: %v", kinds)
		}
		orphans, err := db.Orphans(t.Context(), store.OrphanFilter{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range orphans {
			if merchant := o.SettledBy.Role == pay.RoleMerchant; merchant != (o.SettledBy.Name != "") {
				t.Errorf("orphan %s settled by %+v", o.Number, o.SettledBy)
			}
		}
	})
}

// An owner of the database can delete events, and the audit says so. The payment
// still takes its next event after the step.
func TestHouseAfterAnEventIsGone(t *testing.T) {
	storetest.EachPrevious(t, func(t *testing.T, dsn, _ string) {
		shell := openDSN(t, dsn)
		deleteEvents(t, shell, dsn, "seq = 1")
		if _, err := store.Migrate(t.Context(), store.Config{DSN: dsn, MasterKey: storetest.MasterKey}); err != nil {
			t.Fatal(err)
		}
		db := storetest.Open(t, dsn)
		tried := 0
		for id, d := range dossiers(t, db, "100001") {
			if d.Payment == nil || len(d.Events) == 0 {
				continue
			}
			tried++
			c := store.Change{Was: *d.Payment, Payment: *d.Payment}
			c.Events = []pay.Event{{ID: "next", At: t0, Kind: pay.EventNote, By: pay.ByRecover}}
			if err := db.Apply(t.Context(), c); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		}
		if tried == 0 {
			t.Error("no payment has lost an event and has others")
		}
	})
}

// A sentence that no release wrote stops the step. The error names the row, and
// nothing is changed.
func TestHouseStopsAtUnreadableEvent(t *testing.T) {
	storetest.EachPrevious(t, func(t *testing.T, dsn, _ string) {
		shell := openDSN(t, dsn)
		var payment string
		row := shell.QueryRowContext(t.Context(), "SELECT id FROM payment WHERE order_no = 'paid'")
		if err := row.Scan(&payment); err != nil {
			t.Fatal(err)
		}
		run(t, shell, "INSERT INTO event VALUES ('100001', '"+payment+
			"', 'odd', 7, 1, 'surplus', 'wallet', 'all under trade T')")
		before := allRows(t, shell)
		_, err := store.Migrate(t.Context(), store.Config{DSN: dsn, MasterKey: storetest.MasterKey})
		want := "event 7 of payment " + payment +
			` of merchant 100001 (id odd, kind "surplus", actor "wallet") ` +
			`cannot be read: "all under trade T"`
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if diff := cmp.Diff(before, allRows(t, shell)); diff != "" {
			t.Errorf("something has changed:\n%s", diff)
		}
		appendOnly(t, shell, dsn)

		deleteEvents(t, shell, dsn, "id = 'odd'")
		if _, err := store.Migrate(t.Context(), store.Config{DSN: dsn, MasterKey: storetest.MasterKey}); err != nil {
			t.Errorf("once it is gone: %v", err)
		}
	})
}

// A process that is killed in the middle of the step leaves no trace of it, and
// the next one does the whole.
func TestHouseKilledInTheMiddle(t *testing.T) {
	storetest.EachPrevious(t, func(t *testing.T, dsn, _ string) {
		shell := openDSN(t, dsn)
		const notes = 5000 // more than two batches
		run(t, shell, fmt.Sprintf(`INSERT INTO event
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			SELECT '100001', p.id, 'n' || n.i, 1000 + n.i, 1, 'note', 'merchant', 'note ' || n.i
			FROM n, payment p WHERE p.order_no = 'noted'`, notes))
		before := allRows(t, shell)
		closeShell(t, shell)

		child, out := store.StartChild(t, "STORE_TEST_MIGRATE="+dsn)
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		var done, all int
		if _, err := fmt.Sscan(line, &done, &all); err != nil || done == 0 || done > all/2 || all < notes {
			t.Errorf("killed after %q, %v", line, err)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait()

		shell = openDSN(t, dsn)
		if diff := cmp.Diff(before, allRows(t, shell)); diff != "" {
			t.Errorf("it has left a trace:\n%.2000s", diff)
		}
		appendOnly(t, shell, dsn)
		if s, err := store.ReadSchema(t.Context(), dsn); err != nil || s.Have != 8 {
			t.Errorf("schema %+v, %v", s, err)
		}
		closeShell(t, shell)
		if _, err := store.Migrate(t.Context(), store.Config{DSN: dsn, MasterKey: storetest.MasterKey}); err != nil {
			t.Fatal(err)
		}
		shell = openDSN(t, dsn)
		appendOnly(t, shell, dsn)
		var converted int
		const text = `SELECT COUNT(*) FROM event
			WHERE kind = 'note' AND note LIKE 'note %' AND actor = 'merchant' AND actor_name <> ''`
		if err := shell.QueryRowContext(t.Context(), text).Scan(&converted); err != nil ||
			converted != notes {
			t.Errorf("%d notes, %v", converted, err)
		}
	})
}

// migrateUntilKilled is what the child process does: it prints how many events
// are done after the first batch, and waits for its end.
func migrateUntilKilled(dsn string) {
	stay := func(done, all int64) {
		fmt.Println(done, all)
		select {}
	}
	_, err := store.Migrate(context.Background(),
		store.Config{DSN: dsn, MasterKey: storetest.MasterKey, Migrating: stay})
	panic(err)
}

func openDSN(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	if path, ok := strings.CutPrefix(dsn, "sqlite:"); ok {
		return open(t, "sqlite", path)
	}
	return open(t, "pgx", dsn)
}

func closeShell(t *testing.T, shell *sql.DB) {
	t.Helper()
	if err := shell.Close(); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, shell *sql.DB, text string) {
	t.Helper()
	if _, err := shell.ExecContext(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// deleteEvents deletes what no program of ours deletes, as the database's owner can.
func deleteEvents(t *testing.T, shell *sql.DB, dsn, which string) {
	t.Helper()
	unlock, lock := "ALTER TABLE event DISABLE TRIGGER append_only",
		"ALTER TABLE event ENABLE TRIGGER append_only"
	if strings.HasPrefix(dsn, "sqlite:") {
		unlock, lock = "DROP TRIGGER event_delete", "CREATE TRIGGER event_delete BEFORE DELETE ON event "+
			"BEGIN SELECT RAISE(ABORT, 'rows of event are only ever added'); END"
	}
	for _, text := range []string{unlock, "DELETE FROM event WHERE " + which, lock} {
		run(t, shell, text)
	}
}

// appendOnly proves that the database refuses to change an event, to remove one
// and to put another in its place.
func appendOnly(t *testing.T, shell *sql.DB, dsn string) {
	t.Helper()
	texts := []string{
		"UPDATE event SET kind = 'x'", "DELETE FROM event", "UPDATE movement SET amount = 1",
		"DELETE FROM movement",
	}
	if strings.HasPrefix(dsn, "sqlite:") {
		texts = append(texts, "INSERT OR REPLACE INTO event SELECT * FROM event")
	} else {
		texts = append(texts, "TRUNCATE event")
	}
	for _, text := range texts {
		_, err := shell.ExecContext(t.Context(), text)
		if err == nil || !strings.Contains(err.Error(), "are only ever added") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// kept returns the rows' columns that the step must leave as they are, as text.
func kept(t *testing.T, shell *sql.DB) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for table, columns := range map[string]string{
		"event": "merchant_id, payment_id, id, seq, at",
		"payment": "merchant_id, id, order_no, fingerprint, status, trade_no, failure, " +
			"late, amount, currency, created_at, expires_at, paid_at, closed_at, due_at, close_id, refunded",
		"refund": "merchant_id, id, order_no, fingerprint, status, failure, cause, amount, sends, " +
			"created_at, done_at, due_at",
		"movement": "*",
		"delivery": "merchant_id, id, payment_id, refund_id, body, state, attempts, created_at, done_at",
		"orphan": "merchant_id, account_id, trade_no, refund_id, number, state, payment_id, " +
			"settled_at, settled_by, note, message",
	} {
		rows[table] = rowsOf(t, shell, "SELECT "+columns+" FROM "+table)
	}
	return rows
}

// allRows returns the schema and all rows of the tables that the step changes.
func allRows(t *testing.T, shell *sql.DB) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for _, table := range []string{"event", "payment", "refund", "movement", "orphan", "goose_db_version"} {
		rows[table] = rowsOf(t, shell, "SELECT * FROM "+table)
	}
	return rows
}

// rowsOf returns the rows that a query gives, with the columns' names, sorted.
func rowsOf(t *testing.T, shell *sql.DB, text string) []string {
	t.Helper()
	found, err := shell.QueryContext(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for found.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := found.Scan(values...); err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for i, name := range columns {
			fmt.Fprintf(&b, "%s=%q ", name, fmt.Sprintf("%s", *values[i].(*any)))
		}
		rows = append(rows, b.String())
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(rows)
	return rows
}
