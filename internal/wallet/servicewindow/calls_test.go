package servicewindow

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/wallettest"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

func TestEveryCallSaysWhoAsksForWhat(t *testing.T) {
	w, o := newWire(t), order()
	c, requests := w.open(t, nil, nil)
	c.common["app_auth_token"] = "202601BB0123456789"
	o.TradeNo, o.WalletID = wallettest.TradeNo, wallettest.TradeNo // which are not what we ask by
	r := refund()
	r.Order, r.Reason = o, `too much & "late"`
	for _, x := range []struct {
		method string
		call   func()
		want   map[string]any    // biz_content
		also   map[string]string // beside it
	}{
		{"alipay.trade.create", func() { c.Pay(t.Context(), o) }, map[string]any{
			"out_trade_no": o.Number, "total_amount": "12.34", "subject": "Tea cake", "buyer_id": ourBuyer,
			"time_expire": "2026-01-02 11:34:05",
		}, map[string]string{"notify_url": o.CallbackURL}},
		{"alipay.trade.query", func() { c.Query(t.Context(), o) },
			map[string]any{"out_trade_no": o.Number}, nil},
		{"alipay.trade.close", func() { c.Close(t.Context(), o) },
			map[string]any{"out_trade_no": o.Number}, nil},
		{"alipay.trade.refund", func() { c.Refund(t.Context(), r) }, map[string]any{
			"out_trade_no": o.Number, "out_request_no": r.ID, "refund_amount": "2.34",
			"refund_reason": "too much late",
		}, nil},
		{"alipay.trade.fastpay.refund.query", func() { c.QueryRefund(t.Context(), r) }, map[string]any{
			"out_trade_no": o.Number, "out_request_no": r.ID, "query_options": []any{"gmt_refund_pay"},
		}, nil},
		{"alipay.system.oauth.token",
			func() { c.Identify(t.Context(), url.Values{"app_id": {ourApp}, "auth_code": {"4b20"}}) }, nil,
			map[string]string{"grant_type": "authorization_code", "code": "4b20"}},
	} {
		*requests = nil
		x.call()
		if len(*requests) != 1 {
			t.Fatalf("%s: %d requests", x.method, len(*requests))
		}
		got := (*requests)[0]
		if got.address != "/gateway.do?charset=utf-8" || !reflect.DeepEqual(got.content, x.want) {
			t.Errorf("%s: to %s, %v", x.method, got.address, got.content)
		}
		want := openapi.Message{
			"app_id": ourApp, "method": x.method, "format": "JSON", "charset": "utf-8", "version": "1.0",
			"sign_type": "RSA2",
			"timestamp": "2026-01-02 11:05:05", "app_auth_token": "202601BB0123456789",
		}
		maps.Copy(want, x.also)
		delete(got.Message, "sign")
		delete(got.Message, "biz_content")
		if !maps.Equal(got.Message, want) {
			t.Errorf("%s: %v", x.method, got.Message)
		}
	}
	r.Reason = "<>"
	c.Refund(t.Context(), r)
	if got := (*requests)[len(*requests)-1].content["refund_reason"]; got != "refund" {
		t.Errorf("a reason of nothing but what wallets do not take is sent as %q", got)
	}
}

func TestTheAppAuthTokenIsASecretOfTheAccount(t *testing.T) {
	a := newWire(t).account("http://127.0.0.1")
	a.Secrets["app_auth_token"] = "202601BB0123456789"
	c, err := newConnector(wallet.Account{WalletAccount: a, HTTP: http.DefaultClient, Now: time.Now})
	if err != nil || c.common["app_auth_token"] != "202601BB0123456789" {
		t.Errorf("%v, %v", c, err)
	}
}

