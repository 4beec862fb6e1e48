package sandbox

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/demo"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/server"
	"github.com/sampanpay/sampan/internal/wallet"
)

// Options say where a sandbox listens and keeps its data.
type Options struct {
	Gateway string // address to listen on, such as "127.0.0.1:7700"
	Shop    string // address of the demo shop
	Fresh   bool   // forget what earlier runs left in the directory
	Drivers map[string]wallet.Driver
	SimulatorOptions
}

// Info says how to reach a sandbox. It is also the content of File.
type Info struct {
	Gateway   string `json:"gateway"`
	Wallet    string `json:"wallet"`
	Control   string `json:"control"`
	Shop      string `json:"shop"`
	App       string `json:"app"` // opens the shop inside the Alipay app
	AppCode   string `json:"app_code"`
	ClientKey string `json:"client_key"`

	// For programs that speak to the wallet's open platform by themselves.
	OpenAPI          string `json:"openapi"` // its gateway.do
	OpenAPIApp       string `json:"openapi_app_id"`
	OpenAPIPrivate   string `json:"openapi_app_private_key"`   // the application's, PKCS#8, base64
	OpenAPIPublicKey string `json:"openapi_alipay_public_key"` // PKIX, base64

	// The same in certificate mode, with the same private key: paths of PEM files.
	OpenAPICertApp    string `json:"openapi_cert_app_id"`
	OpenAPIAppCert    string `json:"openapi_app_cert"`
	OpenAPIAlipayCert string `json:"openapi_alipay_cert"`
	OpenAPIRootCert   string `json:"openapi_root_cert"`

	OpenAPIOpenIDApp string `json:"openapi_open_id_app_id"` // identifies buyers by an open_id; same keys
}

// Run starts a sandbox, calls started once it can be used, and serves until ctx
// ends. The directory keeps its data.
func Run(ctx context.Context, o Options, started func(Info)) error {
	unlock, err := openDirectory(o.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	if err := claim(o.Dir); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(o.Dir, File)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if o.Fresh {
		if err := empty(o.Dir); err != nil {
			return err
		}
	}
	listeners, err := server.ListenAll(ctx, o.Gateway, o.Wallet, o.Control, o.Shop, o.App)
	if err != nil {
		return err
	}
	defer closeAll(listeners) // those that nobody has served
	atGateway, atShop := listeners[0], listeners[3]
	atSimulator := [3]net.Listener{listeners[1], listeners[2], listeners[4]}

	keys, err := loadWalletKeys(o.Dir)
	if err != nil {
		return err
	}
	c, err := configure(o.Dir, o.Gateway, server.URL(atGateway))
	if err != nil {
		return err
	}
	sim, err := newSimulator(o.SimulatorOptions, keys, server.URL(atSimulator[0]), opens(o.AppOpens, listeners[:4]...))
	if err != nil {
		return err
	}
	g, credential, err := newGateway(ctx, o, c, keys, atSimulator[0], atShop)
	if err != nil {
		return errors.Join(err, sim.Close())
	}
	info, err := newInfo(o.Dir, listeners, credential, keys)
	if err == nil {
		err = writeJSON(filepath.Join(o.Dir, File), info)
	}
	if err != nil {
		return errors.Join(err, g.Store.Close(), sim.Close())
	}
	g.Handler = server.LocalOnly(atGateway, g.Handler)
	shop := demo.New(demo.Config{
		Client:  &sampan.Client{BaseURL: info.Gateway, AppCode: info.AppCode, ClientKey: info.ClientKey, Log: o.Log},
		BaseURL: info.Shop, Log: o.Log,
	})
	started(info)

	// The simulator ends last, so that notifications and returns of the last
	// requests still reach the gateway.
	return server.RunAll(ctx,
		func(ctx context.Context) error { return g.Run(ctx, atGateway) },
		func(ctx context.Context) error { return runSimulator(ctx, sim, atSimulator, o.Log) },
		func(ctx context.Context) error {
			return server.Serve(ctx, atShop, server.LocalOnly(atShop, shop), o.Log)
		},
	)
}

// newGateway assembles the gateway over its database, which holds the demo
// merchant afterwards.
func newGateway(
	ctx context.Context, o Options, c config.Config, k walletKeys, atWallet, atShop net.Listener,
) (*server.Server, pay.Credential, error) {
	g, err := server.New(ctx, c, o.Drivers, o.Log)
	if err != nil {
		return nil, pay.Credential{}, err
	}
	credential, err := seed(ctx, g.Store, server.URL(atWallet), k)
	if err == nil {
		host := strings.TrimPrefix(server.URL(atShop), "http://")
		err = g.Store.SetReturnHosts(ctx, credential.AppCode, []string{host})
	}
	if err != nil {
		return nil, pay.Credential{}, errors.Join(err, g.Store.Close())
	}
	return g, credential, nil
}

// newInfo describes the sandbox that listens on gateway, wallet, control, shop
// and app, in this order.
func newInfo(dir string, at []net.Listener, c pay.Credential, k walletKeys) (Info, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Info{}, err
	}
	shop := server.URL(at[3])
	return Info{
		Gateway: server.URL(at[0]), Wallet: server.URL(at[1]), Control: server.URL(at[2]), Shop: shop,
		App:     server.URL(at[4]) + "/~app/go?url=" + url.QueryEscape(shop+"/"),
		AppCode: c.AppCode, ClientKey: c.ClientKey.Reveal(),

		OpenAPI: server.URL(at[1]) + "/gateway.do", OpenAPIApp: WindowApp,
		OpenAPIPrivate: k.MerchantPrivate, OpenAPIPublicKey: k.AlipayPublic,

		OpenAPICertApp: CertApp, OpenAPIAppCert: filepath.Join(dir, appCertFile),
		OpenAPIAlipayCert: filepath.Join(dir, alipayCertFile), OpenAPIRootCert: filepath.Join(dir, rootCertsFile),

		OpenAPIOpenIDApp: OpenIDApp,
	}, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}
