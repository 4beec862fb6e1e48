package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if work := os.Getenv("STORE_TEST_CREATE"); work != "" {
		createUntilKilled(work)
	}
	if work := os.Getenv("STORE_TEST_MIGRATE"); work != "" {
		migrateUntilKilled(work)
	}
	goleak.VerifyTestMain(m)
}

func TestOpenRefusesWhatItCannotUse(t *testing.T) {
	key := storetest.MasterKey
	path := "sqlite:" + filepath.Join(t.TempDir(), "new", "dir", "x y?#%.db")
	for name, c := range map[string]store.Config{
		"no address":        {MasterKey: key},
		"an unknown scheme": {DSN: "mysql://x", MasterKey: key},
		"no key":            {DSN: path},
		"a short key":       {DSN: path, MasterKey: key[:62]},
		"a long key":        {DSN: path, MasterKey: key + "00"},
	} {
		if db, err := store.Open(t.Context(), c); err == nil {
			t.Errorf("%s: opened", name)
			db.Close()
		} else if strings.Contains(err.Error(), string(key[:62])) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
	storetest.Open(t, path)
	file := strings.TrimPrefix(path, "sqlite:")
	for _, name := range []string{file, file + "-wal", file + "-shm"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestAnotherMasterKeyIsAnErrorAtOpen(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		storetest.Open(t, dsn)
		// the same, as base64
		storetest.Open(t, dsn, func(c *store.Config) {
			c.MasterKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
		})
		db, err := store.Open(t.Context(),
			store.Config{DSN: dsn, MasterKey: pay.Secret(strings.Repeat("ab", 32))})
		if err == nil {
			db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "master key") {
			t.Errorf("error %v", err)
		}
	})
}

func TestFourOpenersAtOnceMigrateOnce(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		if strings.HasPrefix(dsn, "postgres") {
			dsn = storetest.EmptyPostgresDSN(t)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				db, err := storetest.Create(t.Context(),
					store.Config{DSN: dsn, MasterKey: storetest.MasterKey})
				if err != nil {
					t.Error(err)
					return
				}
				if err := db.Ping(t.Context()); err != nil {
					t.Error(err)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestSettingsAreReadAsTheyWereStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		m, c := storetest.Merchant(t, db)
		s := pay.Store{MerchantID: m.ID, AppCode: c.AppCode, ID: "S1", Name: "Kiosk", MCC: "5499",
			Disabling: pay.Disabling{Disabled: true}, CreatedAt: t0}
		if err := db.CreateStore(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		c2 := c
		c2.AppCode, c2.ReturnHosts, c2.HasStores = "ZZ", []string{"a.test", "b.test:8443"}, true
		if err := db.CreateCredential(t.Context(), c2); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"merchant":   db.CreateMerchant(t.Context(), m),
			"store":      db.CreateStore(t.Context(), s),
			"credential": db.CreateCredential(t.Context(), c),
		} {
			if !errors.Is(err, store.ErrExists) {
				t.Errorf("%s made twice: %v", what, err)
			}
		}
		equal(t, m)(db.Merchant(t.Context(), m.ID))
		equal(t, []pay.Merchant{m})(db.Merchants(t.Context()))
		equal(t, s)(db.Store(t.Context(), m.ID, c.AppCode, "S1"))
		equal(t, []pay.Store{s})(db.Stores(t.Context(), m.ID))
		equal(t, c)(db.Credential(t.Context(), c.AppCode))
		equal(t, []pay.Credential{c, c2})(db.Credentials(t.Context(), m.ID))

		accounts, err := db.WalletAccounts(t.Context(), m.ID)
		if err != nil || len(accounts) != 1 ||
			accounts[0].Secrets["md5_key"].Reveal() != "760bdzec6y9goq7ctyx96ezkz78287de" {
			t.Fatal(accounts, err)
		}
		a := accounts[0]
		if err := db.SetWalletAccountDisabled(t.Context(), m.ID, a.ID, true); err != nil {
			t.Fatal(err)
		}
		a.Currencies = []pay.Currency{"EUR"}
		a.CreatedAt, a.UpdatedAt = t0, t0 // the first is not replaced
		if err := db.PutWalletAccount(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		a.CreatedAt, a.Disabled = accounts[0].CreatedAt, true // nor is this
		equal(t, []pay.WalletAccount{a})(db.WalletAccounts(t.Context(), m.ID))

		for what, err := range map[string]error{
			"merchant":              second(db.Merchant(t.Context(), "x")),
			"merchant of bad text":  second(db.Merchant(t.Context(), "\x00\xff")),
			"store":                 second(db.Store(t.Context(), m.ID, c.AppCode, "x")),
			"credential":            second(db.Credential(t.Context(), "x")),
			"payment":               second(db.Payment(t.Context(), m.ID, "x")),
			"payment by its number": second(db.PaymentByOrderNo(t.Context(), scope, "x")),
		} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("missing %s: %v", what, err)
			}
		}
		equal[[]pay.WalletAccount](t, nil)(db.WalletAccounts(t.Context(), "\x00"))
	})
}

