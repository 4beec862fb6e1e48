package simulator

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

func TestControlActsAsTheBuyer(t *testing.T) {
	for _, c := range []struct {
		name, act, contentType, body string
		code                         int
		status                       string
	}{
		{"pays", "pay", "", "", 200, "TRADE_FINISHED"},
		{"pays as a form says", "pay", "application/x-www-form-urlencoded", "buyer=mei", 200,
			"TRADE_FINISHED"},
		{"pays as JSON says", "pay", "application/json", `{"buyer":"mei","fault":["late","forged"]}`, 200,
			"TRADE_FINISHED"},
		{"cannot pay above the balance", "pay", "application/json", `{"buyer":"bo"}`, 409, "WAIT_BUYER_PAY"},
		{"fails with insufficient funds", "fail", "", "", 200, "WAIT_BUYER_PAY"},
		{"fails with a wrong password", "fail", "application/json",
			`{"reason":"wrong-password"}`, 200, "NONE"},
		{"cancels", "cancel", "", "", 200, "NONE"},
		{"is unknown", "pay", "application/json", `{"buyer":"wing"}`, 400, "NONE"},
		{"fails with an unknown reason", "fail", "application/json", `{"reason":"rain"}`, 400, "NONE"},
		{"names an unknown fault", "pay", "application/json", `{"fault":"rain"}`, 400, "NONE"},
		{"does not send an object", "pay", "application/json", `["buyer"]`, 400, "NONE"},
		{"sends numbers", "pay", "application/json", `{"buyer":1}`, 400, "NONE"},
		{"sends too much", "pay", "application/json",
			`{"buyer":"` + strings.Repeat("x", 70<<10) + `"}`, 400, "NONE"},
		{"dances", "dance", "", "", 404, "NONE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t, nil)
			h.open(orderFor("T/1"))
			code, got := h.control("POST", "/trades/T%2F1/"+c.act, c.contentType, c.body)
			if code != c.code || (code != 200) != (got["error"] != nil) {
				t.Errorf("got %d %v", code, got)
			}
			if code == 200 && got["status"] != c.status {
				t.Errorf("the act answers %v, want %s", got["status"], c.status)
			}
			_, got = h.control("GET", "/trades/T%2F1", "", "")
			if got["status"] != c.status || got["out_trade_no"] != "T/1" {
				t.Errorf("then it is %v, want %s", got["status"], c.status)
			}
		})
	}
}

func TestControlRefusesActionsByState(t *testing.T) {
	h := newHarness(t, nil)
	for _, target := range []string{"/trades/T-1/pay", "/trades/T-1/fail", "/trades/T-1/cancel",
		"/trades/T-1/resend"} {
		if code, got := h.control("POST", target, "", ""); code != 404 || got["error"] == nil {
			t.Errorf("%s of an unknown order: %d %v", target, code, got)
		}
	}
	if code, _ := h.control("GET", "/trades/T-1", "", ""); code != 404 {
		t.Errorf("an unknown order: %d", code)
	}
	h.open(orderFor("T-1"))
	if code, _ := h.control("POST", "/trades/T-1/resend", "", ""); code != 409 {
		t.Errorf("resend before there is a notification: %d", code)
	}
	if code, _ := h.control("POST", "/trades/T-1/pay", "", ""); code != 200 {
		t.Fatalf("pay: %d", code)
	}
	for _, act := range []string{"pay", "fail", "cancel"} {
		if code, got := h.control("POST", "/trades/T-1/"+act, "", ""); code != 409 {
			t.Errorf("%s after it was paid: %d %v", act, code, got)
		}
	}
	h.open(orderFor("T-2"))
	h.control("POST", "/trades/T-2/fail", "", "")
	h.now = h.now.Add(12 * time.Hour)
	if code, got := h.control("POST", "/trades/T-2/pay", "", ""); code != 409 {
		t.Errorf("pay after it was closed: %d %v", code, got)
	}
	_, got := h.control("GET", "/trades/T-2", "", "")
	if n := len(got["notifications"].([]any)); n != 1 {
		t.Errorf("the closed trade has %d notifications", n)
	}
}

