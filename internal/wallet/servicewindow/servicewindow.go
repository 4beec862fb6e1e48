// Package servicewindow is the connector for payments inside the Alipay app (800107), by Alipay's
// OpenAPI. A trade is created first; a page inside the app then lets the app's own cashier pay it.
// servicewindow.go has the account's settings and the calls, pay.go creates trades and identifies
// buyers, query.go asks about trades and closes them, callback.go reads notices, and refund.go
// makes refunds and asks about them.
//
// Sources: Alipay's open platform, alipay.trade.create, .query, .close, .refund,
// alipay.trade.fastpay.refund.query, alipay.system.oauth.token, tradePay and "Asynchronous
// notification".
package servicewindow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// Driver opens accounts of this wallet.
var Driver = wallet.Driver{Name: "servicewindow", Info: info, Open: open}

var info = wallet.Info{
	Title:    "Alipay, inside its app (Service Window)",
	Maturity: "alpha",
	PayTypes: []pay.PayType{pay.AlipayServiceWindow},
	// The wallet's calls have no currency: it is always the yuan.
	Currencies: map[pay.PayType][]pay.Currency{pay.AlipayServiceWindow: {"CNY"}},
	Flow:       wallet.InApp,
	Can:        []wallet.Capability{wallet.CanRefund, wallet.CanRefundQuery, wallet.CanClose},
	// The wallet itself closes a trade at its time_expire, and Sampan closes it before it abandons
	// an order.
	LateMax: time.Hour,
	Settings: []wallet.Setting{
		{Name: "gateway", Help: "address of gateway.do", Default: "https://openapi.alipay.com/gateway.do"},
		{Name: "authorize", Help: "address of the page that tells who the buyer is",
			Default: "https://openauth.alipay.com/oauth2/publicAppAuthorize.htm"},
		{Name: "app_id", Help: "the application's id", Required: true},
		{Name: "private_key", Help: "the application's private key, PEM or base64",
			Secret: true, Required: true},
		{Name: "alipay_public_key",
			Help: "Alipay's public key for the application, PEM or base64; without it the three " +
				"certificates"},
		{Name: "app_cert", Help: "certificate mode: the application's certificate, PEM"},
		{Name: "alipay_cert", Help: "certificate mode: Alipay's certificate, PEM"},
		{Name: "root_cert", Help: "certificate mode: Alipay's root certificates, PEM"},
		{Name: "seller_id",
			Help: "who is paid: 16 digits that begin with 2088; the application's owner if absent"},
		{Name: "product_code",
			Help: "as in the contract: absent for a page in the app, JSAPI_PAY for a mini program"},
		{Name: "op_app_id", Help: "with JSAPI_PAY: the app id of the mini program that opens the cashier"},
		{Name: "app_auth_token", Help: "for payment companies: the merchant's authorisation", Secret: true},
		wallet.RefundDays,
	},
}

// rules give the form of each setting, if it is set.
var rules = map[string]wallet.Rule{
	"gateway":   wallet.Gateway,
	"authorize": wallet.Gateway,
	"app_id":    {OK: appID, Text: "must be 16 digits"},
	"seller_id": {OK: userID, Text: "must be 16 digits that begin with 2088"},
	"product_code": {
		OK: regexp.MustCompile(`^[A-Z0-9_]{1,64}$`).MatchString, Text: "must be capitals, digits and _",
	},
	"op_app_id": {OK: appID, Text: "must be 16 digits"},
	"refund_days": {
		OK: regexp.MustCompile(`^[1-9][0-9]{0,3}$`).MatchString, Text: "must be a number of days",
	},
}

var (
	appID  = regexp.MustCompile(`^[0-9]{16}$`).MatchString
	userID = regexp.MustCompile(`^2088[0-9]{12}$`).MatchString
)

// china is the time zone of all times on this wire.
var china = time.FixedZone("+08:00", 8*60*60)

// connector is one wallet account. It is immutable.
type connector struct {
	gateway, authorize string
	keys               openapi.Keys
	http               *http.Client
	now                func() time.Time
	appID, sellerID    string
	productCode, opApp string
	common             openapi.Message // the fields of every request
}

// open checks the account's settings. Errors name the setting and its rule, but not its value.
func open(a wallet.Account) (wallet.Connector, error) {
	c, err := newConnector(a)
	if err != nil {
		return nil, fmt.Errorf("servicewindow: %w", err)
	}
	return c, nil
}

func newConnector(a wallet.Account) (*connector, error) {
	s, err := a.Values(info.Settings, rules)
	if err != nil {
		return nil, err
	}
	client, err := a.Client()
	if err != nil {
		return nil, err
	}
	c := &connector{
		gateway: s["gateway"], authorize: s["authorize"], http: client, now: a.Now,
		appID: s["app_id"], sellerID: s["seller_id"], productCode: s["product_code"], opApp: s["op_app_id"],
		common: openapi.Message{
			"app_id": s["app_id"], "format": "JSON", "charset": "utf-8", "version": "1.0",
			"app_auth_token": s["app_auth_token"],
		},
	}
	c.keys.Type = alipay.RSA2
	if c.keys.Private, err = alipay.ParsePrivateKey(s["private_key"]); err != nil {
		return nil, fmt.Errorf("setting private_key: %w", err)
	}
	if key := s["alipay_public_key"]; key != "" {
		if c.keys.Public, err = alipay.ParsePublicKey(key); err != nil {
			return nil, fmt.Errorf("setting alipay_public_key: %w", err)
		}
	} else if err := c.certificates(s); err != nil {
		return nil, err
	}
	if c.keys.Public.Equal(&c.keys.Private.PublicKey) {
		return nil, errors.New(
			"setting alipay_public_key must be Alipay's key, not the other half of private_key",
		)
	}
	return c, nil
}

