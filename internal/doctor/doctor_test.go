package doctor

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/alipayglobal"
	"github.com/sampanpay/sampan/internal/wallet/servicewindow"
)

// examine writes a configuration and returns what doctor says of it, a line a
// finding, and whether nothing is wrong. None of the secrets may be in it.
func examine(t *testing.T, text string, options ...func(*Options)) (said string, healthy bool) {
	t.Helper()
	dir := t.TempDir()
	key, file := filepath.Join(dir, "master.key"), filepath.Join(dir, "sampan.toml")
	text = fmt.Sprintf("master_key_file = %q\n%s", key, text)
	for name, text := range map[string]string{key: storetest.MasterKey.Reveal(), file: text} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said, healthy = findings(t, file, options...)
	for _, secret := range []string{
		storetest.MasterKey.Reveal(), "0F1E2D3C4B5A69788796A5B4C3D2E1F0",
		"760bdzec6y9goq7ctyx96ezkz78287de", "hidden",
	} {
		if strings.Contains(said, secret) {
			t.Errorf("%.4s… is in %s", secret, said)
		}
	}
	return said, healthy
}

// findings runs doctor on a configuration file. A line is a mark for the level,
// the name, the text and the hint.
func findings(t *testing.T, file string, options ...func(*Options)) (said string, healthy bool) {
	t.Helper()
	var b strings.Builder
	o := Options{
		File: file,
		Wallets: map[string]wallet.Driver{
			alipayglobal.Driver.Name: alipayglobal.Driver, servicewindow.Driver.Name: servicewindow.Driver,
		},
		Found: func(f Finding) {
			mark := map[Level]string{OK: "✔", Warning: "!", Wrong: "✘"}[f.Level]
			fmt.Fprintf(&b, "%s %-14s  %s → %s\n", mark, f.Name, f.Text, f.Hint)
		},
	}
	for _, set := range options {
		set(&o)
	}
	healthy = Run(t.Context(), o)
	if strings.Contains(b.String(), "✘") == healthy {
		t.Errorf("healthy is %v after\n%s", healthy, b.String())
	}
	return b.String(), healthy
}

// What tests switch on.
func offline(o *Options) { o.Offline = true }
func write(o *Options)   { o.Write = true }

// sound adds a merchant that can take orders, through the wallet at the address.
func sound(t *testing.T, db *store.DB, gateway string) (pay.Merchant, pay.Credential) {
	t.Helper()
	m, c := storetest.Merchant(t, db)
	err := db.PutWalletAccount(t.Context(), pay.WalletAccount{
		MerchantID: m.ID, ID: "main", Wallet: "alipayglobal", PayTypes: []pay.PayType{pay.AlipayHK},
		Currencies: []pay.Currency{"HKD"},
		Settings:   map[string]string{"partner": "2088101122136241", "sign_type": "MD5", "gateway": gateway},
		Secrets:    map[string]pay.Secret{"md5_key": "hidden"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, c
}

// wants fails the test unless every line was printed.
func wants(t *testing.T, said string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(said, line) {
			t.Errorf("no %q in\n%s", line, said)
		}
	}
}

func configOf(dsn string) string {
	return fmt.Sprintf("database = %q\nlisten = \"127.0.0.1:0\"\nbase_url = \"https://pay.example.com\"", dsn)
}

func TestSoundDeploymentIsHealthy(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		sound(t, storetest.Open(t, dsn), "")
		said, well := examine(t, configOf(dsn), offline)
		if !well {
			t.Error(said)
		}
		wants(t, said, "✔ base_url        https://pay.example.com", "✔ master key      opens", "✔ schema ",
			"durable write",
			"✔ merchants       1 with 1 app codes and 1 wallet accounts", "✔ delivery.allow  empty",
			"✔ backlog         nothing waits",
			"! wallets         100001/main signs with MD5")
		if strings.Contains(said, "callbacks") {
			t.Error("asked for the network although --offline")
		}
	})
}

