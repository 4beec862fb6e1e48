package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
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
	var hosts []string
	if cmd.ReturnHosts != nil {
		var err error
		if hosts, err = returnHosts(*cmd.ReturnHosts); err != nil {
			return err
		}
	}
	if cmd.MaxAge != nil && (*cmd.MaxAge < 0 || *cmd.MaxAge%time.Second != 0) {
		return errors.New("--max-age: must be in whole seconds, as 90s or 10m, or 0 for any")
	}
	return cmd.change(e.ctx, func(o deployment) error { return cmd.set(e, o, hosts) })
}

func (cmd merchantSetCmd) set(e *env, o deployment, hosts []string) error {
	if cmd.ReturnHosts != nil {
		if err := o.SetReturnHosts(e.ctx, cmd.AppCode, hosts); err != nil {
			return err
		}
		printf(e.stdout, "app code %s returns buyers to: %s\n", cmd.AppCode, orDash(join(hosts)))
	}
	if cmd.MaxAge != nil {
		if err := o.SetMaxAge(e.ctx, cmd.AppCode, *cmd.MaxAge); err != nil {
			return err
		}
		printf(e.stdout, "app code %s takes requests whose txdtm is within this time of ours: %s\n",
			cmd.AppCode, orAny(*cmd.MaxAge))
	}
	if cmd.MD5 != "" {
		if err := o.SetSHA256Only(e.ctx, cmd.AppCode, cmd.MD5 == "off"); err != nil {
			return err
		}
		printf(e.stdout, "app code %s takes requests signed by: %s\n", cmd.AppCode, signedBy(cmd.MD5 == "off"))
	}
	printf(e.stdout, "%s\n", soon)
	return nil
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

type merchantRotateKeyCmd struct {
	configFlag
	AppCode string `required:"" help:"The app code whose client key is replaced." placeholder:"CODE"`
}

// Run draws a new client key and prints it once.
func (cmd merchantRotateKeyCmd) Run(e *env) error {
	return cmd.change(e.ctx, func(o deployment) error {
		key := pay.Secret(newCode(16))
		if err := o.SetClientKey(e.ctx, cmd.AppCode, key); err != nil {
			return err
		}
		printf(e.stdout, "app_code    %s\nclient_key  %s\n\n", cmd.AppCode, key.Reveal())
		printf(e.stdout, "The client key is not shown again. The old one signs nothing any more, and notifications are signed with this one. %s\n", soon)
		return nil
	})
}
