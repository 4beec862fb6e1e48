package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/server"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/terminal"
)

// hostile is a text that a stranger may send: a title and a colour for the terminal,
// the same by C1 controls, a bell and a backspace, characters that turn the text or do
// not show, line and paragraph ends, a byte that is not UTF-8, and a line that looks
// like one of ours.
const hostile = "\x1b]0;title\a\x1b[31m\u009b31m\x7f\b\u202egnp.exe\u202c\u2066x\u2069" +
	"\u200e\u200f\u061c\u200b\u200d\ufeff\u2028\u2029\u00ad\U000e0041\u3164\xff\r\n✔ FORGED\t\v\f"

// honest is a text that must be printed unchanged.
const honest = "烏龍茶 crème brûlée ﷼ नमस्ते 🍵 ☕️ €"

// obeyed lists the characters of a text that a screen would not let through.
func obeyed(text string) (found []string) {
	for _, r := range text {
		var shown bytes.Buffer
		fmt.Fprint(terminal.ForPeople(&shown), string(r))
		if shown.String() != string(r) {
			found = append(found, fmt.Sprintf("%U", r))
		}
	}
	return found
}

// prints runs a command of the real program and returns all that it prints.
func prints(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
	if err != nil && !errors.Is(err, errReported) {
		fmt.Fprintln(terminal.ForPeople(&stderr), complaint(err))
	}
	return stdout.String() + stderr.String()
}

