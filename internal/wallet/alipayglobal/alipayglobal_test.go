package alipayglobal

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/wallettest"
	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

func TestSettingsAreCheckedByRule(t *testing.T) {
	for _, x := range []struct {
		name    string
		good    []string
		refused []string
	}{
		{"gateway", []string{"https://mapi.alipaydev.com/gateway.do", "http://127.0.0.1:7701/gateway.do",
			"http://[::1]:1/", "http://localhost:1/"},
			[]string{"http://mapi.alipay.com/gateway.do", "ftp://a/", "gateway.do",
				"https://u:p@a/", "https://a/?x=1", "http://127.0.0.1.example/"}},
		{"partner", []string{"2088000000000001"},
			[]string{"2088", "1088000000000001", "20880000000000011", "208800000000000x"}},
		{"sign_type", nil, []string{"DSA", "rsa2", "md5"}},
		{"product_code", []string{"WAP_OVERSEAS_SELLER"}, []string{"a&b", "lower"}},
		{"timeout_rule", []string{"1m", "30m", "12h", "360h", "15d"},
			[]string{"0m", "16d", "361h", "1w", "m", "012h", "-1h", "1.5h", "99999999999m"}},
		{"secondary_merchant", []string{"yes", "no"}, []string{"true", "Y"}},
		{"supplier", []string{"茶茶茶茶茶茶茶茶茶茶茶茶茶茶茶茶"}, []string{"Tea & cake", "a=b", "seventeen letters"}},
		{"refer_url", []string{"https://shop.example/"},
			[]string{"shop.example", "https://shop.example/?a=b", "https://" + strings.Repeat("a", 200)}},
		{"app_pay", []string{"Y", ""}, []string{"N", "yes"}},
		{"confirm", []string{"yes", "no"}, []string{"maybe"}},
	} {
		a := wallet.Account{WalletAccount: newWire(mapi.MD5).account("https://gateway.example/"),
			HTTP: http.DefaultClient}
		for _, value := range x.good {
			a.Settings[x.name] = value
			if _, err := open(a); err != nil {
				t.Errorf("%s=%q: %v", x.name, value, err)
			}
		}
		for _, value := range x.refused {
			a.Settings[x.name] = value
			if _, err := open(a); err == nil || !strings.Contains(err.Error(), "setting "+x.name) {
				t.Errorf("%s=%q: %v", x.name, value, err)
			}
		}
	}
}

func TestKeysMustFitTheSignType(t *testing.T) {
	md5, rsa := newWire(mapi.MD5).account("https://a/"), newWire(mapi.RSA2).account("https://a/")
	md5.Settings["sign_type"] = "" // the default is RSA2
	rsa2 := newWire(mapi.RSA2)
	own := wire{ours: mapi.Keys{Type: mapi.RSA2, Private: rsa2.ours.Private,
		Public: &rsa2.ours.Private.PublicKey}}.account("https://a/")
	broken := newWire(mapi.RSA).account("https://a/")
	broken.Secrets["private_key"] = "MIIEvQIBADANBg"
	md5WithNone := newWire(mapi.MD5).account("https://a/")
	md5WithNone.Secrets = rsa.Secrets
	for want, account := range map[string]pay.WalletAccount{
		"private_key is missing: sign_type RSA2": md5,
		"md5_key is missing":                     md5WithNone,
		"must be Alipay's key":                   own,
		"private_key: alipay: key is neither":    broken,
	} {
		_, err := open(wallet.Account{WalletAccount: account, HTTP: http.DefaultClient})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		} else if strings.Contains(err.Error(), "MIIEvQ") {
			t.Errorf("shows the key: %v", err)
		}
	}
}

