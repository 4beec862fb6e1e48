package main

import (
	"fmt"
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
		fmt.Fprint(e.stdout, info.Welcome(cmd.Data, cmd.awkwardness.String(), time.Now()))
	})
	if started {
		e.printf("\nBye. The data stays in %s\n", cmd.Data)
	}
	return err
}
