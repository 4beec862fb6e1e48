package operator

import (
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
)

func TestPutAccountOpensItAsTheGatewayDoes(t *testing.T) {
	good := func() pay.WalletAccount {
		return pay.WalletAccount{
			MerchantID: "100001", ID: "hk", Wallet: "alipayglobal", PayTypes: []pay.PayType{pay.AlipayHK},
			Currencies: []pay.Currency{"HKD"}, Secrets: map[string]pay.Secret{"md5_key": "hidden"},
			Settings: map[string]string{"partner": "2088101122136241", "sign_type": "MD5"},
		}
	}
	each(t, func(t *testing.T, d *Deployment, _ pay.Credential) {
		for field, change := range map[string]func(*pay.WalletAccount){
			"kind":       func(a *pay.WalletAccount) { a.Wallet = "paypal" },
			"id":         func(a *pay.WalletAccount) { a.ID = "a/b" },
			"pay-types":  func(a *pay.WalletAccount) { a.PayTypes = []pay.PayType{"800107"} },
			"currencies": func(a *pay.WalletAccount) { a.Currencies = []pay.Currency{"JPY"} },
			"merchant":   func(a *pay.WalletAccount) { a.MerchantID = "999999" },
		} {
			bad := good()
			change(&bad)
			_, err := d.By(alice).PutAccount(t.Context(), bad)
			wantField(t, err, field)
		}
		keyless := good()
		keyless.Secrets = nil
		if _, err := d.By(alice).PutAccount(t.Context(), keyless); err == nil ||
			!strings.Contains(err.Error(), "md5_key") {
			t.Errorf("without its key: %v", err)
		}
		added, err := d.By(alice).PutAccount(t.Context(), good())
		check(t, err)
		if added.Disabled || added.Callback != "https://pay.example/callback/100001/hk" {
			t.Errorf("added: %+v", added)
		}
		check(t, d.By(alice).SetAccountDisabled(t.Context(), "100001", "hk", true))
		if added, err = d.By(alice).PutAccount(t.Context(), good()); err != nil || !added.Disabled {
			t.Errorf("replaced while disabled: %v, %v", added.Disabled, err)
		}
	})
}

func TestShortenedTellsKeysApart(t *testing.T) {
	long := strings.Repeat("A", 40) + strings.Repeat("B", 40)
	for setting, want := range map[string]string{
		"short": "short",
		long:    "AAAAAAAA…BBBBBBBBBBBBBBBB",
		"-----BEGIN PUBLIC KEY-----\nAAAABBBBCCCCDDDDEEEEFFFFGGGGHHHH\n-----END PUBLIC KEY-----\n": "" +
			"AAAABBBB…EEEEFFFFGGGGHHHH",
	} {
		if got := Shortened(setting); got != want {
			t.Errorf("%.20q: got %s, want %s", setting, got, want)
		}
	}
}
