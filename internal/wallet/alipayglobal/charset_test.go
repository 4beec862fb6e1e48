package alipayglobal

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// gbk lists texts of a merchant, a buyer and the wallet. Their last bytes in GBK are
// those of \\ | { and }.
const gbk = "誠亅亄亇 茶"

func TestANoticeInGBKSettlesAsOneInUTF8(t *testing.T) {
	o := testOrder()
	for _, signType := range []mapi.SignType{mapi.MD5, mapi.RSA2} {
		w := newWire(signType)
		c := w.open(t, http.NotFound, map[string]string{"confirm": "no"})
		want, err := c.Callback(wallet.Callback{Body: w.form(payment(o))})
		if err != nil {
			t.Fatal(err)
		}
		for _, charset := range []string{"GBK", "gb2312", "GB18030", "utf-8"} {
			m := payment(o)
			m["_input_charset"], m["subject"], m["body"] = charset, gbk, "\U0001F375"
			encoding, err := alipay.ParseCharset(charset)
			if err != nil {
				t.Fatal(err)
			}
			n, err := c.Callback(wallet.Callback{Body: w.form(m.In(encoding))})
			if n.Confirm = nil; err != nil || n.State != want.State || n.Number != o.Number {
				t.Errorf("%s, %s: %+v, %v", signType, charset, n, err)
			}
		}
		for name, broken := range map[string]mapi.Message{
			"a charset that is not read":   {"_input_charset": "UTF-7"},
			"a trade_no that is not ASCII": {"_input_charset": "GBK", "trade_no": "\xb2\xe8"},
			"an order's number that is not ASCII": {"_input_charset": "GBK",
				"out_trade_no": o.Number + "\xb2\xe8"},
			"a status that is not ASCII": {"_input_charset": "GBK",
				"trade_status": "TRADE_FINISHED\xff"},
			"an amount in full-width digits": {"_input_charset": "GBK",
				"total_fee": "\xa3\xb1\xa3\xb2.34"},
			"a currency with a character behind it": {"_input_charset": "GBK", "currency": "USD\x80"},
			"a line break in the id of the notice":  {"notify_id": "1\n"},
			"a separator behind a character's lead": {"_input_charset": "GBK", "subject": "\xd5&x=y"},
			"a seller who is not plain":             {"_input_charset": "GBK", "seller_id": "\xb2\xe8"},
			"a refund's number that is not ASCII": {"_input_charset": "GBK", "out_return_no": "R\xb2\xe8",
				"refund_status": "REFUND_SUCCESS"},
			"UTF-8 that is not, in what is to decide": {"trade_no": "2026\xff"},
		} {
			m := payment(o)
			for k, v := range broken {
				m[k] = v
			}
			if n, err := c.Callback(wallet.Callback{Body: w.form(m)}); err == nil || n.Number != "" {
				t.Errorf("%s, %s: accepted: %+v", signType, name, n)
			}
		}
		// The charset is signed, so nobody can change, add or remove it.
		m := payment(o)
		m["_input_charset"], m["subject"] = "GBK", gbk
		body := string(w.form(m.In(alipay.GBK)))
		for name, altered := range map[string]string{
			"changed":   strings.Replace(body, "_input_charset=GBK", "_input_charset=UTF-8", 1),
			"taken out": strings.Replace(body, "_input_charset=GBK&", "", 1),
			"put in":    "_input_charset=GBK&" + string(w.form(payment(o))),
		} {
			if _, err := c.Callback(wallet.Callback{Body: []byte(altered)}); err == nil || altered == body {
				t.Errorf("%s: the charset is %s, and the notice accepted", signType, name)
			}
		}
	}
}

func TestAnAnswerInGBKIsTheSameAnswer(t *testing.T) {
	o := testOrder()
	for _, signType := range []mapi.SignType{mapi.MD5, mapi.RSA2} {
		w := newWire(signType)
		for name, x := range map[string]struct {
			charset alipay.Charset
			subject string
			signed  alipay.Charset
		}{
			"in GBK, signed so":                    {alipay.GBK, gbk, alipay.GBK},
			"in GBK, signed as UTF-8":              {alipay.GBK, gbk, alipay.UTF8},
			"in GBK, cut off within a character":   {alipay.GBK, "\xb2\xe8\xb2", ""},
			"in UTF-8, cut off within a character": {alipay.UTF8, "\xe8\x8c", ""},
		} {
			c := w.open(t, func(out http.ResponseWriter, _ *http.Request) {
				fields := mapi.Message{"out_trade_no": o.Number, "trade_no": "2026010222001300000000000001",
					"trade_status": "TRADE_FINISHED", "subject": x.subject}
				sent := fields
				if x.signed != "" {
					fields, sent = fields.In(x.signed), fields.In(x.charset)
				}
				if err := fields.Sign(w.alipays); err != nil {
					t.Error(err)
				}
				io.WriteString(out, `<?xml version="1.0" encoding="`+string(x.charset)+
					`"?><alipay><is_success>T</is_success><response><trade>`)
				for _, name := range []string{"out_trade_no", "trade_no", "trade_status", "subject"} {
					io.WriteString(out, "<"+name+">"+sent[name]+"</"+name+">")
				}
				io.WriteString(out, "</trade></response><sign>"+fields["sign"]+
					"</sign><sign_type>"+string(signType)+
					"</sign_type></alipay>")
			}, nil)
			if s, err := c.Query(context.Background(), o); err != nil || s.Outcome != wallet.Paid {
				t.Errorf("%s, %s: %+v, %v", signType, name, s, err)
			}
		}
	}
}
