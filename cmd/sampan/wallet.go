package main

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

type walletCmd struct {
	Add     walletAddCmd     `cmd:"" help:"Add a merchant's wallet account, or replace it."`
	Disable walletDisableCmd `cmd:"" help:"Take no new orders with an account; those that it has are followed."`
	Enable  walletEnableCmd  `cmd:"" help:"Take new orders with it again."`
	List    walletListCmd    `cmd:"" help:"List a merchant's wallet accounts."`
	Kinds   walletKindsCmd   `cmd:"" help:"List the wallets that Sampan can talk to, and what their accounts are made of."`
}

type walletAddCmd struct {
	configFlag
	Merchant   string            `required:"" help:"The merchant's six digits."`
	ID         string            `required:"" help:"Name of the account within the merchant; part of its callback address." placeholder:"NAME"`
	Kind       string            `required:"" help:"Which wallet; see: sampan wallet kinds." placeholder:"WALLET"`
	PayTypes   []string          `required:"" help:"Pay types that it takes, for example 801107,801512." placeholder:"TYPES"`
	Currencies []string          `required:"" help:"Currencies that the contract settles in, for example HKD,USD." placeholder:"CODES"`
	Set        map[string]string `help:"A setting: --set partner=2088000000000001, or the text of a file: --set app_cert=@FILE." placeholder:"NAME=VALUE" mapsep:"none"`
	Secret     map[string]string `help:"A secret, never on the command line: --secret md5_key=@FILE, =- or =env:NAME." placeholder:"NAME=SOURCE" mapsep:"none"`
}

var accountIDs = regexp.MustCompile(`^[A-Za-z0-9-]{1,32}$`)

// Run checks the account as the gateway will and stores it.
func (cmd walletAddCmd) Run(e *env) error {
	driver, ok := wallets[cmd.Kind]
	if !ok {
		return fmt.Errorf("--kind %q: not a wallet; there are: %s", cmd.Kind, strings.Join(walletNames(), ", "))
	}
	if !accountIDs.MatchString(cmd.ID) {
		return fmt.Errorf("--id %q: must be 1 to 32 letters, digits and dashes", cmd.ID)
	}
	a := pay.WalletAccount{
		MerchantID: cmd.Merchant, ID: cmd.ID, Wallet: cmd.Kind,
		Settings: map[string]string{}, Secrets: map[string]pay.Secret{},
	}
	for name, value := range cmd.Set {
		if file, ok := strings.CutPrefix(value, "@"); ok {
			text, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("--set %s: %w", name, err)
			}
			value = strings.TrimSpace(string(text))
		}
		a.Settings[name] = value
	}
	for name, source := range cmd.Secret {
		secret, err := readSecret(source, e.stdin)
		if err != nil {
			return fmt.Errorf("--secret %s: %w", name, err)
		}
		a.Secrets[name] = secret
	}
	for _, t := range cmd.PayTypes {
		if !slices.Contains(driver.Info.PayTypes, pay.PayType(t)) {
			return fmt.Errorf("--pay-types: %s does not serve %q; it serves %s", cmd.Kind, t, join(driver.Info.PayTypes))
		}
		a.PayTypes = append(a.PayTypes, pay.PayType(t))
	}
	for _, c := range cmd.Currencies {
		if !settles(driver.Info, a.PayTypes, pay.Currency(c)) {
			return fmt.Errorf("--currencies: %q is none that %s settles in with these pay types", c, cmd.Kind)
		}
		a.Currencies = append(a.Currencies, pay.Currency(c))
	}
	if _, err := driver.Open(wallet.Account{WalletAccount: a, HTTP: outbound.Plain(outbound.Limits{}), Now: time.Now}); err != nil {
		return err
	}
	return cmd.change(e.ctx, func(o deployment) error {
		if _, err := o.Merchant(e.ctx, cmd.Merchant); err != nil {
			return fmt.Errorf("--merchant %s: %w", cmd.Merchant, err)
		}
		a.CreatedAt = time.Now()
		a.UpdatedAt = a.CreatedAt
		if err := o.PutWalletAccount(e.ctx, a); err != nil {
			return err
		}
		printf(e.stdout, "wallet account %s of merchant %s: %s for %s\n", a.ID, a.MerchantID, a.Wallet, join(a.PayTypes))
		accounts, err := o.WalletAccounts(e.ctx, cmd.Merchant)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(accounts, func(have pay.WalletAccount) bool { return have.ID == a.ID && have.Disabled }) {
			fmt.Fprintln(e.stdout, "It was disabled and still is; see: sampan wallet enable")
		}
		if o.BaseURL != "" {
			printf(e.stdout, "callbacks come to %s/callback/%s/%s\n", strings.TrimRight(o.BaseURL, "/"), a.MerchantID, a.ID)
		}
		return nil
	})
}

