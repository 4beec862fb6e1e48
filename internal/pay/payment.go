package pay

import "time"

// Scope is an app code and, under an agent, one of its stores. An order number is
// unique within a scope, and a merchant sees only its own scope.
type Scope struct {
	MerchantID string
	AppCode    string
	StoreID    string // "" where the app code has no stores
}

// Payment is one order, to be paid once.
type Payment struct {
	Scope
	ID          string // 26 digits (syssn): date, merchant, time slot, MAC; also its number at the wallet
	OrderNo     string // the merchant's own number, unique within Scope
	Fingerprint string // of the request that made it; a repeat must have the same

	PayType    PayType
	AccountID  string // the wallet account that it is paid to
	Amount     Amount
	Goods      string // shown to the buyer; may be empty
	ClientTime string // the merchant's own time of the order, as it was sent
	DeviceID   string
	ReturnURL  string // where the buyer's browser is sent at the end; may be empty
	NotifyURL  string // for notifications; may be empty
	OpenID     string // the buyer, if the wallet must know before payment
	NoCredit   bool   // credit cards are excluded

	Status Status
	// Checkout is the wallet's answer to the order: the reference for its own
	// cashier, or the address of its page. It is "" if neither is needed, or the
	// wallet has not answered yet.
	Checkout       string
	CheckoutEndsAt time.Time // when Checkout ends; zero if together with the payment
	// WalletNumber is the order number at the wallet if that is not ID: the payment
	// was paid under the number that it had before a restore.
	WalletNumber string
	WalletID     string // the wallet's own id of the order, once it is known
	TradeNo      string // the wallet's number of the trade that paid it
	BuyerID      string // the wallet's masked id of the buyer, if it stated one
	Failure      string // the wallet's code, if it refused the order
	Late         bool   // paid after it was closed, expired or failed
	Flagged      bool   // a person must look: foreign money, or contradictory statements of the wallet

	CreatedAt time.Time
	ExpiresAt time.Time
	// OpenedAt is the earliest time at which the buyer can have reached the wallet:
	// when the pay link was first opened, or when the order was made if the buyer
	// needs no link. It is zero before that.
	OpenedAt  time.Time
	PaidAt    time.Time // by the wallet's clock if it stated a time, else when we learnt of it
	ClosedAt  time.Time // when it was closed, expired or failed
	AskedAt   time.Time // the last call to the wallet for a request about it
	DueAt     time.Time // next inquiry at the wallet; zero if none
	Inquiries int       // made by Recover

	Reserved int64 // minor units reserved by refunds, done ones included
	Refunded int64 // minor units refunded

	Events int // how many events it has: its version, since every change adds some

	CloseID      string    // 26 digits: the number of the merchant's closing; "" without one
	CloseAskedAt time.Time // when the merchant asked for the closing

	ConfirmedAt time.Time // the last call to the wallet that confirmed a callback about it
}
