package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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

// The partners of the simulator: one signs with MD5 and pays with the mainland
// wallet, one signs with RSA2 and settles in Hong Kong.
const (
	MD5Partner = "2088000000000001"
	RSAPartner = "2088000000000002"
)

// The applications of the simulator's open platform: one with plain keys, one in
// certificate mode, and one that identifies buyers by an open_id. windowSeller is
// who is paid through them.
const (
	WindowApp    = "2021000000000001"
	CertApp      = "2021000000000002"
	OpenIDApp    = "2021000000000003"
	windowSeller = "2088000000000003"
)

// currencies is what the mainland wallet's demo contract settles in.
var currencies = []string{"AUD", "CAD", "EUR", "HKD", "JPY", "SGD", "THB", "USD"}

// SimulatorOptions say where a simulator listens and keeps its data, and how
// often it makes faults.
type SimulatorOptions struct {
	Wallet   string     // address to listen on: gateway.do and the cashier
	Control  string     // address of the control API
	App      string     // address of the browser inside the Alipay app
	Dir      string     // for the journal and the keys; is made if it is missing
	AppOpens []HostPort // the browser inside the app opens pages of these too
	Awkward  int        // of a hundred notifications, answers and returns, how many go wrong
	Seed     uint64     // of what goes wrong
	Log      *slog.Logger
}

// HostPort is an address written as HOST:PORT.
type HostPort string

// UnmarshalText implements encoding.TextUnmarshaler. Anything else is an error.
func (h *HostPort) UnmarshalText(text []byte) error {
	name, port, err := net.SplitHostPort(string(text))
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || name == "" {
		return fmt.Errorf("%q is not HOST:PORT", text)
	}
	*h = HostPort(text)
	return nil
}

// SimulatorInfo is how to reach a simulator.
type SimulatorInfo struct{ Wallet, Control, App string }

// RunSimulator starts a simulator alone, for a gateway that runs elsewhere, calls
// started once it can be used, and serves until ctx ends.
func RunSimulator(ctx context.Context, o SimulatorOptions, started func(SimulatorInfo)) error {
	unlock, err := openDirectory(o.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	keys, err := loadWalletKeys(o.Dir)
	if err != nil {
		return err
	}
	listeners, err := server.ListenAll(ctx, o.Wallet, o.Control, o.App)
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	sim, err := newSimulator(o, keys, server.URL(listeners[0]), opens(o.AppOpens, listeners[:2]...))
	if err != nil {
		return err
	}
	started(SimulatorInfo{server.URL(listeners[0]), server.URL(listeners[1]), server.URL(listeners[2])})
	return runSimulator(ctx, sim, [3]net.Listener(listeners), o.Log)
}

// newSimulator makes a wallet with the two partners and the three applications.
func newSimulator(
	o SimulatorOptions, k walletKeys, baseURL string, opens []string,
) (*simulator.Simulator, error) {
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
	app := simulator.App{
		ID: WindowApp, Seller: windowSeller, Name: merchantName, Private: private, MerchantPublic: public,
	}
	withCertificates, withOpenIDs := app, app
	withCertificates.ID, withCertificates.Certificates = CertApp, &certificates
	withOpenIDs.ID, withOpenIDs.OpenIDs = OpenIDApp, true
	callbacks := outbound.Plain(outbound.Limits{Header: 30 * time.Second})
	callbacks.Timeout = 30 * time.Second
	return simulator.New(simulator.Config{
		Apps: []simulator.App{app, withCertificates, withOpenIDs}, Opens: opens,
		Dir: filepath.Join(o.Dir, walletDir), BaseURL: baseURL, Log: o.Log, Awkward: o.Awkward, Seed: o.Seed,
		HTTP: callbacks,
		Partners: []simulator.Partner{
			{ID: MD5Partner, Name: merchantName, SignType: mapi.MD5,
				MD5Key: k.MD5Key, Currencies: currencies},
			{
				ID: RSAPartner, Name: merchantName, SignType: mapi.RSA2,
				Private: private, MerchantPublic: public,
				Currencies: []string{"HKD"},
			},
		},
	})
}

// runSimulator serves the ports of the wallet, the control API and the app until
// ctx ends, and closes the simulator. It answers requests for this machine only.
func runSimulator(
	ctx context.Context, sim *simulator.Simulator, ports [3]net.Listener, log *slog.Logger,
) error {
	serve := func(l net.Listener, h http.Handler) func(context.Context) error {
		return func(ctx context.Context) error { return server.Serve(ctx, l, server.LocalOnly(l, h), log) }
	}
	err := server.RunAll(ctx,
		serve(ports[0], sim.Wallet()), serve(ports[1], sim.Control()), serve(ports[2], sim.App()), sim.Run,
	)
	return errors.Join(err, sim.Close())
}

// opens returns the addresses whose pages the browser inside the app may open,
// in every form that means the same.
func opens(others []HostPort, own ...net.Listener) []string {
	var all []string
	for _, l := range own {
		all = append(all, strings.TrimPrefix(server.URL(l), "http://"))
	}
	for _, address := range others {
		all = append(all, string(address))
	}
	for _, address := range all {
		if port, ok := strings.CutPrefix(address, "127.0.0.1:"); ok {
			all = append(all, "localhost:"+port)
		}
		if name, ok := strings.CutSuffix(address, ":80"); ok {
			all = append(all, name)
		}
	}
	return all
}
