package servicewindow

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// gbk lists texts of a merchant, a buyer and the wallet. Their last bytes in GBK are
// those of \\ | { and }.
const gbk = "誠亅亄亇 茶"

func TestANoticeInGBKSettlesAsOneInUTF8(t *testing.T) {
	w, o := newWire(t), order()
	c, _ := w.open(t, map[string]string{"seller_id": ourSeller}, nil)
	want, err := c.Callback(wallet.Callback{Body: w.notice(payment(o))})
	if err != nil {
		t.Fatal(err)
	}
	for _, charset := range []string{"GBK", "gb2312", "GB18030", "UTF-8"} {
		encoding, err := alipay.ParseCharset(charset)
		if err != nil {
			t.Fatal(err)
		}
		m := with(payment(o), map[string]string{"charset": charset, "subject": gbk, "body": "\U0001F375"}).
			In(encoding)
		if n, err := c.Callback(wallet.Callback{Body: w.notice(m)}); err != nil || n.State != want.State ||
			n.Number != o.Number {
			t.Errorf("%s: %+v, %v", charset, n, err)
		}
	}
	n, err := c.Callback(wallet.Callback{
		Body: w.notice(with(payment(o),
			map[string]string{"charset": "GBK", "buyer_logon_id": "\xb2\xe8***\xb2"}))})
	if err != nil || n.State.BuyerID != "茶***\uFFFD" {
		t.Errorf("a buyer whose name is cut off: %+v, %v", n, err)
	}
	for name, broken := range map[string]map[string]string{
		"a charset that is not read":          {"charset": "UTF-7"},
		"Latin-1":                             {"charset": "ISO-8859-1"},
		"a trade_no that is not ASCII":        {"charset": "GBK", "trade_no": "\xb2\xe8"},
		"an order's number that is not ASCII": {"charset": "GBK", "out_trade_no": o.Number + "\xb2\xe8"},
		"a status that is not ASCII":          {"charset": "GBK", "trade_status": "TRADE_SUCCESS\xff"},
		"an amount in full-width digits":      {"charset": "GBK", "total_amount": "\xa3\xb1\xa3\xb2.34"},
		"a refund's number that is not ASCII": {"charset": "GBK", "out_biz_no": "R\xb2\xe8",
			"gmt_refund": "2026-01-02 11:04:05"},
		"a separator behind a character's lead":   {"charset": "GBK", "subject": "\xd5&x=y"},
		"UTF-8 that is not, in what is to decide": {"trade_no": "2026\xff"},
	} {
		if n, err := c.Callback(wallet.Callback{Body: w.notice(with(payment(o), broken))}); err == nil ||
			n.Number != "" {
			t.Errorf("%s: accepted: %+v", name, n)
		}
	}
	body := string(w.notice(with(payment(o),
		map[string]string{"charset": "GBK", "subject": gbk}).In(alipay.GBK)))
	for name, altered := range map[string]string{
		"changed":   strings.Replace(body, "charset=GBK", "charset=UTF-8", 1),
		"taken out": strings.Replace(body, "charset=GBK&", "", 1),
		"put in":    "charset=GBK&" + string(w.notice(with(payment(o), map[string]string{"charset": ""}))),
	} {
		if _, err := c.Callback(wallet.Callback{Body: []byte(altered)}); err == nil || altered == body {
			t.Errorf("the charset is %s, and the notice accepted", name)
		}
	}
}

// says opens a connector whose wallet answers every call with this content.
func (w wire) says(t *testing.T, content string) *connector {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		doc, err := openapi.WriteAnswer(openapi.ContentName(r.PostFormValue("method")),
			[]byte(content), "", w.alipays)
		if err != nil {
			t.Error(err)
		}
		out.Write(doc)
	}))
	t.Cleanup(server.Close)
	c, err := open(wallet.Account{WalletAccount: w.account(server.URL), HTTP: server.Client(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return c.(*connector)
}

func TestAnAnswerInGBKIsTheSameAnswer(t *testing.T) {
	w, o := newWire(t), order()
	for name, text := range map[string]string{
		"characters that end in ASCII": "\xd5\\\x81|\x81{\x81}",
		"a quote behind one":           "\xd5\\\\\"\xd5\\",
		"cut off within a character":   "\xb2\xe8\xb2",
		"of four bytes":                "\x94\x39\xbb\x35",
		"in UTF-8":                     "茶",
	} {
		paid := `{"code":"10000","msg":"Success","store_name":"` + text + `","out_trade_no":"` + o.Number +
			`","trade_no":"2026010222001300000000000001",` +
			`"trade_status":"TRADE_SUCCESS","total_amount":"` + o.Amount.Decimal() +
			`","send_pay_date":"2026-01-02 11:04:05"}`
		if s, err := w.says(t, paid).Query(context.Background(), o); err != nil || s.Outcome != wallet.Paid ||
			s.Amount != o.Amount {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		missing := `{"code":"40004","msg":"Business Failed","sub_code":"ACQ.TRADE_NOT_EXIST","sub_msg":"` +
			text +
			`","out_trade_no":"` + o.Number + `"}`
		if s, err := w.says(t, missing).Query(context.Background(), o); err == nil &&
			s.Outcome != wallet.NotFound {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		odd := strings.Replace(paid, `"trade_no":"2026`, `"trade_no":"`+text, 1)
		if s, err := w.says(t, odd).Query(context.Background(), o); err == nil ||
			s.Outcome != wallet.Unknown {
			t.Errorf("%s: a trade_no that is not ASCII: %+v, %v", name, s, err)
		}
	}
}
