package openapi

import (
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
)

// Certificate is one of those that certificate mode exchanges: the
// application's, or Alipay's.
type Certificate struct {
	SN  string // what requests and answers name it by
	Key *rsa.PublicKey
}

// ParseCertificate reads a certificate as PEM. Who issued it, and until when it
// is good, is not checked: it is one that the operator has configured.
func ParseCertificate(text string) (Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return Certificate{}, errors.New("openapi: not a certificate in PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return Certificate{}, errors.New("openapi: the certificate cannot be read")
	}
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return Certificate{}, errors.New("openapi: the certificate's key is not RSA")
	}
	return Certificate{SN: serial(c), Key: key}, nil
}

// RootSN is what requests name a bundle of root certificates by: the numbers of
// those that are signed with RSA, joined by _. Those that are signed in other
// ways are passed over, and so are those that Go cannot read: Alipay's bundle
// has some under SM2. (Alipay, "Certificate mode", and its SDKs.)
func RootSN(bundle string) (string, error) {
	var all []string
	for rest := []byte(bundle); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && signedWithRSA(c) {
			all = append(all, serial(c))
		}
	}
	if len(all) == 0 {
		return "", errors.New("openapi: no root certificate that is signed with RSA")
	}
	return strings.Join(all, "_"), nil
}

// signedWithRSA goes by the algorithm's number, as Alipay's SDKs do: Go has names
// for some of the family only.
func signedWithRSA(c *x509.Certificate) bool {
	var signed struct {
		Content   asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	_, err := asn1.Unmarshal(c.Raw, &signed)
	id := signed.Algorithm.Algorithm
	return err == nil && len(id) == len(pkcs1)+1 && id[:len(pkcs1)].Equal(pkcs1)
}

// pkcs1 is what the numbers of RSA's algorithms begin with.
var pkcs1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1}

// serial numbers a certificate: the MD5, in lower-case hex, of its issuer's name,
// last part first, and its serial number in decimal. (Alipay, "Certificate
// mode".) The parts are taken as they are encoded: c.Issuer has an order of its
// own.
func serial(c *x509.Certificate) string {
	var issuer pkix.RDNSequence
	if _, err := asn1.Unmarshal(c.RawIssuer, &issuer); err != nil {
		issuer = c.Issuer.ToRDNSequence() // cannot be: it was read from there
	}
	sum := md5.Sum([]byte(issuer.String() + c.SerialNumber.String()))
	return hex.EncodeToString(sum[:])
}
