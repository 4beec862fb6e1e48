package gateway

import (
	"testing"

	"github.com/sampanpay/sampan/internal/store/storetest"
)

func TestWhoSignedIsToldByTheKeyOfNow(t *testing.T) {
	dsn := "sqlite:" + t.TempDir() + "/sampan.db"
	h := newHarnessOn(t, dsn)
	ask := func(appCode, key string) (looks int, known bool) {
		t.Helper()
		_, known, err := h.Signer(t.Context(), appCode, func(k string) bool { looks++; return k == key })
		if err != nil {
			t.Fatal(err)
		}
		return looks, known
	}
	revoked := h.credential
	revoked.AppCode, revoked.Disabled = "REVOKED", true
	if err := h.Store.CreateCredential(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	key := h.credential.ClientKey.Reveal()
	ask(h.credential.AppCode, key) // cached from here on
	if looks, known := ask(h.credential.AppCode, key); looks != 1 || !known {
		t.Errorf("a right signature: %v after %d looks", known, looks)
	}
	// Every refusal takes the same work.
	for appCode, key := range map[string]string{h.credential.AppCode: "wrong", "REVOKED": key,
		"NOBODY": DummyKey, "": DummyKey} {
		if looks, known := ask(appCode, key); looks != 2 || known {
			t.Errorf("%q: %v after %d looks", appCode, known, looks)
		}
	}
	// Another process has changed the key. The new key works before the cached one ends.
	if err := storetest.Open(t, dsn).SetClientKey(t.Context(), h.credential.AppCode, "NEW"); err != nil {
		t.Fatal(err)
	}
	if _, known := ask(h.credential.AppCode, "NEW"); !known {
		t.Error("the new key is not taken")
	}
	if _, known := ask(h.credential.AppCode, key); known {
		t.Error("the old key is taken")
	}
	if err := h.Store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, known, err := h.Signer(t.Context(), "NOBODY", func(string) bool { return true }); err == nil ||
		known {
		t.Errorf("without a database: %v, %v", known, err)
	}
}
