package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// sealer encrypts secrets with AES-256-GCM. A sealed value is bound to its row and
// names its key, so keys can be changed one row at a time.
type sealer struct {
	keyID string
	aead  cipher.AEAD
}

// newSealer derives the sealing key and its name from the master key.
func newSealer(master pay.Secret) (sealer, error) {
	raw, err := masterKey(master.Reveal())
	if err != nil {
		return sealer{}, err
	}
	key, err := hkdf.Key(sha256.New, raw, nil, "sampan store: sealing key", 32)
	if err != nil {
		return sealer{}, fmt.Errorf("store: derive the sealing key: %w", err)
	}
	id, err := hkdf.Key(sha256.New, raw, nil, "sampan store: key id", 4)
	if err != nil {
		return sealer{}, fmt.Errorf("store: derive the key id: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, fmt.Errorf("store: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return sealer{}, fmt.Errorf("store: %w", err)
	}
	return sealer{keyID: hex.EncodeToString(id), aead: aead}, nil
}

// DeriveKey derives a key of 32 bytes from the master key, for one purpose. Every
// spelling of the master key gives the same.
func (db *DB) DeriveKey(purpose string) ([]byte, error) {
	raw, err := masterKey(db.config.MasterKey.Reveal())
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, raw, nil, purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("store: derive a key: %w", err)
	}
	return key, nil
}

// masterKey reads 32 bytes from 64 hex digits or any base64.
func masterKey(s string) ([]byte, error) {
	s = strings.TrimSpace(s)
	if b, err := hex.DecodeString(s); err == nil && len(b) == 32 {
		return b, nil
	}
	unpadded := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	if b, err := base64.RawStdEncoding.DecodeString(unpadded); err == nil && len(b) == 32 {
		return b, nil
	}
	return nil, errors.New("store: the master key must be 32 bytes, as 64 hex digits or base64")
}

// seal encrypts plain for one row of one table.
func (s sealer) seal(table, row, plain string) string {
	box := s.aead.Seal(nil, nil, []byte(plain), s.bound(table, row))
	return s.keyID + "." + base64.RawStdEncoding.EncodeToString(box)
}

// open decrypts what seal returned for the same row of the same table.
func (s sealer) open(table, row, sealed string) (string, error) {
	keyID, text, _ := strings.Cut(sealed, ".")
	if keyID != s.keyID {
		return "", fmt.Errorf("store: %s %s is sealed with master key %s, not with %s",
			table, row, keyID, s.keyID)
	}
	box, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return "", fmt.Errorf("store: %s %s: sealed value: %w", table, row, err)
	}
	plain, err := s.aead.Open(nil, nil, box, s.bound(table, row))
	if err != nil {
		return "", fmt.Errorf("store: %s %s: sealed value was altered or moved: %w", table, row, err)
	}
	return string(plain), nil
}

func (s sealer) bound(table, row string) []byte { return []byte(s.keyID + "/" + table + "/" + row) }

// masterKeySetting names the row that holds a known value, sealed.
const masterKeySetting = "master_key"

// proofOfMasterKey is that value before it is sealed.
const proofOfMasterKey = "sampan"

var errWrongMasterKey = errors.New("store: the master key is not the one that this database was made with")

// proved reports whether the database holds proof of the master key. Proof of
// another key is an error.
func (s sealer) proved(ctx context.Context, q *queries.Queries) (bool, error) {
	value, err := q.Setting(ctx, masterKeySetting)
	switch {
	case errors.Is(notFound(err), ErrNotFound):
		return false, nil
	case err != nil:
		return false, wrap("check the master key", err)
	}
	if plain, err := s.open("setting", masterKeySetting, value); err != nil || plain != proofOfMasterKey {
		return false, errors.Join(errWrongMasterKey, err)
	}
	return true, nil
}

// proveMasterKey stores proof of the master key in a database that has none, unless
// another process has done so meanwhile.
func (db *DB) proveMasterKey(ctx context.Context) error {
	sealed := db.seal.seal("setting", masterKeySetting, proofOfMasterKey)
	err := db.Tx(ctx, func(tx *Tx) error {
		return tx.q.PutSetting(tx.ctx, queries.PutSettingParams{Name: masterKeySetting, Value: sealed})
	})
	if err != nil {
		return wrap("leave proof of the master key", err)
	}
	_, err = db.seal.proved(ctx, db.read)
	return err
}
