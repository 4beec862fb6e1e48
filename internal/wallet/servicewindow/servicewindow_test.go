package servicewindow

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/wallettest"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func order() wallet.Order {
	return wallet.Order{
		Number: "20260102100001123456789012", PayType: pay.AlipayServiceWindow,
		Amount: pay.Amount{Minor: 1234, Currency: "CNY"}, Subject: "Tea & cake",
		CreatedAt: now, ExpiresAt: now.Add(30 * time.Minute),
		CallbackURL: "https://pay.example/callback/100001/window", OpenID: ourBuyer,
	}
}

func refund() wallet.Refund {
	return wallet.Refund{ID: "20260102100001123456789013", Order: order(),
		Amount: pay.Amount{Minor: 234, Currency: "CNY"}, At: now}
}

// asked is one request, verified.
type asked struct {
	openapi.Message
	content map[string]any
	address string
}

// open returns a connector whose wallet answers each method with what answers has
// for it, and the requests that it made.
func (w wire) open(t *testing.T, set map[string]string,
	answers map[string]map[string]string) (*connector, *[]asked) {
	t.Helper()
	var requests []asked
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		m := openapi.Message{}
		for name, values := range r.PostForm {
			m[name] = values[0]
		}
		if err := m.Verify(w.alipays); err != nil {
			t.Errorf("request: %v", err)
		}
		a := asked{Message: m, address: r.URL.String()}
		if text := m["biz_content"]; text != "" {
			if err := json.Unmarshal([]byte(text), &a.content); err != nil {
				t.Error(err)
			}
		}
		requests = append(requests, a)
		rw.Write(w.answer(m["method"], answers[m["method"]]))
	}))
	t.Cleanup(server.Close)
	account := w.account(server.URL)
	for name, value := range set {
		if account.Settings[name] = value; value == "" {
			delete(account.Settings, name)
		}
	}
	c, err := newConnector(wallet.Account{WalletAccount: account, HTTP: server.Client(),
		Now: func() time.Time { return now.Add(time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	return c, &requests
}

func TestOrderBecomesATradeOfItsBuyer(t *testing.T) {
	w := newWire(t)
	made := map[string]map[string]string{"alipay.trade.create": {"code": "10000",
		"out_trade_no": order().Number, "trade_no": wallettest.TradeNo}}
	for _, x := range []struct {
		what   string
		set    map[string]string
		change func(*wallet.Order)
		want   map[string]string
		absent []string
	}{
		{"a user id", nil, nil, map[string]string{
			"out_trade_no": order().Number, "total_amount": "12.34", "subject": "Tea cake",
			"buyer_id":    ourBuyer,
			"time_expire": "2026-01-02 11:34:05",
		}, []string{"buyer_open_id", "op_buyer_open_id", "product_code", "op_app_id", "seller_id",
			"disable_pay_channels"}},
		{"an open id", nil, func(o *wallet.Order) { o.OpenID = "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5" },
			map[string]string{"buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5"}, []string{"buyer_id"}},
		{"a mini program", map[string]string{"product_code": "JSAPI_PAY", "op_app_id": "2021000000000009",
			"seller_id": "2088000000000001"},
			func(o *wallet.Order) { o.OpenID = "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5" },
			map[string]string{"product_code": "JSAPI_PAY", "op_app_id": "2021000000000009",
				"seller_id":        "2088000000000001",
				"op_buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5"},
			[]string{"buyer_id", "buyer_open_id"}},
		{"a mini program that is the application itself",
			map[string]string{"product_code": "JSAPI_PAY", "op_app_id": ourApp},
			func(o *wallet.Order) { o.OpenID = "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5" },
			map[string]string{"op_app_id": ourApp, "buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5"},
			[]string{"buyer_id", "op_buyer_open_id", "seller_id"}},
		{"a subject of nothing that wallets take", nil, func(o *wallet.Order) { o.Subject = "<&>" },
			map[string]string{"subject": order().Number}, nil},
		{"a subject of no end", nil, func(o *wallet.Order) { o.Subject = strings.Repeat("茶", 100) },
			map[string]string{"subject": strings.Repeat("茶", 85)}, nil},
		{"no credit", nil, func(o *wallet.Order) { o.NoCredit = true },
			map[string]string{"disable_pay_channels": "credit_group"}, nil},
	} {
		c, requests := w.open(t, x.set, made)
		o := order()
		if x.change != nil {
			x.change(&o)
		}
		checkout, err := c.Pay(t.Context(), o)
		if err != nil || checkout.Ref != wallettest.TradeNo || checkout.URL != "" {
			t.Errorf("%s: %+v, %v", x.what, checkout, err)
			continue
		}
		r := (*requests)[0]
		if r.Message["notify_url"] != o.CallbackURL || r.Message["timestamp"] != "2026-01-02 11:05:05" ||
			r.Message["app_id"] != ourApp {
			t.Errorf("%s: %v", x.what, r.Message)
		}
		for name, value := range x.want {
			if r.content[name] != value {
				t.Errorf("%s: %s is %v", x.what, name, r.content[name])
			}
		}
		for _, name := range x.absent {
			if _, there := r.content[name]; there {
				t.Errorf("%s: %s is sent", x.what, name)
			}
		}
	}
}

func TestMoneyGoesBackOnceAndOnlyOnTheWalletsWord(t *testing.T) {
	w, r := newWire(t), refund()
	gave := func(change string) map[string]string {
		return map[string]string{"code": "10000", "out_trade_no": r.Order.Number,
			"trade_no":    wallettest.TradeNo,
			"fund_change": change,
			"refund_fee":  "7.00", "gmt_refund_pay": "2026-01-02 11:05:04"}
	}
	done := map[string]string{"code": "10000", "out_trade_no": r.Order.Number, "trade_no": wallettest.TradeNo,
		"out_request_no": r.ID,
		"refund_amount":  "2.34", "total_amount": "12.34", "refund_status": "REFUND_SUCCESS"}
	without := func(name string) map[string]string { return with(done, map[string]string{name: ""}) }
	for _, x := range []struct {
		what          string
		refund, query map[string]string
		want          wallet.Outcome
		kind          wallet.RejectionKind
		sentinel      error
	}{
		{"money moved", gave("Y"), nil, wallet.Succeeded, "", nil},
		{"moved in an earlier call", gave("N"), done, wallet.Succeeded, "", nil},
		{"did not move, and nobody knows of it", gave("N"), without("refund_status"),
			wallet.NotFound, "", nil},
		{"another refund", gave("N"), with(done, map[string]string{"out_request_no": "1"}),
			wallet.Unknown, "", wallet.ErrUnknown},
		{"another order", with(gave("Y"), map[string]string{"out_trade_no": "1"}), nil, wallet.Unknown, "",
			wallet.ErrUnknown},
		{"an invented status", gave("N"), with(done, map[string]string{"refund_status": "REFUND_SOON"}),
			wallet.Unknown, "", wallet.ErrUnknown},
		{"too little money", refusedWith("40004", "ACQ.SELLER_BALANCE_NOT_ENOUGH"), nil, wallet.Unknown,
			wallet.RejectedFunds, nil},
		{"too late", refusedWith("40004", "ACQ.TRADE_HAS_FINISHED"), nil, wallet.Unknown,
			wallet.RejectedWindow, nil},
		{"too much", refusedWith("40004", "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"), nil, wallet.Unknown,
			wallet.RejectedAmount, nil},
		{"frozen", refusedWith("40004", "ACQ.REASON_TRADE_BEEN_FREEZEN"), nil, wallet.Unknown,
			wallet.RejectedOrder, nil},
		{"the number of another", refusedWith("40004", "ACQ.DISCORDANT_REPEAT_REQUEST"), nil,
			wallet.Unknown, "", wallet.ErrUnknown},
		{"trouble", refusedWith("40004", "ACQ.SYSTEM_ERROR"), nil, wallet.Unknown, "", wallet.ErrUnknown},
	} {
		c, requests := w.open(t, nil,
			map[string]map[string]string{"alipay.trade.refund": x.refund,
				"alipay.trade.fastpay.refund.query": x.query})
		s, err := c.Refund(t.Context(), r)
		var no *wallet.Rejection
		if s.Outcome != x.want || x.sentinel != nil && !errors.Is(err, x.sentinel) ||
			errors.As(err, &no) != (x.kind != "") || no != nil && no.Kind != x.kind {
			t.Errorf("%s: %+v, %v", x.what, s, err)
		}
		if s.Outcome == wallet.Succeeded && s.Amount != r.Amount {
			t.Errorf("%s: %s given back", x.what, s.Amount)
		}
		if sent := (*requests)[0].content; sent["out_request_no"] != r.ID ||
			sent["refund_amount"] != "2.34" || sent["out_trade_no"] != r.Order.Number {
			t.Errorf("%s: sent %v", x.what, sent)
		}
	}

	c, _ := w.open(t, nil,
		map[string]map[string]string{"alipay.trade.fastpay.refund.query": without("refund_status")})
	r.At = now.Add(50 * time.Second) // ten seconds ago
	if s, err := c.QueryRefund(t.Context(), r); err != nil || s.Outcome != wallet.Unknown {
		t.Errorf("not known of yet, ten seconds after: %+v, %v", s, err)
	}
}

func TestClosedIsOnlyWhatTheWalletClosed(t *testing.T) {
	w, o := newWire(t), order()
	for what, x := range map[string]struct {
		close, query map[string]string
		want         wallet.Outcome
	}{
		"closed":    {map[string]string{"code": "10000", "out_trade_no": o.Number}, nil, wallet.Closed},
		"not there": {refusedWith("40004", "ACQ.TRADE_NOT_EXIST"), nil, wallet.NotFound},
		"paid":      {refusedWith("40004", "ACQ.TRADE_STATUS_ERROR"), trade(o, "TRADE_SUCCESS"), wallet.Paid},
		"closed now": {refusedWith("40004", "ACQ.REASON_TRADE_STATUS_INVALID"), trade(o, "TRADE_CLOSED"),
			wallet.Closed},
		"waiting": {refusedWith("40004", "ACQ.REASON_ILLEGAL_STATUS"),
			trade(o, "WAIT_BUYER_PAY"), wallet.Unknown},
		"trouble": {refusedWith("40004", "ACQ.SYSTEM_ERROR"), nil, wallet.Unknown},
	} {
		c, _ := w.open(t, nil, map[string]map[string]string{"alipay.trade.close": x.close,
			"alipay.trade.query": x.query})
		if s, err := c.Close(t.Context(), o); s.Outcome != x.want {
			t.Errorf("%s: %+v, %v", what, s, err)
		}
	}
}

func TestABuyerIsIdentifiedByOurApplicationsCode(t *testing.T) {
	w := newWire(t)
	back := url.Values{"app_id": {ourApp}, "auth_code": {"4b203fe6c11548bcabd8da5bb087a83b"},
		"scope": {"auth_base"}, "source": {"alipay_wallet"}}
	for _, x := range []struct {
		what   string
		query  url.Values
		answer map[string]string
		want   string
	}{
		{"a user id", back, map[string]string{"access_token": "t", "user_id": ourBuyer}, ourBuyer},
		{"an open id", back, map[string]string{"access_token": "t",
			"open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5"},
			"074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5"},
		{"both ids", back, map[string]string{"access_token": "t", "user_id": ourBuyer,
			"open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5"}, ourBuyer},
		{"an id that is out of use", back,
			map[string]string{"access_token": "t", "alipay_user_id": ourBuyer}, ""},
		{"an id that no order can have", back,
			map[string]string{"access_token": "t", "user_id": "1&sig="}, ""},
		{"a code of no application", url.Values{"auth_code": {"1"}},
			map[string]string{"access_token": "t", "user_id": ourBuyer}, ""},
		{"a code of no end", url.Values{"app_id": {ourApp}, "auth_code": {strings.Repeat("a", 129)}},
			map[string]string{"access_token": "t", "user_id": ourBuyer}, ""},
		{"nobody", back, map[string]string{"access_token": "t"}, ""},
		{"a used code", back, refusedWith("40002", "isv.code-invalid"), ""},
		{"another application's code", url.Values{"app_id": {"2021000000000002"}, "auth_code": {"1"}},
			map[string]string{"access_token": "t", "user_id": ourBuyer}, ""},
		{"no code", url.Values{"app_id": {ourApp}},
			map[string]string{"access_token": "t", "user_id": ourBuyer}, ""},
	} {
		c, requests := w.open(t, nil, map[string]map[string]string{"alipay.system.oauth.token": x.answer})
		id, err := c.Identify(t.Context(), x.query)
		if id != x.want || (err == nil) != (x.want != "") {
			t.Errorf("%s: %q, %v", x.what, id, err)
		}
		for _, r := range *requests {
			if r.Message["grant_type"] != "authorization_code" ||
				r.Message["code"] != back.Get("auth_code") || r.content != nil {
				t.Errorf("%s: sent %v", x.what, r.Message)
			}
		}
	}
	c, _ := w.open(t, nil, nil)
	address, err := c.Authorize("https://pay.example/authorize/alipay/return", "s&1")
	u, _ := url.Parse(address)
	if q := u.Query(); err != nil || u.Path != "/oauth2/publicAppAuthorize.htm" ||
		q.Get("app_id") != ourApp || q.Get("scope") != "auth_base" ||
		q.Get("state") != "s&1" || q.Get("redirect_uri") != "https://pay.example/authorize/alipay/return" {
		t.Errorf("%s, %v", address, err)
	}
}

func TestCertificateModeNamesTheCertificates(t *testing.T) {
	w := newWire(t)
	cert := func(name string, serial int64, k *rsa.PrivateKey) string {
		c := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotAfter: now.AddDate(10, 0, 0)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	set := map[string]string{
		"alipay_public_key": "", "app_cert": cert("app", 1, w.ours.Private),
		"alipay_cert": cert("alipay", 2, w.alipays.Private), "root_cert": cert("root", 3, w.alipays.Private),
	}
	c, requests := w.open(t, set,
		map[string]map[string]string{"alipay.trade.query": trade(order(), "TRADE_SUCCESS")})
	if s, err := c.Query(t.Context(), order()); err != nil || s.Outcome != wallet.Paid {
		t.Fatalf("%+v, %v", s, err)
	}
	app, err := openapi.ParseCertificate(set["app_cert"])
	if err != nil {
		t.Fatal(err)
	}
	root, err := openapi.RootSN(set["root_cert"])
	if r := (*requests)[0].Message; err != nil || r["app_cert_sn"] != app.SN ||
		r["alipay_root_cert_sn"] != root || app.SN == root {
		t.Errorf("%v, %v", r, err)
	}
	for name, bad := range map[string]string{"app_cert": set["alipay_cert"], "alipay_cert": "none",
		"root_cert": ""} {
		a := w.account("http://127.0.0.1")
		for n, value := range set {
			a.Settings[n] = value
		}
		delete(a.Settings, "alipay_public_key")
		a.Settings[name] = bad
		_, err := open(wallet.Account{WalletAccount: a, HTTP: http.DefaultClient, Now: time.Now})
		if err == nil ||
			!strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
