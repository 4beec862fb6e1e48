package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/demo"
	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/server"
	"github.com/sampanpay/sampan/internal/sign"
	"github.com/sampanpay/sampan/internal/store"
)

type sandboxCmd struct {
	Gateway string `default:"127.0.0.1:7700" help:"Address of the gateway."`
	Wallet  string `default:"127.0.0.1:7701" help:"Address of the wallet simulator."`
	Control string `default:"127.0.0.1:7702" help:"Address of the simulator's control API."`
	Shop    string `default:"127.0.0.1:7703" help:"Address of the demo shop."`
	App     string `default:"127.0.0.1:7704" help:"Address of the simulator's browser inside the Alipay app."`
	Data    string `default:"${sandbox_dir}" help:"Directory for its data." placeholder:"DIR"`
	Fresh   bool   `help:"Forget what earlier runs left in the directory."`
	Verbose bool   `short:"v" help:"Log every request and every move of a payment."`
	appOpens
	awkwardness
}

// The files of a sandbox's directory.
const (
	sandboxFile   = "sandbox.json"
	sandboxConfig = "sampan.toml"
	sandboxDB     = "sampan.db"
	sandboxKey    = "master.key"
	sandboxOwner  = "100001" // the demo merchant
)

// sandboxInfo is what scripts read from sandbox.json.
type sandboxInfo struct {
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

	OpenAPIOpenIDApp string `json:"openapi_open_id_app_id"` // knows buyers by an open_id; with the same keys
}

func defaultSandboxDir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "sampan", "sandbox")
}

// Run starts the gateway, the simulator and the shop, and serves until it is
// told to stop.
func (cmd sandboxCmd) Run(e *env) error {
	if err := os.MkdirAll(cmd.Data, 0o700); err != nil {
		return err
	}
	unlock, err := lockDir(cmd.Data)
	if err != nil {
		return err
	}
	defer unlock()
	if err := claimSandbox(cmd.Data); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(cmd.Data, sandboxFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if cmd.Fresh {
		if err := emptySandbox(cmd.Data); err != nil {
			return err
		}
	}
	listeners, err := server.ListenAll(e.ctx, cmd.Gateway, cmd.Wallet, cmd.Control, cmd.Shop, cmd.App)
	if err != nil {
		return err
	}
	info := sandboxInfo{
		Gateway: server.URL(listeners[0]), Wallet: server.URL(listeners[1]),
		Control: server.URL(listeners[2]), Shop: server.URL(listeners[3]),
		App:     server.URL(listeners[4]) + "/~app/go?url=" + url.QueryEscape(server.URL(listeners[3])+"/"),
		OpenAPI: server.URL(listeners[1]) + "/gateway.do", OpenAPIApp: windowApp, OpenAPICertApp: certApp, OpenAPIOpenIDApp: openIDApp,
	}
	level := slog.LevelWarn
	if cmd.Verbose {
		level = slog.LevelInfo
	}
	log := slog.New(server.LogHandler(slog.NewTextHandler(e.stderr, &slog.HandlerOptions{Level: level})))
	server.TakeLibraryLog(log)

	keys, err := loadWalletKeys(cmd.Data)
	if err != nil {
		return err
	}
	if err := info.openAPI(keys, cmd.Data); err != nil {
		return err
	}
	c, err := cmd.configure(info.Gateway)
	if err != nil {
		return err
	}
	cmd.awkwardness = cmd.drawn()
	opens, err := cmd.with(listeners[:4]...) // all but the app itself
	if err != nil {
		return err
	}
	sim, err := newSimulator(cmd.Data, info.Wallet, keys, opens, cmd.awkwardness, log)
	if err != nil {
		return err
	}
	srv, err := server.New(e.ctx, c, wallets, log)
	if err != nil {
		return err
	}
	srv.Handler = server.LocalOnly(listeners[0], srv.Handler)
	credential, err := seedSandbox(e.ctx, srv.Store, info.Wallet, keys)
	if err != nil {
		return errors.Join(err, srv.Store.Close())
	}
	if err := srv.Store.SetReturnHosts(e.ctx, credential.AppCode, []string{strings.TrimPrefix(info.Shop, "http://")}); err != nil {
		return errors.Join(err, srv.Store.Close())
	}
	info.AppCode, info.ClientKey = credential.AppCode, credential.ClientKey.Reveal()
	shop := demo.New(demo.Config{
		Client: &sampan.Client{BaseURL: info.Gateway, AppCode: info.AppCode, ClientKey: info.ClientKey, Log: log}, BaseURL: info.Shop, Log: log,
	})
	if err := writeJSON(filepath.Join(cmd.Data, sandboxFile), info); err != nil {
		return err
	}
	cmd.welcome(e.stdout, info, time.Now())

	// The wallet goes last, so that callbacks of its own making still find us.
	err = server.RunAll(e.ctx,
		func(ctx context.Context) error { return srv.Run(ctx, listeners[0]) },
		func(ctx context.Context) error {
			return runSimulator(ctx, sim, [3]net.Listener{listeners[1], listeners[2], listeners[4]}, log)
		},
		func(ctx context.Context) error {
			return server.Serve(ctx, listeners[3], server.LocalOnly(listeners[3], shop), log)
		},
	)
	printf(e.stdout, "\nBye. The data stays in %s\n", cmd.Data)
	return err
}

// openAPI fills in what foreign programs need to be one of the applications.
func (info *sandboxInfo) openAPI(k walletKeys, data string) error {
	dir, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	info.OpenAPIPrivate, info.OpenAPIPublicKey = k.MerchantPrivate, k.AlipayPublic
	info.OpenAPIAppCert, info.OpenAPIAlipayCert, info.OpenAPIRootCert =
		filepath.Join(dir, appCertFile), filepath.Join(dir, alipayCertFile), filepath.Join(dir, rootCertsFile)
	return nil
}

// lockDir makes sure that a data directory has one user, until the process ends.
func lockDir(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is in use by another sampan; choose another with --data", dir), f.Close())
	}
	return func() { f.Close() }, nil
}