func TestNoCommandPrintsHiddenCharacters(t *testing.T) {
	dir := t.TempDir()
	file, dsn := filepath.Join(dir, "sampan.toml"), "sqlite:"+filepath.Join(dir, "sampan.db")
	text := fmt.Sprintf("database = %q\nmaster_key_file = %q\n", dsn, filepath.Join(dir, "master.key"))
	for name, text := range map[string]string{"sampan.toml": text,
		"master.key": storetest.MasterKey.Reveal()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := storetest.Open(t, dsn)
	m, c := storetest.Merchant(t, db)
	now := time.Now()
	words := hostile + honest
	evil := pay.Merchant{ID: "666666", Name: words, MCC: words, CreatedAt: now}
	account := pay.WalletAccount{
		MerchantID: m.ID, ID: words, Wallet: words, PayTypes: []pay.PayType{pay.PayType(words)},
		Currencies: []pay.Currency{"HKD"},
		Settings:   map[string]string{words: words},
		Secrets:    map[string]pay.Secret{words: "x"}, CreatedAt: now,
	}
	p := pay.Payment{
		Scope: pay.Scope{MerchantID: m.ID, AppCode: c.AppCode}, ID: "20261129100001000000000001",
		OrderNo: "A-1" + words, Fingerprint: "f",
		PayType: pay.PayType(words), AccountID: words,
		Amount: pay.Amount{Minor: 100, Currency: "HKD"}, Goods: words, ClientTime: words,
		NotifyURL: words, ReturnURL: words, OpenID: words, Status: pay.Created,
		Failure: words, CreatedAt: now, ExpiresAt: now,
	}
	failed := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	failed(db.CreateMerchant(t.Context(), evil))
	failed(db.CreateCredential(t.Context(),
		pay.Credential{MerchantID: evil.ID, AppCode: "EVIL" + words, ClientKey: "K",
			ReturnHosts: []string{words}, HasStores: true, CreatedAt: now}))
	failed(db.CreateStore(t.Context(),
		pay.Store{MerchantID: evil.ID, AppCode: "EVIL" + words, ID: words, Name: words, CreatedAt: now}))
	failed(db.PutWalletAccount(t.Context(), account))
	_, _, err := db.CreatePayment(t.Context(), p)
	failed(err)
	failed(db.Tx(t.Context(), func(tx *store.Tx) error {
		change := store.Change{Was: p, Payment: p}
		change.Payment.Status, change.Payment.TradeNo, change.Payment.BuyerID = pay.Paid, words, words
		change.Payment.PaidAt, change.Payment.Reserved = now, 100
		change.Movement = &pay.Movement{MerchantID: p.MerchantID, ID: words, PaymentID: p.ID,
			Kind: pay.MovementKind(words), Debit: words, Credit: words, Amount: p.Amount,
			TradeNo: words, At: now}
		change.Events = []pay.Event{{ID: words, At: now, Kind: pay.EventNote,
			By: pay.ByOperator(words), Note: words}}
		failed(tx.Apply(change))
		_, err := tx.AddRefund(pay.Refund{Scope: p.Scope, ID: "20261129100001000000000002", OrderNo: words,
			PaymentID: p.ID, Amount: p.Amount, Status: pay.RefundPending, Failure: words, CreatedAt: now,
		}, now.Add(time.Hour))
		failed(err)
		return tx.AddDelivery(store.Delivery{MerchantID: p.MerchantID, ID: "D1", PaymentID: p.ID,
			AppCode: p.AppCode, Kind: words, URL: words,
			Receiver: words, Body: []byte(words), CreatedAt: now})
	}))
	claims, err := db.ClaimDeliveries(t.Context(),
		store.Claim{Now: now.Add(time.Minute), Lease: time.Minute, Keys: map[string]int{words: 1}})
	failed(err)
	claims[0].State, claims[0].DueAt = store.DeliveryDue, now.Add(time.Hour)
	failed(db.FinishAttempt(t.Context(), claims[0],
		store.DeliveryAttempt{StartedAt: now, Status: 500, Answer: words, Error: words}))

	orphan := pay.Orphan{
		MerchantID: m.ID, AccountID: words, Number: "20261129100001000000000009",
		TradeNo: words, RefundID: words, Amount: p.Amount, BuyerID: words,
		At: now, NoticedAt: now, State: pay.OrphanOpen, Note: words,
	}
	failed(db.Tx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.AddOrphan(orphan, []byte(words), 10)
		return err
	}))

	// The merchants' commands talk to a server that somebody else runs.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/trade/v1/query":
			line := map[string]any{
				"syssn": words, "out_trade_no": words, "txamt": "100", "txcurrcd": words, "pay_type": words,
				"respcd": "1143", "errmsg": words,
				"respmsg": words, "goods_name": words, "txdtm": "2026-11-29 01:02:03",
				"sysdtm": "2026-11-29 01:02:03", "cancel": "0", "order_type": "payment",
			}
			json.NewEncoder(w).Encode(map[string]any{"respcd": "0000", "resperr": words, "respmsg": words,
				"data": []any{line}})
		default:
			json.NewEncoder(w).Encode(map[string]any{"respcd": "1205", "resperr": words, "respmsg": words})
		}
	}))
	defer server.Close()
	t.Setenv("SAMPAN_CLIENT_KEY", "KEY")
	asMerchant := []string{"--server", server.URL, "--app-code", "APP"}

	for _, command := range [][]string{
		{"merchant", "list", "--config", file},
		{"wallet", "list", "--config", file, "--merchant", m.ID},
		{"wallet", "kinds"},
		{"payment", "show", "--config", file, p.ID},
		{"payment", "show", "--config", file, words},
		{"delivery", "list", "--config", file},
		{"delivery", "show", "--config", file, "--merchant", m.ID, "D1"},
		{"delivery", "show", "--config", file, "--merchant", m.ID, words},
		{"delivery", "resend", "--config", file, "--merchant", m.ID, words},
		{"merchant", "set", "--config", file, "--app-code", words, "--return-hosts", "shop.example"},
		{"orphan", "list", "--config", file},
		{"orphan", "show", "--config", file, orphan.Number},
		{"orphan", "show", "--config", file, words},
		{"orphan", "settle", "--config", file, orphan.Number, "--note", words},
		{"orphan", "show", "--config", file, orphan.Number},
		{"migrate", "--config", file},
		{"migrate", "--config", file, "--check"},
		{"audit", "--config", file},
		{"audit", "--config", file, "--json"},
		{"doctor", "--config", file, "--offline"},
		{"sign", "a=" + words, "--client-key", "env:SAMPAN_CLIENT_KEY"},
		append([]string{"query"}, asMerchant...),
		append([]string{"query", words}, asMerchant...),
		append([]string{"pay", "1.00", "--goods", words}, asMerchant...),
		append([]string{"refund", "--yes", "20261129100001000000000001"}, asMerchant...),
		append([]string{"close", "--yes", "20261129100001000000000001"}, asMerchant...),
		append([]string{"note", "20261129100001000000000001", words}, asMerchant...),
		{"no such command " + words},
	} {
		printed := prints(t, command...)
		name := strings.Join(command[:min(2, len(command))], " ")
		if found := obeyed(printed); len(found) > 0 {
			t.Errorf("%.40q prints %v:\n%q", name, found, printed)
		}
		for line := range strings.Lines(printed) {
			if strings.HasPrefix(line, "✔ FORGED") {
				t.Errorf("%.40q: a stranger has written the line %q", name, line)
			}
		}
		if len(printed) == 0 {
			t.Errorf("%.40q prints nothing", name)
		}
		if len(command) > 1 && command[1] == "show" && !strings.Contains(printed, honest) {
			t.Errorf("%.40q does not print %s:\n%s", name, honest, printed)
		}
	}
	printed := prints(t, "audit", "--config", file, "--json")
	for line := range strings.Lines(printed) {
		var difference struct{ Difference struct{ Stored string } }
		if err := json.Unmarshal([]byte(line), &difference); err != nil {
			t.Errorf("%v: %q", err, line)
		}
	}
	if !strings.Contains(printed, `\u202egnp.exe`) {
		t.Errorf("a reader of the JSON does not get what is stored:\n%s", printed)
	}
}

