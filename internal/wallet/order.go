package wallet

import (
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// Order is a payment as its wallet sees it.
type Order struct {
	Number      string // ours, and the order's number at the wallet: 26 digits
	WalletID    string // the wallet's own id of the order, if Pay's Checkout had one
	TradeNo     string // the wallet's number of the trade that paid it, if known
	PayType     pay.PayType
	Amount      pay.Amount
	Subject     string // for the buyer; the connector replaces what its wallet cannot take
	CreatedAt   time.Time
	ExpiresAt   time.Time
	CallbackURL string // ours: where the wallet posts to; holds neither & nor = nor ?
	ReturnURL   string // ours: where the wallet sends the browser; the same
	OpenID      string // the buyer, for wallets with InApp
	NoCredit    bool
	SubMerchant SubMerchant
}

// SubMerchant is who sells, as a payment company must tell the wallet.
type SubMerchant struct {
	ID, Name, MCC string
}

// Refund is money to be given back.
type Refund struct {
	ID     string // ours, and the refund's number at the wallet: 26 digits
	Order  Order
	Amount pay.Amount
	At     time.Time
	Reason string
	Retry  bool // the same refund was sent before
}