// sandboxFiles is what a sandbox writes and --fresh removes.
var sandboxFiles = []string{sandboxConfig, sandboxKey, walletKeysFile, appCertFile, alipayCertFile, rootCertsFile, "wallet", sandboxDB, sandboxDB + "-wal", sandboxDB + "-shm"}

// claimSandbox marks a directory as a sandbox's. One that holds files of the
// names above but no mark is somebody's deployment: its database and its master
// key must not be written over, let alone removed.
func claimSandbox(dir string) error {
	mark := filepath.Join(dir, ".sampan-sandbox")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	for _, name := range sandboxFiles {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("%s holds a %s that no sandbox made; choose another directory with --data", dir, name)
		}
	}
	return writeFile(mark, []byte("sampan sandbox --fresh empties this directory\n"))
}

// emptySandbox removes what a sandbox writes, and nothing else: the directory
// is the user's to name.
func emptySandbox(dir string) error {
	for _, name := range sandboxFiles {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// configure makes the gateway's configuration and writes it down, so that the
// operator's commands work on a sandbox too.
func (cmd sandboxCmd) configure(gatewayURL string) (config.Config, error) {
	dir, err := filepath.Abs(cmd.Data)
	if err != nil {
		return config.Config{}, err
	}
	keyFile := filepath.Join(dir, sandboxKey)
	if _, err := os.Stat(keyFile); errors.Is(err, os.ErrNotExist) {
		if err := writeFile(keyFile, []byte(strings.ToLower(newCode(32))+"\n")); err != nil {
			return config.Config{}, err
		}
	}
	c := config.Config{
		Listen: cmd.Gateway, BaseURL: gatewayURL, Database: "sqlite:" + filepath.Join(dir, sandboxDB),
		MasterKeyFile: keyFile, LogFormat: "text",
		Delivery: config.Delivery{Allow: []outbound.Allow{
			{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")},
		}},
	}
	text, err := toml.Marshal(c)
	if err != nil {
		return config.Config{}, err
	}
	if err := writeFile(filepath.Join(dir, sandboxConfig), text); err != nil {
		return config.Config{}, err
	}
	return c, c.Complete()
}

// seedSandbox makes sure of the demo merchant, its app code without stores, and
// its wallet accounts at the simulator.
func seedSandbox(ctx context.Context, db *store.DB, walletURL string, k walletKeys) (pay.Credential, error) {
	now := time.Now()
	err := db.CreateMerchant(ctx, pay.Merchant{ID: sandboxOwner, Name: "Sampan Tea House", MCC: "5812", CreatedAt: now})
	if err != nil && !errors.Is(err, store.ErrExists) {
		return pay.Credential{}, err
	}
	gateway := walletURL + "/gateway.do"
	for _, a := range []pay.WalletAccount{
		{
			ID: "alipay", PayTypes: []pay.PayType{pay.AlipayCrossBorder},
			Settings: map[string]string{"gateway": gateway, "partner": md5Partner, "sign_type": "MD5", "refund_gap": "0s"},
			Secrets:  map[string]pay.Secret{"md5_key": pay.Secret(k.MD5Key)},
		},
		{
			ID: "alipayhk", PayTypes: []pay.PayType{pay.AlipayHK}, Currencies: []pay.Currency{"HKD"},
			Settings: map[string]string{"gateway": gateway, "partner": rsaPartner, "sign_type": "RSA2", "alipay_public_key": k.AlipayPublic, "refund_gap": "0s"},
			Secrets:  map[string]pay.Secret{"private_key": pay.Secret(k.MerchantPrivate)},
		},
		{
			ID: "window", Wallet: "servicewindow", PayTypes: []pay.PayType{pay.AlipayServiceWindow}, Currencies: []pay.Currency{"CNY"},
			Settings: map[string]string{
				"gateway": gateway, "authorize": walletURL + "/oauth2/publicAppAuthorize.htm", "app_id": windowApp, "seller_id": windowSeller,
				"alipay_public_key": k.AlipayPublic,
			},
			Secrets: map[string]pay.Secret{"private_key": pay.Secret(k.MerchantPrivate)},
		},
	} {
		a.MerchantID, a.CreatedAt, a.UpdatedAt = sandboxOwner, now, now
		if a.Wallet == "" {
			a.Wallet = "alipayglobal"
		}
		if a.Currencies == nil {
			for _, c := range sandboxCurrencies {
				a.Currencies = append(a.Currencies, pay.Currency(c))
			}
		}
		if err := db.PutWalletAccount(ctx, a); err != nil {
			return pay.Credential{}, err
		}
	}
	have, err := db.Credentials(ctx, sandboxOwner)
	if err != nil {
		return pay.Credential{}, err
	}
	if len(have) > 0 {
		return have[0], nil
	}
	c := pay.Credential{
		MerchantID: sandboxOwner, AppCode: newCode(16), ClientKey: pay.Secret(newCode(16)),
		PerSecond: defaultPerSecond, PerMinute: defaultPerMinute, CreatedAt: now,
	}
	return c, db.CreateCredential(ctx, c)
}

// welcome says what there is to open and to try.
func (cmd sandboxCmd) welcome(w io.Writer, info sandboxInfo, now time.Time) {
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
		filepath.Join(cmd.Data, sandboxFile), cmd.awkwardness, sampleCurl(info, now), filepath.Join(cmd.Data, sandboxConfig))
}

// sampleCurl is a signed order, ready to paste.
func sampleCurl(info sandboxInfo, now time.Time) string {
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
