package api

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sign"
)

// order is a good request for a payment, changed by name and value.
func order(changes ...string) sign.Params {
	p := sign.Params{
		"txamt": "1200", "txcurrcd": "HKD", "pay_type": "801107", "out_trade_no": "A-1",
		"txdtm": "2026-01-02 03:04:05", "goods_name": "Oolong", "return_url": "https://shop.example/back",
		"notify_url": "https://shop.example/notify",
	}
	for i := 0; i < len(changes); i += 2 {
		p[changes[i]] = changes[i+1]
	}
	return p
}

func TestPaymentValuesThatAreTaken(t *testing.T) {
	for _, test := range []struct {
		name   string
		params sign.Params
	}{
		{"plain", order()},
		{"smallest amount", order("txamt", "1")},
		{"largest amount", order("txamt", "99999999999")},
		{"yen", order("txcurrcd", "JPY")},
		{"only what is required", sign.Params{"txamt": "1", "txcurrcd": "USD", "pay_type": "801107",
			"out_trade_no": "1", "txdtm": "2024-02-29 23:59:59"}},
		{"optional ones empty", order("goods_name", "", "return_url", "", "notify_url", "", "openid", "",
			"expired_time", "", "limit_pay", "", "mchid", "", "udid", "")},
		{"lengths count characters", order("goods_name", strings.Repeat("茶", 64), "out_trade_no",
			strings.Repeat("茶", 128), "udid", strings.Repeat("茶", 40))},
		{"special characters", order("goods_name", `Tea & <cake> "=/`)},
		{"unknown parameters", order("surprise", "\x00", "lang", "en")},
		{"shortest life", order("expired_time", "5")},
		{"longest life", order("expired_time", "120")},
		{"service window",
			order("pay_type", "800107", "txcurrcd", "CNY", "openid", "2088000000000001",
				"limit_pay", "no_credit")},
		{"longest addresses", order("return_url", "http://a/"+strings.Repeat("x", 503), "notify_url",
			"http://a/"+strings.Repeat("x", 247))},
		{"addresses with port and query",
			order("return_url", "HTTPS://shop.example:8443/a?b=c&d=%20#e", "notify_url",
				"http://[::1]:80/n")},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := paymentRequest(call{params: test.params})
			if err != nil {
				t.Fatal(err)
			}
			if r.OrderNo != test.params["out_trade_no"] || r.Goods != test.params["goods_name"] ||
				r.ReturnURL != test.params["return_url"] {
				t.Errorf("values got lost: %+v", r)
			}
		})
	}
}

