// Package alipay is what the wire formats of Alipay's two gateways have in
// common: forms in which each name stands for one value, and RSA signatures
// with the keys that Alipay's tools print. Bytes in, bytes out.
package alipay

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strings"
	"unicode/utf8"
)

// SignType is the value of the field sign_type.
type SignType string

// The RSA signatures that both gateways know.
const (
	RSA  SignType = "RSA"  // RSASSA-PKCS1-v1_5 with SHA-1, base64
	RSA2 SignType = "RSA2" // RSASSA-PKCS1-v1_5 with SHA-256, base64
)

// ErrBadSignature means that the signature is not that of the text by that key.
var ErrBadSignature = errors.New("alipay: signature does not match")

// Join returns the text that is signed: the fields that keep chooses, sorted by
// name in byte order, joined as name=value with &, nothing escaped.
func Join(fields map[string]string, keep func(name, value string) bool) string {
	names := make([]string, 0, len(fields))
	for name, value := range fields {
		if keep(name, value) {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(name)
		b.WriteByte('=')
		b.WriteString(fields[name])
	}
	return b.String()
}

// ParseForm decodes a form-encoded message: a request's query or body, or a
// notification's body. It is done by hand rather than by http.Request because
// Alipay posts notifications with a malformed media type
// ("application/x-www-form-urlencoded; text/html; charset=UTF-8"), and because
// a name that comes twice must be refused: two readers could each see another
// of its values. Errors name the field, never its value.
func ParseForm(form string) (map[string]string, error) {
	fields := map[string]string{}
	for pair := range strings.SplitSeq(form, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil || !utf8.ValidString(name) || name == "" {
			return nil, errors.New("alipay: a field's name cannot be decoded")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil || !utf8.ValidString(value) {
			return nil, fmt.Errorf("alipay: field %.64q cannot be decoded", name)
		}
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("alipay: field %.64q is there twice", name)
		}
		fields[name] = value
	}
	return fields, nil
}

// EncodeForm writes fields as application/x-www-form-urlencoded, sorted by
// name. Empty values are left out: what is not sent is read alike by everybody.
func EncodeForm(fields map[string]string) string {
	v := make(url.Values, len(fields))
	for name, value := range fields {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v.Encode()
}

// Sign signs a text, as base64.
func Sign(t SignType, key *rsa.PrivateKey, text string) (string, error) {
	if key == nil {
		return "", errors.New("alipay: no private key")
	}
	hash, sum, err := digest(t, text)
	if err != nil {
		return "", err
	}
	sig, err := rsa.SignPKCS1v15(nil, key, hash, sum) // the scheme draws no random numbers
	if err != nil {
		return "", fmt.Errorf("alipay: sign: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sig), nil
}

// Verify checks the signature of a text.
func Verify(t SignType, key *rsa.PublicKey, text, sig string) error {
	if key == nil {
		return errors.New("alipay: no public key")
	}
	hash, sum, err := digest(t, text)
	if err != nil {
		return err
	}
	// Some hop on the way may have turned + into a space (seen in the field).
	raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(sig, " ", "+"))
	if err != nil || rsa.VerifyPKCS1v15(key, hash, sum, raw) != nil {
		return ErrBadSignature
	}
	return nil
}

func digest(t SignType, text string) (crypto.Hash, []byte, error) {
	switch t {
	case RSA:
		sum := sha1.Sum([]byte(text))
		return crypto.SHA1, sum[:], nil
	case RSA2:
		sum := sha256.Sum256([]byte(text))
		return crypto.SHA256, sum[:], nil
	}
	return 0, nil, fmt.Errorf("alipay: unknown sign type %q", t)
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
		return nil, errors.New("alipay: private key is not RSA")
	}
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k, nil
	}
	return nil, errors.New("alipay: private key is neither PKCS#8 nor PKCS#1")
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
