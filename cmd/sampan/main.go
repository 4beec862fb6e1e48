// Command sampan is a self-hosted payment gateway for the Alipay wallets, its
// wallet simulator, and the tools to run and to try them.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/sampanpay/sampan/internal/terminal"
)

// version is set by the linker in released builds.
var version = ""

// cli is the command line: one field a subcommand, each in a file of its own.
type cli struct {
	Sandbox   sandboxCmd   `cmd:"" help:"Run everything on this machine: gateway, wallet simulator and a demo shop, nothing to configure."`
	Serve     serveCmd     `cmd:"" help:"Run the gateway."`
	Simulator simulatorCmd `cmd:"" help:"Run the wallet's side alone."`

	Migrate  migrateCmd  `cmd:"" help:"Create the database, or bring its schema up to date."`
	Merchant merchantCmd `cmd:"" help:"Add, change and list merchants."`
	Wallet   walletCmd   `cmd:"" help:"Add, change and list merchants' wallet accounts."`
	Payment  paymentCmd  `cmd:"" help:"Look at an order and all that has happened to it."`
	Orphan   orphanCmd   `cmd:"" help:"Look at money that a wallet speaks of and no order has, and settle it."`
	Delivery deliveryCmd `cmd:"" help:"Look at merchants' notifications and send them again."`

	Pay    payCmd    `cmd:"" help:"Place an order, as a merchant, at any server that speaks this API."`
	Query  queryCmd  `cmd:"" help:"Ask for orders, as a merchant."`
	Refund refundCmd `cmd:"" help:"Give money back, in full or in part, as a merchant."`
	Close  closeCmd  `cmd:"" help:"Call off an order that is not paid, as a merchant."`
	Note   noteCmd   `cmd:"" help:"Keep a note with an order, as a merchant."`
	Bench  benchCmd  `cmd:"" help:"Measure how many orders a second a server takes."`

	Sign    signCmd    `cmd:"" help:"Show what is signed, and why a signature does not fit."`
	Audit   auditCmd   `cmd:"" help:"Recompute every balance and state from the money record, and report any difference."`
	Backup  backupCmd  `cmd:"" help:"Copy a SQLite database while it is served, and check the copy."`
	Restore restoreCmd `cmd:"" help:"Put a backup in the place of a SQLite database that nobody has open."`
	Doctor  doctorCmd  `cmd:"" help:"Find what is wrong with a configuration or its surroundings, and say what to do."`

	Version  versionCmd  `cmd:"" help:"Print the version."`
	Licences licencesCmd `cmd:"" help:"Print the licences of all that is in this program."`
}

// env is what a subcommand may touch of the world.
type env struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// errReported is an error that the user has been told of already.
var errReported = errors.New("reported")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second Ctrl-C ends the program at once.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(terminal.ForPeople(os.Stderr), complaint(err))
		}
		os.Exit(1)
	}
}

// run is the program, so that tests run the true one.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	stdout, stderr = terminal.ForPeople(stdout), terminal.ForPeople(stderr)
	var c cli
	exited := false
	parser, err := kong.New(&c,
		kong.Name("sampan"),
		kong.Description("Accept Alipay and AlipayHK from a phone's browser. Try it with: sampan sandbox"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { exited = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Vars{"sandbox_dir": defaultSandboxDir()},
	)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if exited {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w\nSee: sampan --help", err)
	}
	return command.Run(&env{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr})
}

//go:embed notices.txt
var notices string

type licencesCmd struct{}

// Run prints the licences.
func (licencesCmd) Run(e *env) error {
	_, err := io.WriteString(e.stdout, notices)
	return err
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(e *env) error {
	v := version
	if info, ok := debug.ReadBuildInfo(); ok && v == "" {
		v = info.Main.Version
	}
	printf(e.stdout, "sampan %s\n", v)
	return nil
}
