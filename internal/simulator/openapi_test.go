package simulator

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	testApp   = "2021000000000001"
	certified = "2021000000000002" // in certificate mode
	withIDs   = "2021000000000003" // knows buyers by an open_id
	mini      = "2021000000000008" // a mini program that is bound to testApp
	seller    = "2088000000000003"
	mei, bo   = "2088000000000101", "2088000000000102"
	somebody  = "2088123456789012"
)

// platformKeys returns the application's key and Alipay's.
var platformKeys = sync.OnceValues(func() (app, alipays *rsa.PrivateKey) {
	var errs [2]error
	app, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	alipays, errs[1] = rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(errs[:]...); err != nil {
		panic(err)
	}
	return app, alipays
})

// withApps configures three applications.
func withApps(c *Config) {
	ours, alipays := platformKeys()
	app := App{ID: testApp, Seller: seller, Name: "Tea House", Private: alipays,
		MerchantPublic: &ours.PublicKey, OpApps: []string{mini}}
	cert, ids := app, app
	cert.ID, cert.Certificates = certified,
		&Certificates{App: "a1", Alipay: "b2", Root: "c3_d4", AlipayPEM: "PEM"}
	ids.ID, ids.OpenIDs = withIDs, true
	c.Apps = []App{app, cert, ids}
}

// fields are a call's parameters, or an answer's members.
type fields map[string]string

// with returns f with other values. "" removes a field.
func (f fields) with(pairs ...string) fields {
	f = maps.Clone(f)
	for i := 0; i < len(pairs); i += 2 {
		if f[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
			delete(f, pairs[i])
		}
	}
	return f
}

// joined returns the text to sign by Alipay's documents. It is written for the tests alone.
func (f fields) joined(without ...string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if !slices.Contains(without, name) {
			pairs = append(pairs, name+"="+f[name])
		}
	}
	return strings.Join(pairs, "&")
}

