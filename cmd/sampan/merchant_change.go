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
	ReturnHosts *[]string      `help:"Hosts that authorisation links may return to, or empty." placeholder:"HOSTS"`
	MaxAge      *time.Duration `help:"How far txdtm may be from our time; 0 for any." placeholder:"TIME"`

	MD5 string `name:"md5" enum:"on,off," default:"" help:"Accept MD5 besides SHA256." placeholder:"on|off"`
}

// Run changes what the flags name.
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
			hosts := orDash(operator.Join(*done.ReturnHosts))
			e.printf("app code %s returns buyers to: %s\n", cmd.AppCode, hosts)
		}
		if done.MaxAge != nil {
			e.printf("app code %s takes requests whose txdtm is within this time of ours: %s\n",
				cmd.AppCode, operator.AgeLimit(*done.MaxAge))
		}
		if done.SHA256Only != nil {
			e.printf("app code %s takes requests signed by: %s\n",
				cmd.AppCode, operator.Algorithms(*done.SHA256Only))
		}
		if err != nil {
			return err
		}
		printSoon(e)
		return nil
	})
}

// printSoon prints when running servers follow a change.
func printSoon(e *env) { e.printf("Servers notice within %s.\n", operator.NoticedWithin) }

type merchantRotateKeyCmd struct {
	configFlag
	AppCode string `required:"" help:"The app code whose client key is replaced." placeholder:"CODE"`
}

// Run replaces the client key and prints the new one.
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
	Merchant string `help:"The merchant's six digits." placeholder:"NNNNNN" xor:"part" required:""`
	AppCode  string `help:"One of its app codes." placeholder:"CODE" xor:"part" required:""`
	Store    string `help:"A store of the app code (mchid)." placeholder:"MCHID"`
}

type merchantDisableCmd struct {
	merchantPart
	Links   string `enum:"close,keep" default:"close" help:"Pay links of open orders." placeholder:"close|keep"`
	Refunds string `enum:"keep,stop" default:"keep" help:"New refunds: keep or stop." placeholder:"keep|stop"`
}

// Run disables the part.
func (cmd merchantDisableCmd) Run(e *env) error {
	return cmd.set(e, pay.Disabling{
		Disabled: true, KeepLinks: cmd.Links == "keep", StopRefunds: cmd.Refunds == "stop",
	})
}

type merchantEnableCmd struct{ merchantPart }

// Run enables the part.
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
