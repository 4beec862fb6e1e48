package store_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// kind names which of the two errors a failed change is.
func kind(err error) string {
	unavailable, unknown := errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrOutcomeUnknown)
	switch {
	case unavailable && unknown:
		return "both"
	case unavailable:
		return "unavailable"
	case unknown:
		return "unknown"
	case err == nil:
		return "done"
	}
	return "not understood"
}

// settles is a transaction of two statements.
func settles(ctx context.Context, db *store.DB) error {
	return db.Tx(ctx, func(tx *store.Tx) error {
		err := tx.AddEvent(pay.Event{MerchantID: "m", PaymentID: "p", ID: "1", Kind: "trouble"})
		if err != nil {
			return err
		}
		return tx.AddEvent(pay.Event{MerchantID: "m", PaymentID: "p", ID: "2", Kind: "more"})
	})
}

func ordered(ctx context.Context, db *store.DB) error {
	_, _, err := db.CreatePayment(ctx, payment(3))
	return err
}

func applies(ctx context.Context, db *store.DB) error {
	p := payment(1)
	return db.Apply(ctx, store.Change{Was: p, Payment: p, Events: []pay.Event{{ID: "1", Kind: "paid"}}})
}

func marks(ctx context.Context, db *store.DB) error {
	_, err := db.MarkOpened(ctx, scope.MerchantID, payment(1).ID, t0, t0)
	return err
}

func reads(ctx context.Context, db *store.DB) error {
	_, err := db.Events(ctx, "m", "p")
	return err
}

