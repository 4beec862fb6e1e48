// Package alipay holds what the wire formats of Alipay's two gateways share: forms with unique
// names (form.go), charsets (charset.go), RSA signatures with keys as Alipay's tools print them
// (alipay.go), and notifications (notification.go). It does no I/O.
package alipay

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1" // for hashOf
	_ "crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
)

// SignType is the value of the field sign_type.
type SignType string

// The RSA signatures of both gateways.
const (
	RSA  SignType = "RSA"  // RSASSA-PKCS1-v1_5 with SHA-1, base64
	RSA2 SignType = "RSA2" // RSASSA-PKCS1-v1_5 with SHA-256, base64
)

// ErrBadSignature means that the signature does not match the text and the key.
var ErrBadSignature = errors.New("alipay: signature does not match")

// Sign signs a text. It returns base64.
func Sign(t SignType, key *rsa.PrivateKey, text string) (string, error) {
	if key == nil {
		return "", errors.New("alipay: no private key")
	}
	hash, err := hashOf(t)
	if err != nil {
		return "", err
	}
	sig, err := rsa.SignPKCS1v15(nil, key, hash, digest(hash, text)) // the scheme uses no random numbers
	if err != nil {
		return "", fmt.Errorf("alipay: sign: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sig), nil
}

// Plausible reports whether sig has the length of a signature by the key. It lets callers refuse a
// signature before they join the text or compute anything.
func Plausible(key *rsa.PublicKey, sig string) bool {
	return key != nil && len(decode(sig)) == key.Size()
}

// decode returns the bytes of a signature, or nil if it is not base64. It reads a space as +, since
// some proxies on the way replace + (seen in the field).
func decode(sig string) []byte {
	raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(sig, " ", "+"))
	if err != nil {
		return nil
	}
	return raw
}

// Verify checks the signature of a text.
func Verify(t SignType, key *rsa.PublicKey, text, sig string) error {
	if key == nil {
		return errors.New("alipay: no public key")
	}
	hash, err := hashOf(t)
	if err != nil {
		return err
	}
	raw := decode(sig)
	if len(raw) != key.Size() || rsa.VerifyPKCS1v15(key, hash, digest(hash, text), raw) != nil {
		return ErrBadSignature
	}
	return nil
}

func hashOf(t SignType) (crypto.Hash, error) {
	switch t {
	case RSA:
		return crypto.SHA1, nil
	case RSA2:
		return crypto.SHA256, nil
	}
	return 0, fmt.Errorf("alipay: unknown sign type %q", t)
}

func digest(hash crypto.Hash, text string) []byte {
	h := hash.New()
	io.WriteString(h, text)
	return h.Sum(nil)
}

// ParsePrivateKey parses an RSA private key: PKCS#8 or PKCS#1, as PEM or as the bare base64 that
// Alipay's tools print. Errors never quote the input.
func ParsePrivateKey(text string) (*rsa.PrivateKey, error) {
	der, err := keyBytes(text)
	if err != nil {
		return nil, err
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if k, ok := key.(*rsa.PrivateKey); ok {
			return k, nil
		}
		return nil, errors.New("alipay: private key is not RSA")
	}
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k, nil
	}
	return nil, errors.New("alipay: private key is neither PKCS#8 nor PKCS#1")
}

// ParsePublicKey parses an RSA public key: PKIX or PKCS#1, as PEM or as bare base64.
func ParsePublicKey(text string) (*rsa.PublicKey, error) {
	der, err := keyBytes(text)
	if err != nil {
		return nil, err
	}
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		if k, ok := key.(*rsa.PublicKey); ok {
			return k, nil
		}
		return nil, errors.New("alipay: public key is not RSA")
	}
	if k, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return k, nil
	}
	return nil, errors.New("alipay: public key is neither PKIX nor PKCS#1")
}

func keyBytes(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return block.Bytes, nil
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || len(der) == 0 {
		return nil, errors.New("alipay: key is neither PEM nor base64")
	}
	return der, nil
}
