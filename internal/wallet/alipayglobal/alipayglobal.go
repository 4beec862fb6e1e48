// Package alipayglobal is the connector to Alipay's global gateway ("mapi"): the mainland wallet
// for merchants abroad (801107) and AlipayHK (801512). alipayglobal.go has the account's settings,
// pay.go makes the cashier's address, query.go asks about trades, callback.go reads and confirms
// notices, and refund.go makes refunds and asks about them.
//
// Sources: Alipay's pages create_forex_trade_wap, single_trade_query, forex_refund,
// alipay.acquire.refund.query, notify_verify and "Asynchronous notification" of the global and the
// Hong Kong documents.
package alipayglobal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// Driver opens accounts of this wallet.
var Driver = wallet.Driver{Name: "alipayglobal", Info: info, Open: open}

// currencies are those in the wallet's lists (create_forex_trade_wap and forex_rate_file; the Hong
// Kong pages have HKD only) that Sampan supports. CNY is missing: it is never a settlement currency
// here.
var currencies = map[pay.PayType][]pay.Currency{
	pay.AlipayCrossBorder: {"AED", "AUD", "CAD", "EUR", "HKD", "IDR", "JPY", "MYR", "SGD", "THB", "USD"},
	pay.AlipayHK:          {"HKD"},
}

var info = wallet.Info{
	Title:      "Alipay and AlipayHK (global gateway)",
	Maturity:   "alpha",
	PayTypes:   []pay.PayType{pay.AlipayCrossBorder, pay.AlipayHK},
	Currencies: currencies,
	Can:        []wallet.Capability{wallet.CanRefund, wallet.CanRefundQuery},
	Flow:       wallet.Link,
	// An order's life at the wallet begins when the buyer logs in, however old the link is, and
	// lasts for the timeout_rule: 12 hours, or by contract up to 15 days. The wallet cannot close
	// the order before. An account's own rule may be shorter; this is the longest possible one.
	LateMax: maxTimeout,
	Settings: []wallet.Setting{
		{Name: "gateway", Help: "address of gateway.do", Default: "https://intlmapi.alipay.com/gateway.do"},
		{Name: "partner", Help: "the contract's partner id: 16 digits that begin with 2088", Required: true},
		{Name: "sign_type", Help: "MD5, RSA or RSA2", Default: string(mapi.RSA2)},
		{Name: "md5_key", Help: "with MD5: the key shared with Alipay", Secret: true},
		{Name: "private_key", Help: "with RSA and RSA2: our private key, PEM or base64", Secret: true},
		{Name: "alipay_public_key", Help: "with RSA and RSA2: Alipay's public key, PEM or base64"},
		{Name: "product_code", Help: "as in the contract", Default: "NEW_WAP_OVERSEAS_SELLER"},
		{Name: "timeout_rule",
			Help: "time to pay from the login on, 1m to 15d; only if Alipay has enabled it for the contract"},
		{Name: "secondary_merchant",
			Help: "yes for payment companies: tell the wallet who sells", Default: "no"},
		{Name: "supplier", Help: "merchant's name in the cashier, at most 16 characters"},
		{Name: "refer_url", Help: "home page of the shop"},
		{Name: "app_pay", Help: "Y opens the Alipay app where there is one"},
		{Name: "confirm", Help: "ask the wallet about each notice before it settles: yes or no. " +
			"no is safe only if Alipay's public key is this partner's alone", Default: "yes"},
		{Name: "refund_gap",
			Help:    "the time that the wallet wants between two refunds of the partner, up to 1m",
			Default: "3s"},
		wallet.RefundDays,
	},
}

const maxTimeout = 15 * 24 * time.Hour

// connector is one wallet account. It is immutable.
type connector struct {
	gateway   string
	keys      mapi.Keys
	http      *http.Client
	partner   string
	confirm   bool
	secondary bool
	refundGap time.Duration
	order     mapi.Message // the fields of every order that the settings determine
}

