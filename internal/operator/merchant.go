package operator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"

	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// NewMerchant is a merchant to add, with its first app code.
type NewMerchant struct {
	ID          string // six digits; drawn if ""
	Name        string
	MCC         string // four digits or ""
	NotifyURL   string
	ReturnHosts []string
	HasStores   bool
	PerSecond   int // requests allowed in a second
	PerMinute   int
}

// AddMerchant adds a merchant and its credential. The client key is shown this
// once: the database holds it sealed. *InputError if a value cannot be taken,
// store.ErrExists if the ID is in use.
func (a Acts) AddMerchant(ctx context.Context, n NewMerchant) (pay.Merchant, pay.Credential, error) {
	m, c, err := a.newMerchant(n)
	if err != nil {
		return m, c, err
	}
	for range 10 { // a drawn ID may be in use
		if n.ID == "" {
			if m.ID, err = drawMerchantID(); err != nil {
				return m, c, err
			}
		}
		if err = a.db.CreateMerchant(ctx, m); !errors.Is(err, store.ErrExists) || n.ID != "" {
			break
		}
	}
	if err != nil {
		return m, c, fmt.Errorf("merchant %s: %w", m.ID, err)
	}
	c.MerchantID = m.ID
	return m, c, a.db.CreateCredential(ctx, c)
}

func (a Acts) newMerchant(n NewMerchant) (m pay.Merchant, c pay.Credential, err error) {
	if n.ID != "" && !sixDigits.MatchString(n.ID) {
		return m, c, invalid("id", n.ID, "must be six digits")
	}
	if err := checkMCC(n.MCC); err != nil {
		return m, c, err
	}
	if n.PerSecond < 1 {
		return m, c, &InputError{Field: "per-second", Err: errors.New("must be at least 1")}
	}
	if n.PerMinute < 1 {
		return m, c, &InputError{Field: "per-minute", Err: errors.New("must be at least 1")}
	}
	hosts, err := readReturnHosts(n.ReturnHosts)
	if err != nil {
		return m, c, err
	}
	if n.NotifyURL != "" {
		rules := outbound.Rules{Ports: a.Delivery.Ports, Allow: a.Delivery.Allow}
		if err := rules.CheckURL(n.NotifyURL); err != nil {
			return m, c, &InputError{Field: "notify-url", Err: err}
		}
	}
	now := a.Now()
	m = pay.Merchant{ID: n.ID, Name: n.Name, MCC: n.MCC, CreatedAt: now}
	c = pay.Credential{
		AppCode: newKey(), ClientKey: pay.Secret(newKey()), NotifyURL: n.NotifyURL, ReturnHosts: hosts,
		PerSecond: n.PerSecond, PerMinute: n.PerMinute, HasStores: n.HasStores, CreatedAt: now,
	}
	return m, c, nil
}

// drawMerchantID draws six digits, the first of them not zero.
func drawMerchantID() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(900000))
	if err != nil {
		return "", err
	}
	return n.Add(n, big.NewInt(100000)).String(), nil
}

// AddStore adds a store to an app code that has stores. It fills in the store's
// merchant and time.
func (a Acts) AddStore(ctx context.Context, s pay.Store) (pay.Store, error) {
	if !storeIDs.MatchString(s.ID) {
		return s, invalid("id", s.ID, "must be 1 to 16 letters and digits")
	}
	if err := checkMCC(s.MCC); err != nil {
		return s, err
	}
	c, err := a.db.Credential(ctx, s.AppCode)
	if err != nil {
		return s, &InputError{Field: "app-code", Err: err}
	}
	if !c.HasStores {
		return s, &InputError{Field: "app-code", Err: errors.New("has no stores: its orders name none")}
	}
	s.MerchantID, s.CreatedAt = c.MerchantID, a.Now()
	if err := a.db.CreateStore(ctx, s); err != nil {
		return s, fmt.Errorf("store %s: %w", s.ID, err)
	}
	return s, nil
}

// MerchantEntry is a merchant with its app codes and stores. The credentials
// hold their client keys.
type MerchantEntry struct {
	pay.Merchant
	Credentials []pay.Credential
	Stores      []pay.Store
}

// StoresOf lists the stores of one of the app codes.
func (m MerchantEntry) StoresOf(appCode string) (stores []pay.Store) {
	for _, s := range m.Stores {
		if s.AppCode == appCode {
			stores = append(stores, s)
		}
	}
	return stores
}

// Merchants lists all merchants.
func (d *Deployment) Merchants(ctx context.Context) ([]MerchantEntry, error) {
	merchants, err := d.db.Merchants(ctx)
	if err != nil {
		return nil, err
	}
	var entries []MerchantEntry
	for _, m := range merchants {
		e := MerchantEntry{Merchant: m}
		if e.Credentials, err = d.db.Credentials(ctx, m.ID); err != nil {
			return nil, err
		}
		if e.Stores, err = d.db.Stores(ctx, m.ID); err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}
