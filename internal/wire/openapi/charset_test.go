package openapi

import (
	"maps"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

// gbkAnswers are answers in Chinese charsets (.json), and the part of each that OpenSSL signed
// (.txt).
var gbkAnswers = []string{"gbk-answer", "gbk-answer-refusal", "gbk-answer-4",
	"gbk-answer-slash", "gbk-answer-cut"}

func TestGBKAnswersAreCutByCharacters(t *testing.T) {
	for _, x := range []struct {
		name, field, want string
		ok                bool
	}{
		{"gbk-answer", "subject", `誠"誠`, true},
		{"gbk-answer", "body", "誠", true},
		{"gbk-answer", "subject2", "x誠亅亄亇", true},
		{"gbk-answer", "trade_status", "TRADE_SUCCESS", true},
		{"gbk-answer-refusal", "sub_msg", "交易不存在誠", false},
		{"gbk-answer-4", "subject", "🍵誠", true},
		{"gbk-answer-slash", "subject", "誠/", true},
		{"gbk-answer-slash", "url", "https://shop.example/誠", true},
		{"gbk-answer-cut", "subject", "茶\uFFFD", true},
		{"gbk-answer-cut", "trade_no", "2026010222001300000000000001", true},
	} {
		a, err := ParseAnswer("alipay.trade.query", []byte(read(t, x.name+".json")))
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		if err := a.Verify(made(t)); err != nil || a.OK() != x.ok {
			t.Errorf("%s: %v, success %t, of %q", x.name, err, a.OK(), a.Content)
		}
		if want := read(t, x.name+".txt"); string(a.Content) != want &&
			unescapeSlashes(string(a.Content), alipay.GBK) != want {
			t.Errorf("%s: Content is %q", x.name, a.Content)
		}
		if a.Fields[x.field] != x.want {
			t.Errorf("%s: %s is %q, want %q", x.name, x.field, a.Fields[x.field], x.want)
		}
	}
}

// A byte that is not valid UTF-8, in an unsigned place, could make a reader take the answer for
// GBK. The signed part must be read as it was signed.
func TestOnlySignedBytesChooseTheCharset(t *testing.T) {
	for _, content := range []string{
		// In GBK the last byte of 茶 forms a character with the \ of \", and the string ends there.
		`{"code":"10000","subject":"茶\",\"trade_status\":\"TRADE_SUCCESS","trade_no":"1"}`,
		`{"code":"10000","subject":"茶","trade_no":"1"}`,
	} {
		doc, err := WriteAnswer("alipay_trade_query_response", []byte(content), "", made(t))
		if err != nil {
			t.Fatal(err)
		}
		want, err := ParseAnswer("alipay.trade.query", doc)
		if err != nil || want.Verify(made(t)) != nil || want.Fields["trade_status"] != "" ||
			!strings.HasPrefix(want.Fields["subject"], "茶") {
			t.Fatalf("%v, %v", want.Fields, err)
		}
		for _, more := range []string{`{"x":"` + "\xff" + `",`, "{\"\xb2\xe8\":1,",
			"{\"\xb2\xe8\":\"\xd5\\\","} {
			a, err := ParseAnswer("alipay.trade.query", append([]byte(more), doc[1:]...))
			if err != nil {
				continue // cut elsewhere, and so no answer
			}
			if a.Verify(made(t)) == nil && !maps.Equal(a.Fields, want.Fields) {
				t.Errorf("%q: read as %q", more, a.Fields)
			}
		}
	}
}

// A text that was cut within a character makes the whole answer invalid UTF-8. The other texts are
// still read as UTF-8: the last byte of 茶 does not form a character with a \.
func TestUTF8TextCutWithinACharacterIsReadable(t *testing.T) {
	content := `{"code":"10000","subject":"茶` + "\xe8\x8c" +
		`","fund_bill_list":"[{\"fund_channel\":\"餘額寶\"}]","trade_status":"TRADE_SUCCESS"}`
	doc, err := WriteAnswer("alipay_trade_query_response", []byte(content), "", made(t))
	if err != nil {
		t.Fatal(err)
	}
	a, err := ParseAnswer("alipay.trade.query", doc)
	if err == nil {
		err = a.Verify(made(t))
	}
	if err != nil || a.Fields["trade_status"] != "TRADE_SUCCESS" ||
		a.Fields["fund_bill_list"] != `[{"fund_channel":"餘額寶"}]` {
		t.Errorf("%q, %v", a.Fields, err)
	}
}

func TestNotificationIsVerifiedBeforeDecoding(t *testing.T) {
	for _, v := range load(t, "gbk-messages.txt") {
		m, err := ReadNotification([]byte(v.form), made(t))
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if !strings.HasSuffix(v.name, "lower case") && !strings.HasPrefix(m["subject"], "誠亅亄亇 茶") ||
			strings.Contains(m["subject"], "\uFFFD") {
			t.Errorf("%s: subject is %q", v.name, m["subject"])
		}
		if m["total_amount"] != "12.34" || m["trade_status"] != "TRADE_SUCCESS" {
			t.Errorf("%s: %q", v.name, m)
		}
	}
	// Unimportant texts: invalid in the charset, or under a name that is not ASCII.
	raw := Message{"charset": "GBK", "trade_status": "TRADE_SUCCESS", "subject": "\xb2\xe8\xb2",
		"\xb2\xe8": "\xff"}
	if err := raw.SignNotification(made(t)); err != nil {
		t.Fatal(err)
	}
	m, err := ReadNotification([]byte(raw.Encode()), made(t))
	if err != nil || m["subject"] != "茶\uFFFD" || m["trade_status"] != "TRADE_SUCCESS" || len(m) != 5 {
		t.Errorf("%q, %v", m, err)
	}
	raw = Message{"trade_status": "TRADE_SUCCESS", "subject": "\xe8\x8c\xb6\xe8"} // no charset: UTF-8
	if err := raw.SignNotification(made(t)); err != nil {
		t.Fatal(err)
	}
	if m, err := ReadNotification([]byte(raw.Encode()), made(t)); err != nil || m["subject"] != "茶\uFFFD" {
		t.Errorf("%q, %v", m, err)
	}
}

func TestSlashesAreUnescapedByCharacters(t *testing.T) {
	for _, x := range []struct {
		text, want string
		c          alipay.Charset
	}{
		{`a\/b\\/c\`, `a/b\/c\`, alipay.UTF8},
		{"\xd5\\/\\/\xd5\\", "\xd5\\//\xd5\\", alipay.GBK},
		{"\\\\\\//\xff\\/", "\\\\//\xff/", alipay.GBK},
		{`\/`, `/`, alipay.GB18030},
	} {
		if got := unescapeSlashes(x.text, x.c); got != x.want {
			t.Errorf("%q in %s: %q, want %q", x.text, x.c, got, x.want)
		}
	}
}