func TestFindsWrongMerchantsAndAccounts(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		db := storetest.Open(t, dsn)
		m, c := sound(t, db, "")
		c.AppCode, c.NotifyURL = "C0DE", "http://127.0.0.1/notify"
		idle := pay.Merchant{ID: "100002", Name: "Idle", CreatedAt: m.CreatedAt}
		errs := []error{db.CreateCredential(t.Context(), c), db.CreateMerchant(t.Context(), idle)}
		for id, change := range map[string]func(*pay.WalletAccount){
			"nobody":  func(a *pay.WalletAccount) { a.Wallet = "nobody" },
			"keyless": func(a *pay.WalletAccount) { a.Secrets = nil },
			"badkey": func(a *pay.WalletAccount) {
				a.Settings["sign_type"] = "RSA2"
				a.Settings["alipay_public_key"] = "x"
				a.Secrets = map[string]pay.Secret{"private_key": "hidden"}
			},
			"credulous": func(a *pay.WalletAccount) { a.Settings["confirm"] = "no" },
			"yen": func(a *pay.WalletAccount) {
				a.PayTypes, a.Currencies = []pay.PayType{pay.AlipayHK}, []pay.Currency{"JPY"}
			},
		} {
			a := pay.WalletAccount{
				MerchantID: m.ID, ID: id, Wallet: "alipayglobal",
				PayTypes: []pay.PayType{pay.AlipayCrossBorder}, Currencies: []pay.Currency{"HKD"},
				Settings:  map[string]string{"partner": "2088101122136241", "sign_type": "MD5"},
				Secrets:   map[string]pay.Secret{"md5_key": "hidden"},
				CreatedAt: m.CreatedAt, UpdatedAt: m.CreatedAt,
			}
			change(&a)
			errs = append(errs, db.PutWalletAccount(t.Context(), a))
		}
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
		said, _ := examine(t, configOf(dsn), offline)
		wants(t, said,
			"✘ merchants       100001: notifications to the notify_url of C0DE are never sent",
			"! merchants       100002 has no app code", "! wallets         100002 has no wallet account",
			`✘ wallets         100001/nobody: this program has no wallet "nobody"`,
			"✘ wallets         100001/keyless: alipayglobal: setting md5_key is missing",
			"✘ wallets         100001/badkey: alipayglobal: setting private_key",
			"! wallets         100001/credulous believes notices",
			"✘ wallets         100001/yen: none of its currencies (JPY) can be had with pay type 801512")
	})
}

func TestFindsWorkThatWaits(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		db := storetest.Open(t, dsn)
		m, c := sound(t, db, "")
		ago := time.Now().Add(-time.Hour)
		p := pay.Payment{
			Scope: pay.Scope{MerchantID: m.ID, AppCode: c.AppCode},
			ID:    "20260102100001000000000001", OrderNo: "T-1", PayType: pay.AlipayHK, AccountID: "main",
			Amount: pay.Amount{Minor: 100, Currency: "HKD"}, Status: pay.Created,
			CreatedAt: ago, ExpiresAt: ago, DueAt: ago,
		}
		surplus := p
		surplus.ID, surplus.OrderNo = "20260102100001000000000002", "T-2"
		for _, p := range []pay.Payment{p, surplus} {
			if _, created, err := db.CreatePayment(t.Context(), p); err != nil || !created {
				t.Fatal(created, err)
			}
		}
		add := func(tx *store.Tx, id string) error {
			return tx.AddDelivery(store.Delivery{MerchantID: m.ID, ID: id, PaymentID: p.ID,
				AppCode: c.AppCode, Kind: "payment",
				URL: "http://shop.test/", Receiver: "http://shop.test:80",
				Body: []byte("{}"), CreatedAt: ago})
		}
		flagged := store.Change{Was: surplus, Payment: surplus}
		flagged.Payment.Status, flagged.Payment.Flagged, flagged.Payment.DueAt = pay.Paid, true, time.Time{}
		if err := db.Apply(t.Context(), flagged); err != nil {
			t.Fatal(err)
		}
		if err := db.Tx(t.Context(), func(tx *store.Tx) error { return add(tx, "dead") }); err != nil {
			t.Fatal(err)
		}
		claimed, err := db.ClaimDeliveries(t.Context(), store.Claim{
			Now: time.Now(), Lease: time.Minute, Keys: storetest.Keys(t, 1)(db.NextDeliveries(t.Context())),
		})
		if err != nil || len(claimed) != 1 {
			t.Fatal(claimed, err)
		}
		claimed[0].State = store.DeliveryDead
		err = db.FinishAttempt(t.Context(), claimed[0], store.DeliveryAttempt{StartedAt: ago})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Tx(t.Context(), func(tx *store.Tx) error { return add(tx, "due") }); err != nil {
			t.Fatal(err)
		}
		said, well := examine(t, configOf(dsn), offline)
		if !well {
			t.Error("a backlog is not a fault of the configuration")
		}
		wants(t, said, "! backlog         1 notifications are overdue, the oldest for 1h0m",
			"! backlog         1 orders were to be asked about at the wallet, the oldest 1h0m",
			"! backlog         1 notifications were given up", "! backlog         1 orders need a look")
	})
}

func TestFindsDatabasesThatCannotBeUsed(t *testing.T) {
	said, _ := examine(t, configOf("postgres://sampan:hidden@127.0.0.1:1/sampan"), offline)
	wants(t, said, "✘ database        127.0.0.1:1: ")
	said, _ = examine(t, configOf("postgres://sampan:hidden@127.0.0.1:port/sampan"), offline)
	wants(t, said, "✘ database ")
	said, _ = examine(t, configOf("mysql://sampan:hidden@127.0.0.1/sampan"), offline)
	wants(t, said, "✘ database ")
	t.Run("postgres, no schema", func(t *testing.T) {
		said, well := examine(t, configOf(storetest.EmptyPostgresDSN(t)), offline)
		if wants(t, said, "! schema "); !well {
			t.Error(said)
		}
	})
	t.Run("postgres, a replica", func(t *testing.T) {
		dsn := storetest.PostgresDSN(t)
		sound(t, storetest.Open(t, dsn), "")
		said, _ := examine(t, configOf(dsn+"&default_transaction_read_only=on"), offline)
		wants(t, said, "✘ database        it can be read and not written: ")
		said, _ = examine(t, configOf(dsn+"&default_transaction_read_only=on"), offline, write)
		wants(t, said, "✘ database        ", "can be read and not written: is it a replica")
	})
}

