package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

type merchantCmd struct {
	Add       merchantAddCmd       `cmd:"" help:"Add a merchant with an app code; prints the client key once."`
	AddStore  merchantAddStoreCmd  `cmd:"" help:"Add a store to an app code that has stores."`
	Set       merchantSetCmd       `cmd:"" help:"Say where an app code's authorisation links may return to, how old its requests may be, and which hash signs them."`
	Disable   merchantDisableCmd   `cmd:"" help:"Take a merchant, an app code or a store out of use."`
	Enable    merchantEnableCmd    `cmd:"" help:"Take it back into use."`
	RotateKey merchantRotateKeyCmd `cmd:"" help:"Replace an app code's client key; prints the new one once."`
	List      merchantListCmd      `cmd:"" help:"List merchants, their app codes and stores."`
}

// The limits of the trade API: 100 requests a second and 400 a minute.
const (
	defaultPerSecond = 100
	defaultPerMinute = 400
)

type merchantAddCmd struct {
	configFlag
	Name        string   `required:"" help:"Name that buyers see where an order has no goods name."`
	ID          string   `help:"Six digits; drawn if absent." placeholder:"NNNNNN"`
	MCC         string   `help:"Merchant category code, four digits." placeholder:"NNNN"`
	NotifyURL   string   `help:"Where outcomes go when an order names no notify_url." placeholder:"URL"`
	ReturnHosts []string `help:"Hosts that authorisation links may return to, for pay type 800107." placeholder:"HOSTS"`
	Stores      bool     `help:"The app code has stores: its orders must name one (mchid)."`
	PerSecond   int      `default:"100" help:"Requests allowed in a second."`
	PerMinute   int      `default:"400" help:"Requests allowed in a minute."`
}

var (
	sixDigits  = regexp.MustCompile(`^[0-9]{6}$`)
	fourDigits = regexp.MustCompile(`^([0-9]{4})?$`)
	storeIDs   = regexp.MustCompile(`^[A-Za-z0-9]{1,16}$`)
)

// Run adds the merchant and its credential.
func (cmd merchantAddCmd) Run(e *env) error {
	if cmd.ID != "" && !sixDigits.MatchString(cmd.ID) {
		return fmt.Errorf("--id %q: must be six digits", cmd.ID)
	}
	if !fourDigits.MatchString(cmd.MCC) {
		return fmt.Errorf("--mcc %q: must be four digits", cmd.MCC)
	}
	if cmd.PerSecond < 1 || cmd.PerMinute < 1 {
		return errors.New("--per-second and --per-minute: must be at least 1")
	}
	hosts, err := returnHosts(cmd.ReturnHosts)
	if err != nil {
		return err
	}
	return cmd.change(e.ctx, func(o deployment) error {
		if cmd.NotifyURL != "" {
			rules := outbound.Rules{Ports: o.Delivery.Ports, Allow: o.Delivery.Allow}
			if err := rules.CheckURL(cmd.NotifyURL); err != nil {
				return fmt.Errorf("--notify-url: %w", err)
			}
		}
		now := time.Now()
		m := pay.Merchant{ID: cmd.ID, Name: cmd.Name, MCC: cmd.MCC, CreatedAt: now}
		err := error(nil)
		for range 10 {
			if cmd.ID == "" {
				m.ID = strconv.Itoa(100000 + rand.IntN(900000))
			}
			if err = o.CreateMerchant(e.ctx, m); !errors.Is(err, store.ErrExists) || cmd.ID != "" {
				break
			}
		}
		if err != nil {
			return fmt.Errorf("merchant %s: %w", m.ID, err)
		}
		c := pay.Credential{
			MerchantID: m.ID, AppCode: newCode(16), ClientKey: pay.Secret(newCode(16)), NotifyURL: cmd.NotifyURL, ReturnHosts: hosts,
			PerSecond: cmd.PerSecond, PerMinute: cmd.PerMinute, HasStores: cmd.Stores, CreatedAt: now,
		}
		if err := o.CreateCredential(e.ctx, c); err != nil {
			return err
		}
		printf(e.stdout, "merchant    %s  %s\napp_code    %s\nclient_key  %s\n\n", m.ID, m.Name, c.AppCode, c.ClientKey.Reveal())
		printf(e.stdout, "The client key is not shown again. Next: sampan wallet add --merchant %s\n", m.ID)
		return nil
	})
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
	if !storeIDs.MatchString(cmd.ID) {
		return fmt.Errorf("--id %q: must be 1 to 16 letters and digits", cmd.ID)
	}
	if !fourDigits.MatchString(cmd.MCC) {
		return fmt.Errorf("--mcc %q: must be four digits", cmd.MCC)
	}
	return cmd.change(e.ctx, func(o deployment) error {
		c, err := o.Credential(e.ctx, cmd.AppCode)
		if err != nil {
			return fmt.Errorf("--app-code: %w", err)
		}
		if !c.HasStores {
			return errors.New("--app-code: was made without --stores, its orders name none")
		}
		err = o.CreateStore(e.ctx, pay.Store{MerchantID: c.MerchantID, AppCode: c.AppCode, ID: cmd.ID, Name: cmd.Name, MCC: cmd.MCC, CreatedAt: time.Now()})
		if err != nil {
			return fmt.Errorf("store %s: %w", cmd.ID, err)
		}
		printf(e.stdout, "store %s of merchant %s\n", cmd.ID, c.MerchantID)
		return nil
	})
}

type merchantListCmd struct{ configFlag }

// Run lists all merchants.
func (cmd merchantListCmd) Run(e *env) error {
	return cmd.look(e.ctx, func(o deployment) error {
		merchants, err := o.Merchants(e.ctx)
		if err != nil {
			return err
		}
		rows := [][]string{{"MERCHANT", "NAME", "MCC", "APP CODE", "STATE", "STORES", "RETURN HOSTS", "LIMITS", "SIGNED BY", "MAX AGE", "SINCE"}}
		for _, m := range merchants {
			credentials, err := o.Credentials(e.ctx, m.ID)
			if err != nil {
				return err
			}
			stores, err := o.Stores(e.ctx, m.ID)
			if err != nil {
				return err
			}
			for _, c := range credentials {
				names := "none"
				if c.HasStores {
					names = ""
					for _, s := range stores {
						if s.AppCode != c.AppCode {
							continue
						}
						if names += s.ID + " "; s.Disabled {
							names += "(" + standingOf(s.Disabling) + ") "
						}
					}
				}
				rows = append(rows, []string{m.ID, m.Name, orDash(m.MCC), c.AppCode, stateOf(m, c), orDash(names), orDash(join(c.ReturnHosts)),
					fmt.Sprintf("%d/s %d/min", c.PerSecond, c.PerMinute), signedBy(c.SHA256Only), orAny(c.MaxAge), when(m.CreatedAt, o.Location)})
			}
			if len(credentials) == 0 {
				rows = append(rows, []string{m.ID, m.Name, orDash(m.MCC), "-", standingOf(m.Disabling), "-", "-", "-", "-", "-", when(m.CreatedAt, o.Location)})
			}
		}
		return table(e.stdout, rows)
	})
}

// stateOf is how an app code stands, and its merchant above it.
func stateOf(m pay.Merchant, c pay.Credential) string {
	if c.Disabled {
		return state(true) + ": calls refused"
	}
	return standingOf(m.Disabling)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
