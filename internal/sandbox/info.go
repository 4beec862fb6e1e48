package sandbox

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/server"
	"github.com/sampanpay/sampan/internal/sign"
)

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
		OpenAPIAlipayCert: filepath.Join(dir, alipayCertFile),
		OpenAPIRootCert:   filepath.Join(dir, rootCertsFile),

		OpenAPIOpenIDApp: OpenIDApp,
	}, nil
}

// ReadInfo reads how to reach the sandbox of a directory. The error wraps
// fs.ErrNotExist if none runs there.
func ReadInfo(dir string) (Info, error) {
	var info Info
	text, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		return info, err
	}
	return info, json.Unmarshal(text, &info)
}

// Welcome returns what a sandbox prints when it has started: what there is to open
// and to try. dir is its directory, faults the flags that repeat its faults.
func (i Info) Welcome(dir, faults string, now time.Time) string {
	return fmt.Sprintf(`
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

`, i.Shop, i.App, i.Control, i.Gateway, i.Wallet, i.AppCode, i.ClientKey,
		filepath.Join(dir, File), faults, i.SampleOrder(now), filepath.Join(dir, ConfigFile))
}

// SampleOrder returns a signed order as a shell command, ready to paste.
func (i Info) SampleOrder(now time.Time) string {
	p := sign.Params{
		"txamt": "1000", "txcurrcd": "HKD", "pay_type": "801107",
		"out_trade_no": "TEA" + now.UTC().Format("20060102150405"),
		"txdtm":        now.In(time.FixedZone("", 8*60*60)).Format(time.DateTime),
		"goods_name":   "Oolong",
	}
	var b strings.Builder
	fmt.Fprintf(&b, "    curl %s/trade/v1/payment \\\n", i.Gateway)
	fmt.Fprintf(&b, "      -H 'X-QF-APPCODE: %s' \\\n", i.AppCode)
	fmt.Fprintf(&b, "      -H 'X-QF-SIGN: %s'", sign.Request(p, i.ClientKey, sign.MD5))
	for pair := range strings.SplitSeq(p.Canonical(), "&") {
		fmt.Fprintf(&b, " \\\n      --data-urlencode '%s'", pair)
	}
	return b.String() + "\n"
}
