package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// merchants checks that every sealed value opens, and that every merchant can place
// orders and be notified.
func (d *checkup) merchants(db *store.DB) {
	const what = "merchants"
	all, err := db.Merchants(d.ctx)
	if err != nil {
		d.wrong(what, err.Error(), "")
		return
	}
	codes, accounts := 0, 0
	for _, m := range all {
		credentials, err := db.Credentials(d.ctx, m.ID)
		switch {
		case err != nil:
			d.wrong(what, fmt.Sprintf("%s: %v", m.ID, err),
				"restore this row from a backup, or make the merchant a new app code")
		case len(credentials) == 0:
			d.warn(what, m.ID+" has no app code: it cannot place orders", "")
		}
		rules := outbound.Rules{Ports: d.Delivery.Ports, Allow: d.Delivery.Allow}
		for _, c := range credentials {
			if c.NotifyURL == "" {
				continue
			}
			if err := rules.CheckURL(c.NotifyURL); err != nil {
				d.wrong(what,
					fmt.Sprintf("%s: notifications to the notify_url of %s are never sent: %v",
						m.ID, c.AppCode, err),
					"give it an address on the internet, or open that one in delivery.allow")
			}
		}
		of, err := db.WalletAccounts(d.ctx, m.ID)
		switch {
		case err != nil:
			d.wrong("wallets", fmt.Sprintf("%s: %v", m.ID, err), "add that account again: sampan wallet add")
		case len(of) == 0:
			d.warn("wallets", m.ID+" has no wallet account: its orders are refused", "sampan wallet add")
		}
		for _, a := range of {
			d.account(a)
		}
		codes, accounts = codes+len(credentials), accounts+len(of)
	}
	if len(all) == 0 {
		d.warn(what, "there are none", "sampan merchant add")
		return
	}
	d.good(what, "%d with %d app codes and %d wallet accounts were looked at", len(all), codes, accounts)
}

// account opens a wallet account as the gateway does.
func (d *checkup) account(a pay.WalletAccount) {
	const what = "wallets"
	name := a.MerchantID + "/" + a.ID
	driver, ok := d.Wallets[a.Wallet]
	if !ok {
		d.wrong(what, fmt.Sprintf("%s: this program has no wallet %q", name, a.Wallet),
			"there are: "+strings.Join(slices.Sorted(maps.Keys(d.Wallets)), ", "))
		return
	}
	if _, err := driver.Open(wallet.Account{WalletAccount: a, HTTP: outbound.Plain(outbound.Limits{}),
		Now: d.now}); err != nil {
		d.wrong(what, fmt.Sprintf("%s: %v", name, err),
			"add it again: sampan wallet add; see sampan wallet kinds")
		return
	}
	for _, t := range a.PayTypes {
		if !slices.ContainsFunc(driver.Info.Currencies[t], a.SettlesIn) {
			d.wrong(what,
				fmt.Sprintf("%s: none of its currencies (%s) can be had with pay type %s", name,
					operator.Join(a.Currencies), t),
				"this wallet settles it in "+cmp.Or(operator.Join(driver.Info.Currencies[t]), "-"))
		}
	}
	setting := func(name string) string {
		if v := a.Settings[name]; v != "" {
			return v
		}
		i := slices.IndexFunc(driver.Info.Settings, func(s wallet.Setting) bool { return s.Name == name })
		if i < 0 {
			return ""
		}
		return driver.Info.Settings[i].Default
	}
	if setting("sign_type") == "MD5" {
		d.warn(what, name+" signs with MD5: one key signs for both sides",
			"have the wallet change the contract to RSA2")
	}
	if setting("confirm") == "no" {
		d.warn(what, name+" believes notices without asking the wallet",
			"leave confirm at yes, unless the wallet's key is this partner's alone")
	}
	if g := setting("gateway"); g != "" && !a.Disabled && !slices.Contains(d.gateways, g) {
		d.gateways = append(d.gateways, g)
	}
}
