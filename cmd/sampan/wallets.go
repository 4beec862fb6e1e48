package main

import (
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/alipayglobal"
	"github.com/sampanpay/sampan/internal/wallet/servicewindow"
)

// wallets is every wallet that Sampan can talk to, by name. A new one is one
// more line here; see docs/adding-a-wallet.md.
var wallets = map[string]wallet.Driver{
	alipayglobal.Driver.Name:  alipayglobal.Driver,
	servicewindow.Driver.Name: servicewindow.Driver,
}