// signed returns the fields of the address that Pay makes, after it has verified
// the signature.
func signed(t *testing.T, w wire, c *connector, o wallet.Order) mapi.Message {
	t.Helper()
	checkout, err := c.Pay(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(checkout.URL)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapi.Parse(u.RawQuery)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Verify(w.alipays); w.ours.Type != mapi.MD5 && err != nil {
		t.Fatal(err)
	}
	return m
}

func TestBuyerIsSentToASignedOrder(t *testing.T) {
	w := newWire(mapi.RSA2)
	plain := map[string]string{
		"service": "create_forex_trade_wap", "partner": partner, "_input_charset": "UTF-8",
		"sign_type": "RSA2", "out_trade_no": "20260102100001123456789012", "currency": "USD",
		"total_fee": "12.34", "subject": "Tea",
		"product_code": "NEW_WAP_OVERSEAS_SELLER",
		"notify_url":   "https://pay.example/callback/100001/main",
		"return_url":   "https://pay.example/pay/token/return",
	}
	for name, x := range map[string]struct {
		set   map[string]string
		order func(*wallet.Order)
		want  map[string]string // beyond plain; "" for absent
	}{
		"with nothing but what is needed": {},
		"AlipayHK": {nil, func(o *wallet.Order) { o.PayType, o.Amount.Currency = pay.AlipayHK, "HKD" },
			map[string]string{"payment_inst": "ALIPAYHK", "currency": "HKD"}},
		"JPY in whole yen": {nil,
			func(o *wallet.Order) { o.Amount = pay.Amount{Minor: 1200, Currency: "JPY"} },
			map[string]string{"currency": "JPY", "total_fee": "1200"}},
		"one cent": {nil, func(o *wallet.Order) { o.Amount.Minor = 1 },
			map[string]string{"total_fee": "0.01"}},
		"settings": {map[string]string{"timeout_rule": "12h", "supplier": "Tea shop",
			"refer_url": "https://shop.example/", "app_pay": "Y"}, nil,
			map[string]string{"timeout_rule": "12h", "supplier": "Tea shop",
				"refer_url": "https://shop.example/", "app_pay": "Y"}},
		"payment company": {map[string]string{"secondary_merchant": "yes"},
			func(o *wallet.Order) { o.SubMerchant.Name = "Tea & Co" },
			map[string]string{"secondary_merchant_id": "100001", "secondary_merchant_name": "Tea Co",
				"secondary_merchant_industry": "5499"}},
		"payment company, no MCC": {map[string]string{"secondary_merchant": "yes"},
			func(o *wallet.Order) { o.SubMerchant.MCC = "" },
			map[string]string{"secondary_merchant_id": "100001", "secondary_merchant_name": "Tea shop"}},
		"subject with special characters": {nil,
			func(o *wallet.Order) { o.Subject = "a&b=c/d\"e<f>g\nh\x00i\u202ej k" },
			map[string]string{"subject": "a b c d e f g h i j k"}},
		"subject of nothing else": {nil, func(o *wallet.Order) { o.Subject = " &=\t" },
			map[string]string{"subject": "20260102100001123456789012"}},
		"long subject": {nil, func(o *wallet.Order) { o.Subject = "ab" + strings.Repeat("茶", 100) },
			map[string]string{"subject": "ab" + strings.Repeat("茶", 84)}},
	} {
		t.Run(name, func(t *testing.T) {
			o := testOrder()
			if x.order != nil {
				x.order(&o)
			}
			got := signed(t, w, w.open(t, http.NotFound, x.set), o)
			delete(got, "sign")
			want := map[string]string{}
			for _, m := range []map[string]string{plain, x.want} {
				for k, v := range m {
					want[k] = v
				}
			}
			for k := range want {
				if got[k] != want[k] {
					t.Errorf("%s = %q, want %q", k, got[k], want[k])
				}
			}
			if len(got) != len(want) {
				t.Errorf("fields %v, want %v", got, want)
			}
		})
	}
}

func TestOrderWithSeparatorsInAnAddressIsNotSigned(t *testing.T) {
	c := newWire(mapi.MD5).open(t, http.NotFound, nil)
	for _, bad := range []string{"", "https://a/?x=1", "https://a/&", "javascript:1",
		"https://a/" + strings.Repeat("a", 200)} {
		for name, set := range map[string]func(*wallet.Order){
			"notify": func(o *wallet.Order) { o.CallbackURL = bad },
			"return": func(o *wallet.Order) { o.ReturnURL = bad },
		} {
			o := testOrder()
			set(&o)
			if _, err := c.Pay(context.Background(), o); !errors.Is(err, wallet.ErrNotSent) {
				t.Errorf("%s address %q: %v", name, bad, err)
			}
		}
	}
}

func TestQueryAsksBySignedPost(t *testing.T) {
	w := newWire(mapi.RSA2)
	o := testOrder()
	c := w.open(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.RawQuery != "_input_charset=UTF-8" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		m := mapi.Message{}
		for name, values := range r.PostForm {
			m[name] = values[0]
		}
		if err := m.Verify(w.alipays); err != nil || len(m) != 6 || m["service"] != "single_trade_query" ||
			m["partner"] != partner || m["out_trade_no"] != o.Number || m["_input_charset"] != "UTF-8" {
			t.Errorf("%v: %v", m, err)
		}
		rw.Write([]byte(w.query(o, "TRADE_FINISHED", nil)))
	}, nil)
	got, err := c.Query(context.Background(), o)
	want := wallet.State{Outcome: wallet.Paid, TradeNo: wallettest.TradeNo, BuyerID: "abc***@mail.example",
		Code: "TRADE_FINISHED", At: time.Date(2026, 1, 1, 19, 4, 5, 0, time.UTC)}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
}

