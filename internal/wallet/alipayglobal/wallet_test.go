package alipayglobal

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/wallettest"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

const partner = "2088000000000001"

// wire holds the keys of an account and of the wallet, for one sign type.
type wire struct{ ours, alipays mapi.Keys }

var rsaKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		k, err := rsa.GenerateKey(rand.Reader, 1024)
		if err != nil {
			panic(err)
		}
		keys[i] = k
	}
	return keys
})

func newWire(t mapi.SignType) wire {
	if t == mapi.MD5 {
		k := mapi.Keys{Type: t, Shared: "0123456789abcdefghijklmnopqrstuv"}
		return wire{k, k}
	}
	ours, alipays := rsaKeys()[0], rsaKeys()[1]
	return wire{
		ours:    mapi.Keys{Type: t, Private: ours, Public: &alipays.PublicKey},
		alipays: mapi.Keys{Type: t, Private: alipays, Public: &ours.PublicKey},
	}
}

// account returns a complete account with these keys, at gateway.
func (w wire) account(gateway string) pay.WalletAccount {
	a := pay.WalletAccount{
		MerchantID: "100001", ID: "main", Wallet: Driver.Name,
		Settings: map[string]string{"gateway": gateway, "partner": partner, "sign_type": string(w.ours.Type)},
		Secrets:  map[string]pay.Secret{},
	}
	if w.ours.Type == mapi.MD5 {
		a.Secrets["md5_key"] = pay.Secret(w.ours.Shared)
		return a
	}
	private, _ := x509.MarshalPKCS8PrivateKey(w.ours.Private)
	public, _ := x509.MarshalPKIXPublicKey(w.ours.Public)
	a.Secrets["private_key"] = pay.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	a.Settings["alipay_public_key"] = base64.StdEncoding.EncodeToString(public)
	return a
}

// open opens an account of this wire at a wallet that answers by handle.
func (w wire) open(t *testing.T, handle http.HandlerFunc, set map[string]string) *connector {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	a := wallet.Account{WalletAccount: w.account(server.URL), HTTP: server.Client(), Now: time.Now}
	maps.Copy(a.Settings, set)
	c, err := open(a)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*connector)
}

// form signs m as Alipay does and encodes it.
func (w wire) form(m mapi.Message) []byte {
	m = maps.Clone(m)
	if err := m.Sign(w.alipays); err != nil {
		panic(err)
	}
	return []byte(m.Encode())
}

func testOrder() wallet.Order {
	return wallet.Order{
		Number: "20260102100001123456789012", PayType: pay.AlipayCrossBorder,
		Amount: pay.Amount{Minor: 1234, Currency: "USD"}, Subject: "Tea",
		CallbackURL: "https://pay.example/callback/100001/main",
		ReturnURL:   "https://pay.example/pay/token/return",
		SubMerchant: wallet.SubMerchant{ID: "100001", Name: "Tea shop", MCC: "5499"},
	}
}

// payment returns the notice of a paid order.
func payment(o wallet.Order) mapi.Message {
	return mapi.Message{
		"notify_type": "trade_status_sync", "notify_id": "0123456789abcdef0123456789abcdefg1",
		"notify_time": "2026-01-02 03:04:05", "out_trade_no": o.Number, "trade_no": wallettest.TradeNo,
		"trade_status": "TRADE_FINISHED", "total_fee": o.Amount.Decimal(),
		"currency": string(o.Amount.Currency),
	}
}

// answer fills in a recorded answer and signs it as Alipay does.
func (w wire) answer(file string, set map[string]string) string {
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		panic(err)
	}
	doc := string(b)
	for name, value := range set {
		if value == "" {
			doc = strings.ReplaceAll(doc, "<"+name+">{"+name+"}</"+name+">", "")
		}
		doc = strings.ReplaceAll(doc, "{"+name+"}", value)
	}
	a, err := mapi.ParseAnswer([]byte(doc))
	if err != nil {
		panic(err)
	}
	if a.Success {
		if err := a.Fields.Sign(w.alipays); err != nil {
			panic(err)
		}
	}
	return strings.NewReplacer("{sign}", a.Fields["sign"], "{sign_type}", a.Fields["sign_type"]).Replace(doc)
}