func TestControlSelectsPartner(t *testing.T) {
	h := newHarness(t, nil)
	h.open(orderFor("T-1"))
	h.open(orderFor("T-1", "partner", "2088000000000003", "secondary_merchant_id", "1",
		"secondary_merchant_name", "1", "secondary_merchant_industry", "1"))
	if code, _ := h.control("POST", "/trades/T-1/pay", "", ""); code != 409 {
		t.Errorf("two orders of one number: %d", code)
	}
	code, got := h.control("POST", "/trades/T-1/pay?partner=2088000000000003", "", "")
	if code != 200 || got["partner"] != "2088000000000003" {
		t.Errorf("got %d %v", code, got)
	}
	if got := h.status("T-1"); got != "TRADE_NOT_EXIST" {
		t.Errorf("the other partner's order is %s", got)
	}
}

func TestControlResendsAndShowsSends(t *testing.T) {
	h := newHarness(t, nil)
	h.open(orderFor("T-1"))
	h.control("POST", "/trades/T-1/pay?fault=drop&fault=forged", "", "")
	h.shop.answer = says(503, "busy")
	if code, got := h.control("POST", "/trades/T-1/resend", "", ""); code != 200 || got["status"] != 503.0 ||
		got["answer"] != "busy" || got["ok"] != nil {
		t.Errorf("got %d %v", code, got)
	}
	h.shop.answer = says(200, "success")
	if _, got := h.control("POST", "/trades/T-1/resend", "", ""); got["ok"] != true {
		t.Errorf("got %v", got)
	}
	if err := h.shop.all()[1].body.Verify(testKeys); err != nil {
		t.Errorf("the resent notification is not genuine: %v", err)
	}
	_, got := h.control("GET", "/trades/T-1", "", "")
	for _, n := range got["notifications"].([]any) {
		n := n.(map[string]any)
		if n["extra"] != nil {
			continue
		}
		sends := n["sends"].([]any)
		if len(sends) != 2 || sends[0].(map[string]any)["at"] == nil || n["answered_at"] == nil {
			t.Errorf("got %v", n)
		}
	}
}

func TestControlSetsAndClearsFaults(t *testing.T) {
	h := newHarness(t, nil)
	for _, c := range []struct {
		method, target string
		code           int
		set            string
	}{
		{"POST", "/faults?fault=late", 400, "map[all:<nil> next:<nil> orders:<nil>]"},
		{"POST", "/faults?scope=all", 400, "map[all:<nil> next:<nil> orders:<nil>]"},
		{"POST", "/faults?scope=some&fault=late", 400, "map[all:<nil> next:<nil> orders:<nil>]"},
		{"POST", "/faults?scope=all&out_trade_no=1&fault=late", 400,
			"map[all:<nil> next:<nil> orders:<nil>]"},
		{"POST", "/faults?scope=all&fault=late", 200, "map[all:[late] next:<nil> orders:<nil>]"},
		{"POST", "/faults?scope=next&fault=late&fault=early", 200,
			"map[all:[late] next:[early late] orders:<nil>]"},
		{"POST", "/faults?out_trade_no=T-9&fault=drop", 200,
			"map[all:[late] next:[early late] orders:map[T-9:[drop]]]"},
		{"DELETE", "/faults?scope=all", 200, "map[all:<nil> next:[early late] orders:map[T-9:[drop]]]"},
		{"DELETE", "/faults?out_trade_no=T-9", 200, "map[all:<nil> next:[early late] orders:map[]]"},
		{"DELETE", "/faults", 200, "map[all:<nil> next:<nil> orders:<nil>]"},
	} {
		code, _ := h.control(c.method, c.target, "", "")
		_, got := h.control("GET", "/faults", "", "")
		if set := fmt.Sprint(got["set"]); code != c.code || set != c.set {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.target, code, set, c.code, c.set)
		}
		if len(got["known"].([]any)) != len(Faults) {
			t.Error("the table of faults is missing")
		}
	}
}

