package mapi

import (
	"crypto/md5"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

// SignType is the value of the field sign_type.
type SignType = alipay.SignType

// The signature algorithms.
const (
	MD5  SignType = "MD5" // MD5 of the text followed by a shared key, lower-case hex
	RSA           = alipay.RSA
	RSA2          = alipay.RSA2
)

// Errors of Verify. None of them contains any part of a key.
var (
	ErrNoSignature  = alipay.ErrNoSignature
	ErrSignType     = alipay.ErrSignType
	ErrBadSignature = alipay.ErrBadSignature
)

// Keys is one side's key material for one algorithm. With MD5 both sides have the same Shared. With
// RSA and RSA2 each side signs with its own Private and verifies with the other's Public.
type Keys struct {
	Type    SignType
	Shared  string
	Private *rsa.PrivateKey
	Public  *rsa.PublicKey
}

// Sign signs the message: it sets sign and sign_type.
func (m Message) Sign(k Keys) error {
	sig, err := k.sign(m.Canonical())
	if err != nil {
		return err
	}
	m["sign"], m["sign_type"] = sig, string(k.Type)
	return nil
}

// Verify verifies the signature over all received fields. It accepts only k.Type, whatever the
// message names, so that nobody can choose a weaker one.
func (m Message) Verify(k Keys) error {
	if m["sign"] == "" {
		return ErrNoSignature
	}
	if m["sign_type"] != string(k.Type) {
		return ErrSignType
	}
	if !k.plausible(m["sign"]) {
		return ErrBadSignature
	}
	return k.verify(m.Canonical(), m["sign"])
}

// plausible reports whether sig can be a signature by the keys, before anything is computed.
// Missing keys are left to verify.
func (k Keys) plausible(sig string) bool {
	switch {
	case k.Type == MD5:
		return len(sig) == hex.EncodedLen(md5.Size)
	case k.Public != nil:
		return alipay.Plausible(k.Public, sig)
	}
	return true
}

func (k Keys) sign(s string) (string, error) {
	switch k.Type {
	case MD5:
		if k.Shared == "" {
			return "", errors.New("mapi: no MD5 key")
		}
		return md5Hex(s + k.Shared), nil
	case RSA, RSA2:
		return alipay.Sign(k.Type, k.Private, s)
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
		return alipay.Verify(k.Type, k.Public, s, sig)
	}
	return fmt.Errorf("mapi: unknown sign type %q", k.Type)
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}