// query returns the answer to single_trade_query about o.
func (w wire) query(o wallet.Order, status string, set map[string]string) string {
	all := map[string]string{"out_trade_no": o.Number, "total_fee": o.Amount.Decimal(),
		"trade_no": wallettest.TradeNo, "trade_status": status, "gmt_payment": ""}
	if status == "TRADE_FINISHED" {
		all["gmt_payment"] = "2026-01-02 03:04:05"
	}
	maps.Copy(all, set)
	return w.answer("query.xml", all)
}

// service returns the service that a request names.
func service(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	m, err := mapi.Parse(string(body))
	if err != nil {
		return err.Error()
	}
	return m["service"]
}

func TestConformance(t *testing.T) {
	for _, signType := range []mapi.SignType{mapi.MD5, mapi.RSA, mapi.RSA2} {
		t.Run(string(signType), func(t *testing.T) {
			w := newWire(signType)
			wallettest.Run(t, wallettest.Harness{
				Driver: Driver,
				Account: func(address string) pay.WalletAccount {
					a := w.account(address)
					a.Settings["secondary_merchant"] = "yes" // more of a merchant's words are signed
					return a
				},
				Answer:    wallettest.Answering(w.answerBody),
				Callback:  wallettest.Posting(w.callbackBody),
				Traps:     traps,
				Forgeries: wallettest.Forging(w.forgeries),
			})
		})
	}
}

func (w wire) answerBody(s wallettest.Situation, o wallet.Order, r *http.Request) []byte {
	if service(r) == "notify_verify" {
		if s == wallettest.Paid {
			return []byte("true")
		}
		return []byte("false")
	}
	unsigned := func(code string) []byte {
		return []byte(w.answer("error.xml", map[string]string{"error": code}))
	}
	switch s {
	case wallettest.Paid, wallettest.PaidLongAgo:
		return []byte(w.query(o, "TRADE_FINISHED", nil))
	case wallettest.GivenBack:
		return []byte(w.query(o, "TRADE_CLOSED", map[string]string{"gmt_payment": "2026-01-02 03:04:05"}))
	case wallettest.Waiting:
		return []byte(w.query(o, "WAIT_BUYER_PAY", nil))
	case wallettest.Closed:
		return []byte(w.query(o, "TRADE_CLOSED", nil))
	case wallettest.Missing:
		return unsigned("TRADE_NOT_EXIST")
	case wallettest.NewState:
		return []byte(w.query(o, "TRADE_SUCCESS", nil)) // of other products of Alipay
	case wallettest.NewCode:
		return unsigned("TRADE_FINISHED")
	case wallettest.Trouble:
		return unsigned("SYSTEM_ERROR")
	case wallettest.BadSignature:
		return []byte(strings.Replace(w.query(o, "WAIT_BUYER_PAY", nil), "WAIT_BUYER_PAY",
			"TRADE_FINISHED", 1))
	case wallettest.Unsigned:
		doc, _, _ := strings.Cut(w.query(o, "TRADE_FINISHED", nil), "<sign>")
		return []byte(doc + "</alipay>")
	case wallettest.NoTradeNo:
		return []byte(w.query(o, "TRADE_FINISHED", map[string]string{"trade_no": ""}))
	}
	return nil // no amount is read from an answer
}

func (w wire) callbackBody(s wallettest.Situation, o wallet.Order) []byte {
	m := payment(o)
	switch s {
	case wallettest.Paid:
	case wallettest.Closed:
		m["trade_status"] = "TRADE_CLOSED"
	case wallettest.NewState:
		m["trade_status"] = "TRADE_SUCCESS"
	case wallettest.BadAmount:
		m["total_fee"] = "12,34"
	case wallettest.NoTradeNo:
		delete(m, "trade_no")
	case wallettest.Unsigned:
		return []byte(m.Encode())
	case wallettest.BadSignature:
		return []byte(strings.Replace(string(w.form(m)), "total_fee=12", "total_fee=13", 1))
	default:
		return nil
	}
	return w.form(m)
}