func TestPaymentValuesReachTheGateway(t *testing.T) {
	r, err := paymentRequest(call{
		credential: pay.Credential{AppCode: "app"},
		params: order("expired_time", "7", "mchid", "M1", "udid", "till", "pay_type", "800107", "openid", "o",
			"limit_pay", "no_credit"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Credential.AppCode != "app" || r.StoreID != "M1" || r.PayType != pay.AlipayServiceWindow ||
		r.Amount != (pay.Amount{Minor: 1200, Currency: "HKD"}) ||
		r.ClientTime != "2026-01-02 03:04:05" || r.DeviceID != "till" ||
		r.NotifyURL != "https://shop.example/notify" || r.OpenID != "o" || r.Life != 7*time.Minute ||
		!r.NoCredit || len(r.Fingerprint) != 64 {
		t.Errorf("got %+v", r)
	}
	if r, _ = paymentRequest(call{params: order()}); r.Life != 30*time.Minute || r.NoCredit {
		t.Errorf("defaults are wrong: %+v", r)
	}
}

// badPayments are one bad value each, with the parameter that must be named and
// a piece of the rule.
var badPayments = []struct{ name, field, value, rule string }{
	{"amount missing", "txamt", "", "required"},
	{"amount zero", "txamt", "0", "whole number from 1"},
	{"amount negative", "txamt", "-1", "whole number"},
	{"amount with a plus", "txamt", "+1", "whole number"},
	{"amount with a point", "txamt", "1.5", "digits only"},
	{"amount with an exponent", "txamt", "1e3", "digits only"},
	{"amount in hexadecimal", "txamt", "0x10", "digits only"},
	{"amount with an underscore", "txamt", "1_0", "digits only"},
	{"amount with a leading zero", "txamt", "010", "digits only"},
	{"amount with a space", "txamt", " 10", "digits only"},
	{"amount in other digits", "txamt", "１０", "digits only"},
	{"amount of 12 digits", "txamt", "100000000000", "at most 11"},
	{"amount of thousands of digits", "txamt", strings.Repeat("9", 5000), "at most 11"},
	{"currency missing", "txcurrcd", "", "required"},
	{"currency unknown", "txcurrcd", "GBP", "one of AED, AUD"},
	{"currency in small letters", "txcurrcd", "hkd", "one of"},
	{"currency too long", "txcurrcd", "HKDX", "at most 3"},
	{"pay type missing", "pay_type", "", "required"},
	{"pay type unknown", "pay_type", "800101", joined(pay.PayTypes)},
	{"number missing", "out_trade_no", "", "required"},
	{"number too long", "out_trade_no", strings.Repeat("茶", 129), "at most 128"},
	{"number with a line feed", "out_trade_no", "A\n1", "control characters"},
	{"number with a NUL", "out_trade_no", "A\x001", "control characters"},
	{"time missing", "txdtm", "", "required"},
	{"time without seconds", "txdtm", "2026-01-02 03:04", "YYYY-MM-DD hh:mm:ss"},
	{"time with a T", "txdtm", "2026-01-02T03:04:05", "YYYY-MM-DD hh:mm:ss"},
	{"time with one digit", "txdtm", "2026-01-02 3:04:05", "YYYY-MM-DD hh:mm:ss"},
	{"time with a fraction", "txdtm", "2026-01-02 3:04:05.5", "YYYY-MM-DD hh:mm:ss"},
	{"no such day", "txdtm", "2026-02-29 03:04:05", "YYYY-MM-DD hh:mm:ss"},
	{"no such hour", "txdtm", "2026-01-02 24:00:00", "YYYY-MM-DD hh:mm:ss"},
	{"goods too long", "goods_name", strings.Repeat("茶", 65), "at most 64"},
	{"goods with a tab", "goods_name", "a\tb", "control characters"},
	{"goods with a C1 control", "goods_name", "a\u0085b", "control characters"},
	{"return of javascript", "return_url", "javascript:alert(1)", "http://"},
	{"return of javascript with slashes", "return_url", "javascript://a/%0aalert(1)", "http://"},
	{"return of data", "return_url", "data:text/html,x", "http://"},
	{"return of a file", "return_url", "file:///etc/passwd", "http://"},
	{"return without a scheme", "return_url", "//shop.example/", "http://"},
	{"return relative", "return_url", "/back", "http://"},
	{"return without a host", "return_url", "https:///back", "host"},
	{"return opaque", "return_url", "https:shop.example", "host"},
	{"return with only a port", "return_url", "https://:443/", "host"},
	{"return with a user", "return_url", "https://shop.example@evil.example/", "user name"},
	{"return with a backslash", "return_url", `https://shop.example\@evil.example/`, "valid URL"},
	{"return with a backslash in the path", "return_url", `https://shop.example/\evil.example`, "valid URL"},
	{"return with a space", "return_url", "https://shop.example/a b", "valid URL"},
	{"return with a line feed", "return_url", "https://shop.example/\r\nSet-Cookie: a", "control characters"},
	{"return with a bad port", "return_url", "https://shop.example:x/", "valid URL"},
	{"return too long", "return_url", "http://a/" + strings.Repeat("x", 504), "at most 512"},
	{"notify of javascript", "notify_url", "javascript:alert(1)", "http://"},
	{"notify with a password", "notify_url", "https://a:b@shop.example/", "user name"},
	{"notify too long", "notify_url", "http://a/" + strings.Repeat("x", 248), "at most 256"},
	{"openid too long", "openid", strings.Repeat("2", 65), "at most 64"},
	{"openid with a control character", "openid", "2088\x7f", "control characters"},
	{"life too short", "expired_time", "4", "from 5 to 120"},
	{"life too long", "expired_time", "121", "from 5 to 120"},
	{"life not a number", "expired_time", "30m", "from 5 to 120"},
	{"life with a fraction", "expired_time", "5.0", "from 5 to 120"},
	{"limit unknown", "limit_pay", "no_debit", "no_credit"},
	{"limit that the wallet does not know", "limit_pay", "no_credit", "801107"},
	{"store too long", "mchid", strings.Repeat("M", 17), "at most 16"},
	{"store with a control character", "mchid", "M\x1b", "control characters"},
	{"device too long", "udid", strings.Repeat("u", 41), "at most 40"},
	{"device with a control character", "udid", "u\x01", "control characters"},
}

func TestPaymentValuesAreRefusedByNameAndRule(t *testing.T) {
	for _, test := range badPayments {
		t.Run(test.name, func(t *testing.T) {
			_, err := paymentRequest(call{params: order(test.field, test.value)})
			wantRefusal(t, err, pay.BadParameter, test.field, test.rule)
		})
	}
	t.Run("service window without openid", func(t *testing.T) {
		_, err := paymentRequest(call{params: order("pay_type", "800107")})
		wantRefusal(t, err, pay.BadParameter, "openid", "required")
	})
	t.Run("service window with what is no openid", func(t *testing.T) {
		for _, id := range []string{"208800000000001", "1234", "13800138000", "o p",
			"buyer@example.com", "<b>"} {
			_, err := paymentRequest(call{params: order("pay_type", "800107", "openid", id)})
			wantRefusal(t, err, pay.BadParameter, "openid", "2088 and twelve digits")
		}
	})
	t.Run("the first of several", func(t *testing.T) {
		_, err := paymentRequest(call{params: sign.Params{}})
		wantRefusal(t, err, pay.BadParameter, "txamt", "required")
	})
}

func TestFingerprintTellsRequestsApart(t *testing.T) {
	base := order("expired_time", "30", "limit_pay", "no_credit", "mchid", "M", "udid", "u", "openid", "o")
	tell := func(p sign.Params) string { return fingerprint(p, fingerprinted...) }
	seen := map[string]string{tell(base): "itself"}
	for _, name := range fingerprinted {
		for _, value := range []string{"", base[name] + "x"} {
			changed := maps.Clone(base)
			changed[name] = value
			print := tell(changed)
			if other, clash := seen[print]; clash {
				t.Errorf("%s=%q has the fingerprint of %s", name, value, other)
			}
			seen[print] = name + "=" + value
		}
	}
	for _, same := range []sign.Params{
		order("txdtm", "2030-01-01 00:00:00"),
		order("surprise", "1"),
		order("udid", "", "mchid", ""),
	} {
		if tell(same) != tell(order()) {
			t.Errorf("%v should be a repeat", same)
		}
	}
	// A value that looks like the next field must not pass for it.
	for _, join := range []string{"a,return_url:b", "a&return_url=b", "a,10:return_url,1:b",
		"a,10:return_url,1:b,"} {
		if tell(sign.Params{"goods_name": join}) == tell(sign.Params{"goods_name": "a", "return_url": "b"}) {
			t.Errorf("%q passes for two fields", join)
		}
	}
}
