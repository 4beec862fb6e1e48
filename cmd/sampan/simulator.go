package main

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"

	"github.com/sampanpay/sampan/internal/sandbox"
	"github.com/sampanpay/sampan/internal/server"
)

type simulatorCmd struct {
	Wallet  string `default:"127.0.0.1:7701" help:"Address of the wallet: gateway.do and the cashier."`
	Control string `default:"127.0.0.1:7702" help:"Address of the control API."`
	App     string `default:"127.0.0.1:7704" help:"Address of the browser inside the Alipay app."`
	Data    string `required:"" help:"Directory for its journal and its keys." placeholder:"DIR"`
	appOpens
	awkwardness
}

// Run runs the simulator alone, for a gateway that runs elsewhere, until e.ctx ends.
func (cmd simulatorCmd) Run(e *env) error {
	log := slog.New(slog.NewTextHandler(e.stderr, nil))
	server.TakeLibraryLog(log)
	faults := cmd.drawn()
	return sandbox.RunSimulator(e.ctx, sandbox.SimulatorOptions{
		Wallet: cmd.Wallet, Control: cmd.Control, App: cmd.App, Dir: cmd.Data,
		AppOpens: cmd.AppOpens, Awkward: faults.Awkward, Seed: *faults.Seed, Log: log,
	}, func(i sandbox.SimulatorInfo) {
		keys := filepath.Join(cmd.Data, sandbox.WalletKeysFile)
		e.printf("wallet   %s/gateway.do\n", i.Wallet)
		e.printf("control  %s\n", i.Control)
		e.printf("app      %s/~app/go?url=…\n\n", i.App)
		e.printf("partner  %s  MD5   key in %s\n", sandbox.MD5Partner, keys)
		e.printf("partner  %s  RSA2  keys in %s\n", sandbox.RSAPartner, keys)
		e.printf("app id   %s  RSA2  keys in %s\n", sandbox.WindowApp, keys)
		certificates := filepath.Join(cmd.Data, "*.crt")
		e.printf("app id   %s  RSA2  with certificates: %s\n", sandbox.CertApp, certificates)
		e.printf("app id   %s  RSA2  with open_id\n", sandbox.OpenIDApp)
		e.printf("faults   %s\n\nCtrl-C ends it.\n", faults)
	})
}

// appOpens is which other pages the browser inside the app opens, such as those
// of a developer's own shop.
type appOpens struct {
	AppOpens []sandbox.HostPort `help:"Another address the app's browser opens; repeatable." placeholder:"HOST:PORT"`
}

// awkwardness is how often the simulator makes faults, and the seed of its random
// numbers.
type awkwardness struct {
	Awkward int     `default:"0" help:"Percentage of notices, answers and returns that go wrong." placeholder:"PERCENT"`
	Seed    *uint64 `help:"Seed of what goes wrong; drawn and printed if absent." placeholder:"N"`
}

// drawn returns a with a seed.
func (a awkwardness) drawn() awkwardness {
	if a.Seed == nil {
		a.Seed = new(uint64(rand.Uint32()))
	}
	return a
}

// String returns the flags that repeat a run.
func (a awkwardness) String() string {
	return fmt.Sprintf("--awkward %d --seed %d", a.Awkward, *a.Seed)
}