func equal[V any](t *testing.T, want V) func(V, error) {
	return func(got V, err error) {
		t.Helper()
		reveal := cmp.Transformer("reveal", func(s pay.Secret) string { return s.Reveal() })
		if diff := cmp.Diff(want, got, reveal); err != nil || diff != "" {
			t.Error(err, diff)
		}
	}
}

func second[V any](_ V, err error) error { return err }

func TestCachedReadsAreAtMostTwoSecondsOld(t *testing.T) {
	now := t0
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		ours := storetest.Open(t, dsn, storetest.Now(func() time.Time { return now }))
		theirs := storetest.Open(t, dsn)
		m, _ := storetest.Merchant(t, ours)
		account := func() pay.WalletAccount {
			accounts, err := ours.WalletAccounts(t.Context(), m.ID)
			if err != nil {
				t.Fatal(err)
			}
			return accounts[0]
		}
		a := account()
		a.Wallet = "theirs"
		if err := theirs.PutWalletAccount(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		now = now.Add(store.CacheFor - time.Millisecond)
		if got := account().Wallet; got == "theirs" {
			t.Error("read anew too early")
		}
		now = now.Add(time.Millisecond)
		if got := account().Wallet; got != "theirs" {
			t.Error("read too old")
		}
		a.Wallet = "ours"
		if err := ours.PutWalletAccount(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if got := account().Wallet; got != "ours" {
			t.Error("our own write is not seen")
		}
	})
}

func TestADisabledCredentialIsNoticedInTwoSeconds(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		now := t0
		server := storetest.Open(t, dsn, storetest.Now(func() time.Time { return now }))
		operator := storetest.Open(t, dsn)
		m, c := storetest.Merchant(t, operator)
		if err := operator.CreateStore(t.Context(),
			pay.Store{MerchantID: m.ID, AppCode: c.AppCode, ID: "S1", Name: "North",
				CreatedAt: t0}); err != nil {
			t.Fatal(err)
		}
		state := func(db *store.DB) (out [8]bool) {
			t.Helper()
			m1, err1 := db.Merchant(t.Context(), m.ID)
			s1, err2 := db.Store(t.Context(), m.ID, c.AppCode, "S1")
			c1, err3 := db.Credential(t.Context(), c.AppCode)
			a1, err4 := db.WalletAccounts(t.Context(), m.ID)
			if err := errors.Join(err1, err2, err3, err4); err != nil {
				t.Fatal(err)
			}
			return [8]bool{m1.Disabled, s1.Disabled, c1.Disabled, a1[0].Disabled,
				m1.KeepLinks, s1.StopRefunds, m1.StopRefunds, s1.KeepLinks}
		}
		for _, disabled := range []bool{true, false} {
			state(server)
			for _, err := range []error{
				operator.SetMerchantDisabled(t.Context(), m.ID,
					pay.Disabling{Disabled: disabled, KeepLinks: disabled}),
				operator.SetStoreDisabled(t.Context(), m.ID, c.AppCode, "S1",
					pay.Disabling{Disabled: disabled, StopRefunds: disabled}),
				operator.SetCredentialDisabled(t.Context(), c.AppCode, disabled),
				operator.SetWalletAccountDisabled(t.Context(), m.ID, "main", disabled),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			want := [8]bool{disabled, disabled, disabled, disabled, disabled, disabled}
			if got := state(operator); got != want {
				t.Errorf("our own changes: %v, want %v", got, want)
			}
			now = now.Add(store.CacheFor)
			if got := state(server); got != want {
				t.Errorf("another process after two seconds: %v, want %v", got, want)
			}
		}
		for _, err := range []error{
			operator.SetClientKey(t.Context(), c.AppCode, "NEW"),
			operator.SetReturnHosts(t.Context(), c.AppCode, []string{"a.example", "b.example:8443"}),
			operator.SetMaxAge(t.Context(), c.AppCode, 10*time.Minute),
			operator.SetSHA256Only(t.Context(), c.AppCode, true),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(store.CacheFor)
		c.ClientKey, c.ReturnHosts, c.MaxAge, c.SHA256Only = "NEW", []string{"a.example",
			"b.example:8443"}, 10*time.Minute, true
		equal(t, c)(server.Credential(t.Context(), c.AppCode))
		for what, err := range map[string]error{
			"merchant": operator.SetMerchantDisabled(t.Context(), "x", pay.Disabling{Disabled: true}),
			"store": operator.SetStoreDisabled(t.Context(), m.ID, "x", "S1",
				pay.Disabling{Disabled: true}),
			"credential": operator.SetCredentialDisabled(t.Context(), "x", true),
			"account":    operator.SetWalletAccountDisabled(t.Context(), m.ID, "x", true),
			"key":        operator.SetClientKey(t.Context(), "x", "NEW"),
			"hosts":      operator.SetReturnHosts(t.Context(), "x", nil),
			"age":        operator.SetMaxAge(t.Context(), "x", 0),
			"hash":       operator.SetSHA256Only(t.Context(), "x", true),
		} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("missing %s: %v", what, err)
			}
		}
	})
}

