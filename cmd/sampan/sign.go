package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/sampanpay/sampan/internal/api"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sandbox"
	"github.com/sampanpay/sampan/internal/sign/explain"
	"github.com/sampanpay/sampan/internal/terminal"
)

type signCmd struct {
	Params       []string `arg:"" optional:"" help:"Parameters, before any URL encoding." placeholder:"NAME=VALUE"`
	Body         string   `help:"A form's body or an address with its query; @FILE or - reads it." placeholder:"TEXT"`
	Notification string   `help:"Or a notification's body, byte for byte; @FILE or - reads it." placeholder:"TEXT"`
	Signature    string   `help:"The X-QF-SIGN that came with it." placeholder:"HEX"`
	SignType     string   `help:"The X-QF-SIGNTYPE that came with it; absent means MD5." placeholder:"TYPE"`
	AppCode      string   `env:"SAMPAN_APP_CODE" help:"The X-QF-APPCODE that came with it." placeholder:"CODE"`
	ClientKey    string   `help:"@FILE, - or env:NAME; or SAMPAN_CLIENT_KEY, or the sandbox's." placeholder:"SOURCE"`
	Data         string   `default:"${sandbox_dir}" help:"The sandbox's directory." placeholder:"DIR"`
}

// Run shows what is signed and, if a signature is wrong, why.
func (cmd signCmd) Run(e *env) error {
	key, err := cmd.key(e)
	if err != nil {
		return err
	}
	sent := explain.Sent{
		SignType: cmd.SignType, AppCode: cmd.AppCode, Signature: cmd.Signature, Key: key.Reveal(),
	}
	if cmd.Notification != "" {
		if sent.Body, err = terminal.ReadText(cmd.Notification, e.stdin); err != nil {
			return fmt.Errorf("--notification: %w", err)
		}
		return printExplanation(e, explain.Notification(sent))
	}
	if sent.Body, err = cmd.body(e); err != nil {
		return err
	}
	params, err := api.DecodeForm(sent.Body)
	if refused, ok := errors.AsType[*pay.Error](err); ok {
		return printExplanation(e, explain.Unreadable(sent,
			strings.TrimSpace(refused.Field+" "+refused.Message)))
	}
	return printExplanation(e, explain.Request(sent, params))
}

// printExplanation prints an explanation. It is an error if there is a mistake.
func printExplanation(e *env, x explain.Explanation) error {
	for _, l := range x.Lines() {
		e.printf("%-8s%s\n", l.Mark, terminal.Visible(l.Text))
	}
	if len(x.Mistakes) > 0 {
		return errReported
	}
	return nil
}

// key returns the client key that is named, or else the sandbox's.
func (cmd *signCmd) key(e *env) (pay.Secret, error) {
	source := cmd.ClientKey
	if _, set := os.LookupEnv("SAMPAN_CLIENT_KEY"); set && source == "" {
		source = "env:SAMPAN_CLIENT_KEY"
	}
	if source == "-" && (cmd.Body == "-" || cmd.Notification == "-") {
		return "", errors.New("--client-key: standard input cannot be two things")
	}
	if source != "" {
		key, err := terminal.ReadSecret(source, e.stdin)
		if err != nil {
			return "", fmt.Errorf("--client-key: %w", err)
		}
		return key, nil
	}
	info, err := sandbox.ReadInfo(cmd.Data)
	if err != nil {
		return "", fmt.Errorf("name a --client-key, or start a sandbox first (sampan sandbox): %w", err)
	}
	if cmd.AppCode == "" {
		cmd.AppCode = info.AppCode
	}
	return pay.Secret(info.ClientKey), nil
}

// body returns the form that was sent.
func (cmd signCmd) body(e *env) (string, error) {
	if (cmd.Body == "") == (len(cmd.Params) == 0) {
		return "", errors.New("name what was sent: NAME=VALUE …, or --body, or --notification")
	}
	if cmd.Body == "" {
		return explain.Form(cmd.Params)
	}
	text, err := terminal.ReadText(cmd.Body, e.stdin)
	if err != nil {
		return "", fmt.Errorf("--body: %w", err)
	}
	return explain.FormOf(text), nil
}