func TestAddsUpTheServersConnections(t *testing.T) {
	dsn := storetest.PostgresDSN(t)
	db := storetest.Open(t, dsn)
	sound(t, db, "")
	s, err := db.Slots(t.Context())
	if err != nil || s.Server < 50 || s.Reserved < 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	room := s.Server - s.Reserved - leftForPeople
	for pool, mark := range map[int]string{room / 3: "✔", room: "!", room + 1: "✘"} {
		if pool > 1000 {
			continue // more than the configuration takes
		}
		said, _ := examine(t, configOf(dsn)+fmt.Sprintf("\ndatabase_connections = %d", pool), offline)
		wants(t, said, fmt.Sprintf("%s connections     PostgreSQL gives %d", mark, s.Server))
	}
}

// deployment is a sound database with one wallet account at the address.
func deployment(t *testing.T, gateway string) (dsn string) {
	t.Helper()
	dsn = "sqlite:" + filepath.Join(t.TempDir(), "sampan.db")
	sound(t, storetest.Open(t, dsn), gateway)
	return dsn
}

func TestComparesClocks(t *testing.T) {
	for ahead, want := range map[time.Duration]string{
		0:                 "✔ clock           agrees with the wallet's",
		-time.Minute:      "! clock           ",
		10 * time.Minute:  "✘ clock           ",
		-10 * time.Minute: "ahead of the wallet's",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		}))
		said, _ := examine(t,
			fmt.Sprintf("database = %q\nlisten = \"127.0.0.1:0\"\nbase_url = %q", deployment(t, server.URL),
				server.URL))
		wants(t, said, want, "✔ wallets         "+server.URL+" answers")
		server.Close()
	}
}

func TestLooksAtThePortAndTheWayToIt(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		want    []string
		well    bool
	}{
		{"a Sampan", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") },
			[]string{"✔ listen          a healthy Sampan listens",
				"✔ callbacks       base_url leads to a Sampan"},
			true},
		{"one without its database", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" {
				http.Error(w, "database does not answer", http.StatusServiceUnavailable)
				return
			}
			fmt.Fprintln(w, "ok")
		}, []string{"✘ listen          what listens", "is not ready: database does not answer",
			"✔ callbacks "}, false},
		{"something else", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "<html>") },
			[]string{"✘ listen          serve cannot listen",
				"✘ callbacks       what answers at base_url is not Sampan (200"}, false},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://www.example.com/", http.StatusMovedPermanently)
		},
			[]string{"✘ callbacks       base_url redirects (301)"}, false},
		{"nothing", nil, []string{"✔ listen ", "! callbacks       base_url does not answer"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wallet := httptest.NewServer(http.NotFoundHandler())
			defer wallet.Close()
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			if tt.handler == nil {
				server.Close()
			}
			said, well := examine(t,
				fmt.Sprintf("database = %q\nlisten = %q\nbase_url = %q\n", deployment(t, wallet.URL),
					server.Listener.Addr(), server.URL))
			if wants(t, said, tt.want...); well != tt.well {
				t.Errorf("well is %v:\n%s", well, said)
			}
		})
	}
}

func TestDoesNotWaitForHangingPeers(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	from := time.Now()
	said, _ := examine(t, configOf(deployment(t, server.URL)), offline)
	if took := time.Since(from); took > checkWithin {
		t.Errorf("offline it took %v:\n%s", took, said)
	}
	said, _ = examine(t,
		fmt.Sprintf("database = %q\nlisten = \"127.0.0.1:0\"\nbase_url = %q",
			deployment(t, server.URL), server.URL))
	wants(t, said, "! callbacks       base_url does not answer: no answer in 3s", "! wallets ")
}

func TestNamesACertificateThatEndsSoon(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for days, want := range map[int]bool{-1: true, 13: true, 15: false} {
		var found []Finding
		d := &checkup{
			Config:  config.Config{Location: time.UTC},
			Options: Options{Found: func(f Finding) { found = append(found, f) }},
			now:     func() time.Time { return now },
		}
		d.certificate(&x509.Certificate{NotAfter: now.AddDate(0, 0, days)})
		if got := len(found) == 1 && strings.Contains(found[0].Text, "certificate ends"); got != want {
			t.Errorf("%d days: %v", days, found)
		}
	}
}
