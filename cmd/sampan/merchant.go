package main

import (
	"fmt"
	"strings"

	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/pay"
)

type merchantCmd struct {
	Add       merchantAddCmd       `cmd:"" help:"Add a merchant with an app code; prints the client key once."`
	AddStore  merchantAddStoreCmd  `cmd:"" help:"Add a store to an app code that has stores."`
	Set       merchantSetCmd       `cmd:"" help:"Set an app code's return hosts, age of requests and hashes."`
	Disable   merchantDisableCmd   `cmd:"" help:"Disable a merchant, an app code or a store."`
	Enable    merchantEnableCmd    `cmd:"" help:"Enable it again."`
	RotateKey merchantRotateKeyCmd `cmd:"" help:"Replace an app code's client key; prints the new one once."`
	List      merchantListCmd      `cmd:"" help:"List merchants, their app codes and stores."`
}

type merchantAddCmd struct {
	configFlag
	Name        string   `required:"" help:"Name that buyers see where an order has no goods name."`
	ID          string   `help:"Six digits; drawn if absent." placeholder:"NNNNNN"`
	MCC         string   `help:"Merchant category code, four digits." placeholder:"NNNN"`
	NotifyURL   string   `help:"Address for notifications of orders that name no notify_url." placeholder:"URL"`
	ReturnHosts []string `help:"Hosts that authorisation links may return to (800107)." placeholder:"HOSTS"`
	Stores      bool     `help:"The app code has stores: its orders must name one (mchid)."`
	PerSecond   int      `default:"100" help:"Requests allowed in a second."`
	PerMinute   int      `default:"400" help:"Requests allowed in a minute."`
}

// Run adds the merchant and its credential.
func (cmd merchantAddCmd) Run(e *env) error {
	return cmd.change(e.ctx, func(o operator.Acts) error {
		m, c, err := o.AddMerchant(e.ctx, operator.NewMerchant{
			ID: cmd.ID, Name: cmd.Name, MCC: cmd.MCC, NotifyURL: cmd.NotifyURL, ReturnHosts: cmd.ReturnHosts,
			HasStores: cmd.Stores, PerSecond: cmd.PerSecond, PerMinute: cmd.PerMinute,
		})
		if err != nil {
			return err
		}
		e.printf("merchant    %s  %s\n", m.ID, m.Name)
		printKey(e, c.AppCode, c.ClientKey)
		e.printf("The client key is not shown again. Next: sampan wallet add --merchant %s\n", m.ID)
		return nil
	})
}

// printKey prints a new client key.
func printKey(e *env, appCode string, key pay.Secret) {
	e.printf("app_code    %s\nclient_key  %s\n\n", appCode, key.Reveal())
}

type merchantAddStoreCmd struct {
	configFlag
	AppCode string `required:"" help:"App code made with --stores."`
	ID      string `required:"" help:"The mchid: 1 to 16 letters and digits."`
	Name    string `required:"" help:"Name that buyers see."`
	MCC     string `help:"Merchant category code, four digits." placeholder:"NNNN"`
}

// Run adds the store.
func (cmd merchantAddStoreCmd) Run(e *env) error {
	return cmd.change(e.ctx, func(o operator.Acts) error {
		s, err := o.AddStore(e.ctx, pay.Store{AppCode: cmd.AppCode, ID: cmd.ID, Name: cmd.Name, MCC: cmd.MCC})
		if err != nil {
			return err
		}
		e.printf("store %s of merchant %s\n", s.ID, s.MerchantID)
		return nil
	})
}

type merchantListCmd struct{ configFlag }

// Run lists all merchants.
func (cmd merchantListCmd) Run(e *env) error {
	return cmd.look(e.ctx, func(o *operator.Deployment) error {
		merchants, err := o.Merchants(e.ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{
			"MERCHANT", "NAME", "MCC", "APP CODE", "STATE", "STORES",
			"RETURN HOSTS", "LIMITS", "SIGNED BY", "MAX AGE",
			"SINCE",
		}}
		for _, m := range merchants {
			since := when(m.CreatedAt, o.Location)
			for _, c := range m.Credentials {
				rows = append(rows, []string{
					m.ID, m.Name, orDash(m.MCC), c.AppCode, operator.CredentialStanding(m.Merchant, c),
					storeNames(m, c),
					orDash(operator.Join(c.ReturnHosts)),
					fmt.Sprintf("%d/s %d/min", c.PerSecond, c.PerMinute),
					operator.Algorithms(c.SHA256Only), operator.AgeLimit(c.MaxAge), since,
				})
			}
			if len(m.Credentials) == 0 {
				rows = append(rows, []string{
					m.ID, m.Name, orDash(m.MCC), "-", operator.Standing(m.Disabling),
					"-", "-", "-", "-", "-", since,
				})
			}
		}
		return e.table(rows)
	})
}

// storeNames lists the stores of an app code, and what disabled ones may still do.
func storeNames(m operator.MerchantEntry, c pay.Credential) string {
	if !c.HasStores {
		return "none"
	}
	var names []string
	for _, s := range m.StoresOf(c.AppCode) {
		if names = append(names, s.ID); s.Disabled {
			names = append(names, "("+operator.Standing(s.Disabling)+")")
		}
	}
	return orDash(strings.Join(names, " "))
}
