package main

import (
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/pay"
)

type merchantSetCmd struct {
	configFlag
	AppCode     string         `required:"" help:"The app code to change." placeholder:"CODE"`
	ReturnHosts *[]string      `help:"All hosts that its authorisation links may return to; none if empty." placeholder:"HOSTS"`
	MaxAge      *time.Duration `help:"How far the txdtm of a request may be from our time, either way, as 10m; 0 for any." placeholder:"TIME"`
	MD5         string         `name:"md5" enum:"on,off," default:"" help:"Whether MD5 signs its requests, beside SHA256: on or off." placeholder:"on|off"`
}

// Run changes what is named.
func (cmd merchantSetCmd) Run(e *env) error {
	if cmd.ReturnHosts == nil && cmd.MaxAge == nil && cmd.MD5 == "" {
		return errors.New("nothing to change: name --return-hosts, --max-age or --md5")
	}
	want := operator.CredentialChange{ReturnHosts: cmd.ReturnHosts, MaxAge: cmd.MaxAge}
	if cmd.MD5 != "" {
		only := cmd.MD5 == "off"
		want.SHA256Only = &only
	}
	return cmd.change(e.ctx, func(o operator.Acts) error {
		done, err := o.ChangeCredential(e.ctx, cmd.AppCode, want)
		if done.ReturnHosts != nil {
			e.printf("app code %s returns buyers to: %s\n", cmd.AppCode, orDash(operator.Join(*done.ReturnHosts)))
		}
		if done.MaxAge != nil {
			e.printf("app code %s takes requests whose txdtm is within this time of ours: %s\n",
				cmd.AppCode, orAny(*done.MaxAge))
		}
		if done.SHA256Only != nil {
			e.printf("app code %s takes requests signed by: %s\n", cmd.AppCode, signedBy(*done.SHA256Only))
		}
		if err != nil {
			return err
		}
		printSoon(e)
		return nil
	})
}

// signedBy names the hashes that sign an app code's requests.
func signedBy(sha256Only bool) string {
	if sha256Only {
		return "SHA256"
	}
	return "MD5, SHA256"
}

func orAny(d time.Duration) string {
	if d == 0 {
		return "any"
	}
	return d.String()
}

// printSoon says when running servers follow a change.
func printSoon(e *env) { e.printf("Servers notice within %s.\n", operator.NoticedWithin) }

type merchantRotateKeyCmd struct {
	configFlag
	AppCode string `required:"" help:"The app code whose client key is replaced." placeholder:"CODE"`
}

// Run draws a new client key and prints it once.
func (cmd merchantRotateKeyCmd) Run(e *env) error {
	return cmd.change(e.ctx, func(o operator.Acts) error {
		key, err := o.RotateKey(e.ctx, cmd.AppCode)
		if err != nil {
			return err
		}
		printKey(e, cmd.AppCode, key)
		e.printf("The client key is not shown again. The old one signs nothing any more, " +
			"and notifications are signed with this one. ")
		printSoon(e)
		return nil
	})
}

// merchantPart names a merchant, one of its app codes, or one of its stores.
type merchantPart struct {
	configFlag
	Merchant string `help:"The merchant's six digits: all that it has." placeholder:"NNNNNN" xor:"part" required:""`
	AppCode  string `help:"This app code alone, or with --store one of its stores." placeholder:"CODE" xor:"part" required:""`
	Store    string `help:"This store of the app code alone (mchid)." placeholder:"MCHID"`
}

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
	part := operator.Part{Merchant: p.Merchant, AppCode: p.AppCode, Store: p.Store}
	return p.change(e.ctx, func(o operator.Acts) error {
		if err := o.SetDisabled(e.ctx, part, d); err != nil {
			return err
		}
		e.printf("%s is %s\n", part, operator.Enabled(d.Disabled))
		for _, c := range o.Consequences(part, d) {
			e.printf("%-8s %s\n", c.Topic, c.Text)
		}
		printSoon(e)
		return nil
	})
}
