package sandbox

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

// A directory made before there were certificates keeps its keys, which shops use,
// and gets certificates of them.
func TestOldKeysAreKeptAndCertified(t *testing.T) {
	dir := t.TempDir()
	first, err := loadWalletKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	old := first
	old.AppCert, old.AlipayCert, old.RootCerts = "", "", ""
	if err := writeJSON(filepath.Join(dir, WalletKeysFile), old); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, appCertFile)); err != nil {
		t.Fatal(err)
	}
	now, err := loadWalletKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if now.AppCert == first.AppCert || now.AppCert == "" || now.AlipayCert == "" || now.RootCerts == "" {
		t.Error("no new certificates")
	}
	kept := now
	kept.AppCert, kept.AlipayCert, kept.RootCerts = "", "", ""
	if kept != old {
		t.Error("the keys have changed")
	}
	if again, err := loadWalletKeys(dir); err != nil || again != now {
		t.Errorf("the next load returns other keys (%v)", err)
	}

	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(now.RootCerts)) {
		t.Fatal("no roots")
	}
	for name, key := range map[string]string{appCertFile: now.MerchantPublic,
		alipayCertFile: now.AlipayPublic} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Verify(x509.VerifyOptions{Roots: roots}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want, err := alipay.ParsePublicKey(key); err != nil || !want.Equal(c.PublicKey) {
			t.Errorf("%s is of another key", name)
		}
	}
}
