package mapi

import (
	"maps"
	"testing"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

func FuzzParseKeepsWhatEncodeWrites(f *testing.F) {
	for _, file := range []string{"published-md5.txt", "made-md5.txt", "refused.txt", "gbk.txt"} {
		for _, v := range load(f, file) {
			f.Add(v.form)
		}
	}
	f.Add("a=1&&b")
	f.Add("a=%zz")
	f.Fuzz(func(t *testing.T, form string) {
		m, err := Parse(form)
		if err != nil {
			return
		}
		back, err := Parse(m.Encode())
		if err != nil {
			t.Fatalf("what Encode wrote cannot be read: %v", err)
		}
		maps.DeleteFunc(m, func(_, value string) bool { return value == "" })
		if !maps.Equal(m, back) {
			t.Errorf("%v became %v", m, back)
		}
	})
}

func FuzzAnswerIsReadOrRefused(f *testing.F) {
	for _, file := range []string{"answer-published.xml", "answer-made.xml", "answer-made-gbk.xml",
		"answer-error-gbk.xml", "answer-signed-gbk.xml", "answer-cut-gbk.xml"} {
		f.Add([]byte(read(f, file)))
	}
	for _, v := range load(f, "refused.txt") {
		f.Add([]byte(v.xml))
	}
	key := Keys{Type: MD5, Shared: "a key that no seed is signed with"}
	f.Fuzz(func(t *testing.T, doc []byte) {
		a, err := ParseAnswer(doc)
		if err == nil && a.Verify(key) == nil {
			t.Errorf("verified without the key: %q", doc)
		}
	})
}

func FuzzAlteredMessageNeverVerifies(f *testing.F) {
	private, err := alipay.ParsePrivateKey(read(f, "key-pkcs8.pem"))
	if err != nil {
		f.Fatal(err)
	}
	keys := []Keys{
		{Type: MD5, Shared: "0123456789abcdefghijklmnopqrstuv"},
		{Type: RSA2, Private: private, Public: &private.PublicKey},
	}
	f.Add("total_fee", "12.34", "12.35")
	f.Add("subject", "茶", "")
	f.Add("body", "", " ")
	f.Add("a&b", "x", "x&c=d")
	f.Fuzz(func(t *testing.T, name, value, other string) {
		if name == "sign" || name == "sign_type" {
			return
		}
		for _, k := range keys {
			m := Message{"out_trade_no": "T-1", name: value}
			if err := m.Sign(k); err != nil {
				t.Fatal(err)
			}
			if err := m.Verify(k); err != nil {
				t.Fatalf("its own signature: %v", err)
			}
			m[name] = other
			if err := m.Verify(k); other != value && err == nil {
				t.Errorf("%q=%q verifies with the signature of %q", name, other, value)
			}
		}
	})
}
