package servicewindow

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/wallettest"
	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

const (
	ourApp   = "2021000000000001"
	ourBuyer = "2088000000000009"
)

// wire holds both sides' keys.
type wire struct{ ours, alipays openapi.Keys }

func newWire(t *testing.T) wire {
	t.Helper()
	key := func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	a, b := key(), key()
	return wire{
		ours:    openapi.Keys{Type: alipay.RSA2, Private: a, Public: &b.PublicKey},
		alipays: openapi.Keys{Type: alipay.RSA2, Private: b, Public: &a.PublicKey},
	}
}

// knownWire returns the same keys in each process, for fuzzing.
func knownWire(f *testing.F) wire {
	f.Helper()
	text, err := os.ReadFile("../../wire/openapi/testdata/made.key")
	if err != nil {
		f.Fatal(err)
	}
	k, err := alipay.ParsePrivateKey(string(text))
	if err != nil {
		f.Fatal(err)
	}
	both := openapi.Keys{Type: alipay.RSA2, Private: k, Public: &k.PublicKey}
	return wire{ours: both, alipays: both}
}

func (w wire) account(address string) pay.WalletAccount {
	private, _ := x509.MarshalPKCS8PrivateKey(w.ours.Private)
	public, _ := x509.MarshalPKIXPublicKey(w.ours.Public)
	return pay.WalletAccount{
		MerchantID: "100001", ID: "window", Wallet: Driver.Name,
		Settings: map[string]string{
			"gateway": address + "/gateway.do", "authorize": address + "/oauth2/publicAppAuthorize.htm",
			"app_id":            ourApp,
			"alipay_public_key": base64.StdEncoding.EncodeToString(public),
		},
		Secrets: map[string]pay.Secret{"private_key": pay.Secret(base64.StdEncoding.EncodeToString(private))},
	}
}

// answer signs what the wallet says to a call of method.
func (w wire) answer(method string, fields map[string]string) []byte {
	content, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	doc, err := openapi.WriteAnswer(openapi.ContentName(method), content, "", w.alipays)
	if err != nil {
		panic(err)
	}
	return doc
}

// method returns the method that the connector called; the query's if it called none.
func method(r *http.Request) string { return cmp.Or(r.PostFormValue("method"), "alipay.trade.query") }

func refusedWith(code, sub string) map[string]string {
	return map[string]string{"code": code, "msg": "Business Failed", "sub_code": sub, "sub_msg": "no"}
}

// trade returns the answer of a query about a trade.
func trade(o wallet.Order, status string) map[string]string {
	f := map[string]string{
		"code": "10000", "msg": "Success", "out_trade_no": o.Number, "trade_no": wallettest.TradeNo,
		"trade_status": status,
		"total_amount": o.Amount.Decimal(), "buyer_logon_id": "138****0009", "buyer_user_id": ourBuyer,
	}
	if status == "TRADE_SUCCESS" {
		f["send_pay_date"] = "2026-01-02 11:04:05"
	}
	return f
}

func (w wire) answerBody(s wallettest.Situation, o wallet.Order, r *http.Request) []byte {
	m := method(r)
	say := func(f map[string]string) []byte { return w.answer(m, f) }
	switch s {
	case wallettest.Paid, wallettest.PaidLongAgo:
		return say(trade(o, "TRADE_SUCCESS"))
	case wallettest.GivenBack:
		return say(with(trade(o, "TRADE_SUCCESS"), map[string]string{"trade_status": "TRADE_CLOSED"}))
	case wallettest.Waiting:
		return say(trade(o, "WAIT_BUYER_PAY"))
	case wallettest.Closed:
		return say(trade(o, "TRADE_CLOSED"))
	case wallettest.Missing:
		return say(refusedWith("40004", "ACQ.TRADE_NOT_EXIST"))
	case wallettest.NewState:
		return say(trade(o, "TRADE_PENDING"))
	case wallettest.NewCode:
		return say(refusedWith("40004", "ACQ.TRADE_FINISHED"))
	case wallettest.Trouble:
		return say(refusedWith("20000", "isp.unknow-error"))
	case wallettest.BadSignature:
		return []byte(strings.Replace(string(say(trade(o, "WAIT_BUYER_PAY"))), "WAIT_BUYER_PAY",
			"TRADE_SUCCESS", 1))
	case wallettest.Unsigned:
		doc, _, _ := strings.Cut(string(say(trade(o, "TRADE_SUCCESS"))), `,"sign"`)
		return []byte(doc + "}")
	case wallettest.BadAmount:
		f := trade(o, "TRADE_SUCCESS")
		f["total_amount"] = "12,34"
		return say(f)
	case wallettest.NoTradeNo:
		f := trade(o, "TRADE_SUCCESS")
		delete(f, "trade_no")
		return say(f)
	}
	return nil
}

