package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/server"
	"github.com/sampanpay/sampan/internal/simulator"
	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// The partners of a simulator that this program starts: one signs with MD5 and
// pays with the mainland wallet, one signs with RSA2 and settles in Hong Kong.
const (
	md5Partner = "2088000000000001"
	rsaPartner = "2088000000000002"
)

// The applications of the open platform, and who is paid through them: one as
// most are, one in certificate mode, and one that knows buyers by an open_id.
const (
	windowApp    = "2021000000000001"
	certApp      = "2021000000000002"
	openIDApp    = "2021000000000003"
	windowSeller = "2088000000000003"
)

type simulatorCmd struct {
	Wallet  string `default:"127.0.0.1:7701" help:"Address of the wallet: gateway.do and the cashier."`
	Control string `default:"127.0.0.1:7702" help:"Address of the control API."`
	App     string `default:"127.0.0.1:7704" help:"Address of the browser inside the Alipay app."`
	Data    string `required:"" help:"Directory for its journal and its keys." placeholder:"DIR"`
	appOpens
	awkwardness
}

// appOpens is what else the browser inside the app opens, such as a developer's
// own shop and a gateway beside a simulator.
type appOpens struct {
	AppOpens []string `help:"Address whose pages the browser inside the app opens too. May be given several times." placeholder:"HOST:PORT"`
}

// with are the addresses that may be opened, in every form that means the same.
func (a appOpens) with(own ...net.Listener) ([]string, error) {
	var all []string
	for _, l := range own {
		all = append(all, strings.TrimPrefix(server.URL(l), "http://"))
	}
	for _, address := range a.AppOpens {
		name, port, err := net.SplitHostPort(address)
		if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || name == "" {
			return nil, fmt.Errorf("--app-opens %q is not HOST:PORT", address)
		}
		all = append(all, address)
	}
	for _, address := range all {
		if port, ok := strings.CutPrefix(address, "127.0.0.1:"); ok {
			all = append(all, "localhost:"+port)
		}
		if name, ok := strings.CutSuffix(address, ":80"); ok {
			all = append(all, name)
		}
	}
	return all, nil
}

// awkwardness is how much goes wrong at a simulator, and by which dice.
type awkwardness struct {
	Awkward int     `default:"0" help:"Of a hundred notifications, answers and returns, how many go wrong in a way that a right client survives." placeholder:"PERCENT"`
	Seed    *uint64 `help:"What goes wrong is drawn from this number: the same one replays a run. Without it one is drawn and printed." placeholder:"N"`
}

// drawn is a with a seed.
func (a awkwardness) drawn() awkwardness {
	if a.Seed == nil {
		a.Seed = new(uint64(mathrand.Uint32()))
	}
	return a
}

// String is as the command line has it.
func (a awkwardness) String() string {
	return fmt.Sprintf("--awkward %d --seed %d", a.Awkward, *a.Seed)
}

// Run is the wallet's side alone, for a gateway that runs elsewhere.
func (cmd simulatorCmd) Run(e *env) error {
	if err := os.MkdirAll(cmd.Data, 0o700); err != nil {
		return err
	}
	unlock, err := lockDir(cmd.Data)
	if err != nil {
		return err
	}
	defer unlock()
	keys, err := loadWalletKeys(cmd.Data)
	if err != nil {
		return err
	}
	listeners, err := server.ListenAll(e.ctx, cmd.Wallet, cmd.Control, cmd.App)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(e.stderr, nil))
	server.TakeLibraryLog(log)
	awkward := cmd.drawn()
	opens, err := cmd.with(listeners[:2]...)
	if err != nil {
		return err
	}
	sim, err := newSimulator(cmd.Data, server.URL(listeners[0]), keys, opens, awkward, log)
	if err != nil {
		return err
	}
	keysFile := filepath.Join(cmd.Data, walletKeysFile)
	printf(e.stdout, "wallet   %s/gateway.do\ncontrol  %s\napp      %s/~app/go?url=…\n\n", server.URL(listeners[0]), server.URL(listeners[1]), server.URL(listeners[2]))
	printf(e.stdout, "partner  %s  MD5   key in %s\npartner  %s  RSA2  keys in %s\n", md5Partner, keysFile, rsaPartner, keysFile)
	printf(e.stdout, "app id   %s  RSA2  keys in %s\napp id   %s  RSA2  with certificates: %s\napp id   %s  RSA2  with open_id\nfaults   %s\n\nCtrl-C ends it.\n",
		windowApp, keysFile, certApp, filepath.Join(cmd.Data, "*.crt"), openIDApp, awkward)
	return runSimulator(e.ctx, sim, [3]net.Listener(listeners), log)
}

// newSimulator makes a wallet with the two partners and the three applications.
func newSimulator(dir, base string, k walletKeys, opens []string, a awkwardness, log *slog.Logger) (*simulator.Simulator, error) {
	private, err := alipay.ParsePrivateKey(k.AlipayPrivate)
	if err != nil {
		return nil, err
	}
	public, err := alipay.ParsePublicKey(k.MerchantPublic)
	if err != nil {
		return nil, err
	}
	certificates, err := k.certificates()
	if err != nil {
		return nil, err
	}
	app := simulator.App{ID: windowApp, Seller: windowSeller, Name: "Sampan Tea House", Private: private, MerchantPublic: public}
	withCertificates, withOpenIDs := app, app
	withCertificates.ID, withCertificates.Certificates = certApp, &certificates
	withOpenIDs.ID, withOpenIDs.OpenIDs = openIDApp, true
	callbacks := outbound.Plain(outbound.Limits{Header: 30 * time.Second})
	callbacks.Timeout = 30 * time.Second
	return simulator.New(simulator.Config{
		Apps:  []simulator.App{app, withCertificates, withOpenIDs},
		Opens: opens, Dir: filepath.Join(dir, "wallet"), BaseURL: base, Log: log, Awkward: a.Awkward, Seed: *a.Seed,
		HTTP: callbacks,
		Partners: []simulator.Partner{
			{ID: md5Partner, Name: "Sampan Tea House", SignType: mapi.MD5, MD5Key: k.MD5Key, Currencies: sandboxCurrencies},
			{ID: rsaPartner, Name: "Sampan Tea House", SignType: mapi.RSA2, Private: private, MerchantPublic: public, Currencies: []string{"HKD"}},
		},
	})
}

// sandboxCurrencies is what the mainland wallet's demo contract settles in.
var sandboxCurrencies = []string{"AUD", "CAD", "EUR", "HKD", "JPY", "SGD", "THB", "USD"}

// runSimulator serves the wallet's, the control API's and the app's port, to this
// machine's own requests, until ctx ends.
func runSimulator(ctx context.Context, sim *simulator.Simulator, ports [3]net.Listener, log *slog.Logger) error {
	err := server.RunAll(ctx,
		func(ctx context.Context) error {
			return server.Serve(ctx, ports[0], server.LocalOnly(ports[0], sim.Wallet()), log)
		},
		func(ctx context.Context) error {
			return server.Serve(ctx, ports[1], server.LocalOnly(ports[1], sim.Control()), log)
		},
		func(ctx context.Context) error {
			return server.Serve(ctx, ports[2], server.LocalOnly(ports[2], sim.App()), log)
		},
		sim.Run,
	)
	return errors.Join(err, sim.Close())
}

// writeJSON writes a file that only its owner can read, whole or not at all.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'))
}

func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(content); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
