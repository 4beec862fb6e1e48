package api

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
)

// The body of a notification and the string of a request are signed alike: hash(text + key). A
// name that holds what a JSON object begins with would let a notification's signature open a
// call.
func TestANotificationsSignatureOpensNoCall(t *testing.T) {
	h := newHarness(t)
	body := `{"status": "1", "out_trade_no": "N1", "goods_name": "a=b", "txamt": "100"}`
	name, value, _ := strings.Cut(body, "=")
	for _, at := range []string{"query", "payment", "refund", "close", "reversal", "add_note"} {
		for _, method := range []string{"POST", "GET"} {
			for _, sent := range []string{url.QueryEscape(name) + "=" + url.QueryEscape(value), body} {
				r := h.request(t, "/trade/v1/"+at, sent, "plain", md5Hex(body+clientKey))
				if method == "GET" {
					r = h.request(t, "/trade/v1/"+at+"?"+strings.ReplaceAll(sent, " ", "%20"), "", "plain",
						md5Hex(body+clientKey))
					r.Method, r.Body = "GET", nil
				}
				got := h.do(t, r)
				wantCode(t, got, 200, "1103", "must be 1 to 64 letters")
				if strings.Contains(got.raw, "data") {
					t.Errorf("%s /%s tells of orders: %s", method, at, got.raw)
				}
			}
		}
	}
}

func TestUnsignedRequestsAreRefused(t *testing.T) {
	h := newHarness(t)
	good := signature(order(), false)
	for _, test := range []struct{ name, appCode, sign, signType, message string }{
		{"no app code", "", good, "", "X-QF-APPCODE: this header is required"},
		{"no signature", "plain", "", "", "X-QF-SIGN: this header is required"},
		{"an algorithm that is none", "plain", good, "HMAC", "X-QF-SIGNTYPE: must be MD5 or SHA256"},
		{"another algorithm", "plain", good, "SHA256", "the SHA256"},
		{"not hex", "plain", "signature", "", "X-QF-SIGN: does not fit"},
		{"cut short", "plain", good[:31], "", "X-QF-SIGN: does not fit"},
		{"another merchant's app code with the key of none", "plain",
			signature(order("txamt", "1"), false), "", "X-QF-SIGN: does not fit"},
		{"unknown app code", "nobody", good, "", "X-QF-SIGN: does not fit"},
		{"revoked app code", "revoked", good, "", "X-QF-SIGN: does not fit"},
		{"app code of odd bytes", "pl\xffin", good, "", "X-QF-SIGN: does not fit"},
		{"app code without end", strings.Repeat("p", 5000), good, "", "X-QF-SIGN: does not fit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := h.request(t, "/trade/v1/payment", encode(order()), test.appCode, test.sign)
			r.Header.Set("X-QF-SIGNTYPE", test.signType)
			got := h.do(t, r)
			wantCode(t, got, 200, "1108", test.message)
			if strings.Contains(got.raw, clientKey) {
				t.Error("the key is in the answer")
			}
		})
	}
	if n := h.stored(t); n != 0 {
		t.Errorf("%d payments are stored", n)
	}
}

func TestAnUnknownAppCodeLooksLikeAWrongSignature(t *testing.T) {
	h := newHarness(t)
	wrong := strings.Repeat("0", 32)
	body := encode(order())
	known := h.do(t, h.request(t, "/trade/v1/payment", body, "plain", wrong))
	for _, appCode := range []string{"nobody", "revoked", "pl\xffin"} {
		if got := h.do(t, h.request(t, "/trade/v1/payment", body, appCode, wrong)); got.raw != known.raw ||
			got.status != known.status {
			t.Errorf("%q: %s\nknown: %s", appCode, got.raw, known.raw)
		}
	}
	// Not even who knows the key that stands in for a missing one gets in.
	p := order()
	parts := slices.Sorted(maps.Keys(p))
	for i, name := range parts {
		parts[i] = name + "=" + p[name]
	}
	if a, err := h.authenticate(t.Context(), http.Header{
		"X-Qf-Appcode": {"nobody"}, "X-Qf-Sign": {md5Hex(strings.Join(parts, "&") + gateway.DummyKey)},
	}, p); pay.CodeOf(err) != pay.BadSignature {
		t.Errorf("got %v, %v", a, err)
	}
}

func TestChecksComeInTheDocumentedOrder(t *testing.T) {
	h := newHarness(t)
	bad := order("txamt", "0", "txcurrcd", "THB")
	wantCode(t, h.do(t, h.request(t, "/trade/v1/payment", encode(bad)+"&x=%zz", "plain", "bad")), 200,
		"1103", "x")
	wantCode(t, h.do(t, h.request(t, "/trade/v1/payment", encode(bad), "plain", "bad")), 200, "1108", "")
	wantCode(t, h.send(t, "/trade/v1/payment", "plain", bad), 200, "1104", "txamt")
	wantCode(t, h.pay(t, "txcurrcd", "THB"), 200, "1250", "txcurrcd")
	// The limit comes before the values, and what is not signed does not count.
	for range 5 {
		wantCode(t, h.do(t, h.request(t, "/trade/v1/payment", encode(bad), "tight", "bad")), 200, "1108", "")
	}
	for range 2 {
		wantCode(t, h.send(t, "/trade/v1/payment", "tight", bad), 200, "1104", "txamt")
	}
	got := h.send(t, "/trade/v1/payment", "tight", bad)
	wantCode(t, got, 429, "1297", "limit")
	if got.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
	}
	h.pass(time.Second)
	wantCode(t, h.send(t, "/trade/v1/payment", "tight", bad), 200, "1104", "txamt")
}

func TestWrongSignaturesAreLimited(t *testing.T) {
	h := newHarness(t)
	for range failuresAtOnce {
		wantCode(t, h.do(t, h.request(t, "/trade/v1/payment", "", "plain", "bad")), 200, "1108", "")
	}
	got := h.do(t, h.request(t, "/trade/v1/payment", "", "plain", "bad"))
	wantCode(t, got, 429, "1297", "wrong signature")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wantCode(t, h.pay(t), 200, "0000", "")
}