// open checks the account's settings. Errors name the setting and its rule, but not its value.
func open(a wallet.Account) (wallet.Connector, error) {
	s, err := a.Values(info.Settings, rules)
	if err != nil {
		return nil, fmt.Errorf("alipayglobal: %w", err)
	}
	client, err := a.Client()
	if err != nil {
		return nil, fmt.Errorf("alipayglobal: %w", err)
	}

	c := &connector{
		gateway:   s["gateway"],
		http:      client,
		partner:   s["partner"],
		confirm:   s["confirm"] == "yes",
		secondary: s["secondary_merchant"] == "yes",
		order: mapi.Message{
			"product_code": s["product_code"],
			"timeout_rule": s["timeout_rule"],
			"supplier":     s["supplier"],
			"refer_url":    s["refer_url"],
			"app_pay":      s["app_pay"],
		},
	}
	c.refundGap, _ = time.ParseDuration(s["refund_gap"])
	if c.keys, err = keys(s); err != nil {
		return nil, fmt.Errorf("alipayglobal: %w", err)
	}
	return c, nil
}

// rules give the form of each setting, if it is set.
var rules = map[string]wallet.Rule{
	"gateway": wallet.Gateway,
	"partner": {OK: regexp.MustCompile(`^2088[0-9]{12}$`).MatchString,
		Text: "must be 16 digits that begin with 2088"},
	"sign_type": {OK: regexp.MustCompile(`^(MD5|RSA|RSA2)$`).MatchString, Text: "must be MD5, RSA or RSA2"},
	"product_code": {OK: regexp.MustCompile(`^[A-Z0-9_]{1,32}$`).MatchString,
		Text: "must be capitals, digits and _, at most 32"},
	"timeout_rule":       {OK: validTimeout, Text: "must be a number and m, h or d, from 1m to 15d"},
	"secondary_merchant": {OK: yesOrNo, Text: "must be yes or no"},
	"supplier": {OK: func(s string) bool { return wallet.CleanText(s, 64) == s && len([]rune(s)) <= 16 },
		Text: `must be at most 16 characters without & = / " < >`},
	"refer_url":  {OK: plainURL, Text: "must be a web address of at most 200 characters without & and ="},
	"app_pay":    {OK: func(s string) bool { return s == "Y" }, Text: "must be Y or absent"},
	"confirm":    {OK: yesOrNo, Text: "must be yes or no"},
	"refund_gap": {OK: validGap, Text: "must be a duration such as 3s, from 0s to 1m"},
	"refund_days": {
		OK: regexp.MustCompile(`^[1-9][0-9]{0,3}$`).MatchString, Text: "must be a number of days",
	},
}

func keys(s map[string]string) (mapi.Keys, error) {
	k := mapi.Keys{Type: mapi.SignType(s["sign_type"])}
	need := func(name string) error {
		if s[name] == "" {
			return fmt.Errorf("setting %s is missing: sign_type %s needs it", name, k.Type)
		}
		return nil
	}
	if k.Type == mapi.MD5 {
		k.Shared = s["md5_key"]
		return k, need("md5_key")
	}
	if err := errors.Join(need("private_key"), need("alipay_public_key")); err != nil {
		return k, err
	}
	var err error
	if k.Private, err = alipay.ParsePrivateKey(s["private_key"]); err != nil {
		return k, fmt.Errorf("setting private_key: %w", err)
	}
	if k.Public, err = alipay.ParsePublicKey(s["alipay_public_key"]); err != nil {
		return k, fmt.Errorf("setting alipay_public_key: %w", err)
	}
	if k.Public.Equal(&k.Private.PublicKey) {
		return k, errors.New(
			"setting alipay_public_key must be Alipay's key, not the other half of private_key",
		)
	}
	return k, nil
}

func yesOrNo(s string) bool { return s == "yes" || s == "no" }

func validGap(s string) bool {
	d, err := time.ParseDuration(s)
	return err == nil && d >= 0 && d <= time.Minute
}

func validTimeout(s string) bool {
	unit, ok := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[s[len(s)-1]]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 16)
	return ok && err == nil && n > 0 && s[0] != '0' && time.Duration(n) <= maxTimeout/unit
}

// plainURL reports whether s is a web address that may be a signed value. The wallet accepts 200
// characters. With & or = in the value, the signature would match other fields too (see
// wallet.CleanText).
func plainURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" &&
		len(s) <= 200 && !strings.ContainsAny(s, "&=")
}
