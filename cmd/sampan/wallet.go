package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/terminal"
)

type walletCmd struct {
	Add     walletAddCmd     `cmd:"" help:"Add a merchant's wallet account, or replace it."`
	Disable walletDisableCmd `cmd:"" help:"Accept no new orders with an account. Orders that it has go on."`
	Enable  walletEnableCmd  `cmd:"" help:"Accept new orders with it again."`
	List    walletListCmd    `cmd:"" help:"List a merchant's wallet accounts."`
	Kinds   walletKindsCmd   `cmd:"" help:"List the wallets that Sampan connects to, and their settings."`
}

type walletAddCmd struct {
	configFlag
	Merchant   string         `required:"" help:"The merchant's six digits."`
	ID         string         `required:"" help:"Name of the account, in its callback address." placeholder:"NAME"`
	Kind       string         `required:"" help:"Which wallet; see: sampan wallet kinds." placeholder:"WALLET"`
	PayTypes   []pay.PayType  `required:"" help:"Its pay types, as 801107,801512." placeholder:"TYPES"`
	Currencies []pay.Currency `required:"" help:"What the contract settles in, as HKD,USD." placeholder:"CODES"`

	Set    map[string]string `help:"A setting: partner=2088… or app_cert=@FILE." placeholder:"NAME=VALUE" mapsep:"none"`
	Secret map[string]string `help:"A secret: md5_key=@FILE, =- or =env:NAME." placeholder:"NAME=SOURCE" mapsep:"none"`
}

// Run checks the account as the gateway does and stores it.
func (cmd walletAddCmd) Run(e *env) error {
	settings, secrets, err := terminal.ReadSettings(cmd.Set, cmd.Secret, e.stdin)
	if err != nil {
		return err
	}
	account := pay.WalletAccount{
		MerchantID: cmd.Merchant, ID: cmd.ID, Wallet: cmd.Kind,
		PayTypes: cmd.PayTypes, Currencies: cmd.Currencies, Settings: settings, Secrets: secrets,
	}
	return cmd.change(e.ctx, func(o operator.Acts) error {
		a, err := o.PutAccount(e.ctx, account)
		if err != nil {
			return err
		}
		e.printf("wallet account %s of merchant %s: %s for %s\n",
			a.ID, a.MerchantID, a.Wallet, operator.Join(a.PayTypes))
		if a.Disabled {
			fmt.Fprintln(e.stdout, "It was disabled and still is; see: sampan wallet enable")
		}
		if a.Callback != "" {
			e.printf("callbacks come to %s\n", a.Callback)
		}
		return nil
	})
}

// walletPart names one account of a merchant.
type walletPart struct {
	configFlag
	Merchant string `required:"" help:"The merchant's six digits."`
	ID       string `required:"" help:"Name of the account within the merchant." placeholder:"NAME"`
}

type walletDisableCmd struct{ walletPart }

// Run disables the account.
func (cmd walletDisableCmd) Run(e *env) error { return cmd.set(e, true) }

type walletEnableCmd struct{ walletPart }

// Run enables the account.
func (cmd walletEnableCmd) Run(e *env) error { return cmd.set(e, false) }

func (p walletPart) set(e *env, disabled bool) error {
	return p.change(e.ctx, func(o operator.Acts) error {
		if err := o.SetAccountDisabled(e.ctx, p.Merchant, p.ID, disabled); err != nil {
			return err
		}
		e.printf("wallet account %s of merchant %s is %s\n", p.ID, p.Merchant, operator.Enabled(disabled))
		printSoon(e)
		return nil
	})
}

type walletListCmd struct {
	configFlag
	Merchant string `required:"" help:"The merchant's six digits."`
}

// Run lists the accounts, with their secrets by name only.
func (cmd walletListCmd) Run(e *env) error {
	return cmd.look(e.ctx, func(o *operator.Deployment) error {
		accounts, err := o.Accounts(e.ctx, cmd.Merchant)
		if err != nil {
			return err
		}
		rows := [][]string{
			{"ACCOUNT", "WALLET", "STATE", "PAY TYPES", "CURRENCIES", "SETTINGS", "SECRETS", "SINCE"},
		}
		for _, a := range accounts {
			var settings []string
			for _, name := range slices.Sorted(maps.Keys(a.Settings)) {
				settings = append(settings, name+"="+operator.Shortened(a.Settings[name]))
			}
			rows = append(rows, []string{
				a.ID, a.Wallet, operator.Enabled(a.Disabled),
				operator.Join(a.PayTypes), operator.Join(a.Currencies),
				orDash(strings.Join(settings, " ")),
				orDash(operator.Join(slices.Sorted(maps.Keys(a.Secrets)))),
				when(a.CreatedAt, o.Location),
			})
		}
		return e.table(rows)
	})
}

type walletKindsCmd struct{}

// Run prints what every driver declares.
func (walletKindsCmd) Run(e *env) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(wallets)) {
		info := wallets[name].Info
		e.printf("%s — %s (%s)\n", name, info.Title, info.Maturity)
		for _, t := range info.PayTypes {
			e.printf("  %s  %s: %s\n", t, t.Name(), operator.Join(info.Currencies[t]))
		}
		rows := [][]string{}
		for _, s := range info.Settings {
			flag := "--set"
			if s.Secret {
				flag = "--secret"
			}
			rows = append(rows, []string{"  " + flag, s.Name, operator.SettingHelp(s)})
		}
		errs = append(errs, e.table(rows))
	}
	return errors.Join(errs...)
}
