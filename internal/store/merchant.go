package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// CreateMerchant adds a merchant, or returns ErrExists if its id is taken.
func (db *DB) CreateMerchant(ctx context.Context, m pay.Merchant) error {
	defer db.merchants.drop(m.ID)
	return db.create(ctx, "create merchant "+m.ID, func(tx *Tx) (int64, error) {
		return tx.q.CreateMerchant(tx.ctx, queries.CreateMerchantParams{
			ID: m.ID, Name: m.Name, MCC: m.MCC, CreatedAt: ms(m.CreatedAt),
			Disabled: bit(m.Disabled), KeepLinks: bit(m.KeepLinks), StopRefunds: bit(m.StopRefunds),
		})
	})
}

// Merchant returns a merchant, or ErrNotFound. It may be up to CacheFor old.
func (db *DB) Merchant(ctx context.Context, id string) (pay.Merchant, error) {
	return db.merchants.get(id, func() (pay.Merchant, bool, error) {
		m, err := db.read.Merchant(ctx, id)
		return toMerchant(m), true, notFound(err)
	})
}

// Merchants lists all merchants, by id.
func (db *DB) Merchants(ctx context.Context) ([]pay.Merchant, error) {
	return list(toMerchant)(db.read.Merchants(ctx))
}

func toMerchant(m queries.Merchant) pay.Merchant {
	return pay.Merchant{
		ID: m.ID, Name: m.Name, MCC: m.MCC, CreatedAt: at(m.CreatedAt),
		Disabling: pay.Disabling{Disabled: m.Disabled != 0, KeepLinks: m.KeepLinks != 0,
			StopRefunds: m.StopRefunds != 0},
	}
}

// CreateStore adds a store, or returns ErrExists if the app code has one with that
// id.
func (db *DB) CreateStore(ctx context.Context, s pay.Store) error {
	defer db.stores.drop(storeKey{s.MerchantID, s.AppCode, s.ID})
	return db.create(ctx, "create store "+s.ID, func(tx *Tx) (int64, error) {
		return tx.q.CreateStore(tx.ctx, queries.CreateStoreParams{
			MerchantID: s.MerchantID, AppCode: s.AppCode, ID: s.ID,
			Name: s.Name, MCC: s.MCC, CreatedAt: ms(s.CreatedAt),
			Disabled: bit(s.Disabled), KeepLinks: bit(s.KeepLinks), StopRefunds: bit(s.StopRefunds),
		})
	})
}

type storeKey struct{ merchantID, appCode, id string }

// Store returns a store, or ErrNotFound. It may be up to CacheFor old.
func (db *DB) Store(ctx context.Context, merchantID, appCode, id string) (pay.Store, error) {
	return db.stores.get(storeKey{merchantID, appCode, id}, func() (pay.Store, bool, error) {
		s, err := db.read.Store(ctx, queries.StoreParams{MerchantID: merchantID, AppCode: appCode, ID: id})
		return toStore(s), true, notFound(err)
	})
}

// Stores lists a merchant's stores, by app code and id.
func (db *DB) Stores(ctx context.Context, merchantID string) ([]pay.Store, error) {
	return list(toStore)(db.read.Stores(ctx, merchantID))
}

func toStore(s queries.Store) pay.Store {
	return pay.Store{
		MerchantID: s.MerchantID, AppCode: s.AppCode, ID: s.ID,
		Name: s.Name, MCC: s.MCC, CreatedAt: at(s.CreatedAt),
		Disabling: pay.Disabling{Disabled: s.Disabled != 0, KeepLinks: s.KeepLinks != 0,
			StopRefunds: s.StopRefunds != 0},
	}
}

// CreateCredential adds a credential, or returns ErrExists if anyone has its app
// code.
func (db *DB) CreateCredential(ctx context.Context, c pay.Credential) error {
	defer db.credentials.drop(c.AppCode)
	key := db.seal.seal("credential", c.AppCode, c.ClientKey.Reveal())
	return db.create(ctx, "create credential "+c.AppCode, func(tx *Tx) (int64, error) {
		return tx.q.CreateCredential(tx.ctx, queries.CreateCredentialParams{
			AppCode: c.AppCode, MerchantID: c.MerchantID, ClientKey: key,
			NotifyURL: c.NotifyURL, ReturnHosts: strings.Join(c.ReturnHosts, ","),
			PerSecond: int64(c.PerSecond), PerMinute: int64(c.PerMinute),
			HasStores: bit(c.HasStores), Disabled: bit(c.Disabled), CreatedAt: ms(c.CreatedAt),
			MaxAge: c.MaxAge.Milliseconds(), Sha256Only: bit(c.SHA256Only),
		})
	})
}

// Credential returns the credential of an app code with its key unsealed, or
// ErrNotFound. It may be up to CacheFor old; unknown codes are not cached. Its
// slices are shared and must not be changed.
func (db *DB) Credential(ctx context.Context, appCode string) (pay.Credential, error) {
	if c := db.KeptCredential(appCode); c.AppCode != "" {
		return c, nil
	}
	return db.FreshCredential(ctx, appCode)
}