func TestSecretsAreNotInTheFiles(t *testing.T) {
	dir := t.TempDir()
	db, err := storetest.Create(t.Context(),
		store.Config{DSN: "sqlite:" + dir + "/s.db", MasterKey: storetest.MasterKey})
	if err != nil {
		t.Fatal(err)
	}
	m, c := storetest.Merchant(t, db)
	read := func() (all []byte) {
		files, _ := filepath.Glob(dir + "/*")
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		return all
	}
	before := read()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, all := range [][]byte{before, read()} {
		if !bytes.Contains(all, []byte(m.Name)) {
			t.Error("the merchant's name is not there: are these the files?")
		}
		for _, secret := range []string{c.ClientKey.Reveal(), "760bdzec6y9goq7ctyx96ezkz78287de",
			storetest.MasterKey.Reveal()} {
			if bytes.Contains(all, []byte(secret)) {
				t.Errorf("%.4s… is in clear", secret)
			}
		}
	}
}

func TestCloseAnswersEveryCaller(t *testing.T) {
	storetest.EachDSN(t, func(t *testing.T, dsn string) {
		db, err := storetest.Create(t.Context(), store.Config{DSN: dsn, MasterKey: storetest.MasterKey})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		acked := map[string]bool{}
		enough := make(chan struct{})
		for w := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					p := payment(1000*w + i)
					_, _, err := db.CreatePayment(t.Context(), p)
					if errors.Is(err, store.ErrClosed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if acked[p.ID] = true; len(acked) == 20 {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		<-enough
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		again := storetest.Open(t, dsn)
		for id := range acked {
			if _, err := again.Payment(t.Context(), scope.MerchantID, id); err != nil {
				t.Errorf("%s was acknowledged: %v", id, err)
			}
		}
	})
}

func TestSQLiteLivesInABubbleOfFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := storetest.SQLite(t, storetest.Now(time.Now))
		d := delivery(1, "http://a:80")
		d.CreatedAt = time.Time{} // of the commit
		addDeliveries(t, db, d)
		first, err := storetest.Soonest(db.NextDeliveries(t.Context()))
		if err != nil || !first.Equal(time.Now().Truncate(time.Millisecond)) {
			t.Errorf("due at %v, %v", first, err)
		}
		time.Sleep(24 * time.Hour)
		c := everything
		c.Now = time.Now()
		if got := claimAll(t, db, c); len(got) != 1 {
			t.Errorf("%d claimed", len(got))
		}
	})
}

func TestClosingTwiceIsClosingOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for range 2 {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := db.CreateMerchant(t.Context(), pay.Merchant{ID: "100001", Name: "Tea"}); err == nil {
			t.Error("a closed database took a merchant")
		}
	})
}
