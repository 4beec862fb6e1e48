package openapi

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

func read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func public(t testing.TB, name string) Keys {
	t.Helper()
	key, err := alipay.ParsePublicKey(read(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return Keys{Type: alipay.RSA2, Public: key}
}

// made returns both sides' keys of the vectors made with OpenSSL.
func made(t testing.TB) Keys {
	t.Helper()
	k := public(t, "made.pub")
	var err error
	if k.Private, err = alipay.ParsePrivateKey(read(t, "made.key")); err != nil {
		t.Fatal(err)
	}
	return k
}

// request returns the message of made-request.txt.
func request() Message {
	return Message{
		"app_id":      "2021000000000001",
		"biz_content": `{"out_trade_no":"T-1001","subject":"茶 + 50%","total_amount":"88.80"}`,
		"charset":     "utf-8", "method": "alipay.trade.create",
		"notify_url": "https://pay.example/callback/100001/window",
		"timestamp":  "2026-01-02 03:04:05", "version": "1.0",
	}
}

func TestRequestSignatureEqualsOpenSSLs(t *testing.T) {
	m := request()
	m["return_url"] = "" // an absent value is neither sent nor signed
	if err := m.Sign(made(t)); err != nil {
		t.Fatal(err)
	}
	if m.Canonical() != read(t, "made-request.txt") {
		t.Errorf("signed %s", m.Canonical())
	}
	if m["sign"] != read(t, "made-request.sign") {
		t.Errorf("sign %s", m["sign"])
	}
	back, err := Parse(m.Encode())
	if err != nil || !maps.Equal(back, m) {
		t.Fatalf("%v, %v", back, err)
	}
	if err := back.Verify(made(t)); err != nil {
		t.Error(err)
	}
	for name := range back {
		altered := maps.Clone(back)
		altered[name] += "1"
		if err := altered.Verify(made(t)); err == nil {
			t.Errorf("%s may be altered", name)
		}
		without := maps.Clone(back)
		delete(without, name)
		if err := without.Verify(made(t)); err == nil {
			t.Errorf("%s may be removed", name)
		}
	}
	back["extra"] = "1"
	if err := back.Verify(made(t)); !errors.Is(err, ErrBadSignature) {
		t.Errorf("a field was added: %v", err)
	}
}

func TestPublishedNotificationsVerify(t *testing.T) {
	for _, name := range []string{"published-v1", "published-v2"} {
		m, err := Parse(read(t, name+".form"))
		if err != nil {
			t.Fatal(err)
		}
		keys := public(t, name+".pub")
		if err := m.VerifyNotification(keys); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for field, value := range m {
			if field == "sign_type" {
				continue // the key's, not the message's, is the one that counts
			}
			altered := maps.Clone(m)
			altered[field] = value + "1"
			if err := altered.VerifyNotification(keys); err == nil {
				t.Errorf("%s: %s may be altered", name, field)
			}
		}
		m["sign_type"] = "RSA"
		if err := m.VerifyNotification(keys); !errors.Is(err, ErrSignType) {
			t.Errorf("%s: another sign_type: %v", name, err)
		}
		delete(m, "sign")
		if err := m.VerifyNotification(keys); !errors.Is(err, ErrNoSignature) {
			t.Errorf("%s: unsigned: %v", name, err)
		}
	}
}

func TestNotificationWithAnEmptyFieldVerifies(t *testing.T) {
	m := Message{
		"app_id": "2021000000000001", "body": "", "notify_id": "1", "notify_time": "2026-01-02 03:04:05",
		"notify_type":  "trade_status_sync",
		"out_trade_no": "T-1001", "total_amount": "88.80", "trade_no": "2026010222001300000000000001",
		"trade_status": "TRADE_SUCCESS",
		"sign":         read(t, "made-notice.sign"), "sign_type": "RSA2",
	}
	if err := m.VerifyNotification(made(t)); err != nil {
		t.Errorf("signed with the empty field: %v", err)
	}
	delete(m, "body")
	if err := m.VerifyNotification(made(t)); err == nil {
		t.Error("the empty field was signed and may be removed")
	}
	if err := m.SignNotification(made(t)); err != nil {
		t.Fatal(err)
	}
	m["body"] = ""
	if err := m.VerifyNotification(made(t)); err != nil {
		t.Errorf("signed without the empty field: %v", err)
	}
}

func TestPublishedAnswerVerifies(t *testing.T) {
	doc, keys := read(t, "published-answer.json"), public(t, "published-answer.pub")
	const method = "alipay.offline.material.image.upload"
	check := func(doc string) error {
		a, err := ParseAnswer(method, []byte(doc))
		if err != nil {
			return err
		}
		return a.Verify(keys)
	}
	if err := check(doc); err != nil {
		t.Fatal(err)
	}
	if err := check(strings.ReplaceAll(doc, ",\"sign\"", " ,\n  \"sign\"")); err != nil {
		t.Errorf("white space outside the signed part: %v", err)
	}
	for what, altered := range map[string]string{
		"another value":      strings.Replace(doc, "akGw", "akGx", 1),
		"white space inside": strings.Replace(doc, `"msg"`, ` "msg"`, 1),
		"unsigned":           doc[:strings.Index(doc, `,"sign"`)] + "}",
		"with an empty sign": doc[:strings.Index(doc, `,"sign"`)] + `,"sign":""}`,
		"a second answer before": strings.Replace(doc, "{",
			`{"alipay_offline_material_image_upload_response":{"code":"10000"},`, 1),
		"a second answer behind": doc + doc,
		"a refusal beside":       strings.Replace(doc, "{", `{"error_response":{"code":"40002"},`, 1),
		"under another name":     strings.Replace(doc, "image_upload", "image_delete", 1),
		"in a list":              "[" + doc + "]",
	} {
		if err := check(altered); err == nil {
			t.Errorf("%s: accepted", what)
		}
	}
}

func TestRefusalMayBeUnsignedButNotForged(t *testing.T) {
	const unsigned = `{"error_response":{"code":"40002","msg":"Invalid Arguments","sub_code":"isv.code-invalid"}}`
	a, err := ParseAnswer("alipay.system.oauth.token", []byte(unsigned))
	if err != nil || !a.Refused || a.OK() || a.Fields["sub_code"] != "isv.code-invalid" {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := a.Verify(made(t)); err != nil {
		t.Error(err)
	}
	a, err = ParseAnswer("alipay.trade.query",
		[]byte(`{"alipay_trade_query_response":{"code":"40004"},"sign":"AAAA"}`))
	if err != nil || a.Verify(made(t)) == nil {
		t.Errorf("a refusal with a wrong signature: %v", err)
	}
}

func TestWrittenAnswerVerifies(t *testing.T) {
	content := []byte(`{"access_token":"t","expires_in":3600,"user_id":"2088000000000009","list":[1]}`)
	doc, err := WriteAnswer(ContentName("alipay.system.oauth.token"), content, "85bb", made(t))
	if err != nil {
		t.Fatal(err)
	}
	a, err := ParseAnswer("alipay.system.oauth.token", doc)
	if err != nil || !a.OK() || a.CertSN != "85bb" || a.Fields["expires_in"] != "3600" || len(a.Fields) != 3 {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := a.Verify(made(t)); err != nil {
		t.Error(err)
	}
}

func TestCertificateNumbersEqualTheSDKs(t *testing.T) {
	c, err := ParseCertificate(read(t, "published-alipay.crt"))
	if err != nil || c.SN != "7513daaaa48aa3ba2e4018d84402479c" {
		t.Errorf("%s, %v", c.SN, err)
	}
	if c, err := ParseCertificate(read(t, "made-cert.crt")); err != nil ||
		c.SN != "9c535fc7e0b2b7e3ee116654928d53f3" {
		t.Errorf("the parts of the issuer's name in another order: %s, %v", c.SN, err)
	}
	sn, err := RootSN(read(t, "made-bundle.crt"))
	if want := "85bb54423b496f58dce895834d4b535e"; err != nil || sn != want+"_"+want {
		t.Errorf("%s, %v", sn, err)
	}
	for file, want := range map[string]string{
		// one of three: the others are SM2 and elliptic
		"published-roots.crt": "6bc29aa3b4d406c43483ffea81e08d22",
		// SHA-1, PSS, an elliptic key signed with RSA, the reverse (skipped), and SHA-224.
		"made-roots.crt": "68d7339d74c38c0d862df3cf6a70852a_9763d8776bd2d035898627ff737d957c_" +
			"c67cedd8dd50243fb2e440ff2ca08635_d69e492660b7cf7b36979bdca0f5b68e",
	} {
		if sn, err := RootSN(read(t, file)); err != nil || sn != want {
			t.Errorf("%s: %s, %v", file, sn, err)
		}
	}
	for _, bad := range []string{"", read(t, "made-elliptic.crt"),
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", read(t, "made.key")} {
		if _, err := ParseCertificate(bad); err == nil {
			t.Errorf("%.20q is accepted as a certificate", bad)
		}
		if sn, err := RootSN(bad); err == nil {
			t.Errorf("%.20q is numbered %s", bad, sn)
		}
	}
}

// TestPlantedBugsFailAVector proves that the vectors detect mistakes: a second implementation of
// the rules agrees with all of them, and with any one mistake it disagrees with some.
func TestPlantedBugsFailAVector(t *testing.T) {
	type rule struct {
		escape, reversed, noSignType, withSign, dropEmpty, noticeSignType, reserialised, wholeBody,
		sha1 bool
	}
	verifies := func(r rule, keys Keys, text, sig string) bool {
		if r.sha1 {
			keys.Type = alipay.RSA
		}
		return alipay.Verify(keys.Type, keys.Public, text, sig) == nil
	}
	join := func(r rule, m Message, notice bool) string {
		var pairs []string
		for pair := range strings.SplitSeq(m.join(), "&") {
			name, value, _ := strings.Cut(pair, "=")
			switch {
			case name == "sign" && !r.withSign, name == "sign_type" &&
				(notice != r.noticeSignType || !notice && r.noSignType), value == "" && r.dropEmpty:
				continue
			}
			if r.escape {
				pair = name + "=" + strings.ReplaceAll(value, " ", "+")
			}
			if r.reversed {
				pairs = append([]string{pair}, pairs...)
			} else {
				pairs = append(pairs, pair)
			}
		}
		return strings.Join(pairs, "&")
	}
	agrees := func(r rule) bool {
		m := request()
		m["sign_type"], m["sign"] = "RSA2", read(t, "made-request.sign")
		request := r
		request.noticeSignType = false
		if !verifies(r, made(t), join(request, m, false), m["sign"]) {
			return false
		}
		n := Message{"sign": read(t, "made-notice.sign"), "sign_type": "RSA2"}
		for pair := range strings.SplitSeq(read(t, "made-notice.txt"), "&") {
			name, value, _ := strings.Cut(pair, "=")
			n[name] = value
		}
		if !verifies(r, made(t), join(r, n, true), n["sign"]) {
			return false
		}
		a, err := ParseAnswer("alipay.offline.material.image.upload",
			[]byte(read(t, "published-answer.json")))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(a.Content), `\/`, `/`)
		switch {
		case r.reserialised:
			text = strings.ReplaceAll(text, `&`, `\u0026`) // as encoding/json writes it
		case r.wholeBody:
			text = read(t, "published-answer.json")
		}
		keys := public(t, "published-answer.pub")
		return verifies(r, keys, text, a.Sign) || !r.reserialised && !r.wholeBody &&
			verifies(r, keys, string(a.Content), a.Sign)
	}
	if !agrees(rule{}) {
		t.Fatal("without a mistake the rules do not agree with the vectors")
	}
	for what, r := range map[string]rule{
		"values escaped before signing": {escape: true}, "sorted downwards": {reversed: true},
		"sign_type left out of a request": {noSignType: true}, "sign itself signed": {withSign: true},
		"empty values left out of a notice": {dropEmpty: true},
		"sign_type signed in a notice":      {noticeSignType: true},
		"answer serialised anew":            {reserialised: true}, "whole body verified": {wholeBody: true},
		"SHA-1": {sha1: true},
	} {
		if agrees(r) {
			t.Errorf("%s: no vector detects it", what)
		}
	}
}