// traps lists texts that, unescaped between & and =, are fields of a notice.
var traps = []string{
	"x&total_fee=12.34&trade_no=" + wallettest.TradeNo + "&trade_status=TRADE_FINISHED&z=",
	"x&notify_id=1&notify_type=trade_status_sync&out_trade_no=20260102100001123456789012" +
		"&total_fee=12.34&trade_no=1&trade_status=TRADE_FINISHED&z=",
	"x&currency=USD&notify_id=1&notify_type=trade_status_sync&out_trade_no=20260102100001123456789012" +
		"&total_fee=12.34&trade_no=1&trade_status=TRADE_FINISHED&z=",
	"x\x26total_fee\x3d0.01%26trade_status%3DTRADE_FINISHED",
}

// forgeries returns what must not pass for a callback: the signed address itself and
// every way to cut its signed string into a notice's fields, our other requests, and
// Alipay's signed answers and returns.
func (w wire) forgeries(c wallet.Checkout, o wallet.Order) [][]byte {
	u, err := url.Parse(c.URL)
	if err != nil {
		panic(err)
	}
	m, err := mapi.Parse(u.RawQuery)
	if err != nil {
		panic(err)
	}
	all := append(recut(m), []byte(u.RawQuery))
	for _, request := range []mapi.Message{
		{"service": "single_trade_query", "partner": partner, "_input_charset": "UTF-8",
			"out_trade_no": o.Number},
		{"service": "notify_verify", "partner": partner, "_input_charset": "UTF-8", "notify_id": "1"},
	} {
		if err := request.Sign(w.ours); err != nil {
			panic(err)
		}
		all = append(all, []byte(request.Encode()))
	}

	answer, err := mapi.ParseAnswer([]byte(w.query(o, "TRADE_FINISHED", nil)))
	if err != nil {
		panic(err)
	}
	answer.Fields["sign"], answer.Fields["sign_type"] = answer.Sign, answer.SignType
	back := payment(o) // the return has a notice's fields but the envelope's
	for _, name := range []string{"notify_id", "notify_type", "notify_time"} {
		delete(back, name)
	}
	return append(all, []byte(answer.Fields.Encode()), w.form(back))
}

// recut returns other messages with the signature of m. Its canonical string is cut
// at every &, and also, from each pair on, only before the names that a notice has;
// the values before take the rest.
func recut(m mapi.Message) [][]byte {
	wanted := payment(wallet.Order{})
	wanted["z"] = "" // takes what follows the trap
	pairs := strings.Split(m.Canonical(), "&")
	all := [][]byte{cut(m, pairs, 0, nil)}
	for from := range pairs {
		all = append(all, cut(m, pairs, from, wanted))
	}
	return all
}

func cut(m mapi.Message, pairs []string, from int, wanted mapi.Message) []byte {
	fields := mapi.Message{"sign": m["sign"], "sign_type": m["sign_type"]}
	last := ""
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		_, twice := fields[name]
		_, want := wanted[name]
		if i > 0 && (!ok || twice || wanted != nil && (i < from || !want)) {
			fields[last] += "&" + pair
			continue
		}
		fields[name], last = value, name
	}
	return []byte(fields.Encode())
}

// The forgeries are real: their signatures hold, and only the connector's checks
// refuse them.
func TestRecutMessagesVerify(t *testing.T) {
	w := newWire(mapi.MD5)
	for _, trap := range traps[1:3] {
		m := mapi.Message{"service": "create_forex_trade_wap", "partner": partner, "out_trade_no": "1",
			"currency":       "USD",
			"_input_charset": "UTF-8", "notify_url": "https://shop.example/?" + trap, "total_fee": "0.01"}
		if err := m.Sign(w.ours); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(recut(m), func(body []byte) bool {
			forged, err := mapi.Parse(string(body))
			return err == nil && forged.Verify(w.alipays) == nil && forged["notify_id"] == "1" &&
				forged["trade_status"] == "TRADE_FINISHED"
		}) {
			t.Errorf("%s: no forgery has a true signature: the conformance test proves nothing", trap)
		}
	}
}
