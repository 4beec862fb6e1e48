package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sampanpay/sampan/internal/sandbox"
	"github.com/sampanpay/sampan/internal/server"
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
		e.printf("\nBye. The data stays in %s\n", cmd.Data)
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
		filepath.Join(cmd.Data, sandbox.File), cmd.awkwardness, info.SampleOrder(now),
		filepath.Join(cmd.Data, sandbox.ConfigFile))
}
