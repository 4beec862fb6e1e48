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

// Disabling says whether a merchant or a store is disabled, and what stays possible
// then. Queries, closings and notes always do.
type Disabling struct {
	Disabled    bool // new orders are refused
	KeepLinks   bool // while disabled, buyers can still pay open orders
	StopRefunds bool // while disabled, new refunds are refused
}

// LinksClosed reports whether buyers cannot pay open orders.
func (d Disabling) LinksClosed() bool { return d.Disabled && !d.KeepLinks }

// RefundsStopped reports whether new refunds are refused.
func (d Disabling) RefundsStopped() bool { return d.Disabled && d.StopRefunds }

// Store is one shop of a merchant that has several.
type Store struct {
	MerchantID string
	AppCode    string // the credential that the store belongs to
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
	NotifyURL   string        // for notifications of orders that name no address
	ReturnHosts []string      // hosts that the authorisation link may return to
	PerSecond   int           // allowed requests in a second
	PerMinute   int           // and in a minute
	HasStores   bool          // orders must name a store
	MaxAge      time.Duration // greatest difference between txdtm and our clock, either way; 0 for any
	SHA256Only  bool          // requests signed with MD5 are refused
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