// No command prints a value past printf and table: only those named here, whose
// texts are their own, use fmt with one.
func TestEveryValueIsPrintedOnItsLine(t *testing.T) {
	own := map[string]string{
		"print.go":   "it is what the others use",
		"sandbox.go": "its welcome has lines of its own making",
		"pay.go":     "it draws a QR code",
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || own[name] != "" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && strings.Contains(text.Value, `\x1b`) {
				// the streams let none through
				t.Errorf("%s: %s of its own: use terminal.Progress", name, text.Value)
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			f, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			of, isName := f.X.(*ast.Ident)
			if !isName || of.Name != "fmt" ||
				!strings.HasPrefix(f.Sel.Name, "Fprint") && !strings.HasPrefix(f.Sel.Name, "Print") {
				return true
			}
			for i, arg := range call.Args {
				_, literal := arg.(*ast.BasicLit)
				stream := i == 0 && strings.HasPrefix(f.Sel.Name, "F")
				if !literal && !stream && !printedSafely(arg) {
					t.Errorf("%s: fmt.%s of a value: use e.printf or e.table", name, f.Sel.Name)
				}
			}
			return true
		})
	}
}

// printedSafely reports whether an argument has been through complaint.
func printedSafely(arg ast.Expr) bool {
	call, ok := arg.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.Ident)
	return ok && f.Name == "complaint"
}

func TestPrintfKeepsEachValueOnItsLine(t *testing.T) {
	var out bytes.Buffer
	terminal.Printf(terminal.ForPeople(terminal.ForPeople(&out)), "%-6s|%5d|%v\n", "a\nb", 7,
		errors.New("c\td"))
	if out.String() != "a‹U+000A›b   |    7|c‹U+0009›d\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestTheLastErrorIsOneOfOurs(t *testing.T) {
	got := complaint(errors.Join(errors.New("sampan: a"), errors.New("sampan: b")))
	if got != "sampan: a\n  sampan: b" {
		t.Errorf("got %q", got)
	}
}

func TestATabInAnErrorIsASpace(t *testing.T) {
	got := complaint(errors.New("failed to connect:\n\tlookup db: no such host"))
	if want := "sampan: failed to connect:\n  lookup db: no such host"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheLogHoldsNothingThatATerminalObeys(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var log bytes.Buffer
		stderr := terminal.ForPeople(&log) // as run has it
		server.Logger(config.Config{LogFormat: format}, stderr).
			Warn("callback refused", "reason", hostile+honest)
		if found := obeyed(log.String()); len(found) > 0 || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%s: %v in %q", format, found, log.String())
		}
		var line struct{ Reason string }
		if format != "json" {
			continue
		}
		if err := json.Unmarshal(log.Bytes(), &line); err != nil ||
			line.Reason != strings.ToValidUTF8(hostile, "\uFFFD")+honest {
			t.Errorf("a reader of the JSON gets %q, %v", line.Reason, err)
		}
	}
}
