package openapi

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"
)

// signed lists the texts that the vectors sign with made.key. No other text has such a signature,
// so everything that verifies is one of them.
func signed(f *testing.F, files ...string) map[string]bool {
	f.Helper()
	all := map[string]bool{}
	for _, file := range files {
		for _, v := range load(f, file) {
			if v.signed != "" {
				all[v.signed] = true
			}
		}
	}
	return all
}

func FuzzAnswerIsReadOrRefused(f *testing.F) {
	f.Add(read(f, "published-answer.json"))
	f.Add(`{"alipay_trade_query_response":"AAAA","sign":"x"}`)
	f.Add(`{"a":{"b":1,"b":2}}`)
	for _, file := range []string{"made-answers.txt", "refused-answers.txt"} {
		for _, v := range load(f, file) {
			f.Add(v.answer)
		}
	}
	keys, known := made(f), signed(f, "made-answers.txt", "refused-answers.txt")
	for _, name := range gbkAnswers {
		f.Add(read(f, name+".json"))
		known[read(f, name+".txt")] = true
	}
	f.Fuzz(func(t *testing.T, doc string) {
		for _, method := range []string{"alipay.trade.query", "alipay.system.oauth.token"} {
			a, err := ParseAnswer(method, []byte(doc))
			if err != nil {
				continue
			}
			if !strings.Contains(doc, string(a.Content)) {
				t.Errorf("the signed part is not as sent: %q", a.Content)
			}
			var fields map[string]any
			text := charsetOf(a.Content).Decode(string(a.Content))
			d := json.NewDecoder(strings.NewReader(text))
			if d.UseNumber(); d.Decode(&fields) != nil {
				t.Fatalf("accepted, although it is not an object: %q", a.Content)
			}
			for name, value := range fields {
				if text, ok := value.(string); ok && a.Fields[name] != text {
					t.Errorf("%q is %q, read as %q", name, text, a.Fields[name])
				}
			}
			if a.Verify(keys) != nil || !a.OK() {
				continue
			}
			if !known[string(a.Content)] && !known[unescapeSlashes(string(a.Content), charsetOf(a.Content))] {
				t.Errorf("accepted without the key: %q", doc)
			}
		}
	})
}

func FuzzForgedNotificationNeverVerifies(f *testing.F) {
	f.Add("app_id=1&trade_status=TRADE_SUCCESS&sign=AAAA&sign_type=RSA2")
	f.Add(read(f, "published-v1.form"))
	f.Add(read(f, "published-v2.form"))
	for _, file := range []string{"made-messages.txt", "gbk-messages.txt", "refused-messages.txt",
		"refused-gbk-messages.txt"} {
		for _, v := range load(f, file) {
			f.Add(v.form)
		}
	}
	keys, known := made(f), signed(f, "made-messages.txt", "gbk-messages.txt", "refused-messages.txt",
		"refused-gbk-messages.txt")
	f.Fuzz(func(t *testing.T, form string) {
		m, err := Parse(form)
		if err != nil {
			return
		}
		if m.VerifyNotification(keys) == nil {
			// Each of the ways to sign is fine here, if the signed text is all that the message
			// says.
			rest := maps.Clone(m)
			maps.DeleteFunc(rest, func(name, value string) bool {
				return value == "" || name == "sign" || name == "sign_type" || name == "alipay_cert_sn"
			})
			said := false
			for text := range known {
				said = said || holds(text, rest)
			}
			if !said {
				t.Errorf("accepted without the key: %q", form)
			}
		}
		if m.Verify(keys) == nil && !known[m.Canonical()] {
			t.Errorf("a request is accepted without the key: %q", form)
		}
	})
}

// holds reports whether text is m joined, except for empty values and the fields that say nothing.
func holds(text string, m Message) bool {
	for _, more := range []Message{{}, {"sign_type": "RSA2"},
		{"alipay_cert_sn": "7513daaaa48aa3ba2e4018d84402479c"}} {
		for _, empty := range []string{"", "passback_params", "app_auth_token"} {
			whole := maps.Clone(m)
			maps.Copy(whole, more)
			if empty != "" {
				whole[empty] = ""
			}
			if whole.join() == text {
				return true
			}
		}
	}
	return false
}

func FuzzSignedMessageSurvivesTheWire(f *testing.F) {
	f.Add("biz_content", `{"out_trade_no":"T-1","subject":"茶 + 50% & \"x\""}`, "")
	f.Add("body", "", " ")
	f.Add("passback_params", "a%3D1%26b%3D2", "a=1&b=2")
	f.Add("alipay_cert_sn", "1", "2")
	f.Add("a&b", "x", "x&c=d")
	f.Add("sign_typ", "RSA2", "RSA")
	keys := made(f)
	f.Fuzz(func(t *testing.T, name, value, other string) {
		if name == "" || name == "sign" || name == "sign_type" {
			return
		}
		for kind, way := range map[string]struct{ sign, verify func(Message, Keys) error }{
			"request":      {Message.Sign, Message.Verify},
			"notification": {Message.SignNotification, Message.VerifyNotification},
		} {
			m := Message{"out_trade_no": "T-1", name: value}
			if err := way.sign(m, keys); err != nil {
				t.Fatal(err)
			}
			back, err := Parse(m.Encode())
			if err != nil {
				if !utf8.ValidString(name) || !utf8.ValidString(value) {
					continue // nobody can read it
				}
				t.Fatalf("%s: what Encode wrote cannot be read: %v", kind, err)
			}
			if value == "" {
				delete(m, name)
			}
			if err := way.verify(back, keys); !maps.Equal(back, m) ||
				kind == "request" && err != nil || value != "" &&
				err != nil {
				t.Errorf("%s: %v became %v: %v", kind, m, back, err)
			}
			free := kind == "notification" && name == "alipay_cert_sn" // it says nothing
			if back[name] = other; other != value && !free && way.verify(back, keys) == nil {
				t.Errorf("%s: %q=%q verifies with the signature of %q", kind, name, other, value)
			}
		}
	})
}

func FuzzSignedAnswerVerifiesOnlyUnchanged(f *testing.F) {
	f.Add("subject", "茶 + 50% & \"x\" \\/ <b>", 40, byte(1))
	f.Add("sign", `"},"sign":"AAAA"}`, 60, byte(2))
	f.Add("trade_no", "}{", 0, byte(0x20))
	keys := made(f)
	f.Fuzz(func(t *testing.T, name, value string, at int, flip byte) {
		fields := map[string]string{"code": "10000", name: value}
		content, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := WriteAnswer("alipay_trade_query_response", content, "", keys)
		if err != nil {
			t.Fatal(err)
		}
		a, err := ParseAnswer("alipay.trade.query", doc)
		if err != nil {
			t.Fatalf("what WriteAnswer wrote cannot be read: %v", err)
		}
		if err := a.Verify(keys); err != nil || string(a.Content) != string(content) {
			t.Errorf("%s: %v", a.Content, err)
		}
		if flip == 0 || at < 0 {
			return
		}
		doc[at%len(doc)] ^= flip
		b, err := ParseAnswer("alipay.trade.query", doc)
		if err == nil && b.OK() && b.Verify(keys) == nil && !maps.Equal(a.Fields, b.Fields) {
			t.Errorf("altered in byte %d: %v is accepted as %v", at%len(doc), b.Fields, a.Fields)
		}
	})
}
