package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"github.com/sampanpay/sampan/internal/simulator"
	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// walletKeys is both sides' key material, made once for a data directory: what
// Alipay and a merchant would have exchanged. It guards play money.
type walletKeys struct {
	MD5Key          string `json:"md5_key"`
	MerchantPrivate string `json:"merchant_private_key"` // PKCS#8, base64
	MerchantPublic  string `json:"merchant_public_key"`  // PKIX, base64
	AlipayPrivate   string `json:"alipay_private_key"`
	AlipayPublic    string `json:"alipay_public_key"`

	// For certificate mode, PEM: of the same keys.
	AppCert    string `json:"app_certificate"`
	AlipayCert string `json:"alipay_certificate"`
	RootCerts  string `json:"root_certificates"`
}

// WalletKeysFile is the file of a directory that holds the keys.
const WalletKeysFile = "wallet-keys.json"

// The files of the certificates, by the names that Alipay gives them.
const (
	appCertFile    = "appCertPublicKey_" + CertApp + ".crt"
	alipayCertFile = "alipayCertPublicKey_RSA2.crt"
	rootCertsFile  = "alipayRootCert.crt"
)

// loadWalletKeys reads the keys of a data directory, and makes what is missing:
// everything the first time.
func loadWalletKeys(dir string) (walletKeys, error) {
	path := filepath.Join(dir, WalletKeysFile)
	var k walletKeys
	text, err := os.ReadFile(path)
	if err == nil {
		if err := json.Unmarshal(text, &k); err != nil {
			return k, fmt.Errorf("%s: %w", path, err)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return k, err
	}
	had := k
	if err := k.complete(time.Now()); err != nil {
		return k, fmt.Errorf("%s: %w", path, err)
	}
	for name, text := range map[string]string{appCertFile: k.AppCert, alipayCertFile: k.AlipayCert, rootCertsFile: k.RootCerts} {
		if err := writeFile(filepath.Join(dir, name), []byte(text)); err != nil {
			return k, err
		}
	}
	if k == had {
		return k, nil
	}
	return k, writeJSON(path, k)
}

// complete makes what is missing.
func (k *walletKeys) complete(now time.Time) error {
	if k.MD5Key == "" {
		k.MD5Key = randomHex(16)
	}
	for _, pair := range [][2]*string{{&k.MerchantPrivate, &k.MerchantPublic}, {&k.AlipayPrivate, &k.AlipayPublic}} {
		if *pair[0] != "" {
			continue
		}
		var err error
		if *pair[0], *pair[1], err = newKeyPair(); err != nil {
			return err
		}
	}
	if k.AppCert != "" && k.AlipayCert != "" && k.RootCerts != "" {
		return nil
	}
	return k.certify(now)
}

func newKeyPair() (private, public string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", err
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	publicDER, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", "", err
	}
	return base64.StdEncoding.EncodeToString(privateDER), base64.StdEncoding.EncodeToString(publicDER), nil
}

// certify makes the certificates. The bundle of roots begins, as Alipay's does,
// with one that is not signed with RSA and does not count.
func (k *walletKeys) certify(now time.Time) error {
	root, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	app, err := alipay.ParsePublicKey(k.MerchantPublic)
	if err != nil {
		return err
	}
	theirs, err := alipay.ParsePublicKey(k.AlipayPublic)
	if err != nil {
		return err
	}
	rootName, otherName := certName("Certification Authority", "Wallet simulator root R1"), certName("Certification Authority", "Wallet simulator root E1")
	otherCert, err1 := newCert(now, otherName, otherName, &other.PublicKey, other)
	rootCert, err2 := newCert(now, rootName, rootName, &root.PublicKey, root)
	var err3, err4 error
	k.AlipayCert, err3 = newCert(now, certName("Alipay", "Wallet simulator"), rootName, theirs, root)
	k.AppCert, err4 = newCert(now, certName("Alipay", windowSeller+"-"+CertApp), rootName, app, root)
	k.RootCerts = otherCert + rootCert
	return errors.Join(err1, err2, err3, err4)
}

func certName(unit, name string) pkix.Name {
	return pkix.Name{Country: []string{"CN"}, Organization: []string{"Sampan"}, OrganizationalUnit: []string{unit}, CommonName: name}
}

// newCert issues a certificate, as PEM; one in its issuer's own name is an
// authority's.
func newCert(now time.Time, name, issuer pkix.Name, public, signer any) (string, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return "", err
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: name, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(30, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if name.String() == issuer.String() {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	}
	der, err := x509.CreateCertificate(rand.Reader, c, &x509.Certificate{Subject: issuer}, public, signer)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}

// certificates gives the numbers by which both sides name the certificates.
func (k walletKeys) certificates() (simulator.Certificates, error) {
	app, err := openapi.ParseCertificate(k.AppCert)
	if err != nil {
		return simulator.Certificates{}, err
	}
	theirs, err := openapi.ParseCertificate(k.AlipayCert)
	if err != nil {
		return simulator.Certificates{}, err
	}
	root, err := openapi.RootSN(k.RootCerts)
	if err != nil {
		return simulator.Certificates{}, err
	}
	return simulator.Certificates{App: app.SN, Alipay: theirs.SN, Root: root, AlipayPEM: k.AlipayCert}, nil
}
