package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// The demo merchant, and how many calls a second and a minute its app code may
// make: as many as an app code that sampan merchant add makes.
const (
	merchantID   = "100001"
	merchantName = "Sampan Tea House"
	perSecond    = 100
	perMinute    = 400
)

// configure makes the configuration of a gateway that listens on an address and
// is reached at baseURL. It also writes it to ConfigFile, so that the operator's
// commands work on a sandbox.
func configure(dir, listen, baseURL string) (config.Config, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return config.Config{}, err
	}
	keyFile := filepath.Join(dir, masterKeyFile)
	if _, err := os.Stat(keyFile); errors.Is(err, os.ErrNotExist) {
		if err := writeFile(keyFile, []byte(randomHex(32)+"\n")); err != nil {
			return config.Config{}, err
		}
	}
	c := config.Config{
		Listen: listen, BaseURL: baseURL, Database: "sqlite:" + filepath.Join(dir, databaseFile),
		MasterKeyFile: keyFile, LogFormat: "text",
		Delivery: config.Delivery{Allow: []outbound.Allow{
			{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, {Prefix: netip.MustParsePrefix("::1/128")},
		}},
	}
	text, err := c.Encode()
	if err != nil {
		return config.Config{}, err
	}
	if err := writeFile(filepath.Join(dir, ConfigFile), text); err != nil {
		return config.Config{}, err
	}
	return c, c.Complete()
}

// seed makes the demo merchant, its app code and its wallet accounts at the
// simulator, unless they are there. It returns the app code.
func seed(ctx context.Context, db *store.DB, walletURL string, k walletKeys) (pay.Credential, error) {
	now := time.Now()
	err := db.CreateMerchant(ctx, pay.Merchant{
		ID: merchantID, Name: merchantName, MCC: "5812", CreatedAt: now,
	})
	if err != nil && !errors.Is(err, store.ErrExists) {
		return pay.Credential{}, err
	}
	for _, a := range accounts(walletURL, k) {
		a.MerchantID, a.CreatedAt, a.UpdatedAt = merchantID, now, now
		if err := db.PutWalletAccount(ctx, a); err != nil {
			return pay.Credential{}, err
		}
	}
	have, err := db.Credentials(ctx, merchantID)
	if err != nil {
		return pay.Credential{}, err
	}
	if len(have) > 0 {
		return have[0], nil
	}
	c := pay.Credential{
		MerchantID: merchantID, AppCode: strings.ToUpper(randomHex(16)),
		ClientKey: pay.Secret(strings.ToUpper(randomHex(16))),
		PerSecond: perSecond, PerMinute: perMinute, CreatedAt: now,
	}
	return c, db.CreateCredential(ctx, c)
}

// accounts are the demo merchant's accounts at a simulator of this package's.
func accounts(walletURL string, k walletKeys) []pay.WalletAccount {
	gateway := walletURL + "/gateway.do"
	var settlement []pay.Currency
	for _, c := range currencies {
		settlement = append(settlement, pay.Currency(c))
	}
	return []pay.WalletAccount{
		{
			ID: "alipay", Wallet: "alipayglobal",
			PayTypes: []pay.PayType{pay.AlipayCrossBorder}, Currencies: settlement,
			Settings: map[string]string{
				"gateway": gateway, "partner": MD5Partner, "sign_type": "MD5", "refund_gap": "0s",
			},
			Secrets: map[string]pay.Secret{"md5_key": pay.Secret(k.MD5Key)},
		},
		{
			ID: "alipayhk", Wallet: "alipayglobal",
			PayTypes: []pay.PayType{pay.AlipayHK}, Currencies: []pay.Currency{"HKD"},
			Settings: map[string]string{
				"gateway": gateway, "partner": RSAPartner,
				"sign_type": "RSA2", "alipay_public_key": k.AlipayPublic,
				"refund_gap": "0s",
			},
			Secrets: map[string]pay.Secret{"private_key": pay.Secret(k.MerchantPrivate)},
		},
		{
			ID: "window", Wallet: "servicewindow",
			PayTypes: []pay.PayType{pay.AlipayServiceWindow}, Currencies: []pay.Currency{"CNY"},
			Settings: map[string]string{
				"gateway": gateway, "authorize": walletURL + "/oauth2/publicAppAuthorize.htm",
				"app_id": WindowApp, "seller_id": windowSeller, "alipay_public_key": k.AlipayPublic,
			},
			Secrets: map[string]pay.Secret{"private_key": pay.Secret(k.MerchantPrivate)},
		},
	}
}

// randomHex draws n random bytes, in lower-case hexadecimal digits.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
