package pay

import "time"

// Merchant is who gets the money.
type Merchant struct {
	ID        string // six digits
	Name      string // shown to buyers where an order has no goods name
	MCC       string // merchant category code, four digits; may be empty
	CreatedAt time.Time
	Disabling
}

// Disabling says whether a merchant or a store takes new orders, and what goes on with those that it has if not:
// queries, closings and notes always do.
type Disabling struct {
	Disabled    bool // it takes no new orders
	KeepLinks   bool // buyers can pay the orders that are open all the same
	StopRefunds bool // nobody can ask for a refund
}

// LinksShut reports whether buyers cannot pay the orders that are open.
func (d Disabling) LinksShut() bool { return d.Disabled && !d.KeepLinks }

// RefundsStopped reports whether new refunds are refused.
func (d Disabling) RefundsStopped() bool { return d.Disabled && d.StopRefunds }

// Store is one of the shops of a merchant that has several.
type Store struct {
	MerchantID string
	AppCode    string // the credential that it is reached through
	ID         string // 1 to 16 letters and digits
	Name       string
	MCC        string
	CreatedAt  time.Time
	Disabling
}

// Credential is what a merchant's server signs with.
type Credential struct {
	MerchantID  string
	AppCode     string
	ClientKey   Secret
	NotifyURL   string        // where outcomes go when the order names no address
	ReturnHosts []string      // hosts that the authorisation link may return to
	PerSecond   int           // requests allowed in a second
	PerMinute   int           // and in a minute
	HasStores   bool          // orders must name a store
	MaxAge      time.Duration // between a request's txdtm and our clock, either way; 0 for any
	SHA256Only  bool          // MD5 signs no requests
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