func TestControlHasAPageAndLists(t *testing.T) {
	h := newHarness(t, nil)
	h.open(orderFor("T?1&x=%41/<b>"))
	h.open(orderFor("T-2"))
	page := h.get(h.sim.Control(), "/").Body.String()
	for _, want := range []string{"Simulator", "T-2",
		`action="/trades/T%3F1&amp;x=%2541%2F%3Cb%3E/pay?partner=` + testPartner + `"`,
		"second-trade", "910017"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s:\n%s", want, page)
		}
	}
	rec := post(h.sim.Control(), "/trades/T%3F1&x=%2541%2F%3Cb%3E/pay?partner="+testPartner, "",
		"Accept", "text/html")
	if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "/" ||
		h.status("T?1&x=%41/<b>") != "TRADE_FINISHED" {
		t.Errorf("its button: %d %s", rec.Code, rec.Body)
	}
	_, got := h.control("GET", "/trades?limit=1", "", "")
	if list := got["trades"].([]any); len(list) != 1 || list[0].(map[string]any)["out_trade_no"] != "T-2" {
		t.Errorf("got %v", got)
	}
	if code, _ := h.control("GET", "/trades?limit=0", "", ""); code != 400 {
		t.Errorf("limit=0: %d", code)
	}
	if code, got := h.control("GET", "/healthz", "", ""); code != 200 || got["status"] != "ok" {
		t.Errorf("healthz: %d %v", code, got)
	}
	if _, got := h.control("GET", "/buyers", "", ""); len(got["buyers"].([]any)) != len(Buyers) {
		t.Errorf("buyers: %v", got)
	}
	if code, _ := h.control("GET", "/nosuch", "", ""); code != 404 {
		t.Errorf("unknown page: %d", code)
	}
	rec = post(h.sim.Control(), "/trades/T-2/pay", "", "Origin", "https://evil.example")
	if rec.Code != 403 {
		t.Errorf("a page of another origin may act: %d", rec.Code)
	}
}

func TestRSA2KeysDifferBetweenTheSides(t *testing.T) {
	alipay, merchant := testKeyPair(t), testKeyPair(t)
	h := newHarness(t, func(c *Config) {
		c.Partners = []Partner{{ID: testPartner, SignType: mapi.RSA2, Private: alipay,
			MerchantPublic: &merchant.PublicKey, Currencies: []string{"USD"}}}
	})
	m := orderFor("T-1")
	if err := m.Sign(mapi.Keys{Type: mapi.RSA2, Private: merchant}); err != nil {
		t.Fatal(err)
	}
	rec := h.get(h.sim.Wallet(), "/gateway.do?"+m.Encode())
	if rec.Code != http.StatusFound {
		t.Fatalf("refused: %s", rec.Body)
	}
	h.does(rec.Header().Get("Location"), Pay, "mei")
	h.control("POST", "/trades/T-1/resend", "", "")
	if err := h.shop.all()[0].body.Verify(mapi.Keys{Type: mapi.RSA2, Public: &alipay.PublicKey}); err != nil {
		t.Error(err)
	}
	if rec := h.call(orderFor("T-2")); !strings.Contains(rec.Body.String(), "ILLEGAL_SECURITY_PROFILE") {
		t.Errorf("MD5 for a partner with RSA2: %s", rec.Body)
	}
}

func testKeyPair(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNewRefusesBadPartners(t *testing.T) {
	good := Partner{ID: testPartner, SignType: mapi.MD5, MD5Key: "k"}
	for name, change := range map[string]func(*Partner){
		"id":       func(p *Partner) { p.ID = "1234" },
		"key":      func(p *Partner) { p.MD5Key = "" },
		"type":     func(p *Partner) { p.SignType = "DSA" },
		"keys":     func(p *Partner) { p.SignType = mapi.RSA2 },
		"currency": func(p *Partner) { p.Currencies = []string{"CNY"} },
		"timeout":  func(p *Partner) { p.TimeoutRules = []string{"16d"} },
	} {
		p := good
		change(&p)
		if _, err := New(Config{Partners: []Partner{p}}); err == nil {
			t.Errorf("a bad %s is accepted", name)
		}
	}
	if _, err := New(Config{Partners: []Partner{good, good}}); err == nil {
		t.Error("the same partner twice is accepted")
	}
}

func TestPartnersKeysAreNotPrinted(t *testing.T) {
	p := Partner{ID: testPartner, SignType: mapi.MD5, MD5Key: testKey}
	if out := fmt.Sprintf("%v %+v %s %v", p, p, p, p.LogValue()); strings.Contains(out, testKey) {
		t.Error("the key is printed")
	}
}