// KeptCredential is Credential without asking the database: the zero value if
// nothing is cached.
func (db *DB) KeptCredential(appCode string) pay.Credential {
	c, _ := db.credentials.kept(appCode)
	return c
}

// FreshCredential is Credential without the cache. An unknown app code costs as
// much as a known one: a decoy is read and unsealed in its place.
func (db *DB) FreshCredential(ctx context.Context, appCode string) (pay.Credential, error) {
	return db.credentials.fresh(appCode, func() (pay.Credential, bool, error) {
		c, err := db.read.CredentialOrDecoy(ctx, queries.CredentialOrDecoyParams{
			AppCode: appCode, Decoy: db.decoy,
		})
		if err != nil {
			return pay.Credential{}, false, notFound(err)
		}
		credential, err := db.toCredential(c)
		if err == nil && c.AppCode == "" {
			err = ErrNotFound
		}
		return credential, true, err
	})
}

// sealDecoy returns a sealed client key that belongs to no app code.
func (s sealer) sealDecoy() string { return s.seal("credential", "", strings.Repeat("0", 32)) }

// Credentials lists a merchant's credentials, by app code, keys unsealed.
func (db *DB) Credentials(ctx context.Context, merchantID string) ([]pay.Credential, error) {
	return listTry(db.toCredential)(db.read.Credentials(ctx, merchantID))
}

func (db *DB) toCredential(c queries.Credential) (pay.Credential, error) {
	key, err := db.seal.open("credential", c.AppCode, c.ClientKey)
	if err != nil {
		return pay.Credential{}, err
	}
	return pay.Credential{
		MerchantID: c.MerchantID, AppCode: c.AppCode, ClientKey: pay.Secret(key),
		NotifyURL: c.NotifyURL, ReturnHosts: split[string](c.ReturnHosts),
		PerSecond: int(c.PerSecond), PerMinute: int(c.PerMinute),
		HasStores: c.HasStores != 0, Disabled: c.Disabled != 0, CreatedAt: at(c.CreatedAt),
		MaxAge: time.Duration(c.MaxAge) * time.Millisecond, SHA256Only: c.Sha256Only != 0,
	}, nil
}

// PutWalletAccount adds or replaces an account. An account that is replaced keeps
// its CreatedAt and whether it is disabled.
func (db *DB) PutWalletAccount(ctx context.Context, a pay.WalletAccount) error {
	defer db.accounts.drop(a.MerchantID)
	settings, err := json.Marshal(a.Settings)
	if err != nil {
		return fmt.Errorf("store: wallet account %s: settings: %w", a.ID, err)
	}
	plain := make(map[string]string, len(a.Secrets)) // a Secret would write itself as ***
	for name, secret := range a.Secrets {
		plain[name] = secret.Reveal()
	}
	secrets, err := json.Marshal(plain)
	if err != nil {
		return fmt.Errorf("store: wallet account %s: secrets cannot be written as JSON", a.ID)
	}
	sealed := db.seal.seal("wallet_account", a.MerchantID+"/"+a.ID, string(secrets))
	err = db.one(ctx, func(tx *Tx) error {
		return tx.q.PutWalletAccount(tx.ctx, queries.PutWalletAccountParams{
			MerchantID: a.MerchantID, ID: a.ID, Wallet: a.Wallet,
			PayTypes: join(a.PayTypes), Currencies: join(a.Currencies),
			Settings: string(settings), Secrets: sealed,
			Disabled: bit(a.Disabled), CreatedAt: ms(a.CreatedAt), UpdatedAt: ms(a.UpdatedAt),
		})
	})
	return wrap("put wallet account "+a.ID, err)
}

// WalletAccounts lists a merchant's accounts by id, secrets unsealed. They may
// be up to CacheFor old; their slices and maps are shared and must not be changed.
func (db *DB) WalletAccounts(ctx context.Context, merchantID string) ([]pay.WalletAccount, error) {
	return db.accounts.get(merchantID, func() ([]pay.WalletAccount, bool, error) {
		accounts, err := listTry(db.toWalletAccount)(db.read.WalletAccounts(ctx, merchantID))
		return accounts, len(accounts) > 0, err // not cached: anyone can ask for merchants that do not exist
	})
}

func (db *DB) toWalletAccount(a queries.WalletAccount) (pay.WalletAccount, error) {
	account := pay.WalletAccount{
		MerchantID: a.MerchantID, ID: a.ID, Wallet: a.Wallet,
		PayTypes: split[pay.PayType](a.PayTypes), Currencies: split[pay.Currency](a.Currencies),
		Disabled: a.Disabled != 0, CreatedAt: at(a.CreatedAt), UpdatedAt: at(a.UpdatedAt),
	}
	secrets, err := db.seal.open("wallet_account", a.MerchantID+"/"+a.ID, a.Secrets)
	if err != nil {
		return pay.WalletAccount{}, err
	}
	if err := json.Unmarshal([]byte(a.Settings), &account.Settings); err != nil {
		return pay.WalletAccount{}, fmt.Errorf("store: wallet account %s: settings: %w", a.ID, err)
	}
	if err := json.Unmarshal([]byte(secrets), &account.Secrets); err != nil {
		return pay.WalletAccount{}, fmt.Errorf("store: wallet account %s: secrets cannot be read", a.ID)
	}
	return account, nil
}

