package pay

import "time"

// Merchant is who gets the money.
type Merchant struct {
	ID        string // six digits
	Name      string // shown to buyers where an order has no goods name
	MCC       string // merchant category code, four digits; may be empty
	Disabled  bool
	CreatedAt time.Time
}

// Store is one of the shops of a merchant that has several.
type Store struct {
	MerchantID string
	AppCode    string // the credential that it is reached through
	ID         string // 1 to 16 letters and digits
	Name       string
	MCC        string
	Disabled   bool
	CreatedAt  time.Time
}

// Credential is what a merchant's server signs with.
type Credential struct {
	MerchantID  string
	AppCode     string
	ClientKey   Secret
	NotifyURL   string   // where outcomes go when the order names no address
	ReturnHosts []string // hosts that the authorisation link may return to
	PerSecond   int      // requests allowed in a second
	PerMinute   int      // and in a minute
	HasStores   bool     // orders must name a store
	Disabled    bool
	CreatedAt   time.Time
}

// WalletAccount is a merchant's (or its payment company's) contract with a wallet.
type WalletAccount struct {
	MerchantID string
	ID         string // 1 to 32 letters, digits and dashes, unique within the merchant
	Wallet     string // name of the connector
	PayTypes   []PayType
	Currencies []Currency // what the account settles in
	Settings   map[string]string
	Secrets    map[string]Secret
	Disabled   bool
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Serves reports whether the account takes pay type t.
func (a WalletAccount) Serves(t PayType) bool {
	for _, have := range a.PayTypes {
		if have == t {
			return true
		}
	}
	return false
}

// SettlesIn reports whether the account takes currency c.
func (a WalletAccount) SettlesIn(c Currency) bool {
	for _, have := range a.Currencies {
		if have == c {
			return true
		}
	}
	return false
}
