package lantern

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/wallettest"
)

const (
	testKey      = "the key of both sides"
	callbackPath = "/gate/callback/100001/main?a=b"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func account(address string) pay.WalletAccount {
	return pay.WalletAccount{
		MerchantID: "100001", ID: "main", Wallet: Driver.Name,
		Settings: map[string]string{"gateway": address + "/api"},
		Secrets:  map[string]pay.Secret{"key": testKey},
	}
}

// said is what the wallet says of an order, in an answer or a callback.
func said(s wallettest.Situation, o wallet.Order) message {
	m := message{Number: o.Number, ID: "L1", Amount: o.Amount.Minor, Currency: string(o.Amount.Currency)}
	m.State, m.TradeNo = "PAID", wallettest.TradeNo
	switch s {
	case wallettest.Waiting:
		m.State, m.TradeNo = "WAITING", ""
	case wallettest.Closed:
		m.State, m.TradeNo = "CLOSED", ""
	case wallettest.GivenBack:
		m.State = "RETURNED"
	case wallettest.NewState:
		m.State = "DREAMING"
	case wallettest.BadAmount:
		m.Amount = -m.Amount
	case wallettest.NoTradeNo:
		m.TradeNo = ""
	}
	return m
}

// spoil breaks the signature where the situation asks for it.
func spoil(s wallettest.Situation, header http.Header, body []byte) (http.Header, []byte) {
	switch s {
	case wallettest.Unsigned:
		header.Del(signatureHeader)
	case wallettest.BadSignature:
		body = bytes.Replace(body, []byte(`"amount":12`), []byte(`"amount":13`), 1)
	}
	return header, body
}

func answer(s wallettest.Situation, o wallet.Order, r *http.Request) wallet.Reply {
	m := said(s, o)
	m.Result = "S"
	switch s {
	case wallettest.Missing:
		m = message{Number: o.Number, Result: "F", Code: "UNKNOWN_NUMBER"}
	case wallettest.NewCode:
		m = message{Number: o.Number, Result: "F", Code: "TOO_BLUE"}
	case wallettest.Trouble:
		m = message{Number: o.Number, Result: "U", Code: "BUSY"}
	}
	at := noon
	if asked, err := time.Parse(time.RFC3339, r.Header.Get(timeHeader)); err == nil {
		at = asked
	}
	m.URL, m.EndsAt = "http://"+r.Host+"/page/1?order="+o.Number,
		at.Add(14*time.Minute).Format(time.RFC3339Nano)
	header, body := seal(testKey, r.URL.Path, at, m)
	header, body = spoil(s, header, body)
	return wallet.Reply{Header: header, Body: body}
}

func callback(s wallettest.Situation, o wallet.Order) wallet.Callback {
	switch s {
	case wallettest.Missing, wallettest.NewCode, wallettest.Trouble:
		return wallet.Callback{}
	}
	header, body := seal(testKey, callbackPath, noon, said(s, o))
	header, body = spoil(s, header, body)
	return wallet.Callback{Path: callbackPath, Header: header, Body: body}
}

// forgeries are our own requests and the wallet's answers, posted to us, and a
// callback to another path of ours.
func forgeries(_ wallet.Checkout, o wallet.Order) (all []wallet.Callback) {
	paid := said(wallettest.Paid, o)
	for path, m := range map[string]message{
		"/api/pay": {Number: o.Number, Amount: o.Amount.Minor, Currency: "HKD",
			Subject: o.Subject},
		"/api/query": {Number: o.Number, Result: "S", State: "PAID", TradeNo: paid.TradeNo,
			Amount: 1234, Currency: "HKD"},
		"/callback/100001/main?a=b":      paid,
		"/gate/callback/100001/main":     paid,
		"/gate/callback/100001/main?a=c": paid,
		"/gate/callback/100002/main?a=b": paid,
	} {
		header, body := seal(testKey, path, noon, m)
		all = append(all, wallet.Callback{Path: callbackPath, Header: header, Body: body})
	}
	answered := paid
	answered.Result = "S"
	header, body := seal(testKey, callbackPath, noon, answered)
	return append(all, wallet.Callback{Path: callbackPath, Header: header, Body: body})
}

func TestConformance(t *testing.T) {
	wallettest.Run(t, wallettest.Harness{
		Driver: Driver, Account: account, Answer: answer, Callback: callback, Forgeries: forgeries,
		Traps: []string{`","state":"PAID","trade_no":"1`, "x\nPOST /callback"},
	})
}

// Both answers to a callback are signed over its path.
func TestRepliesAreSigned(t *testing.T) {
	a := wallet.Account{WalletAccount: account("http://127.0.0.1:1"), HTTP: http.DefaultClient,
		Now: func() time.Time { return noon }}
	c, err := open(a)
	if err != nil {
		t.Fatal(err)
	}
	posted := callback(wallettest.Paid,
		wallet.Order{Number: "1", Amount: pay.Amount{Minor: 1234, Currency: "HKD"}})
	n, err := c.Callback(posted)
	if err != nil {
		t.Fatal(err)
	}
	failed := c.(wallet.FailureReplier).CallbackFailed(posted, wallet.ErrUnknown)
	for want, reply := range map[string]wallet.Reply{"S": n.Reply, "F": failed} {
		if m, err := unseal(testKey, callbackPath, reply.Header, reply.Body); err != nil || m.Result != want {
			t.Errorf("%s: got %+v, %v", want, m, err)
		}
	}
}