func settles(info wallet.Info, types []pay.PayType, c pay.Currency) bool {
	for _, t := range types {
		if slices.Contains(info.Currencies[t], c) {
			return true
		}
	}
	return false
}

// walletPart names one account of a merchant.
type walletPart struct {
	configFlag
	Merchant string `required:"" help:"The merchant's six digits."`
	ID       string `required:"" help:"Name of the account within the merchant." placeholder:"NAME"`
}

type walletDisableCmd struct{ walletPart }

// Run keeps new orders from the account.
func (cmd walletDisableCmd) Run(e *env) error { return cmd.set(e, true) }

type walletEnableCmd struct{ walletPart }

// Run lets new orders come to the account again.
func (cmd walletEnableCmd) Run(e *env) error { return cmd.set(e, false) }

func (p walletPart) set(e *env, disabled bool) error {
	return p.change(e.ctx, func(o deployment) error {
		if err := o.SetWalletAccountDisabled(e.ctx, p.Merchant, p.ID, disabled); err != nil {
			return err
		}
		printf(e.stdout, "wallet account %s of merchant %s is %s\n%s\n", p.ID, p.Merchant, state(disabled), soon)
		return nil
	})
}

type walletListCmd struct {
	configFlag
	Merchant string `required:"" help:"The merchant's six digits."`
}

// Run lists the accounts; secrets by name only.
func (cmd walletListCmd) Run(e *env) error {
	return cmd.look(e.ctx, func(o deployment) error {
		accounts, err := o.WalletAccounts(e.ctx, cmd.Merchant)
		if err != nil {
			return err
		}
		rows := [][]string{{"ACCOUNT", "WALLET", "STATE", "PAY TYPES", "CURRENCIES", "SETTINGS", "SECRETS", "SINCE"}}
		for _, a := range accounts {
			var settings []string
			for _, name := range slices.Sorted(maps.Keys(a.Settings)) {
				settings = append(settings, name+"="+shortened(a.Settings[name]))
			}
			rows = append(rows, []string{a.ID, a.Wallet, state(a.Disabled), join(a.PayTypes), join(a.Currencies),
				orDash(strings.Join(settings, " ")), orDash(join(slices.Sorted(maps.Keys(a.Secrets)))), when(a.CreatedAt, o.Location)})
		}
		return table(e.stdout, rows)
	})
}

// shortened leaves of a long value, such as a public key or a certificate, what
// tells it from another one: of PEM, none of the armour.
func shortened(s string) string {
	if len(s) <= 64 {
		return s
	}
	if block, _ := pem.Decode([]byte(s)); block != nil {
		s = base64.StdEncoding.EncodeToString(block.Bytes)
	}
	return s[:8] + "…" + s[len(s)-16:]
}

type walletKindsCmd struct{}

// Run prints what every driver declares of itself.
func (walletKindsCmd) Run(e *env) error {
	var errs []error
	for _, name := range walletNames() {
		info := wallets[name].Info
		printf(e.stdout, "%s — %s (%s)\n", name, info.Title, info.Maturity)
		for _, t := range info.PayTypes {
			printf(e.stdout, "  %s  %s: %s\n", t, t.Name(), join(info.Currencies[t]))
		}
		rows := [][]string{}
		for _, s := range info.Settings {
			flag := "--set"
			if s.Secret {
				flag = "--secret"
			}
			note := s.Help
			switch {
			case s.Required:
				note += " (required)"
			case s.Default != "":
				note += " (default " + s.Default + ")"
			}
			rows = append(rows, []string{"  " + flag, s.Name, note})
		}
		errs = append(errs, table(e.stdout, rows))
	}
	return errors.Join(errs...)
}

func walletNames() []string { return slices.Sorted(maps.Keys(wallets)) }

func join[T ~string](items []T) string {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = string(item)
	}
	return strings.Join(texts, ",")
}
