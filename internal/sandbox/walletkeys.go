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

// walletKeys has the keys of both sides, drawn once per directory: those of the
// merchant and of the simulated Alipay, which real ones would have exchanged. They
// guard play money.
type walletKeys struct {
	MD5Key          string `json:"md5_key"`
	MerchantPrivate string `json:"merchant_private_key"` // PKCS#8, base64
	MerchantPublic  string `json:"merchant_public_key"`  // PKIX, base64
	AlipayPrivate   string `json:"alipay_private_key"`
	AlipayPublic    string `json:"alipay_public_key"`

	// For certificate mode: certificates of the same keys, as PEM.
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

// loadWalletKeys reads the keys of a directory, makes the missing ones, and writes
// the certificates to files of their own.
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
	stored := k
	if err := k.complete(time.Now()); err != nil {
		return k, fmt.Errorf("%s: %w", path, err)
	}
	for name, text := range map[string]string{
		appCertFile: k.AppCert, alipayCertFile: k.AlipayCert, rootCertsFile: k.RootCerts,
	} {
		if err := writeFile(filepath.Join(dir, name), []byte(text)); err != nil {
			return k, err
		}
	}
	if k == stored {
		return k, nil
	}
	return k, writeJSON(path, k)
}

// complete makes the missing keys and certificates.
func (k *walletKeys) complete(now time.Time) error {
	if k.MD5Key == "" {
		k.MD5Key = randomHex(16)
	}
	for _, pair := range [][2]*string{
		{&k.MerchantPrivate, &k.MerchantPublic}, {&k.AlipayPrivate, &k.AlipayPublic},
	} {
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

// newKeyPair draws an RSA key, and returns both halves as DER in base64.
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

// certify makes the certificates. Like Alipay's, the bundle of roots begins with a
// root that is not signed with RSA, and which clients must leave out of its serial
// number.
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
	platform, err := alipay.ParsePublicKey(k.AlipayPublic)
	if err != nil {
		return err
	}
	const authority = "Certification Authority"
	rootName, otherName := certName(authority, "Wallet simulator root R1"),
		certName(authority, "Wallet simulator root E1")
	otherCert, err1 := newCert(now, otherName, otherName, &other.PublicKey, other)
	rootCert, err2 := newCert(now, rootName, rootName, &root.PublicKey, root)
	var err3, err4 error
	k.AlipayCert, err3 = newCert(now, certName("Alipay", "Wallet simulator"), rootName, platform, root)
	k.AppCert, err4 = newCert(now, certName("Alipay", windowSeller+"-"+CertApp), rootName, app, root)
	k.RootCerts = otherCert + rootCert
	return errors.Join(err1, err2, err3, err4)
}

func certName(unit, name string) pkix.Name {
	return pkix.Name{
		Country: []string{"CN"}, Organization: []string{"Sampan"},
		OrganizationalUnit: []string{unit}, CommonName: name,
	}
}

// newCert issues a certificate, as PEM. A certificate whose name is its issuer's is
// that of an authority.
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

// certificates returns the serial numbers by which both sides refer to the
// certificates.
func (k walletKeys) certificates() (simulator.Certificates, error) {
	app, err := openapi.ParseCertificate(k.AppCert)
	if err != nil {
		return simulator.Certificates{}, err
	}
	platform, err := openapi.ParseCertificate(k.AlipayCert)
	if err != nil {
		return simulator.Certificates{}, err
	}
	root, err := openapi.RootSN(k.RootCerts)
	if err != nil {
		return simulator.Certificates{}, err
	}
	return simulator.Certificates{App: app.SN, Alipay: platform.SN, Root: root, AlipayPEM: k.AlipayCert}, nil
}
