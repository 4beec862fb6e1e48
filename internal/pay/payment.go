package pay

import "time"

// Scope is what an order number is unique in and what a merchant can see: an
// app code and, under an agent, one of its stores.
type Scope struct {
	MerchantID string
	AppCode    string
	StoreID    string // "" where the app code has no stores
}

// Payment is one order to be paid once.
type Payment struct {
	Scope
	ID          string // 26 digits: date, merchant, twelve random digits (syssn); the wallet's order number too
	OrderNo     string // the merchant's own number, unique within Scope
	Fingerprint string // of the request that made it; a repeat must have the same

	PayType    PayType
	AccountID  string // the wallet account that it is paid to
	Amount     Amount
	Goods      string // shown to the buyer; may be empty
	ClientTime string // the merchant's own time of the order, as it was sent
	DeviceID   string
	ReturnURL  string // where the buyer's browser goes in the end; may be empty
	NotifyURL  string // where the outcome is told; may be empty
	OpenID     string // the buyer, where the wallet must know beforehand
	NoCredit   bool

	Status Status
	// Checkout is what the wallet answered when it was asked to take the order: the
	// reference for its own cashier, or the address of its page. "" where neither
	// is needed or the wallet has not answered yet.
	Checkout       string
	CheckoutEndsAt time.Time // when Checkout ends; zero if with the payment
	// WalletNumber is the order number at the wallet, where it is not ID: the
	// payment was paid under the number that it had before a restore.
	WalletNumber string
	WalletID     string // the wallet's own id of the order, once it gave one
	TradeNo      string // the wallet's number of the trade that paid it
	BuyerID      string // the wallet's masked id of the buyer, if it told
	Failure      string // why it failed: the wallet's code
	Late         bool   // paid after it was closed, expired or failed
	Flagged      bool   // a person must look: money that is not the order's own, or that contradicts itself

	CreatedAt time.Time
	ExpiresAt time.Time
	OpenedAt  time.Time // since when the buyer can have reached the wallet: first opening of the pay link, or at once without it; zero if never
	PaidAt    time.Time // by the wallet's clock if it told, else when we learnt of it
	ClosedAt  time.Time // when it was closed, expired or failed
	AskedAt   time.Time // last time the wallet was asked about it
	DueAt     time.Time // next inquiry at the wallet; zero if none
	Inquiries int       // how often the wallet was asked by Recover

	Reserved int64 // minor units set aside for refunds, done ones included
	Refunded int64 // minor units given back

	Events int // how many events it has; every change that writes an event counts on

	CloseID      string    // 26 digits: the merchant's wish to call it off; "" if there was none
	CloseAskedAt time.Time // when it was made

	ConfirmedAt time.Time // last time that a wallet's message about it had the wallet asked
}
