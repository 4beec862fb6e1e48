package simulator

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// comesBack plays a buyer at the authorisation page and returns the address of the redirect, or
// nil.
func (h *harness) comesBack(app, buyer string, pairs ...string) *url.URL {
	h.t.Helper()
	q := fields{"app_id": app, "scope": "auth_base", "redirect_uri": "https://shop.example/in?table=7",
		"state": "a b&c", "buyer": buyer}.with(pairs...)
	rec := h.get(h.sim.Wallet(), "/oauth2/grant?"+q.form())
	if rec.Code != http.StatusFound {
		return nil
	}
	to, err := url.Parse(rec.Header().Get("Location"))
	if err != nil {
		h.t.Fatal(err)
	}
	return to
}

func (h *harness) code(app, buyer string) string {
	h.t.Helper()
	return h.comesBack(app, buyer).Query().Get("auth_code")
}

// token exchanges a code or a refresh_token.
func (h *harness) token(app string, pairs ...string) reply {
	h.t.Helper()
	return h.ask("alipay.system.oauth.token", nil, append([]string{"app_id", app}, pairs...)...)
}

func TestAuthorisationPage(t *testing.T) {
	h := newHarness(t, withApps)
	q := fields{"app_id": testApp, "scope": "auth_base", "redirect_uri": "https://shop.example/in?table=7",
		"state": "a b&c"}
	page := h.get(h.sim.Wallet(), "/oauth2/publicAppAuthorize.htm?"+q.form()).Body.String()
	for _, want := range []string{`id="as-mei"`, `id="as-bo"`, "Tea House", "simulator"} {
		if !strings.Contains(strings.ToLower(page), strings.ToLower(want)) {
			t.Errorf("no %s in the page", want)
		}
	}
	if strings.Contains(page, "as-wing") {
		t.Error("a buyer of the other wallet is offered")
	}
	to := h.comesBack(testApp, "mei")
	got := to.Query()
	for name, want := range map[string]string{"table": "7", "app_id": testApp, "scope": "auth_base",
		"source": "alipay_wallet", "state": "a b&c"} {
		if got.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Get(name), want)
		}
	}
	if to.Host != "shop.example" || to.Path != "/in" || got.Get("auth_code") == "" {
		t.Errorf("leads back to %s", to)
	}
	if got := h.comesBack(testApp, "mei", "state", "").Query(); got.Has("state") {
		t.Errorf("a state although none was given: %v", got)
	}

	for what, pairs := range map[string][]string{
		"another application": {"app_id", "2021000000000009"}, "no scope": {"scope", ""},
		"another scope": {"scope", "auth_all"},
		"nowhere":       {"redirect_uri", ""}, "no web address": {"redirect_uri", "javascript:alert(1)"},
		"no host":      {"redirect_uri", "https:/x"},
		"a long state": {"state", strings.Repeat("x", 101)},
	} {
		for _, path := range []string{"/oauth2/publicAppAuthorize.htm", "/oauth2/grant"} {
			rec := h.get(h.sim.Wallet(), path+"?"+q.with("buyer", "mei").with(pairs...).form())
			if rec.Code != http.StatusBadRequest || rec.Header().Get("Location") != "" {
				t.Errorf("%s: %s: %d", what, path, rec.Code)
			}
		}
	}
	for _, nobody := range []string{"wing", "nobody"} {
		if to := h.comesBack(testApp, nobody); to != nil {
			t.Errorf("%s is redirected to %s", nobody, to)
		}
	}
}

func TestAuthCodeWorksOnce(t *testing.T) {
	h := newHarness(t, withApps)
	by := func(code string) []string { return []string{"grant_type", "authorization_code", "code", code} }
	code := h.code(testApp, "mei")
	r := h.token(testApp, by(code)...)
	if r.fields["user_id"] != mei || r.fields["open_id"] != "" || r.fields["code"] != "" ||
		r.name != "alipay_system_oauth_token_response" ||
		r.fields["expires_in"] != "3600" || r.fields["access_token"] == "" ||
		r.fields["refresh_token"] == "" || r.fields["auth_start"] != "2026-01-02 03:04:05" {
		t.Errorf("%s", r.raw)
	}
	for what, x := range map[string]struct {
		want  string
		pairs []string
	}{
		"used":               {"isv.code-invalid", by(code)},
		"never given":        {"isv.code-invalid", by("1")},
		"none":               {"isv.code-invalid", by("")},
		"a token":            {"isv.code-invalid", by(r.fields["refresh_token"])},
		"no grant_type":      {"isv.grant-type-invalid", []string{"code", h.code(testApp, "mei")}},
		"another grant_type": {"isv.grant-type-invalid", []string{"grant_type", "password"}},
		"another's":          {"isv.unmatched-app-id", by(h.code(withIDs, "mei"))},
		"no refresh_token": {"isv.refresh-token-invalid",
			[]string{"grant_type", "refresh_token", "refresh_token", h.code(testApp, "mei")}},
	} {
		if no := h.token(testApp, x.pairs...); no.says() != x.want || no.fields["code"] != "40002" ||
			no.name != "error_response" {
			t.Errorf("%s: %s", what, no.raw)
		}
	}
	late := h.code(testApp, "mei")
	h.now = h.now.Add(3*time.Minute + time.Second)
	if no := h.token(testApp, by(late)...); no.says() != "isv.code-invalid" {
		t.Errorf("after three minutes: %s", no.raw)
	}
}