func TestOrdersThatCannotBeWrittenAreNotSent(t *testing.T) {
	w := newWire(t)
	c, requests := w.open(t, nil,
		map[string]map[string]string{"alipay.trade.create": {"code": "10000",
			"out_trade_no": order().Number}})
	for what, change := range map[string]func(*wallet.Order){
		"a notify address with a query": func(o *wallet.Order) { o.CallbackURL += "?x" },
		"one with a parameter":          func(o *wallet.Order) { o.CallbackURL += "&x" },
		"another currency":              func(o *wallet.Order) { o.Amount.Currency = "HKD" },
		"another way to pay":            func(o *wallet.Order) { o.PayType = pay.AlipayCrossBorder },
	} {
		o := order()
		change(&o)
		if _, err := c.Pay(t.Context(), o); !errors.Is(err, wallet.ErrNotSent) || len(*requests) != 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A trade that cannot be opened may still exist.
	if checkout, err := c.Pay(t.Context(), order()); !errors.Is(err, wallet.ErrUnknown) ||
		checkout.Ref != "" {
		t.Errorf("without a trade_no: %+v, %v", checkout, err)
	}
}

func TestAnswersTellAllThatIsInThem(t *testing.T) {
	w, o, r := newWire(t), order(), refund()
	answers := map[string]map[string]string{}
	c, _ := w.open(t, nil, answers)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) // 11:04:05 in China
	is := func(t *testing.T, got wallet.State, err error, want wallet.State) {
		t.Helper()
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v, -want +got:\n%s", err, diff)
		}
	}
	paid := trade(o, "TRADE_SUCCESS")
	for _, x := range []struct {
		what   string
		change map[string]string
		want   wallet.State
	}{
		{"paid", nil, wallet.State{Outcome: wallet.Paid, Amount: o.Amount, At: at, BuyerID: "138****0009",
			Code: "TRADE_SUCCESS"}},
		{"paid, the amount without its zeros", map[string]string{"total_amount": "12.3"},
			wallet.State{Outcome: wallet.Paid, Amount: pay.Amount{Minor: 1230, Currency: "CNY"}, At: at,
				BuyerID: "138****0009", Code: "TRADE_SUCCESS"}},
		{"paid less than it was worth, by a voucher",
			map[string]string{"buyer_pay_amount": "10.00", "receipt_amount": "11.00",
				"invoice_amount": "9.00"},
			wallet.State{Outcome: wallet.Paid, Amount: o.Amount, At: at, BuyerID: "138****0009",
				Code: "TRADE_SUCCESS"}},
		{"in yuan, which it says", map[string]string{"trans_currency": "CNY", "settle_currency": "USD",
			"pay_currency": "USD"},
			wallet.State{Outcome: wallet.Paid, Amount: o.Amount, At: at, BuyerID: "138****0009",
				Code: "TRADE_SUCCESS"}},
		{"the number of another currency", map[string]string{"trans_currency": "HKD"},
			wallet.State{Outcome: wallet.Paid,
				Amount: pay.Amount{Minor: o.Amount.Minor, Currency: "HKD"}, At: at, BuyerID: "138****0009",
				Code: "TRADE_SUCCESS"}},
		{"the amount that floats make one less of", map[string]string{"total_amount": "1.15"},
			wallet.State{Outcome: wallet.Paid, Amount: pay.Amount{Minor: 115, Currency: "CNY"}, At: at,
				BuyerID: "138****0009", Code: "TRADE_SUCCESS"}},
		{"finished, by a buyer of whom there is the id",
			map[string]string{"trade_status": "TRADE_FINISHED", "buyer_logon_id": ""},
			wallet.State{Outcome: wallet.Paid, Amount: o.Amount, At: at, BuyerID: "2088***0009",
				Code: "TRADE_FINISHED"}},
		{"finished, by a buyer of whom there is the open id",
			map[string]string{"buyer_logon_id": "", "buyer_user_id": "",
				"buyer_open_id": "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5"},
			wallet.State{Outcome: wallet.Paid, Amount: o.Amount, At: at, BuyerID: "074a***95b5",
				Code: "TRADE_SUCCESS"}},
		{"by nobody, at no time",
			map[string]string{"buyer_logon_id": "", "buyer_user_id": "", "send_pay_date": ""},
			wallet.State{Outcome: wallet.Paid, Amount: o.Amount, Code: "TRADE_SUCCESS"}},
		{"closed unpaid", map[string]string{"trade_status": "TRADE_CLOSED", "send_pay_date": ""},
			wallet.State{Outcome: wallet.Closed, BuyerID: "138****0009", Code: "TRADE_CLOSED"}},
	} {
		t.Run(x.what, func(t *testing.T) {
			answers["alipay.trade.query"] = with(paid, x.change)
			x.want.TradeNo = wallettest.TradeNo
			s, err := c.Query(t.Context(), o)
			is(t, s, err, x.want)
		})
	}
	answers["alipay.trade.query"] = with(paid, map[string]string{"trade_status": "TRADE_CLOSED"})
	if s, err := c.Query(t.Context(), o); err != nil || s.Outcome != wallet.Paid || !s.GivenBack ||
		s.Amount != o.Amount || !s.At.Equal(at) || s.TradeNo != wallettest.TradeNo {
		t.Errorf("given back in full: %+v, %v", s, err)
	}
	for what, change := range map[string]map[string]string{
		"of no order": {"out_trade_no": ""}, "of no amount": {"total_amount": ""},
		"of a float":                      {"total_amount": "1234e-2"},
		"of the sum of another field":     {"total_amount": "", "buyer_pay_amount": "12.34"},
		"of no status":                    {"trade_status": ""},
		"of a currency that nobody knows": {"trans_currency": "XXX"},
		"of half a yen":                   {"trans_currency": "JPY"},
	} {
		t.Run(what, func(t *testing.T) {
			answers["alipay.trade.query"] = with(paid, change)
			if s, err := c.Query(t.Context(), o); !errors.Is(err, wallet.ErrUnknown) ||
				s.Outcome != wallet.Unknown {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}

	answers["alipay.trade.refund"] = map[string]string{"code": "10000", "out_trade_no": o.Number,
		"trade_no": wallettest.TradeNo, "fund_change": "Y",
		"refund_fee": "7.00", "gmt_refund_pay": "2026-01-02 11:04:05"}
	s, err := c.Refund(t.Context(), r)
	is(t, s, err, wallet.State{Outcome: wallet.Succeeded, TradeNo: wallettest.TradeNo,
		Amount: r.Amount, At: at, Code: "fund_change"})
	known := map[string]string{"code": "10000", "out_trade_no": o.Number, "trade_no": wallettest.TradeNo,
		"out_request_no": r.ID,
		"refund_amount":  "2.34", "total_amount": "12.34", "refund_status": "REFUND_SUCCESS",
		"gmt_refund_pay": "2026-01-02 11:04:05"}
	answers["alipay.trade.fastpay.refund.query"] = known
	for what, ask := range map[string]func() (wallet.State, error){
		"query refund": func() (wallet.State, error) { return c.QueryRefund(t.Context(), r) },
		"refund, moved earlier": func() (wallet.State, error) {
			answers["alipay.trade.refund"]["fund_change"] = "N"
			return c.Refund(t.Context(), r)
		},
		"refund, nothing of a move": func() (wallet.State, error) {
			delete(answers["alipay.trade.refund"], "fund_change")
			return c.Refund(t.Context(), r)
		},
	} {
		t.Run(what, func(t *testing.T) {
			s, err := ask()
			is(t, s, err, wallet.State{Outcome: wallet.Succeeded, TradeNo: wallettest.TradeNo,
				Amount: r.Amount, At: at, Code: "REFUND_SUCCESS"})
		})
	}
	for what, change := range map[string]map[string]string{
		"of no amount": {"refund_amount": ""}, "of an amount that cannot be read": {"refund_amount": "2,34"},
		"of no refund": {"out_request_no": ""},
	} {
		t.Run("refund "+what, func(t *testing.T) {
			answers["alipay.trade.fastpay.refund.query"] = with(known, change)
			if s, err := c.QueryRefund(t.Context(), r); !errors.Is(err, wallet.ErrUnknown) ||
				s.Outcome != wallet.Unknown {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}

// caught is a wallet that keeps the request and gives no answer.
type caught struct{ form string }

func (c *caught) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	c.form = string(body)
	return &http.Response{StatusCode: http.StatusBadGateway, Body: http.NoBody}, err
}

func FuzzAnOrderIsAskedForAsItIs(f *testing.F) {
	w, wire := knownWire(f), &caught{}
	c := &connector{gateway: "http://127.0.0.1/gateway.do", http: &http.Client{Transport: wire},
		now: func() time.Time { return now }, appID: ourApp,
		keys: w.ours, common: openapi.Message{"app_id": ourApp}}
	f.Add("Tea & cake", ourBuyer, int64(1234), true)
	f.Add(`x"},"total_amount":"0.01","a":{"`, "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5", int64(1), false)
	f.Add("茶🍵\u202e\x00\xff<script>", `","buyer_id":"2088`, int64(9_999_999_999), false)
	f.Add(strings.Repeat("茶", 200), "", int64(0), false)
	f.Fuzz(func(t *testing.T, subject, buyer string, minor int64, noCredit bool) {
		if minor < 0 {
			return // there is no such amount
		}
		o := order()
		o.Subject, o.OpenID, o.Amount.Minor, o.NoCredit = subject, buyer, minor, noCredit
		if _, err := c.Pay(t.Context(), o); !errors.Is(err, wallet.ErrUnknown) {
			t.Fatal(err)
		}
		m, err := openapi.Parse(wire.form)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Verify(w.alipays); err != nil {
			t.Error(err)
		}
		var content map[string]string
		if err := json.Unmarshal([]byte(m["biz_content"]), &content); err != nil {
			t.Fatalf("%v: %s", err, m["biz_content"])
		}
		want := map[string]string{"out_trade_no": o.Number, "total_amount": o.Amount.Decimal(),
			"time_expire": "2026-01-02 11:34:05"}
		if noCredit {
			want["disable_pay_channels"] = "credit_group"
		}
		text := content["subject"]
		if text == "" || len(text) > 256 || strings.ContainsAny(text, `&=/"<>`) {
			t.Errorf("subject %q", text)
		}
		delete(content, "subject")
		if got := content[c.buyerField(buyer)]; got != buyer && strings.ToValidUTF8(buyer, "") == buyer {
			t.Errorf("buyer %q is sent as %q", buyer, got)
		}
		delete(content, c.buyerField(buyer))
		if !maps.Equal(content, want) {
			t.Errorf("%q by %q: %v", subject, buyer, content)
		}
	})
}