// certificates sets up certificate mode, in which requests name the certificates, and Alipay's key
// is in Alipay's certificate.
func (c *connector) certificates(s map[string]string) error {
	for _, name := range []string{"app_cert", "alipay_cert", "root_cert"} {
		if s[name] == "" {
			return fmt.Errorf("setting alipay_public_key is missing, or for certificate mode %s", name)
		}
	}
	app, err := openapi.ParseCertificate(s["app_cert"])
	if err != nil {
		return fmt.Errorf("setting app_cert: %w", err)
	}
	if !app.Key.Equal(&c.keys.Private.PublicKey) {
		return errors.New("setting app_cert does not belong to private_key")
	}
	theirs, err := openapi.ParseCertificate(s["alipay_cert"])
	if err != nil {
		return fmt.Errorf("setting alipay_cert: %w", err)
	}
	root, err := openapi.RootSN(s["root_cert"])
	if err != nil {
		return fmt.Errorf("setting root_cert: %w", err)
	}
	c.keys.Public = theirs.Key
	c.common["app_cert_sn"], c.common["alipay_root_cert_sn"] = app.SN, root
	return nil
}

// trade makes a call about a trade. content becomes biz_content. The answer must be about the
// order.
func (c *connector) trade(ctx context.Context, method string, o wallet.Order, m openapi.Message,
	content map[string]any) (openapi.Answer, error) {
	content["out_trade_no"] = o.Number
	text, err := json.Marshal(content)
	if err != nil {
		return openapi.Answer{}, fmt.Errorf("%w: %w", wallet.ErrNotSent, err)
	}
	m["biz_content"] = string(text)
	a, err := c.call(ctx, method, m)
	if err == nil && a.Fields["out_trade_no"] != o.Number {
		return a, fmt.Errorf("%w: the answer is about another order", wallet.ErrUnknown)
	}
	return a, err
}

// failure is the wallet's signed refusal. Its meaning depends on the call.
type failure struct{ code string }

func (f *failure) Error() string { return "error " + f.code }

// call signs and sends one request. A *failure is the wallet's signed business refusal. Any other
// error is one of package wallet's contract.
func (c *connector) call(ctx context.Context, method string, m openapi.Message) (openapi.Answer, error) {
	for name, value := range c.common {
		m[name] = value
	}
	m["method"], m["timestamp"] = method, c.now().In(china).Format(time.DateTime)
	if err := m.Sign(c.keys); err != nil {
		return openapi.Answer{}, fmt.Errorf("%w: %w", wallet.ErrNotSent, err)
	}
	// The gateway needs the charset to read the body, so it must be in the address too.
	doc, err := wallet.PostForm(ctx, c.http, c.gateway+"?charset=utf-8", m.Encode())
	if err != nil {
		return openapi.Answer{}, err
	}
	a, err := openapi.ParseAnswer(method, doc)
	if err == nil {
		err = a.Verify(c.keys)
	}
	if err == nil {
		err = wallet.Plain(a.Fields, "code", "sub_code", "trade_no", "out_trade_no")
	}
	if err != nil {
		return openapi.Answer{}, fmt.Errorf("%w: %w", wallet.ErrUnknown, err)
	}
	if a.OK() {
		return a, nil
	}
	return a, refusal(a)
}

// refusal returns the error for an answer that is not a success, by its gateway-level code.
// (Alipay, "Common error codes".)
func refusal(a openapi.Answer) error {
	code, sub := a.Fields["code"], a.Fields["sub_code"]
	switch {
	case code == "40004" && sub != "" && a.Sign != "":
		return &failure{sub}
	case code == "40005": // too many calls: this call was not carried out
		return fmt.Errorf("%w: error %.64q", wallet.ErrNotSent, sub)
	case sub == "isv.code-invalid":
		return &wallet.Rejection{Code: sub, Kind: wallet.RejectedOrder}
	case slices.Contains([]string{"20001", "40001", "40002", "40003", "40006"}, code):
		return &wallet.Rejection{Code: sub, Text: "code " + code, Kind: wallet.RejectedAccount}
	}
	return fmt.Errorf("%w: code %.16q, error %.64q", wallet.ErrUnknown, code, sub)
}

// sorted turns a *failure into an error of package wallet's contract, by the call's list of
// definite refusals. A code that is not in the list leaves the outcome unknown.
func sorted(err error, refusals map[string]wallet.RejectionKind) error {
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	if kind, listed := refusals[f.code]; listed {
		return &wallet.Rejection{Code: f.code, Kind: kind}
	}
	return fmt.Errorf("%w: error %.64q", wallet.ErrUnknown, f.code)
}

// failedWith reports whether err is the wallet's refusal with one of the codes.
func failedWith(err error, codes ...string) bool {
	var f *failure
	return errors.As(err, &f) && slices.Contains(codes, f.code)
}

// when returns the first of the named times that exists, or the zero time. The times of refunds
// have milliseconds, which the layout accepts.
func when(fields map[string]string, names ...string) time.Time {
	for _, name := range names {
		if at, err := time.ParseInLocation(time.DateTime, fields[name], china); err == nil {
			return at
		}
	}
	return time.Time{}
}

// yuan parses an amount.
func yuan(s string) (pay.Amount, error) { return pay.ParseDecimal(s, "CNY") }
