package server

import (
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/alipayglobal"
)

// drivers are the wallets of the servers that these tests assemble.
var drivers = map[string]wallet.Driver{alipayglobal.Driver.Name: alipayglobal.Driver}