func (f fields) signed(t *testing.T) fields {
	t.Helper()
	ours, _ := platformKeys()
	sum := sha256.Sum256([]byte(f.joined("sign")))
	sig, err := rsa.SignPKCS1v15(nil, ours, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return f.with("sign", base64.StdEncoding.EncodeToString(sig))
}

func (f fields) form() string {
	v := url.Values{}
	for name, value := range f {
		v.Set(name, value)
	}
	return v.Encode()
}

// isAlipays reports whether Alipay has signed the text.
func isAlipays(text, sign string) bool {
	_, alipays := platformKeys()
	sig, err := base64.StdEncoding.DecodeString(sign)
	sum := sha256.Sum256([]byte(text))
	return err == nil && rsa.VerifyPKCS1v15(&alipays.PublicKey, crypto.SHA256, sum[:], sig) == nil
}

// common returns the parameters of every call.
func common(method string) fields {
	return fields{
		"app_id": testApp, "method": method, "format": "JSON", "charset": "utf-8", "sign_type": "RSA2",
		"timestamp": "2026-01-02 03:04:05", "version": "1.0",
	}
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// reply is an answer of the open platform. whole is false if it is missing or cannot be read.
type reply struct {
	fields
	raw     string
	name    string // of the JSON member that holds it
	certSN  string
	genuine bool // signed by Alipay
	whole   bool
}

// says returns the gist of an answer: its sub_code, or its code.
func (r reply) says() string {
	switch {
	case !r.whole:
		return "nothing"
	case r.fields["sub_code"] != "":
		return r.fields["sub_code"]
	}
	return r.fields["code"]
}

// send posts a call over the network.
func (h *harness) send(f fields) reply {
	h.t.Helper()
	server := httptest.NewServer(h.sim.Wallet())
	defer server.Close()
	res, err := server.Client().Post(server.URL+"/gateway.do", "application/x-www-form-urlencoded",
		strings.NewReader(f.form()))
	return readReply(h.t, f["method"], res, err)
}

func readReply(t *testing.T, method string, res *http.Response, err error) reply {
	t.Helper()
	if err != nil {
		return reply{}
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	var outer map[string]json.RawMessage
	if err != nil || res.StatusCode != http.StatusOK || json.Unmarshal(raw, &outer) != nil {
		return reply{raw: string(raw)}
	}
	r := reply{raw: string(raw), name: strings.ReplaceAll(method, ".", "_") + "_response", fields: fields{},
		whole: true}
	if outer["error_response"] != nil {
		r.name = "error_response"
	}
	var sign string
	_ = json.Unmarshal(outer["sign"], &sign)
	_ = json.Unmarshal(outer["alipay_cert_sn"], &r.certSN)
	// The signed bytes begin after the name and end with the brace before the next member.
	_, text, _ := strings.Cut(r.raw, `"`+r.name+`":`)
	if i := strings.LastIndex(text, `,"sign":`); i >= 0 {
		text = text[:i]
	}
	text = strings.TrimSuffix(text, `,"alipay_cert_sn":"`+r.certSN+`"`)
	r.genuine = isAlipays(text, sign)
	var inner map[string]any
	if err := json.Unmarshal(outer[r.name], &inner); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	for name, value := range inner {
		if s, ok := value.(string); ok {
			r.fields[name] = s
		} else {
			r.fields[name] = asJSON(value)
		}
	}
	return r
}

// ask makes a call with business content. pairs change its common parameters. The answer must be
// signed by Alipay.
func (h *harness) ask(method string, biz any, pairs ...string) reply {
	h.t.Helper()
	f := common(method)
	if biz != nil {
		f["biz_content"] = asJSON(biz)
	}
	r := h.send(f.with(pairs...).signed(h.t))
	if r.whole && !r.genuine {
		h.t.Errorf("%s: not signed by Alipay: %s", method, r.raw)
	}
	return r
}

// Of several mistakes, the answer names the one that is checked first.
func TestOpenPlatformChecksInOrder(t *testing.T) {
	h := newHarness(t, withApps)
	f := fields{"method": "alipay.trade.dance", "biz_content": "[]", "auth_token": "none",
		"app_auth_token": "none", "encrypt_type": "AES"}
	for _, step := range []struct {
		says, name, value string // the answer, until this parameter is set
	}{
		{"isv.missing-app-id", "app_id", "2021000000000009"},
		{"isv.invalid-app-id", "app_id", certified},
		{"isv.invalid-method", "method", ""},
		{"isv.missing-method", "method", "alipay.trade.query"},
		{"isv.missing-signature-type", "sign_type", "MD5"},
		{"isv.invalid-signature-type", "sign_type", "RSA2"},
		{"isv.invalid-charset", "charset", "gbk"},
		{"isv.invalid-charset", "charset", "UTF-8"},
		{"isv.invalid-encrypt", "encrypt_type", ""},
		{"isv.missing-version", "version", "2.0"},
		{"isv.invalid-parameter", "version", "1.0"},
		{"", "format", "XML"},
		{"isv.invalid-format", "format", "json"},
		{"isv.missing-timestamp", "timestamp", "2026-01-02T03:04:05"},
		{"isv.invalid-timestamp", "timestamp", "2026-01-02 03:04:05"},
		{"isv.invalid-app-cert-sn", "app_cert_sn", "a1"},
		{"isv.invalid-alipay-root-cert-sn", "alipay_root_cert_sn", "c3_d4"},
		{"isv.missing-signature", "sign", "AAAA"},
		{"isv.invalid-signature", "sign", "right"},
		{"aop.invalid-app-auth-token", "app_auth_token", ""},
		{"aop.invalid-auth-token", "auth_token", ""},
		{"ACQ.INVALID_PARAMETER", "biz_content", `{"out_trade_no":"T1"}`},
		{"ACQ.TRADE_NOT_EXIST", "biz_content", `{"out_trade_no":"T2"}`},
	} {
		sent := f
		if f["sign"] == "right" {
			sent = f.with("sign", "").signed(t)
		}
		r := h.send(sent)
		if step.says != "" && r.says() != step.says {
			t.Errorf("before %s=%s: %s, want %s", step.name, step.value, r.raw, step.says)
		}
		family := map[string]string{"isv.missing": "40001", "isv.invalid": "40002", "aop.invalid": "20001",
			"ACQ": "40004"}
		for prefix, code := range family {
			if strings.HasPrefix(r.says(), prefix) &&
				(r.fields["code"] != code || r.fields["msg"] == "" || r.fields["sub_msg"] == "") {
				t.Errorf("%s has code %s, msg %q, sub_msg %q", r.says(), r.fields["code"], r.fields["msg"],
					r.fields["sub_msg"])
			}
		}
		if known := f["method"] == "alipay.trade.query"; known != (r.name == "alipay_trade_query_response") {
			t.Errorf("%s comes as %s", r.says(), r.name)
		}
		if knownApp := f["app_id"] == certified; knownApp != r.genuine || knownApp != (r.certSN == "b2") {
			t.Errorf("%s: signed: %t, by the certificate %q", r.says(), r.genuine, r.certSN)
		}
		f = f.with(step.name, step.value)
	}
}

func TestBadSignatureAnswerShowsStringToSign(t *testing.T) {
	h := newHarness(t, withApps)
	f := common("alipay.trade.query").with("biz_content", `{"out_trade_no":"T1"}`).signed(t)
	f["biz_content"] = `{"out_trade_no":"T2"}`
	r := h.send(f)
	want := strings.ReplaceAll(strings.ReplaceAll(f.joined("sign"), "&", "&amp;"), `"`, "&#34;")
	if r.says() != "isv.invalid-signature" || !strings.Contains(r.fields["sub_msg"], want) {
		t.Errorf("%s\nwithout %s", r.raw, want)
	}
}

func TestParametersInAddressAndBody(t *testing.T) {
	h := newHarness(t, withApps)
	server := httptest.NewServer(h.sim.Wallet())
	defer server.Close()
	f := common("alipay.trade.query").with("biz_content", `{"out_trade_no":"T1"}`).signed(t)
	body := fields{"biz_content": f["biz_content"]}
	for what, x := range map[string]struct{ query, body string }{
		"body": {"", f.form()}, "address": {f.form(), ""},
		"both":  {f.with("biz_content", "").form(), body.form()},
		"twice": {fields{"charset": "utf-8"}.form(), f.form()},
	} {
		res, err := http.Post(server.URL+"/gateway.do?"+x.query, "application/x-www-form-urlencoded",
			strings.NewReader(x.body))
		if r := readReply(t, f["method"], res, err); r.says() != "ACQ.TRADE_NOT_EXIST" {
			t.Errorf("in the %s: %s", what, r.raw)
		}
	}
	res, err := http.Get(server.URL + "/gateway.do?" + f.form())
	if r := readReply(t, f["method"], res, err); r.says() != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("by GET: %s", r.raw)
	}
}

func TestAnswerIsNotEscapedNeedlessly(t *testing.T) {
	h := newHarness(t, withApps)
	const text = `<a href="/x">&茶</a>`
	r := h.ask("alipay.trade.query", fields{"out_trade_no": text})
	if strings.Contains(r.raw, `\u003c`) || strings.Contains(r.raw, `\/`) ||
		!strings.Contains(r.fields["out_trade_no"], text) {
		t.Error(r.raw)
	}
	if !r.genuine {
		t.Error("it is not what was signed")
	}
}

func TestCertificateDownload(t *testing.T) {
	h := newHarness(t, withApps)
	fetch := func(app, sn string) reply {
		f := common("alipay.open.app.alipaycert.download").with("app_id", app, "app_cert_sn", "a1",
			"alipay_root_cert_sn", "c3_d4",
			"biz_content", asJSON(fields{"alipay_cert_sn": sn}))
		return h.send(f.signed(t))
	}
	if r := fetch(certified, "b2"); r.says() != "10000" || r.fields["alipay_cert_content"] != "UEVN" ||
		strings.Contains(r.raw, `"sign"`) {
		t.Error(r.raw)
	}
	if r := fetch(certified, "b3"); r.says() != "ACQ.INVALID_PARAMETER" {
		t.Error(r.raw)
	}
	if r := fetch(testApp, "b2"); r.says() != "isv.insufficient-isv-permissions" ||
		r.fields["code"] != "40006" {
		t.Error(r.raw)
	}
}

func TestNewRefusesBadApps(t *testing.T) {
	ours, alipays := platformKeys()
	for what, app := range map[string]App{
		"id":        {ID: "1", Seller: seller, Private: alipays, MerchantPublic: &ours.PublicKey},
		"seller":    {ID: testApp, Seller: "1", Private: alipays, MerchantPublic: &ours.PublicKey},
		"key":       {ID: testApp, Seller: seller, MerchantPublic: &ours.PublicKey},
		"other key": {ID: testApp, Seller: seller, Private: alipays},
	} {
		if _, err := New(Config{Apps: []App{app}}); err == nil {
			t.Errorf("taken without a right %s", what)
		}
	}
	app := App{ID: testApp, Seller: seller, Private: alipays, MerchantPublic: &ours.PublicKey}
	if _, err := New(Config{Apps: []App{app, app}}); err == nil {
		t.Error("taken twice")
	}
}

func readFields(t *testing.T, rec *httptest.ResponseRecorder) fields {
	t.Helper()
	f := fields{}
	if err := json.Unmarshal(rec.Body.Bytes(), &f); err != nil {
		t.Fatalf("%s: %v", rec.Body, err)
	}
	return f
}