// SetMerchantDisabled disables a merchant, or enables it again. Like the changes
// below it returns ErrNotFound if the row does not exist, and other processes
// notice it within CacheFor.
func (db *DB) SetMerchantDisabled(ctx context.Context, id string, d pay.Disabling) error {
	defer db.merchants.drop(id)
	return db.set(ctx, "merchant "+id, func(tx *Tx) (int64, error) {
		return tx.q.SetMerchantDisabled(tx.ctx, queries.SetMerchantDisabledParams{
			ID: id, Disabled: bit(d.Disabled), KeepLinks: bit(d.KeepLinks), StopRefunds: bit(d.StopRefunds),
		})
	})
}

// SetStoreDisabled disables a store, or enables it again.
func (db *DB) SetStoreDisabled(ctx context.Context, merchantID, appCode, id string, d pay.Disabling) error {
	defer db.stores.drop(storeKey{merchantID, appCode, id})
	return db.set(ctx, "store "+id, func(tx *Tx) (int64, error) {
		return tx.q.SetStoreDisabled(tx.ctx, queries.SetStoreDisabledParams{
			MerchantID: merchantID, AppCode: appCode, ID: id,
			Disabled: bit(d.Disabled), KeepLinks: bit(d.KeepLinks), StopRefunds: bit(d.StopRefunds),
		})
	})
}

// SetCredentialDisabled revokes an app code, or enables it again.
func (db *DB) SetCredentialDisabled(ctx context.Context, appCode string, disabled bool) error {
	defer db.credentials.drop(appCode)
	return db.set(ctx, "app code "+appCode, func(tx *Tx) (int64, error) {
		return tx.q.SetCredentialDisabled(tx.ctx, queries.SetCredentialDisabledParams{
			AppCode: appCode, Disabled: bit(disabled),
		})
	})
}

// SetClientKey replaces the key of an app code.
func (db *DB) SetClientKey(ctx context.Context, appCode string, key pay.Secret) error {
	defer db.credentials.drop(appCode)
	sealed := db.seal.seal("credential", appCode, key.Reveal())
	return db.set(ctx, "app code "+appCode, func(tx *Tx) (int64, error) {
		return tx.q.SetClientKey(tx.ctx, queries.SetClientKeyParams{AppCode: appCode, ClientKey: sealed})
	})
}

// SetReturnHosts replaces the hosts that an app code's buyers may return to.
func (db *DB) SetReturnHosts(ctx context.Context, appCode string, hosts []string) error {
	defer db.credentials.drop(appCode)
	return db.set(ctx, "app code "+appCode, func(tx *Tx) (int64, error) {
		return tx.q.SetReturnHosts(tx.ctx, queries.SetReturnHostsParams{
			AppCode: appCode, ReturnHosts: strings.Join(hosts, ","),
		})
	})
}

// SetMaxAge limits the time between an app code's requests and our clock; 0 for no
// limit.
func (db *DB) SetMaxAge(ctx context.Context, appCode string, age time.Duration) error {
	defer db.credentials.drop(appCode)
	return db.set(ctx, "app code "+appCode, func(tx *Tx) (int64, error) {
		return tx.q.SetMaxAge(tx.ctx, queries.SetMaxAgeParams{AppCode: appCode, MaxAge: age.Milliseconds()})
	})
}

// SetSHA256Only sets whether an app code's requests must be signed with SHA-256.
func (db *DB) SetSHA256Only(ctx context.Context, appCode string, only bool) error {
	defer db.credentials.drop(appCode)
	return db.set(ctx, "app code "+appCode, func(tx *Tx) (int64, error) {
		return tx.q.SetSHA256Only(tx.ctx, queries.SetSHA256OnlyParams{
			AppCode: appCode, Sha256Only: bit(only),
		})
	})
}

// SetWalletAccountDisabled closes an account to new orders, or opens it again. The
// orders that it has are still followed.
func (db *DB) SetWalletAccountDisabled(ctx context.Context, merchantID, id string, disabled bool) error {
	defer db.accounts.drop(merchantID)
	return db.set(ctx, "wallet account "+id, func(tx *Tx) (int64, error) {
		return tx.q.SetWalletAccountDisabled(tx.ctx, queries.SetWalletAccountDisabledParams{
			MerchantID: merchantID, ID: id, Disabled: bit(disabled),
		})
	})
}

// set runs an update of one row. It returns ErrNotFound if the row does not exist.
func (db *DB) set(ctx context.Context, what string, update func(*Tx) (int64, error)) error {
	changed, err := db.changed(ctx, what, update)
	if err == nil && !changed {
		return fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	return err
}

// create runs an insert that does nothing if the row exists. It returns ErrExists
// then.
func (db *DB) create(ctx context.Context, what string, insert func(*Tx) (int64, error)) error {
	created, err := db.changed(ctx, what, insert)
	if err == nil && !created {
		return ErrExists
	}
	return err
}