func TestTokenLifetimes(t *testing.T) {
	h := newHarness(t, withApps)
	first := h.token(testApp, "grant_type", "authorization_code", "code", h.code(testApp, "bo"))
	use := func(app, token string) string {
		return h.ask("alipay.trade.query", fields{"out_trade_no": "T1"}, "app_id", app,
			"auth_token", token).says()
	}
	for what, x := range map[string]struct{ app, token, want string }{
		"the token":       {testApp, first.fields["access_token"], "ACQ.TRADE_NOT_EXIST"},
		"the other token": {testApp, first.fields["refresh_token"], "aop.invalid-auth-token"},
		"none":            {testApp, "x", "aop.invalid-auth-token"},
		"another's":       {withIDs, first.fields["access_token"], "aop.invalid-auth-token"},
	} {
		if got := use(x.app, x.token); got != x.want {
			t.Errorf("%s: %s, want %s", what, got, x.want)
		}
	}
	h.now = h.now.Add(time.Hour + time.Second)
	if got := use(testApp, first.fields["access_token"]); got != "aop.auth-token-time-out" {
		t.Errorf("after an hour: %s", got)
	}
	again := func(token string) reply {
		return h.token(testApp, "grant_type", "refresh_token", "refresh_token", token)
	}
	second := again(first.fields["refresh_token"])
	if second.fields["user_id"] != bo ||
		use(testApp, second.fields["access_token"]) != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("%s", second.raw)
	}
	if no := again(first.fields["refresh_token"]); no.says() != "isv.refresh-token-invalid" {
		t.Errorf("used: %s", no.raw)
	}
	h.now = h.now.Add(30*24*time.Hour + time.Second)
	if no := again(second.fields["refresh_token"]); no.says() != "isv.refresh-token-time-out" {
		t.Errorf("after a month: %s", no.raw)
	}
}

func TestOpenIDBelongsToOneApplication(t *testing.T) {
	h := newHarness(t, withApps)
	who := func(buyer string) string {
		r := h.token(withIDs, "grant_type", "authorization_code", "code", h.code(withIDs, buyer))
		if r.fields["user_id"] != "" {
			t.Errorf("the user_id is shown: %s", r.raw)
		}
		return r.fields["open_id"]
	}
	id := who("mei")
	if !buyerOpenID.MatchString(id) || buyerID.MatchString(id) || who("mei") != id || who("bo") == id {
		t.Errorf("mei is %q, then %q, and bo %q", id, who("mei"), who("bo"))
	}
	if other := (App{ID: "2021000000000004", OpenIDs: true}).buyerIDOf(Buyers[0]); other == id {
		t.Error("another application has the same open_id")
	}
	buy := func(app, number string, pairs ...string) string {
		return h.ask("alipay.trade.create", trade(number).with("buyer_id", "").with(pairs...),
			"app_id", app).says()
	}
	for what, x := range map[string]struct {
		got, want string
	}{
		"its own":   {buy(withIDs, "T1", "buyer_open_id", id), "10000"},
		"another's": {buy(testApp, "T1", "buyer_open_id", id), "ACQ.BUYER_NOT_EXIST"},
		"of no test buyer": {buy(testApp, "T2", "buyer_open_id", "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5"),
			"10000"},
		"a user_id": {buy(testApp, "T3", "buyer_open_id", mei), "ACQ.INVALID_PARAMETER"},
		"too short": {buy(testApp, "T3", "buyer_open_id", "short"), "ACQ.INVALID_PARAMETER"},
		"the mini program's": {buy(testApp, "T3", "op_buyer_open_id", "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5",
			"op_app_id", mini, "product_code", "JSAPI_PAY"), "10000"},
		"without a program": {buy(testApp, "T4", "op_buyer_open_id", "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5"),
			"ACQ.INVALID_PARAMETER"},
	} {
		if x.got != x.want {
			t.Errorf("%s: %s, want %s", what, x.got, x.want)
		}
	}
	r := h.ask("alipay.trade.query", fields{"out_trade_no": "T1"}, "app_id", withIDs)
	if r.fields["buyer_open_id"] != id || r.fields["buyer_user_id"] != "" {
		t.Errorf("%s", r.raw)
	}
}