// payment returns a callback's fields, unsigned.
func payment(o wallet.Order) openapi.Message {
	return openapi.Message{
		"notify_type": "trade_status_sync", "notify_id": "2026010200222110405000000000000001",
		"notify_time": "2026-01-02 11:04:06",
		"app_id":      ourApp, "auth_app_id": ourApp, "charset": "utf-8", "version": "1.0",
		"seller_id":    "2088000000000001",
		"out_trade_no": o.Number, "trade_no": wallettest.TradeNo, "trade_status": "TRADE_SUCCESS",
		"total_amount": o.Amount.Decimal(),
		"gmt_create":   "2026-01-02 11:03:00", "gmt_payment": "2026-01-02 11:04:05", "buyer_id": ourBuyer,
		"fund_bill_list": `[{"amount":"12.34","fundChannel":"ALIPAYACCOUNT"}]`,
	}
}

// notice signs a callback as Alipay does.
func (w wire) notice(m openapi.Message) []byte {
	if err := m.SignNotification(w.alipays); err != nil {
		panic(err)
	}
	return []byte(m.Encode())
}

func (w wire) callbackBody(s wallettest.Situation, o wallet.Order) []byte {
	m := payment(o)
	switch s {
	case wallettest.Paid:
	case wallettest.Closed:
		m["trade_status"] = "TRADE_CLOSED"
		delete(m, "gmt_payment")
	case wallettest.NewState:
		m["trade_status"] = "TRADE_PENDING"
	case wallettest.BadAmount:
		m["total_amount"] = "12,34"
	case wallettest.NoTradeNo:
		delete(m, "trade_no")
	case wallettest.Unsigned:
		return []byte(m.Encode())
	case wallettest.BadSignature:
		return []byte(strings.Replace(string(w.notice(m)), "total_amount=12", "total_amount=13", 1))
	default:
		return nil
	}
	return w.notice(m)
}

// forgeries returns what must not pass for a callback: our own signed requests, what
// Alipay signs for another application or about another seller's trades, and its
// answers.
func (w wire) forgeries(_ wallet.Checkout, o wallet.Order) [][]byte {
	all := [][]byte{}
	for name, value := range map[string]string{"app_id": "2021000000000002",
		"notify_type": "open_app_auth_notify", "subject": "x&trade_status=TRADE_SUCCESS"} {
		m := payment(o)
		m[name] = value
		if name == "app_id" {
			m["auth_app_id"] = value
		}
		all = append(all, w.notice(m))
	}
	request := payment(o)
	if err := request.Sign(w.ours); err != nil {
		panic(err)
	}
	return append(all, []byte(request.Encode()), w.answer("alipay.trade.query", trade(o, "TRADE_SUCCESS")))
}

func TestConformance(t *testing.T) {
	w := newWire(t)
	wallettest.Run(t, wallettest.Harness{
		Driver: Driver, Account: w.account, Answer: wallettest.Answering(w.answerBody),
		Callback: wallettest.Posting(w.callbackBody), Forgeries: wallettest.Forging(w.forgeries),
		Traps: []string{"x&total_amount=0.01&trade_status=TRADE_SUCCESS&z=", `x"},"sign":"AAAA"`},
	})
}

// with returns a message with other values; "" removes a field.
func with(m openapi.Message, changes map[string]string) openapi.Message {
	m = maps.Clone(m)
	for name, value := range changes {
		if m[name] = value; value == "" {
			delete(m, name)
		}
	}
	return m
}