// A closed trade with the time of a payment was paid and then refunded in full.
func TestATradeThatWasGivenBackInFullWasPaid(t *testing.T) {
	w, o := newWire(mapi.RSA2), testOrder()
	for paidAt, want := range map[string]wallet.State{
		"":                    {Outcome: wallet.Closed},
		"2026-01-02 03:04:05": {Outcome: wallet.Paid, GivenBack: true},
	} {
		c := w.open(t, func(rw http.ResponseWriter, _ *http.Request) {
			io.WriteString(rw, w.query(o, "TRADE_CLOSED", map[string]string{"gmt_payment": paidAt}))
		}, nil)
		if got, err := c.Query(context.Background(), o); err != nil || got.Outcome != want.Outcome ||
			got.GivenBack != want.GivenBack {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
}

// The answer and the key are Alipay's own; see wire/mapi/testdata/answers.txt.
func TestAnswerOfAlipaysSandboxIsUnderstood(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	c := newWire(mapi.RSA2).open(t,
		func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(read("published.xml"))) },
		map[string]string{"alipay_public_key": read("published-key.txt")})
	got, err := c.Query(context.Background(), wallet.Order{Number: "PAYLINE20200116105303"})
	if err != nil || got.Outcome != wallet.Paid || got.TradeNo != "2020011622001381441000075584" ||
		got.At.UTC().Hour() != 9 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestGatewayErrorsAreSortedByWhatTheyMean(t *testing.T) {
	w := newWire(mapi.MD5)
	for _, code := range []string{"ILLEGAL_SIGN", "ILLEGAL_PARTNER", "ILLEGAL_PARTNER_EXTERFACE",
		"HAS_NO_PRIVILEGE", "SYSTEM_ERROR", "SYSTEM_EXCEPTION", "ILLEGAL_ARGUMENT", "", "SOMETHING"} {
		c := w.open(t, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Write([]byte(w.answer("error.xml", map[string]string{"error": code})))
		}, nil)
		st, err := c.Query(context.Background(), testOrder())
		var rejected *wallet.Rejection
		switch {
		case st.Outcome != wallet.Unknown || st.Code != code && code != "":
			t.Errorf("%s: %+v", code, st)
		case accountErrors[code]:
			if !errors.As(err, &rejected) || rejected.Code != code ||
				rejected.Kind != wallet.RejectedAccount {
				t.Errorf("%s: %v", code, err)
			}
		case !errors.Is(err, wallet.ErrUnknown):
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestNotices(t *testing.T) {
	w := newWire(mapi.MD5)
	c := w.open(t, http.NotFound, map[string]string{"confirm": "no"})
	o := testOrder()
	usd := func(minor int64) pay.Amount { return pay.Amount{Minor: minor, Currency: "USD"} }
	refund := mapi.Message{"notify_type": "refund_status_sync", "notify_id": "1",
		"notify_time": "2026-01-02 03:04:05", "out_trade_no": o.Number, "out_return_no": "R-1"}
	for name, x := range map[string]struct {
		base    mapi.Message
		set     map[string]string // "" deletes
		refused bool
		refund  string
		outcome wallet.Outcome
		amount  pay.Amount
	}{
		"paid": {outcome: wallet.Paid, amount: usd(1234)},
		"paid, one decimal": {set: map[string]string{"total_fee": "12.3"}, outcome: wallet.Paid,
			amount: usd(1230)},
		"paid in yen with decimals": {set: map[string]string{"total_fee": "1200.00", "currency": "JPY"},
			outcome: wallet.Paid, amount: pay.Amount{Minor: 1200, Currency: "JPY"}},
		"with fields that nobody knew": {set: map[string]string{"zzz": "1", "rmb_fee": "80.00"},
			outcome: wallet.Paid, amount: usd(1234)},
		"of 2013, with a charset": {set: map[string]string{"_input_charset": "utf-8"}, outcome: wallet.Paid,
			amount: usd(1234)},
		"closed": {set: map[string]string{"trade_status": "TRADE_CLOSED"}, outcome: wallet.Closed,
			amount: usd(1234)},
		"paid nothing": {set: map[string]string{"total_fee": "0.00"}, refused: true},
		"closed without an amount": {set: map[string]string{"trade_status": "TRADE_CLOSED", "total_fee": ""},
			outcome: wallet.Closed},
		"waiting": {set: map[string]string{"trade_status": "WAIT_BUYER_PAY"},
			outcome: wallet.Waiting, amount: usd(1234)},
		"of an unlisted status": {set: map[string]string{"trade_status": "TRADE_SUCCESS"},
			outcome: wallet.Unknown, amount: usd(1234)},
		"without a status":          {set: map[string]string{"trade_status": ""}, refused: true},
		"paid in a third of a cent": {set: map[string]string{"total_fee": "12.343"}, refused: true},
		"paid in unknown money":     {set: map[string]string{"currency": "XXX"}, refused: true},
		"paid in no money":          {set: map[string]string{"currency": ""}, refused: true},
		"without notify_id":         {set: map[string]string{"notify_id": ""}, refused: true},
		"without trade_no":          {set: map[string]string{"trade_no": ""}, refused: true},
		"without out_trade_no":      {set: map[string]string{"out_trade_no": ""}, refused: true},
		"of another type":           {set: map[string]string{"notify_type": "other"}, refused: true},
		"with service":              {set: map[string]string{"service": "x"}, refused: true},
		"with partner":              {set: map[string]string{"partner": partner}, refused: true},
		"with notify_url":           {set: map[string]string{"notify_url": "https://a/"}, refused: true},
		"with & in a value":         {set: map[string]string{"body": "a&b"}, refused: true},
		"with & in a name":          {set: map[string]string{"a&b": "1"}, refused: true},
		"with = in a name":          {set: map[string]string{"a=b": "1"}, refused: true},
		"for another seller":        {set: map[string]string{"seller_id": "2088000000000002"}, refused: true},
		"for this seller": {set: map[string]string{"seller_id": partner}, outcome: wallet.Paid,
			amount: usd(1234)},
		"of a refund": {base: refund, set: map[string]string{"refund_status": "REFUND_SUCCESS"},
			refund: "R-1", outcome: wallet.Succeeded},
		"of a refund with its amount": {base: refund,
			set: map[string]string{"refund_status": "REFUND_SUCCESS", "return_amount": "2.34",
				"currency": "USD"},
			refund: "R-1", outcome: wallet.Succeeded, amount: usd(234)},
		"of a failed refund": {base: refund,
			set: map[string]string{"refund_status": "REFUND_FAIL", "error_code": "X"}, refund: "R-1",
			outcome: wallet.Failed},
		"of a strange refund": {base: refund, set: map[string]string{"refund_status": "REFUND_WAIT"},
			refund: "R-1", outcome: wallet.Unknown},
		"of a refund, without its status": {base: refund, refused: true},
		"of a refund that speaks of payment": {base: payment(o),
			set: map[string]string{"out_return_no": "R-1", "refund_status": "REFUND_FAIL"}, refund: "R-1",
			outcome: wallet.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			m := mapi.Message{}
			base := x.base
			if base == nil {
				base = payment(o)
			}
			for _, fields := range []map[string]string{base, x.set} {
				for k, v := range fields {
					m[k] = v
				}
			}
			n, err := c.Callback(wallet.Callback{Body: w.form(m)})
			if x.refused {
				if err == nil {
					t.Errorf("accepted: %+v", n)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if n.Number != o.Number || n.RefundID != x.refund || n.State.Outcome != x.outcome ||
				n.State.Amount != x.amount ||
				string(n.Reply.Body) != "success" || n.ID != m["notify_id"] || n.Confirm != nil {
				t.Errorf("%+v", n)
			}
		})
	}
}

// Anybody with the MD5 key can sign a forged notice under the id of a genuine one,
// and notify_verify then confirms it.
func TestASharedKeysNoticeIDConfirmsNothing(t *testing.T) {
	w := newWire(mapi.MD5)
	o := testOrder()
	for name, x := range map[string]struct {
		query string
		want  func(error) bool
	}{
		"the order is not paid": {w.answer("error.xml", map[string]string{"error": "TRADE_NOT_EXIST"}),
			rejected},
		"another trade paid it": {w.query(o, "TRADE_FINISHED", map[string]string{"trade_no": "9"}),
			rejected},
		"the wallet is silent about it": {"", unknown},
		"it is paid by this trade": {w.query(o, "TRADE_FINISHED", nil),
			func(err error) bool { return err == nil }},
	} {
		t.Run(name, func(t *testing.T) {
			c := w.open(t, func(rw http.ResponseWriter, r *http.Request) {
				if service(r) == "notify_verify" {
					rw.Write([]byte("true"))
					return
				}
				rw.Write([]byte(x.query))
			}, nil)
			n, err := c.Callback(wallet.Callback{Body: w.form(payment(o))})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := n.Confirm(context.Background(), o); !x.want(err) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A query by the order's number returns one trade only, while a buyer may have paid
// twice.
func TestASecondPaymentIsConfirmedByItsOwnNumber(t *testing.T) {
	w := newWire(mapi.MD5)
	o := testOrder()
	for name, x := range map[string]struct {
		own  string // what the wallet answers about the notice's own trade
		want func(error) bool
	}{
		"the wallet has it": {w.query(o, "TRADE_FINISHED", nil),
			func(err error) bool { return err == nil }},
		"the wallet has no such": {w.answer("error.xml", map[string]string{"error": "TRADE_NOT_EXIST"}),
			rejected},
		"it is not paid": {w.query(o, "WAIT_BUYER_PAY", nil), rejected},
		"it is of another order": {w.query(o, "TRADE_FINISHED",
			map[string]string{"out_trade_no": "20260102100001999999999999"}), unknown},
		"the wallet is silent then": {"", unknown},
	} {
		t.Run(name, func(t *testing.T) {
			c := w.open(t, func(rw http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				m, err := mapi.Parse(string(body))
				switch {
				case err == nil && m["trade_no"] == wallettest.TradeNo && m["out_trade_no"] == "":
					io.WriteString(rw, x.own)
				case err == nil && m["out_trade_no"] == o.Number:
					io.WriteString(rw, w.query(o, "TRADE_FINISHED",
						map[string]string{"trade_no": "2026010222001300000000000009"}))
				default:
					t.Errorf("asked for %v (%v)", m, err)
				}
			}, nil)
			n, err := c.Callback(wallet.Callback{Body: w.form(payment(o))})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := n.Confirm(context.Background(), o); !x.want(err) {
				t.Errorf("%v", err)
			}
		})
	}
}

// An order may have a closed trade and a paid one. The closed one does not close the
// order, whatever key signs.
func TestAClosedTradesNoticeIsConfirmedByTheOrder(t *testing.T) {
	for _, signType := range []mapi.SignType{mapi.MD5, mapi.RSA2} {
		w, o := newWire(signType), testOrder()
		refuted := func(_ wallet.State, err error) bool { return rejected(err) }
		for name, x := range map[string]struct {
			order string
			want  func(wallet.State, error) bool
		}{
			"it is closed": {w.query(o, "TRADE_CLOSED", nil), func(s wallet.State, err error) bool {
				return err == nil && s.Outcome == wallet.Closed
			}},
			"another trade is paid": {w.query(o, "TRADE_FINISHED", map[string]string{"trade_no": "9"}),
				refuted},
			"another trade was given back": {w.query(o, "TRADE_CLOSED",
				map[string]string{"trade_no": "9", "gmt_payment": "2026-01-02 03:04:05"}), refuted},
			"it was given back": {w.query(o, "TRADE_CLOSED",
				map[string]string{"gmt_payment": "2026-01-02 03:04:05"}),
				func(s wallet.State, err error) bool { // which ends no order
					return err == nil && s.Outcome == wallet.Paid && s.GivenBack
				}},
		} {
			c := w.open(t, func(rw http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				m, _ := mapi.Parse(string(body))
				switch {
				case m["service"] == "notify_verify":
					io.WriteString(rw, "true")
				case m["trade_no"] != "":
					io.WriteString(rw, w.query(o, "TRADE_CLOSED", nil))
				default:
					io.WriteString(rw, x.order)
				}
			}, nil)
			closed := payment(o)
			closed["trade_status"] = "TRADE_CLOSED"
			n, err := c.Callback(wallet.Callback{Body: w.form(closed)})
			if err != nil {
				t.Fatal(err)
			}
			if s, err := n.Confirm(context.Background(), o); !x.want(s, err) {
				t.Errorf("%s, %s: %+v, %v", signType, name, s, err)
			}
		}
	}
}

func TestAnOldNoticeIsConfirmedByQuery(t *testing.T) {
	w := newWire(mapi.RSA2)
	o := testOrder()
	for name, x := range map[string]struct {
		verify, query string
		want          func(error) bool
	}{
		"notify_verify says true": {"true", "", func(err error) bool { return err == nil }},
		"then the query says paid": {"false", w.query(o, "TRADE_FINISHED", nil),
			func(err error) bool { return err == nil }},
		"then of another trade": {"false", w.query(o, "TRADE_FINISHED", map[string]string{"trade_no": "9"}),
			rejected},
		"then waiting": {"invalid", w.query(o, "WAIT_BUYER_PAY", nil), rejected},
		"then no such trade": {"false", w.answer("error.xml", map[string]string{"error": "TRADE_NOT_EXIST"}),
			rejected},
		"then trouble": {"false", w.answer("error.xml", map[string]string{"error": "SYSTEM_ERROR"}),
			unknown},
		"then trouble of the account": {"false",
			w.answer("error.xml", map[string]string{"error": "ILLEGAL_SIGN"}), unknown},
		"then nothing of sense":        {"false", "true", unknown},
		"notify_verify says true, not": {"<true/>", "", unknown},
	} {
		t.Run(name, func(t *testing.T) {
			c := w.open(t, func(rw http.ResponseWriter, r *http.Request) {
				if service(r) == "notify_verify" {
					rw.Write([]byte(x.verify))
					return
				}
				rw.Write([]byte(x.query))
			}, nil)
			n, err := c.Callback(wallet.Callback{Body: w.form(payment(o))})
			if err != nil {
				t.Fatal(err)
			}
			if n.Confirm == nil {
				t.Fatal("by default notices are confirmed")
			}
			if _, err := n.Confirm(context.Background(), o); !x.want(err) {
				t.Errorf("%v", err)
			}
		})
	}
}

func rejected(err error) bool {
	var r *wallet.Rejection
	return errors.As(err, &r) && r.Kind == wallet.RejectedOrder
}

func unknown(err error) bool { return errors.Is(err, wallet.ErrUnknown) && !rejected(err) }

func FuzzCallbackNeitherPanicsNorBelieves(f *testing.F) {
	w := newWire(mapi.MD5)
	a := wallet.Account{WalletAccount: w.account("https://gateway.example/"), HTTP: http.DefaultClient}
	c, err := open(a)
	if err != nil {
		f.Fatal(err)
	}
	genuine := string(w.form(payment(testOrder())))
	f.Add(genuine)
	f.Add(genuine + "&z=1")
	inGBK := payment(testOrder())
	inGBK["_input_charset"], inGBK["subject"] = "GBK", gbk
	inGBK = inGBK.In(alipay.GBK)
	f.Add(string(w.form(inGBK)))
	f.Add(strings.Replace(string(w.form(inGBK)), "=GBK", "=UTF-8", 1))
	f.Add("sign=&sign_type=MD5")
	f.Fuzz(func(t *testing.T, body string) {
		n, err := c.Callback(wallet.Callback{Body: []byte(body)})
		if err == nil && (n.Number != testOrder().Number || n.State.Amount != testOrder().Amount) {
			t.Errorf("%q is believed: %+v", body, n.State)
		}
	})
}
