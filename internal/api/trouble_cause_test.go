package api

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
)

// calls are one of each call that stores something, and a query.
func (h *harness) calls(t *testing.T) map[string]func() reply {
	t.Helper()
	paid, open := h.paid(t, "C-paid"), h.pay(t, "out_trade_no", "C-open").get("syssn")
	wantCode(t, h.pay(t, "out_trade_no", "C-again"), 200, "0000", "")
	h.pass(3 * time.Second) // nothing that was read is still believed
	return map[string]func() reply{
		"payment":         func() reply { return h.pay(t, "out_trade_no", "C-new") },
		"payment, again":  func() reply { return h.pay(t, "out_trade_no", "C-again") },
		"payment, in app": func() reply { return h.payInApp(t, "out_trade_no", "C-app") },
		"refund":          func() reply { return h.refund(t, paid, "C-refund", "700") },
		"close":           func() reply { return h.closing(t, open) },
		"note":            func() reply { return h.note(t, paid) },
		"query by number": func() reply {
			return h.send(t, "/trade/v1/query", "plain",
				map[string]string{"syssn": paid})
		},
		"query by nothing": func() reply { return h.send(t, "/trade/v1/query", "plain", nil) },
	}
}

func (h *harness) note(t *testing.T, syssn string) reply {
	t.Helper()
	return h.send(t, "/trade/v1/add_note", "plain",
		map[string]string{"code": "plain", "syssn": syssn, "note": "hello"})
}

// wantTrouble checks an answer that says that the trouble is ours.
func wantTrouble(t *testing.T, got reply, status int, respcd string) {
	t.Helper()
	wantCode(t, got, status, respcd, got.header.Get("X-Request-Id"))
	if ct := got.header.Get("Content-Type"); got.header.Get("Retry-After") != "1" ||
		ct != "application/json; charset=utf-8" {
		t.Errorf("Retry-After is %q, Content-Type %q", got.header.Get("Retry-After"), ct)
	}
}

func sqlExec(t *testing.T, dsn, text string) {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	must(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), text)
	must(t, err)
}

func TestAnUnansweredCommitIsNotAFailure(t *testing.T) {
	for set, want := range map[int]int{0: 503, 200: 200} {
		dsn := storetest.PostgresDSN(t)
		h := newHarnessOn(t, dsn)
		h.TroubleStatus = set
		calls := h.calls(t)
		sqlExec(t, dsn, `CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
			'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'`)
		for _, table := range []string{"payment", "refund", "event"} {
			sqlExec(t, dsn,
				`CREATE CONSTRAINT TRIGGER die AFTER INSERT ON `+table+
					` DEFERRABLE INITIALLY DEFERRED FOR EACH `+
					`ROW EXECUTE FUNCTION die()`)
		}
		for _, name := range []string{"payment", "payment, in app", "refund", "close", "note"} {
			t.Run(fmt.Sprint(name, "/trouble status ", set), func(t *testing.T) {
				wantTrouble(t, calls[name](), want, "1298")
			})
		}
	}
}

// Each cause of an answer that is not 0000, and whose it is: ours is 503, a wallet's or the
// request's own is not.
func TestEachCauseHasItsStatus(t *testing.T) {
	database := &outage{}
	h := newHarness(t, func(c *store.Config) { c.Before = database.before })
	calls := h.calls(t)
	wallets := map[string]struct {
		err    error
		respcd string
	}{
		"cannot be reached":   {wallet.ErrNotSent, "1297"},
		"is silent":           {wallet.ErrUnknown, "1298"},
		"refuses the account": {&wallet.Rejection{Code: "NO", Kind: wallet.RejectedAccount}, "1203"},
		"refuses the order":   {&wallet.Rejection{Code: "NO", Kind: wallet.RejectedOrder}, "1205"},
	}
	for what, w := range wallets {
		h.window.answers(w.err)
		got := h.payInApp(t, "out_trade_no", what)
		if wantCode(t, got, 200, w.respcd, ""); got.header.Get("Retry-After") != "" {
			t.Errorf("a wallet that %s: Retry-After is %q", what, got.header.Get("Retry-After"))
		}
	}
	h.window.answers(errors.New("an order that no wallet takes"))
	wantCode(t, h.payInApp(t, "out_trade_no", "odd"), 503, "1252", "")
	h.window.answers(nil)

	for name, call := range calls {
		h.pass(3 * time.Second)
		database.begin(1, errors.New("odd"))
		got := call()
		if database.end(); got.get("respcd") != "1252" {
			t.Errorf("%s: %s", name, got.raw)
		}
		wantTrouble(t, got, 503, "1252")
	}
	wantCode(t, h.pay(t, "txamt", "0"), 200, "1104", "")
	wantCode(t, h.do(t, h.request(t, "/trade/v1/payment", "a", "plain", "x")), 200, "1103", "")
	wantCode(t, h.do(t, h.request(t, "/trade/v1/payment", "a=1", "plain", "00")), 200, "1108", "")
	for range 3 {
		if got := h.send(t, "/trade/v1/query", "tight", nil); got.get("respcd") != "0000" {
			wantCode(t, got, 429, "1297", "")
		}
	}
	h.TroubleStatus = 200 // which is about trouble of ours alone
	for range 3 {
		if got := h.send(t, "/trade/v1/query", "tight", nil); got.get("respcd") != "0000" {
			wantCode(t, got, 429, "1297", "")
		}
	}
	database.begin(1, store.ErrUnavailable)
	h.callback(t, "100001/main", "SIGNED 20260102100001000000000000 T1", 503, "fail")
	database.end()
}

// A wallet that was asked before may have taken the order, whatever it says of the account now.
func TestARefusedAccountLeavesTheOutcomeUnknown(t *testing.T) {
	h := newHarness(t)
	h.window.answers(wallet.ErrUnknown)
	wantCode(t, h.payInApp(t), 200, "1298", "")
	h.window.answers(&wallet.Rejection{Code: "NO", Kind: wallet.RejectedAccount})
	h.pass(time.Minute)
	wantCode(t, h.payInApp(t), 200, "1298", "query")
	h.window.answers(nil)
	h.pass(time.Minute)
	wantCode(t, h.payInApp(t), 200, "0000", "")
}
