package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/skip2/go-qrcode"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sandbox"
	"github.com/sampanpay/sampan/internal/terminal"
)

// asMerchant are the flags that name a server and a merchant: without them, the
// sandbox that runs on this machine.
type asMerchant struct {
	Server    string `help:"Base URL of the server; without it the sandbox in --data." placeholder:"URL"`
	AppCode   string `env:"SAMPAN_APP_CODE" help:"App code." placeholder:"CODE"`
	ClientKey string `help:"Client key, as @FILE, - or env:NAME." default:"env:SAMPAN_CLIENT_KEY" placeholder:"SOURCE"`
	Store     string `help:"Store (mchid), if the app code has stores." placeholder:"MCHID"`
	SignType  string `enum:"MD5,SHA256" default:"SHA256" help:"MD5 or SHA256."`
	Data      string `default:"${sandbox_dir}" help:"The sandbox's directory." placeholder:"DIR"`
}

func (m asMerchant) client(e *env) (*sampan.Client, error) {
	c := &sampan.Client{
		BaseURL: m.Server, AppCode: m.AppCode, StoreID: m.Store, SignType: sampan.SignType(m.SignType),
	}
	if m.Server == "" {
		info, err := sandbox.ReadInfo(m.Data)
		if err != nil {
			return nil, fmt.Errorf("name a --server, or start a sandbox first (sampan sandbox): %w", err)
		}
		c.BaseURL, c.AppCode, c.ClientKey = info.Gateway, info.AppCode, info.ClientKey
		return c, nil
	}
	if m.AppCode == "" {
		return nil, errors.New("--app-code: missing")
	}
	key, err := terminal.ReadSecret(m.ClientKey, e.stdin)
	if err != nil {
		return nil, fmt.Errorf("--client-key: %w", err)
	}
	c.ClientKey = key.Reveal()
	return c, nil
}

type payCmd struct {
	asMerchant
	Amount    string        `arg:"" help:"Amount in major units, for example 12.30."`
	Currency  string        `help:"ISO 4217 code; HKD if absent, CNY with alipay-window." placeholder:"CODE"`
	With      string        `default:"alipay" help:"alipay, alipayhk, alipay-window or a pay type." placeholder:"TYPE"`
	OpenID    string        `name:"openid" help:"The buyer's Alipay id, for alipay-window." placeholder:"ID"`
	Goods     string        `help:"What the buyer pays for." placeholder:"NAME"`
	OrderNo   string        `help:"The order's number; drawn if absent." placeholder:"NUMBER"`
	NotifyURL string        `help:"Where the outcome is posted to." placeholder:"URL"`
	ReturnURL string        `help:"Where the browser goes in the end." placeholder:"URL"`
	Life      time.Duration `help:"5m to 120m." placeholder:"30m"`
	QR        bool          `default:"true" negatable:"" help:"On a terminal, show the link as a QR code for a phone."`
	Wait      bool          `help:"Wait until the order is paid or over."`
}

// Run places the order.
func (cmd payCmd) Run(e *env) error {
	payType := pay.PayTypeNamed(cmd.With)
	if cmd.Currency == "" {
		cmd.Currency = string(payType.DefaultCurrency())
	}
	amount, err := pay.ParseDecimal(cmd.Amount, pay.Currency(strings.ToUpper(cmd.Currency)))
	if err != nil {
		return err
	}
	client, err := cmd.client(e)
	if err != nil {
		return err
	}
	r := sampan.PaymentRequest{
		PayType: sampan.PayType(payType), Amount: amount.Minor,
		Currency: string(amount.Currency), OpenID: cmd.OpenID,
		OrderNo: cmd.OrderNo, GoodsName: cmd.Goods, NotifyURL: cmd.NotifyURL, ReturnURL: cmd.ReturnURL,
		ExpiresIn: cmd.Life,
	}
	if r.OrderNo == "" {
		r.OrderNo = newNumber("CLI")
	}
	p, err := client.Pay(e.ctx, r)
	if err != nil {
		return open(err, "the same command with --order-no "+r.OrderNo+" makes no second order",
			"sampan query --order-no "+r.OrderNo+" tells whether there is one")
	}
	e.printf("order      %s\nsyssn      %s\namount     %s\npay link   %s\n",
		p.OrderNo, p.ID, amount, p.PayURL)
	if p.TradeNo != "" {
		e.printf("tradeNO    %s\n", p.TradeNo)
	}
	if code, err := qrcode.New(p.PayURL, qrcode.Low); err == nil && cmd.QR && terminal.IsTerminal(e.stdout) {
		fmt.Fprint(e.stdout, "\n"+code.ToSmallString(false))
	}
	if !cmd.Wait {
		return nil
	}
	return waitPaid(e, client, p.ID)
}

// open adds ways to go on to an error that leaves the outcome of a call open.
func open(err error, ways ...string) error {
	if !sampan.Repeat(err) {
		return err
	}
	return fmt.Errorf("%w\nThe outcome is not known:\n  %s", err, strings.Join(ways, "\n  "))
}

// newNumber returns an order number that is not in use: the time and six random
// characters.
func newNumber(prefix string) string {
	return prefix + time.Now().UTC().Format("20060102150405") + rand.Text()[:6]
}

// waitPaid queries until the order is no longer open. It is an error unless the
// order is paid.
func waitPaid(e *env, client *sampan.Client, id string) error {
	fmt.Fprint(e.stdout, "waiting for the buyer ")
	for {
		found, err := client.Query(e.ctx, sampan.QueryRequest{IDs: []string{id}})
		if err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprint(e.stdout, "?") // an outage of the server does not end the wait
		}
		if err == nil && len(found.Transactions) == 1 {
			t := found.Transactions[0]
			switch {
			case t.Code == sampan.CodeSuccess:
				fmt.Fprintln(e.stdout, " paid")
				return nil
			case !t.Code.Pending():
				e.printf(" %s %s\n", t.Code, t.Message)
				return errReported
			}
		}
		select {
		case <-e.ctx.Done():
			fmt.Fprintln(e.stdout)
			return e.ctx.Err()
		case <-time.After(2 * time.Second):
			fmt.Fprint(e.stdout, ".")
		}
	}
}
