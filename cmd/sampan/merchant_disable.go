package main

import (
	"errors"

	"github.com/sampanpay/sampan/internal/pay"
)

type merchantDisableCmd struct {
	merchantPart
	Links   string `enum:"close,keep" default:"close" help:"What becomes of the pay links that are open: close or keep." placeholder:"close|keep"`
	Refunds string `enum:"keep,stop" default:"keep" help:"Whether money can still be given back: keep or stop." placeholder:"keep|stop"`
}

// Run takes it out of use.
func (cmd merchantDisableCmd) Run(e *env) error {
	return cmd.set(e, pay.Disabling{Disabled: true, KeepLinks: cmd.Links == "keep", StopRefunds: cmd.Refunds == "stop"})
}

type merchantEnableCmd struct{ merchantPart }

// Run takes it back into use.
func (cmd merchantEnableCmd) Run(e *env) error { return cmd.set(e, pay.Disabling{}) }

func (p merchantPart) set(e *env, d pay.Disabling) error {
	appCodeAlone := p.AppCode != "" && p.Store == ""
	switch {
	case p.Store != "" && p.AppCode == "":
		return errors.New("--store: belongs to an app code: name it with --app-code")
	case appCodeAlone && (d.KeepLinks || d.StopRefunds):
		return errors.New("--links and --refunds: belong to a merchant or a store; a disabled app code is refused everything")
	}
	return p.change(e.ctx, func(o deployment) error {
		what := "merchant " + p.Merchant
		var err error
		switch {
		case p.AppCode == "":
			err = o.SetMerchantDisabled(e.ctx, p.Merchant, d)
		case appCodeAlone:
			what = "app code " + p.AppCode
			err = o.SetCredentialDisabled(e.ctx, p.AppCode, d.Disabled)
		default:
			what = "store " + p.Store
			var c pay.Credential
			if c, err = o.Credential(e.ctx, p.AppCode); err == nil {
				err = o.SetStoreDisabled(e.ctx, c.MerchantID, p.AppCode, p.Store, d)
			}
		}
		if err != nil {
			return err
		}
		printf(e.stdout, "%s is %s\n", what, state(d.Disabled))
		for _, line := range consequences(d, appCodeAlone, o.PayURL == "direct") {
			printf(e.stdout, "%-8s %s\n", line[0], line[1])
		}
		printf(e.stdout, "%s\n", soon)
		return nil
	})
}

// consequences says what goes on with what is disabled, by topics.
func consequences(d pay.Disabling, appCode, direct bool) (lines [][2]string) {
	switch {
	case !d.Disabled:
		return nil
	case appCode:
		return [][2]string{
			{"calls", "refused, each as wrongly signed (1108)"},
			{"links", "kept: buyers can pay the orders that are open; they are notified as before"},
		}
	}
	links := "closed: who opens one reads that the shop takes no orders now; " +
		"money that comes all the same is recorded and notified"
	if d.KeepLinks {
		links = "kept: buyers can pay the orders that are open"
	}
	refunds := "kept: the merchant can give money back"
	if d.StopRefunds {
		refunds = "stopped: new ones are refused (1243); late money that goes back by itself still does"
	}
	lines = [][2]string{{"orders", "new ones are refused (1243); queries, closings and notes go on"}, {"links", links}}
	if !d.KeepLinks && direct {
		lines = append(lines, [2]string{"",
			`the addresses that pay_url = "direct" has handed out are the wallet's own: they cannot be closed`})
	}
	return append(lines, [2]string{"refunds", refunds})
}

// standingOf is how a merchant or a store stands, in short.
func standingOf(d pay.Disabling) string {
	if !d.Disabled {
		return state(false)
	}
	links, refunds := "closed", "kept"
	if d.KeepLinks {
		links = "kept"
	}
	if d.StopRefunds {
		refunds = "stopped"
	}
	return state(true) + ": links " + links + ", refunds " + refunds
}

func state(disabled bool) string {
	if disabled {
		return "disabled"
	}
	return "enabled"
}