// trouble makes PostgreSQL do something in the middle of a change: at a statement
// on the table, or at the commit if it is deferred.
func trouble(table, when, what string) string {
	return `CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + what + `; RETURN NULL; END $$;
		CREATE CONSTRAINT TRIGGER trouble AFTER INSERT OR UPDATE ON ` + table + ` ` + when + `
			FOR EACH ROW EXECUTE FUNCTION trouble()`
}

func raise(state string) string { return "RAISE EXCEPTION 'as if' USING ERRCODE = '" + state + "'" }

func TestAFailedChangeOnPostgreSQLIsCalledWhatItIs(t *testing.T) {
	const now, atCommit = "", "DEFERRABLE INITIALLY DEFERRED"
	const end, wait = "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60)",
		"PERFORM pg_sleep(60)"
	for name, c := range map[string]struct {
		setup  string
		change func(context.Context, *store.DB) error
		want   string
	}{
		"no room for a row of a transaction": {trouble("event", now, raise("53100")), settles, "unavailable"},
		"no room at its commit": {trouble("event", atCommit, raise("53100")),
			settles, "unavailable"},
		"no room for an order": {trouble("payment", now, raise("53100")),
			ordered, "unavailable"},
		"no memory":                        {trouble("event", now, raise("53200")), settles, "unavailable"},
		"a lock that is not to be had":     {trouble("event", now, raise("55P03")), settles, "unavailable"},
		"a deadlock that does not go away": {trouble("event", now, raise("40P01")), settles, "unavailable"},
		"a rule of the schema's": {trouble("event", now, raise("23514")), settles,
			"not understood"},
		"a rule at the commit": {trouble("event", atCommit, raise("23514")), settles,
			"not understood"},
		"a statement takes all the time": {trouble("event", now, wait), settles, "unavailable"},
		"the commit takes all the time":  {trouble("event", atCommit, wait), settles, "unknown"},
		"an order takes all the time":    {trouble("payment", now, wait), ordered, "unknown"},
		"no room for a change":           {trouble("event", now, raise("53100")), applies, "unavailable"},
		"a deadlock of a change":         {trouble("event", now, raise("40P01")), applies, "unavailable"},
		"a change that breaks a rule": {trouble("event", now, raise("23514")), applies,
			"not understood"},
		"a change breaks one at the commit": {trouble("event", atCommit, raise("23514")), applies,
			"not understood"},
		"a change takes all the time":       {trouble("event", now, wait), applies, "unknown"},
		"a change takes it at the commit":   {trouble("event", atCommit, wait), applies, "unknown"},
		"a server that ends it at a change": {trouble("event", now, end), applies, "unknown"},
		"a server that ends the connection": {trouble("event", now, end), settles, "unavailable"},
		"and does so at the commit":         {trouble("event", atCommit, end), settles, "unknown"},
		"and does so to an order":           {trouble("payment", now, end), ordered, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := storetest.PostgresDSN(t)
			db := storetest.Open(t, dsn, deadline(2*time.Second))
			create(t, db, payment(1))
			sqlExec(t, dsn, c.setup)
			if err := c.change(t.Context(), db); kind(err) != c.want {
				t.Errorf("%s, want %s: %v", kind(err), c.want, err)
			}
			sqlExec(t, dsn, "DROP FUNCTION trouble CASCADE")
			if err := db.TryWrite(t.Context()); err != nil {
				t.Errorf("the next change: %v", err)
			}
		})
	}
}

// nameOf is the database's name.
func nameOf(dsn string) string {
	name, _, _ := strings.Cut(dsn[strings.LastIndex(dsn, "/")+1:], "?")
	return name
}

func TestAReadOnlyServerIsLeft(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	db := storetest.Open(t, dsn, func(c *store.Config) { c.Connections = 1 })
	// A pooler that now leads elsewhere does the same: the connection lives, but
	// its server is read-only.
	turn := func(readOnly string) {
		t.Helper()
		sqlExec(t, dsn+"&default_transaction_read_only=off",
			"ALTER DATABASE "+nameOf(dsn)+" SET default_transaction_read_only = "+readOnly)
	}
	create(t, db, payment(1))
	turn("on")
	err := db.Tx(t.Context(), func(tx *store.Tx) error {
		return store.Execute(tx, "SET default_transaction_read_only = on")
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(context.Context, *store.DB) error{
		"a transaction": settles, "an order": ordered, "a change": applies, "a mark": marks,
	} {
		if err := change(t.Context(), db); kind(err) != "unavailable" {
			t.Errorf("%s: %s: %v", name, kind(err), err)
		}
	}
	if err := reads(t.Context(), db); kind(err) != "unavailable" {
		t.Errorf("what a server says that is none to write to may be old, and was read (%v)", err)
	}
	turn("off")
	create(t, db, payment(2))

	turn("on")
	any := storetest.Open(t, dsn+"&target_session_attrs=any")
	if err := reads(t.Context(), any); err != nil {
		t.Errorf("the address asks for any server, and none may be read: %v", err)
	}
	turn("off")
}

func TestNoConnectionIsNotAvailable(t *testing.T) {
	p := newPath(t, storetest.PostgresDSN(t))
	db := storetest.Open(t, p.dsn)
	p.cut()
	// The read comes first and finds the pool's connections broken. A change sent
	// on one of them would be in doubt.
	for _, c := range []struct {
		name   string
		change func(context.Context, *store.DB) error
	}{{"a read", reads}, {"a transaction", settles}, {"an order", ordered}, {"a change", applies},
		{"a mark", marks}} {
		if err := c.change(t.Context(), db); kind(err) != "unavailable" {
			t.Errorf("%s: %s: %v", c.name, kind(err), err)
		}
	}
}

func TestACallerThatGoesAwayLeavesNothingInDoubt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for name, change := range map[string]func(context.Context, *store.DB) error{
			"a transaction": settles, "an order": ordered, "a change": applies, "a mark": marks, "a read": reads,
		} {
			if err := change(gone, db); kind(err) != "unavailable" || !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %s: %v", name, kind(err), err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		err := db.Tx(ctx, func(tx *store.Tx) error {
			defer cancel() // too late to undo it
			return tx.AddEvent(pay.Event{MerchantID: "m", PaymentID: "q", ID: "1"})
		})
		if err != nil {
			t.Errorf("went away before the commit: %v", err)
		}
	})
}

func TestAClosedDatabaseIsNotAvailable(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		db, err := storetest.Create(t.Context(), store.Config{DSN: dsn, MasterKey: storetest.MasterKey})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(context.Context, *store.DB) error{
			"a transaction": settles, "an order": ordered, "a change": applies, "a mark": marks, "a read": reads,
		} {
			if err := change(t.Context(), db); kind(err) != "unavailable" {
				t.Errorf("%s: %s: %v", name, kind(err), err)
			}
		}
	})
}

func TestAFailedChangeOnSQLiteIsCalledWhatItIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.db")
	db := storetest.Open(t, "sqlite:"+file, deadline(time.Second))
	other, err := sql.Open("sqlite", "file:"+file+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(context.Context, *store.DB) error{
		"a transaction": settles, "an order": ordered, "a change": applies, "a mark": marks,
	} {
		if err := change(t.Context(), db); kind(err) != "unavailable" {
			t.Errorf("another process writes, %s: %s: %v", name, kind(err), err)
		}
	}
	if err := reads(t.Context(), db); err != nil {
		t.Errorf("another process writes, a read: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	create(t, db, payment(2))
	_, err = db.Payment(t.Context(), scope.MerchantID, payment(3).ID)
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what was refused is there (%v)", err)
	}
}

func TestAServerWithoutConnectionsIsUnavailable(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	role := "limited_" + strings.TrimPrefix(nameOf(dsn), "sampan_test_")
	sqlExec(t, dsn, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret' CONNECTION LIMIT 1; "+
		"GRANT ALL ON ALL TABLES IN SCHEMA public TO "+role)
	t.Cleanup(func() { sqlExec(t, dsn, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Open(t, dsn) // which proves the master key
	u.User = url.UserPassword(role, "secret")
	db := storetest.Open(t, u.String(), func(c *store.Config) { c.Connections = 2 })
	err = db.Tx(t.Context(), func(tx *store.Tx) error {
		for name, change := range map[string]func(context.Context, *store.DB) error{
			"a transaction": settles, "an order": ordered, "a change": applies, "a mark": marks, "a read": reads,
		} {
			if err := change(t.Context(), db); kind(err) != "unavailable" {
				t.Errorf("%s: %s: %v", name, kind(err), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	create(t, db, payment(1))
}
