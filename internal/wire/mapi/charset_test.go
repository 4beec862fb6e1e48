package mapi

import (
	"errors"
	"strings"
	"testing"
)

func TestNotificationIsVerifiedBeforeDecoding(t *testing.T) {
	for _, v := range load(t, "gbk.txt") {
		m, err := ReadNotification([]byte(v.form), v.keys)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if !strings.Contains(m["subject"], "茶") || strings.Contains(m["subject"], "\uFFFD") ||
			m["total_fee"] != "12.34" {
			t.Errorf("%s: %q", v.name, m)
		}
	}
	k := Keys{Type: MD5, Shared: "k"}
	for _, x := range []struct{ charset, subject, want string }{
		{"GBK", "\xb2\xe8\xb2", "茶\uFFFD"},
		{"gb2312", "\xb2\xe8", "茶"},
		{"", "\xe8\x8c\xb6\xe8", "茶\uFFFD"}, // UTF-8
		{"utf-8", "\xb2\xe8", "\uFFFD"},
	} {
		raw := Message{"_input_charset": x.charset, "subject": x.subject, "trade_no": "1", "\xb2\xe8": "\xff"}
		if err := raw.Sign(k); err != nil {
			t.Fatal(err)
		}
		m, err := ReadNotification([]byte(raw.Encode()), k)
		if err != nil || m["subject"] != x.want || m["trade_no"] != "1" {
			t.Errorf("%s: %q, %v", x.charset, m, err)
		}
		if _, there := m["\xb2\xe8"]; there {
			t.Errorf("%s: a name that is not ASCII is kept", x.charset)
		}
	}
	for _, charset := range []string{"UTF-7", "utf8", "latin-1", "Big5", "GBK ", "GB", "\xb2\xe8"} {
		raw := Message{"_input_charset": charset, "trade_no": "1"}
		if err := raw.Sign(k); err != nil {
			t.Fatal(err)
		}
		if m, err := ReadNotification([]byte(raw.Encode()), k); !errors.Is(err, ErrCharset) || m != nil {
			t.Errorf("%q: %v, %v", charset, m, err)
		}
	}
}

func TestTextCutWithinACharacterIsReadable(t *testing.T) {
	for file, want := range map[string]string{"answer-cut-gbk.xml": "茶\uFFFD",
		"answer-cut-utf8.xml": "茶\uFFFD"} {
		a, err := ParseAnswer([]byte(read(t, file)))
		if err == nil {
			err = a.Verify(Keys{Type: MD5, Shared: "0123456789abcdefghijklmnopqrstuv"})
		}
		if err != nil || a.Fields["subject"] != want || a.Fields["trade_status"] != "TRADE_FINISHED" {
			t.Errorf("%s: %q, %v", file, a.Fields, err)
		}
	}
}

func TestAnswersAreParsedByCharacters(t *testing.T) {
	for doc, want := range map[string]string{
		`<?xml version="1.0" encoding="GBK"?><alipay><is_success>T</is_success><response><trade><a>` +
			"\xd5\\\x81|x&#33590;\x81" + `</a></trade></response></alipay>`: "誠亅x茶\uFFFD",
		"\r\n " +
			`<?xml version="1.0" encoding="GBK"?><alipay><is_success>T</is_success><response><trade><a>` +
			"\xb2\xe8" + `</a></trade></response></alipay>`: "茶",
		`<?xml version='1.0' encoding='gb18030' ?><alipay><is_success>T</is_success><response><trade><a>` +
			"\x94\x39\xbb\x35" + `</a></trade></response></alipay>`: "🍵",
		`<alipay><is_success>T</is_success><response><trade><a>茶&#38;</a></trade></response></alipay>`: "茶&",
		`<?xml version="1.0" encoding="UTF-8"?><alipay><is_success>T</is_success><response><trade><a>` +
			"茶\xff" +
			`</a></trade></response></alipay>`: "茶\uFFFD",
	} {
		a, err := ParseAnswer([]byte(doc))
		if err != nil || a.Fields["a"] != want {
			t.Errorf("%q: %q, %v; want %q", doc, a.Fields["a"], err, want)
		}
	}
	for _, doc := range []string{
		`<?xml version="1.0" encoding="latin-1"?><alipay><is_success>T</is_success></alipay>`,
		` <?xml version="1.0" encoding="utf-7"?><alipay><is_success>T</is_success></alipay>`,
		"\uFEFF" + `<?xml version="1.0" encoding="GBK"?><alipay><is_success>T</is_success></alipay>`,
		`<?xml version="1.0" encoding="GBK"?><?xml version="1.0" encoding="UTF-7"?>` +
			`<alipay><is_success>T</is_success></alipay>`,
	} {
		if a, err := ParseAnswer([]byte(doc)); err == nil {
			t.Errorf("%q is read as %+v", doc, a)
		}
	}
}
