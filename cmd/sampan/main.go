// Command sampan is a self-hosted payment gateway for the Alipay wallets, its
// wallet simulator, and the tools to operate and try them.
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

// cli is the command line. Each subcommand is a field, and has a file of its own that
// parses, calls the room that does the work, and prints.
type cli struct {
	Sandbox sandboxCmd `cmd:"" help:"Run gateway, wallet simulator and demo shop on this machine; no configuration."`

	Serve     serveCmd     `cmd:"" help:"Run the gateway."`
	Simulator simulatorCmd `cmd:"" help:"Run the wallet simulator alone."`

	Migrate  migrateCmd  `cmd:"" help:"Create the database, or bring its schema up to date."`
	Merchant merchantCmd `cmd:"" help:"Add, change and list merchants."`
	Wallet   walletCmd   `cmd:"" help:"Add, change and list merchants' wallet accounts."`
	Payment  paymentCmd  `cmd:"" help:"Show an order and everything that has happened to it."`
	Orphan   orphanCmd   `cmd:"" help:"Show and settle money that a wallet reports and no order has."`
	Delivery deliveryCmd `cmd:"" help:"Show merchants' notifications, and send them again."`

	Pay    payCmd    `cmd:"" help:"Place an order, as a merchant, at any server that speaks this API."`
	Query  queryCmd  `cmd:"" help:"Query orders, as a merchant."`
	Refund refundCmd `cmd:"" help:"Refund a payment in full or in part, as a merchant."`
	Close  closeCmd  `cmd:"" help:"Close an unpaid order, as a merchant."`
	Note   noteCmd   `cmd:"" help:"Add a note to an order, as a merchant."`
	Bench  benchCmd  `cmd:"" help:"Measure how many orders a second a server accepts."`

	Sign    signCmd    `cmd:"" help:"Show what is signed, and why a signature does not match."`
	Audit   auditCmd   `cmd:"" help:"Recompute every balance and state from the money record, and report differences."`
	Backup  backupCmd  `cmd:"" help:"Copy a SQLite database while a server uses it, and check the copy."`
	Restore restoreCmd `cmd:"" help:"Restore a backup of a SQLite database that no process has open."`
	Doctor  doctorCmd  `cmd:"" help:"Check a configuration and everything around it, and advise what to do."`

	Version  versionCmd  `cmd:"" help:"Print the version."`
	Licences licencesCmd `cmd:"" help:"Print the licences of everything in this program."`
}

// env is what a subcommand reads from and prints to.
type env struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// errReported ends the program with status 1 after the command has printed why.
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

// run runs the program with these arguments. Tests call it too.
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
	e.printf("sampan %s\n", v)
	return nil
}
