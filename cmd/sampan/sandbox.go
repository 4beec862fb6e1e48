package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/sandbox"
	"github.com/sampanpay/sampan/internal/server"
	"github.com/sampanpay/sampan/internal/sign"
)

type sandboxCmd struct {
	Gateway string `default:"127.0.0.1:7700" help:"Address of the gateway."`
	Wallet  string `default:"127.0.0.1:7701" help:"Address of the wallet simulator."`
	Control string `default:"127.0.0.1:7702" help:"Address of the simulator's control API."`
	Shop    string `default:"127.0.0.1:7703" help:"Address of the demo shop."`
	App     string `default:"127.0.0.1:7704" help:"Address of the simulator's browser inside the Alipay app."`
	Data    string `default:"${sandbox_dir}" help:"Directory for its data." placeholder:"DIR"`
	Fresh   bool   `help:"Remove the data of earlier runs from the directory."`
	Verbose bool   `short:"v" help:"Log every request and every change of a payment."`
	appOpens
	awkwardness
}

func defaultSandboxDir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "sampan", "sandbox")
}

// Run runs the gateway, the simulator and the shop until e.ctx ends.
func (cmd sandboxCmd) Run(e *env) error {
	if err := cmd.appOpens.check(); err != nil {
		return err
	}
	level := slog.LevelWarn
	if cmd.Verbose {
		level = slog.LevelInfo
	}
	log := slog.New(server.LogHandler(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level})))
	server.TakeLibraryLog(log)
	cmd.awkwardness = cmd.drawn()
	started := false
	err := sandbox.Run(e.ctx, sandbox.Options{
		Gateway: cmd.Gateway, Shop: cmd.Shop, Fresh: cmd.Fresh, Drivers: wallets,
		SimulatorOptions: sandbox.SimulatorOptions{
			Wallet: cmd.Wallet, Control: cmd.Control, App: cmd.App, Dir: cmd.Data,
			AppOpens: cmd.AppOpens, Awkward: cmd.Awkward, Seed: *cmd.Seed, Log: log,
		},
	}, func(info sandbox.Info) {
		started = true
		cmd.welcome(e.stdout, info, time.Now())
	})
	if started {
		printf(e.stdout, "\nBye. The data stays in %s\n", cmd.Data)
	}
	return err
}

// welcome prints what there is to open and to try.
func (cmd sandboxCmd) welcome(w io.Writer, info sandbox.Info, now time.Time) {
	fmt.Fprintf(w, `
  Sampan sandbox — play money only

  Shop       %s    buy tea, pay with Alipay or AlipayHK
             the same inside the Alipay app:
             %s
  Control    %s    the wallet's side: trades, buyers, faults
  Gateway    %s    POST /trade/v1/payment
  Wallet     %s    the simulator's gateway.do and cashier

  app_code    %s
  client_key  %s
  scripts     %s
  faults      %s

  An order by hand:

%s
  Operate it: sampan delivery list --config %s
  Ctrl-C ends it.

`, info.Shop, info.App, info.Control, info.Gateway, info.Wallet, info.AppCode, info.ClientKey,
		filepath.Join(cmd.Data, sandbox.File), cmd.awkwardness, sampleCurl(info, now),
		filepath.Join(cmd.Data, sandbox.ConfigFile))
}

// sampleCurl returns a signed order as a command, ready to paste.
func sampleCurl(info sandbox.Info, now time.Time) string {
	p := sign.Params{
		"txamt": "1000", "txcurrcd": "HKD", "pay_type": "801107",
		"out_trade_no": "TEA" + now.UTC().Format("20060102150405"),
		"txdtm":        now.In(time.FixedZone("", 8*60*60)).Format("2006-01-02 15:04:05"),
		"goods_name":   "Oolong",
	}
	var b strings.Builder
	fmt.Fprintf(&b, "    curl %s/trade/v1/payment \\\n", info.Gateway)
	fmt.Fprintf(&b, "      -H 'X-QF-APPCODE: %s' \\\n", info.AppCode)
	fmt.Fprintf(&b, "      -H 'X-QF-SIGN: %s'", sign.Request(p, info.ClientKey, sign.MD5))
	for pair := range strings.SplitSeq(p.Canonical(), "&") {
		fmt.Fprintf(&b, " \\\n      --data-urlencode '%s'", pair)
	}
	return b.String() + "\n"
}
