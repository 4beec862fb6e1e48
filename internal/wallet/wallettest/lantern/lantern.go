// Package lantern is a wallet of the tests' own: a JSON wallet with wallet.Redirect,
// as small as one can be. It shows what a new wallet has to bring, and that a buyer
// of such a wallet can pay.
//
// lantern.go declares the wallet, wire.go is its wire format, connector.go and
// callback.go are the connector. wallet.go is the other side: a server that stands
// for the wallet and the buyer's hand.
package lantern

import (
	"net/http"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// Driver is the wallet for the gateway.
var Driver = wallet.Driver{Name: "lantern", Info: info, Open: open}

var info = wallet.Info{
	Title:      "Lantern, a wallet of the tests' own",
	Maturity:   "alpha",
	PayTypes:   []pay.PayType{pay.AlipayHK},
	Currencies: map[pay.PayType][]pay.Currency{pay.AlipayHK: {"HKD"}},
	Flow:       wallet.Redirect,
	Can:        []wallet.Capability{wallet.CanClose},
	LateMax:    time.Hour,
	Settings: []wallet.Setting{
		{Name: "gateway", Help: "Address of the wallet.", Required: true},
		{Name: "key", Help: "Key that both sides sign with.", Secret: true, Required: true},
		wallet.RefundDays,
	},
}

// connector talks to the wallet for one account.
type connector struct {
	gateway, key string
	http         *http.Client
	now          func() time.Time
}

func open(a wallet.Account) (wallet.Connector, error) {
	values, err := a.Values(info.Settings, map[string]wallet.Rule{"gateway": wallet.Gateway})
	if err != nil {
		return nil, err
	}
	client, err := a.Client()
	if err != nil {
		return nil, err
	}
	return &connector{strings.TrimRight(values["gateway"], "/"), values["key"], client, a.Now}, nil
}
