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

// Certificate is a certificate of certificate mode: the application's or Alipay's.
type Certificate struct {
	SN  string // the number by which requests and answers name it
	Key *rsa.PublicKey
}

// ParseCertificate parses a certificate in PEM. It checks neither issuer nor validity, since the
// operator has configured the certificate.
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

// RootSN returns the number by which requests name a bundle of root certificates: the numbers of
// those signed with RSA, joined by _. It skips certificates signed in other ways and those that Go
// cannot parse: Alipay's bundle has some with SM2. (Alipay, "Certificate mode", and its SDKs.)
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
		return "", errors.New("openapi: no root certificate signed with RSA")
	}
	return strings.Join(all, "_"), nil
}

// signedWithRSA reports whether the algorithm's identifier is one of RSA, as Alipay's SDKs do. Go
// names only some of these algorithms.
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

// pkcs1 is the prefix of RSA's algorithm identifiers.
var pkcs1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1}

// serial returns a certificate's number: the lower-case hex of the MD5 of its issuer's name, last
// part first, and its serial number in decimal. (Alipay, "Certificate mode".) The parts are in the
// encoded order, which c.Issuer does not keep.
func serial(c *x509.Certificate) string {
	var issuer pkix.RDNSequence
	if _, err := asn1.Unmarshal(c.RawIssuer, &issuer); err != nil {
		issuer = c.Issuer.ToRDNSequence() // does not happen: the certificate was parsed from it
	}
	sum := md5.Sum([]byte(issuer.String() + c.SerialNumber.String()))
	return hex.EncodeToString(sum[:])
}
