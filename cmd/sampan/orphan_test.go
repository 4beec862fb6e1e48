package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// An operator finds orphans by every command that should show them, and settles
// them by trade.
func TestOrphansAreSeenAndSettled(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		db := storetest.Open(t, dsn)
		m, _ := storetest.Merchant(t, db)
		err := db.PutWalletAccount(t.Context(), pay.WalletAccount{
			MerchantID: m.ID, ID: "main", Wallet: "alipayglobal", PayTypes: []pay.PayType{pay.AlipayHK},
			Currencies: []pay.Currency{"HKD"}, Secrets: map[string]pay.Secret{"md5_key": "hidden"},
			Settings: map[string]string{"partner": "2088101122136241", "sign_type": "MD5"},
		})
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "sampan.toml")
		for name, text := range map[string]string{
			"sampan.toml": fmt.Sprintf("database = %q\nbase_url = \"https://pay.example.com\"\n"+
				"listen = \"127.0.0.1:0\"\nmaster_key_file = %q\n", dsn, filepath.Join(dir, "master.key")),
			"master.key": storetest.MasterKey.Reveal(),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		command := func(words ...string) string { return prints(t, append(words, "--config", file)...) }
		if said := command("doctor", "--offline"); strings.Contains(said, "✘") {
			t.Errorf("without orphans:\n%s", said)
		}

		const number = "20260102100001500123456789"
		hostile := "T\x1b[2J\u202e1"
		o := pay.Orphan{
			MerchantID: m.ID, AccountID: "main", Number: number, TradeNo: hostile,
			Amount: pay.Amount{Minor: 1230, Currency: "HKD"}, BuyerID: "2088***1", NoticedAt: time.Now(),
		}
		back, second := o, o
		back.RefundID, back.Amount = "W1", pay.Amount{}
		second.TradeNo = "T2"
		for _, o := range []pay.Orphan{o, back, second} {
			err := db.Tx(t.Context(), func(tx *store.Tx) error {
				_, err := tx.AddOrphan(o, []byte("out_trade_no="+number+"&subject=Oolong\x1b[2J"), 10)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		wants(t, command("doctor", "--offline"),
			"✘ orphans         100001/main: 2 orphans open: 24.60 HKD came in under "+
				"numbers that no order has",
			"✘ orphans         100001/main: 1 orphan open: amounts that the wallet did not say went back")
		audited := command("audit")
		wants(t, audited, "not in the books: 100001/main: 2 orphans open: 24.60 HKD came in")
		if strings.Contains(audited, "✘") {
			t.Errorf("the books are said not to be in order:\n%s", audited)
		}
		wants(t, command("audit", "--json"),
			`{"orphans":{"account":"main","amount":2460,"currency":"HKD","merchant":"100001",`+
				`"open":2,"went_back":false}}`)
		wants(t, command("orphan", "list"), number, "12.30 HKD", "came in", "went back",
			"T‹U+001B›[2J‹U+202E›1", "open")
		wants(t, command("payment", "show", number), "orphan    "+number, "no order has this number")
		shown := command("orphan", "show", number)
		wants(t, shown, "out_trade_no="+number+"&subject=Oolong‹U+001B›[2J", "went back as W1")
		if strings.ContainsAny(shown, "\x1b\u202e") {
			t.Error("a terminal obeys what is shown")
		}

		wants(t, command("orphan", "settle", number, "--note", "done"),
			"--trade: missing: "+number+" has open orphans of 2 trades")
		wants(t, command("orphan", "settle", number, "--trade", "T2", "--note", " "),
			"--note: must say what was done")
		wants(t, command("orphan", "settle", number, "--trade", "T2", "--note",
			"paid out in cash, receipt 17"),
			"under trade T2: settled elsewhere")
		wants(t, command("orphan", "settle", number, "--trade", "T2", "--note", "again"),
			"no such orphan is open")
		wants(t, command("orphan", "list", "--state", "settled"), "T2", "settled elsewhere")
		wants(t, command("orphan", "show", number), "settled elsewhere since", "by operator",
			"paid out in cash, receipt 17")
		if list := command("orphan", "list"); strings.Contains(list, "T2") {
			t.Errorf("still open:\n%s", list)
		}
		wants(t, command("orphan", "settle", number, "--note", "both ways"), "12.30 HKD under trade",
			"an amount that the wallet did not say under trade")
		if said := command("doctor", "--offline"); strings.Contains(said, "✘") {
			t.Errorf("with none open:\n%s", said)
		}
		wants(t, command("orphan", "show", "1"), "1: no such orphan")
	})
}

// wants fails the test unless every text is in what was printed.
func wants(t *testing.T, printed string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(printed, text) {
			t.Errorf("no %q in\n%s", text, printed)
		}
	}
}
