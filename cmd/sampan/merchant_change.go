package main

import (
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

type merchantSetCmd struct {
	configFlag
	AppCode     string   `required:"" help:"The app code to change." placeholder:"CODE"`
	ReturnHosts []string `required:"" help:"All hosts that its authorisation links may return to; none if empty." placeholder:"HOSTS"`
}

// Run replaces the list of return hosts.
func (cmd merchantSetCmd) Run(e *env) error {
	hosts, err := returnHosts(cmd.ReturnHosts)
	if err != nil {
		return err
	}
	return cmd.change(e.ctx, func(o operator) error {
		if err := o.SetReturnHosts(e.ctx, cmd.AppCode, hosts); err != nil {
			return err
		}
		printf(e.stdout, "app code %s returns buyers to: %s\n%s\n", cmd.AppCode, orDash(join(hosts)), soon)
		return nil
	})
}

// soon is when running servers obey a change.
var soon = fmt.Sprintf("Servers notice within %s.", store.CacheFor)

func returnHosts(flags []string) ([]string, error) {
	var hosts []string
	for _, flag := range flags {
		if flag == "" {
			continue
		}
		host, err := gateway.ReturnHost(flag)
		if err != nil {
			return nil, fmt.Errorf("--return-hosts: %w", err)
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// merchantPart names a merchant, one of its app codes, or one of its stores.
type merchantPart struct {
	configFlag
	Merchant string `help:"The merchant's six digits: all that it has." placeholder:"NNNNNN" xor:"part" required:""`
	AppCode  string `help:"This app code alone, or with --store one of its stores." placeholder:"CODE" xor:"part" required:""`
	Store    string `help:"This store of the app code alone (mchid)." placeholder:"MCHID"`
}

type merchantDisableCmd struct{ merchantPart }

// Run takes it out of use.
func (cmd merchantDisableCmd) Run(e *env) error { return cmd.set(e, true) }

type merchantEnableCmd struct{ merchantPart }

// Run takes it back into use.
func (cmd merchantEnableCmd) Run(e *env) error { return cmd.set(e, false) }

func (p merchantPart) set(e *env, disabled bool) error {
	if p.Store != "" && p.AppCode == "" {
		return errors.New("--store: belongs to an app code: name it with --app-code")
	}
	return p.change(e.ctx, func(o operator) error {
		what := "merchant " + p.Merchant
		var err error
		switch {
		case p.AppCode == "":
			err = o.SetMerchantDisabled(e.ctx, p.Merchant, disabled)
		case p.Store == "":
			what = "app code " + p.AppCode
			err = o.SetCredentialDisabled(e.ctx, p.AppCode, disabled)
		default:
			what = "store " + p.Store
			var c pay.Credential
			if c, err = o.Credential(e.ctx, p.AppCode); err == nil {
				err = o.SetStoreDisabled(e.ctx, c.MerchantID, p.AppCode, p.Store, disabled)
			}
		}
		if err != nil {
			return err
		}
		printf(e.stdout, "%s is %s\n%s\n", what, state(disabled), soon)
		return nil
	})
}

func state(disabled bool) string {
	if disabled {
		return "disabled"
	}
	return "enabled"
}

type merchantRotateKeyCmd struct {
	configFlag
	AppCode string `required:"" help:"The app code whose client key is replaced." placeholder:"CODE"`
}

// Run draws a new client key and prints it once.
func (cmd merchantRotateKeyCmd) Run(e *env) error {
	return cmd.change(e.ctx, func(o operator) error {
		key := pay.Secret(newCode(16))
		if err := o.SetClientKey(e.ctx, cmd.AppCode, key); err != nil {
			return err
		}
		printf(e.stdout, "app_code    %s\nclient_key  %s\n\n", cmd.AppCode, key.Reveal())
		printf(e.stdout, "The client key is not shown again. The old one signs nothing any more, and notifications are signed with this one. %s\n", soon)
		return nil
	})
}
