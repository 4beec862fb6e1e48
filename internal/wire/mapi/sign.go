package mapi

import (
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// SignType is the value of the field sign_type.
type SignType string

// The signature algorithms.
const (
	MD5  SignType = "MD5"  // MD5 over the string followed by a shared key, lower-case hex
	RSA  SignType = "RSA"  // RSASSA-PKCS1-v1_5 with SHA-1, base64
	RSA2 SignType = "RSA2" // RSASSA-PKCS1-v1_5 with SHA-256, base64
)

// Errors of Verify. None of them holds any part of a key.
var (
	ErrNoSignature  = errors.New("mapi: message is not signed")
	ErrSignType     = errors.New("mapi: sign_type is not the one agreed on")
	ErrBadSignature = errors.New("mapi: signature does not match")
)

// Keys is one side's key material for one algorithm. With MD5 both sides have
// the same Shared; with RSA and RSA2 each signs with its own Private and
// verifies with the other's Public.
type Keys struct {
	Type    SignType
	Shared  string
	Private *rsa.PrivateKey
	Public  *rsa.PublicKey
}

// Sign sets sign and sign_type.
func (m Message) Sign(k Keys) error {
	sig, err := k.sign(m.Canonical())
	if err != nil {
		return err
	}
	m["sign"], m["sign_type"] = sig, string(k.Type)
	return nil
}

// Verify checks the signature over all fields received. Only k.Type is
// accepted, whatever the message says, so that nobody can choose a weaker one.
func (m Message) Verify(k Keys) error {
	if m["sign"] == "" {
		return ErrNoSignature
	}
	if m["sign_type"] != string(k.Type) {
		return ErrSignType
	}
	return k.verify(m.Canonical(), m["sign"])
}

func (k Keys) sign(s string) (string, error) {
	switch k.Type {
	case MD5:
		if k.Shared == "" {
			return "", errors.New("mapi: no MD5 key")
		}
		return md5Hex(s + k.Shared), nil
	case RSA, RSA2:
		if k.Private == nil {
			return "", errors.New("mapi: no private key")
		}
		hash, sum := digest(k.Type, s)
		sig, err := rsa.SignPKCS1v15(nil, k.Private, hash, sum) // the scheme draws no random numbers
		if err != nil {
			return "", fmt.Errorf("mapi: sign: %w", err)
		}
		return base64.StdEncoding.EncodeToString(sig), nil
	}
	return "", fmt.Errorf("mapi: unknown sign type %q", k.Type)
}

func (k Keys) verify(s, sig string) error {
	switch k.Type {
	case MD5:
		if k.Shared == "" {
			return errors.New("mapi: no MD5 key")
		}
		if subtle.ConstantTimeCompare([]byte(md5Hex(s+k.Shared)), []byte(sig)) != 1 {
			return ErrBadSignature
		}
		return nil
	case RSA, RSA2:
		if k.Public == nil {
			return errors.New("mapi: no public key")
		}
		// Some hop on the way may have turned + into a space (seen in the field).
		raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(sig, " ", "+"))
		if err != nil {
			return ErrBadSignature
		}
		hash, sum := digest(k.Type, s)
		if rsa.VerifyPKCS1v15(k.Public, hash, sum, raw) != nil {
			return ErrBadSignature
		}
		return nil
	}
	return fmt.Errorf("mapi: unknown sign type %q", k.Type)
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func digest(t SignType, s string) (crypto.Hash, []byte) {
	if t == RSA {
		sum := sha1.Sum([]byte(s))
		return crypto.SHA1, sum[:]
	}
	sum := sha256.Sum256([]byte(s))
	return crypto.SHA256, sum[:]
}

// ParsePrivateKey reads an RSA private key: PKCS#8 or PKCS#1, as PEM or as the
// bare base64 that Alipay's tools print. Errors never quote the input.
func ParsePrivateKey(text string) (*rsa.PrivateKey, error) {
	der, err := keyBytes(text)
	if err != nil {
		return nil, err
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if k, ok := key.(*rsa.PrivateKey); ok {
			return k, nil
		}
		return nil, errors.New("mapi: private key is not RSA")
	}
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k, nil
	}
	return nil, errors.New("mapi: private key is neither PKCS#8 nor PKCS#1")
}

// ParsePublicKey reads an RSA public key: PKIX or PKCS#1, as PEM or as bare base64.
func ParsePublicKey(text string) (*rsa.PublicKey, error) {
	der, err := keyBytes(text)
	if err != nil {
		return nil, err
	}
	if key, err := x509.ParsePKIXPublicKey(der); err == nil {
		if k, ok := key.(*rsa.PublicKey); ok {
			return k, nil
		}
		return nil, errors.New("mapi: public key is not RSA")
	}
	if k, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return k, nil
	}
	return nil, errors.New("mapi: public key is neither PKIX nor PKCS#1")
}

func keyBytes(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return block.Bytes, nil
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil || len(der) == 0 {
		return nil, errors.New("mapi: key is neither PEM nor base64")
	}
	return der, nil
}
