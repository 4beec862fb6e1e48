package checkout

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sign"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/web"
)

// harness is the pages over a real gateway and store. For its code "CODE", its wallet identifies a
// buyer once.
type harness struct {
	*sampan.Client // the merchant
	t              *testing.T
	mux            *http.ServeMux
	now            time.Time
	log            bytes.Buffer
	used           atomic.Bool
	fails          error // of the wallet
	broken         error // of the store
}

// teller is the harness's wallet. It implements only what these tests call.
type teller struct {
	wallet.Connector
	*harness
}

func (w teller) Authorize(redirectURL, state string) (string, error) {
	return "https://wallet.example/oauth?" +
		url.Values{"redirect_uri": {redirectURL}, "state": {state}}.Encode(), nil
}

func (w teller) Identify(_ context.Context, query url.Values) (string, error) {
	if w.fails != nil {
		return "", w.fails
	}
	if query.Get("auth_code") != "CODE" || w.used.Swap(true) {
		return "", &wallet.Rejection{Code: "isv.code-invalid"}
	}
	return "2088102122524333", nil
}

func newHarness(t *testing.T, baseURL string) *harness {
	t.Helper()
	h := &harness{t: t, mux: http.NewServeMux(), now: noon}
	h.Client = &sampan.Client{BaseURL: baseURL, AppCode: "APP1", ClientKey: "abcd1234",
		Now: func() time.Time { return h.now }}
	log := slog.New(slog.NewTextHandler(&h.log, nil))
	db, err := storetest.Create(t.Context(), store.Config{
		DSN:       "sqlite:" + filepath.Join(t.TempDir(), "harness.db"),
		MasterKey: pay.Secret(strings.Repeat("0a", 32)), Now: h.Now, Log: log, NoSync: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	credential := pay.Credential{MerchantID: "123456", AppCode: "APP1", ClientKey: "abcd1234",
		ReturnHosts: []string{"shop.example"}, CreatedAt: noon}
	agent := credential
	agent.AppCode, agent.HasStores = "AGENT", true
	revoked := credential
	revoked.AppCode, revoked.Disabled = "REVOKED", true
	for _, err := range []error{
		db.CreateMerchant(t.Context(), pay.Merchant{ID: "123456", Name: "Tea", CreatedAt: noon}),
		db.CreateCredential(t.Context(), credential), db.CreateCredential(t.Context(), agent),
		db.CreateCredential(t.Context(), revoked),
		db.CreateStore(t.Context(), pay.Store{MerchantID: "123456", AppCode: "AGENT", ID: "M1", Name: "North",
			CreatedAt: noon}),
		db.CreateStore(t.Context(), pay.Store{MerchantID: "123456", AppCode: "AGENT", ID: "M2", Name: "South",
			Disabling: pay.Disabling{Disabled: true}, CreatedAt: noon}),
		db.PutWalletAccount(t.Context(), pay.WalletAccount{MerchantID: "123456",
			ID: "window", Wallet: "window", PayTypes: []pay.PayType{pay.AlipayServiceWindow},
			Currencies: []pay.Currency{"CNY"}, CreatedAt: noon, UpdatedAt: noon}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	g, err := gateway.New(gateway.Config{
		Store: db, BaseURL: baseURL, LinkKey: bytes.Repeat([]byte{1}, 32),
		HTTP: http.DefaultClient, Zone: time.UTC, Now: h.Now, Log: log,
		Notification:       func(pay.Payment) []byte { return nil },
		RefundNotification: func(pay.Refund, pay.Payment) []byte { return nil },
		Wallets: map[string]wallet.Driver{"window": {
			Info: wallet.Info{Currencies: map[pay.PayType][]pay.Currency{pay.AlipayServiceWindow: {"CNY"}}},
			Open: func(wallet.Account) (wallet.Connector, error) { return teller{harness: h}, nil },
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	New(Config{
		Payments: g, Authorizations: entrance{g, h}, BaseURL: baseURL, Now: h.Now, Log: log,
	}).Register(h.mux)
	return h
}

// entrance is a gateway whose database may be broken.
type entrance struct {
	*gateway.Gateway
	harness *harness
}

func (e entrance) Signer(ctx context.Context, appCode string,
	signed func(string) bool) (pay.Credential, bool, error) {
	if e.harness.broken != nil {
		return pay.Credential{}, false, e.harness.broken
	}
	return e.Gateway.Signer(ctx, appCode, signed)
}

// link is a good link, its parameters changed by name and value before it is
// signed ("-" takes one out).
func (h *harness) link(changes ...string) string {
	p := sign.Params{
		"app_code": "APP1", "return_url": "https://shop.example/in?order=7#top", "state": "visit 1",
		"expires": strconv.FormatInt(h.now.Add(10*time.Minute).Unix(), 10),
		"nonce": "link-nonce-" + strconv.Itoa(len(changes)) +
			strings.Join(changes[:min(1, len(changes))], ""),
	}
	for i := 0; i < len(changes); i += 2 {
		if p[changes[i]] = changes[i+1]; changes[i+1] == "-" {
			delete(p, changes[i])
		}
	}
	return "/authorize/alipay?" + sign.SignedQuery(p, "abcd1234", sign.Authorize)
}

// open has a browser with these cookies open an address.
func (h *harness) open(method, address string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, address, nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, r)
	return w
}

// sent opens a link and returns the ticket's id and cookie.
func (h *harness) sent(link string) (id string, cookie *http.Cookie) {
	h.t.Helper()
	w := h.open("GET", link)
	u, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusFound || u.Host != "wallet.example" ||
		len(w.Result().Cookies()) != 1 {
		h.t.Fatalf("got %d to %s with %v:\n%s", w.Code, u, w.Result().Cookies(), w.Body)
	}
	return u.Query().Get("state"), w.Result().Cookies()[0]
}

func back(id string) string {
	return "/authorized/alipay?app_id=2021&scope=auth_base&auth_code=CODE&state=" + id
}

func TestABuyerGoesOutAndComesBackIdentified(t *testing.T) {
	h := newHarness(t, "https://pay.example")
	link, err := h.AuthorizeURL(sampan.AuthorizationRequest{ReturnURL: "https://shop.example/in?order=7#top",
		State: "visit 1"})
	if err != nil {
		t.Fatal(err)
	}
	id, cookie := h.sent(link)
	if cookie.Name != "__Host-sampan-authorize-"+id[30:] || !cookie.HttpOnly || !cookie.Secure ||
		cookie.SameSite != http.SameSiteLaxMode ||
		cookie.Path != "/" || cookie.Domain != "" || cookie.MaxAge != 900 || len(cookie.Value) < 20 ||
		strings.Contains(cookie.Value, id) {
		t.Errorf("cookie %s", cookie)
	}
	w := h.open("GET", back(id), cookie)
	location := w.Header().Get("Location")
	if w.Code != http.StatusFound ||
		!regexp.MustCompile(`^https://shop\.example/in\?order=7&expires=\d+&openid=2088102122524333&`+
			`state=visit%201&sig=[0-9a-f]{64}#top$`).MatchString(location) {
		t.Fatalf("got %d to %s", w.Code, location)
	}
	if gone := w.Result().Cookies(); len(gone) != 1 || gone[0].Name != cookie.Name || gone[0].MaxAge != -1 ||
		gone[0].Value != "" {
		t.Errorf("the cookie stays: %v", gone)
	}
	for name, want := range map[string]string{"Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"X-Frame-Options": "DENY"} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	// which browsers keep to themselves
	arrived := httptest.NewRequest("GET", strings.TrimSuffix(location, "#top"), nil)
	got, err := h.VerifyAuthorization(arrived, "visit 1")
	if err != nil || got.OpenID != "2088102122524333" {
		t.Errorf("the merchant reads %+v, %v", got, err)
	}
	h.now = h.now.Add(returnWithin)
	if _, err := h.VerifyAuthorization(arrived, "visit 1"); !errors.Is(err, sampan.ErrAuthorizationExpired) {
		t.Errorf("the return does not end: %v", err)
	}
	if strings.Contains(h.log.String(), "2088102122524333") ||
		strings.Contains(h.log.String(), cookie.Value) {
		t.Errorf("the log tells too much:\n%s", h.log.String())
	}
}

func TestWithoutTLSTheCookieIsAPlainOne(t *testing.T) {
	h := newHarness(t, "http://127.0.0.1:7700")
	id, cookie := h.sent(h.link())
	if cookie.Name != "sampan-authorize-"+id[30:] || cookie.Secure || !cookie.HttpOnly {
		t.Errorf("cookie %s", cookie)
	}
}

func TestLinksThatAreRefused(t *testing.T) {
	good := func(h *harness) string { return h.link() }
	for _, tt := range []struct {
		name string
		link func(*harness) string
		code int
		say  string
		why  string
	}{
		{"a parameter altered",
			func(h *harness) string { return strings.Replace(good(h), "order%3D7", "order%3D8", 1) }, 403,
			"This link doesn’t work", "sig: does not fit"},
		{"another host put in",
			func(h *harness) string { return strings.Replace(good(h), "shop.example", "evil.example", 1) },
			403, "This link doesn’t work", "sig: does not fit"},
		{"a parameter added", func(h *harness) string { return good(h) + "&mchid=M1" }, 403,
			"This link doesn’t work", "sig: does not fit"},
		{"the signature left out", func(h *harness) string { return strings.Split(good(h), "&sig=")[0] }, 403,
			"This link doesn’t work", "sig: does not fit"},
		{"an unknown app code", func(h *harness) string { return h.link("app_code", "NOBODY") }, 403,
			"This link doesn’t work", "sig: does not fit"},
		{"a revoked app code", func(h *harness) string { return h.link("app_code", "REVOKED") }, 403,
			"This link doesn’t work", "sig: does not fit"},
		{"an unknown app code signed with nobody's key", func(h *harness) string {
			p, _ := linkParams(strings.TrimPrefix(h.link("app_code", "NOBODY"), "/authorize/alipay?"))
			return "/authorize/alipay?" + sign.SignedQuery(p, gateway.DummyKey, sign.Authorize)
		}, 403, "This link doesn’t work", "sig: does not fit"},
		{"signed as a return", func(h *harness) string {
			p, _ := linkParams(strings.TrimPrefix(good(h), "/authorize/alipay?"))
			return "/authorize/alipay?" + sign.SignedQuery(p, "abcd1234", sign.Authorized)
		}, 403, "This link doesn’t work", "sig: does not fit"},
		{"no parameters", func(*harness) string { return "/authorize/alipay" }, 400, "This link doesn’t work",
			"app_code"},
		{"no state", func(h *harness) string { return h.link("state", "-") }, 400,
			"This link doesn’t work", "state"},
		{"a long state", func(h *harness) string { return h.link("state", strings.Repeat("茶", 129)) }, 400,
			"This link doesn’t work", "state"},
		{"a short nonce", func(h *harness) string { return h.link("nonce", "1234567") }, 400,
			"This link doesn’t work", "nonce"},
		{"an end in another format", func(h *harness) string { return h.link("expires", "2026-05-04") }, 400,
			"This link doesn’t work", "expires"},
		{"a negative end", func(h *harness) string { return h.link("expires", "-1777896600") }, 400,
			"This link doesn’t work", "expires"},
		{"a line break in the address",
			func(h *harness) string {
				return h.link("return_url", "https://shop.example/\r\nSet-Cookie: a=b")
			}, 400,
			"This link doesn’t work", "return_url"},
		{"a parameter twice", func(h *harness) string { return good(h) + "&state=other" }, 400,
			"This link doesn’t work", "more than once"},
		{"a percent error", func(h *harness) string { return good(h) + "&x=%zz" }, 400,
			"This link doesn’t work", "cannot be read"},
		{"not UTF-8", func(h *harness) string { return good(h) + "&x=%ff" }, 400,
			"This link doesn’t work", "UTF-8"},
		{"endless", func(h *harness) string { return good(h) + "&x=" + strings.Repeat("x", maxLink) }, 400,
			"This link doesn’t work", "too long"},
		{"expired", func(h *harness) string { return h.link("expires", strconv.FormatInt(noon.Unix(), 10)) },
			410, "This link is no longer good", "expires: is past"},
		{"too far ahead",
			func(h *harness) string {
				return h.link("expires", strconv.FormatInt(noon.Add(time.Hour).Unix(), 10))
			},
			400, "This link doesn’t work", "15 minutes"},
		{"a host that is not listed",
			func(h *harness) string { return h.link("return_url", "https://evil.example/") }, 403,
			"The shop can’t take Alipay just now", "return_url: its host"},
		{"no address at all", func(h *harness) string {
			return h.link("return_url", "javascript:alert(1)")
		}, 400,
			"This link doesn’t work", "return_url: must be"},
		{"a store where there are none", func(h *harness) string { return h.link("mchid", "M1") }, 403,
			"The shop can’t take Alipay just now", "no stores"},
		{"no store where there are some", func(h *harness) string { return h.link("app_code", "AGENT") }, 403,
			"The shop can’t take Alipay just now", "name one"},
		{"a store that is switched off",
			func(h *harness) string { return h.link("app_code", "AGENT", "mchid", "M2") }, 403,
			"The shop can’t take Alipay just now", "disabled"},
		{"trouble of ours", func(h *harness) string {
			h.broken = errors.New("disk is full")
			return good(h)
		}, 503,
			"We couldn’t reach your Alipay account", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t, "https://pay.example")
			w := h.open("GET", tt.link(h))
			if w.Code != tt.code || w.Header().Get("Location") != "" || len(w.Result().Cookies()) != 0 {
				t.Errorf("got %d to %q with %v", w.Code, w.Header().Get("Location"), w.Result().Cookies())
			}
			shows(t, w, "<h1>"+tt.say+"</h1>")
			shows(t, w, tt.why)
			hides(t, w, "disk")
			hides(t, w, "//evil")
			hides(t, w, "javascript:")
			if w.Header().Get("Referrer-Policy") != "no-referrer" ||
				w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

// Nothing about a refusal tells whether there is such an app code.
func TestAnUnknownAppCodeLooksLikeAWrongSignature(t *testing.T) {
	h := newHarness(t, "https://pay.example")
	wrong := h.open("GET", strings.Replace(h.link("app_code", "APP1"), "visit", "VISIT", 1))
	unknown := h.open("GET", strings.Replace(h.link("app_code", "APP2"), "visit", "VISIT", 1))
	one := regexp.MustCompile(`href="\?[^"]*"`).ReplaceAllString(wrong.Body.String(), "")
	two := regexp.MustCompile(`href="\?[^"]*"`).ReplaceAllString(unknown.Body.String(), "")
	if wrong.Code != unknown.Code || one != two {
		t.Errorf("%d and %d:\n%s\n%s", wrong.Code, unknown.Code, one, two)
	}
}

func TestALinkThatWasOpenedIsOver(t *testing.T) {
	h := newHarness(t, "https://pay.example")
	link := h.link()
	for _, method := range []string{"HEAD", "HEAD"} {
		if w := h.open(method, link); w.Code != http.StatusOK || len(w.Result().Cookies()) != 0 {
			t.Fatalf("HEAD: got %d", w.Code)
		}
	}
	r := httptest.NewRequest("GET", link, nil)
	r.Header.Set("User-Agent", agent(t, "preview"))
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, r)
	shows(t, w, "<title>Payment link</title>")
	shows(t, w, `open=1`)

	h.sent(link + "&lang=zh-Hant") // the buyer's language is not signed
	w = h.open("GET", link+"&lang=zh-Hant")
	if w.Code != http.StatusGone {
		t.Errorf("opened twice: got %d", w.Code)
	}
	shows(t, w, "<h1>此連結已失效</h1>")
	shows(t, w, "nonce: this link was opened before")
	shows(t, w, "app_code=APP1") // so that the page can be shown in another language
}

func TestOnlyTheBrowserThatWentOutIsToldWhoItIs(t *testing.T) {
	h := newHarness(t, "https://pay.example")
	id, cookie := h.sent(h.link())
	otherID, otherCookie := h.sent(h.link("state", "visit 2"))
	stolen := *otherCookie
	stolen.Name = cookie.Name
	for name, w := range map[string]*httptest.ResponseRecorder{
		"without a cookie":         h.open("GET", back(id)),
		"another browser's cookie": h.open("GET", back(id), &stolen),
		"under its own name":       h.open("GET", back(id), otherCookie),
		"a foreign state":          h.open("GET", back(otherID), cookie),
		"an invented state":        h.open("GET", back("123456"+strings.Repeat("0", 32)), cookie),
		"a hostile state":          h.open("GET", back("%0d%0a;=%22"), cookie),
		"no state":                 h.open("GET", "/authorized/alipay?auth_code=CODE", cookie),
	} {
		if w.Code != http.StatusForbidden || w.Header().Get("Location") != "" {
			t.Errorf("%s: got %d to %q", name, w.Code, w.Header().Get("Location"))
		}
		shows(t, w, "<h1>Please start again at the shop</h1>")
	}
	if w := h.open("HEAD", back(id), cookie); w.Code != http.StatusOK {
		t.Errorf("HEAD: got %d", w.Code)
	}
	if w := h.open("GET", back(id), cookie); w.Code != http.StatusFound {
		t.Errorf("a stranger used it up: got %d", w.Code)
	}
	w := h.open("GET", back(id), cookie)
	if w.Code != http.StatusGone {
		t.Errorf("it served twice: got %d", w.Code)
	}
	// Its code was the first one's; the other buyer cannot use it again.
	w = h.open("GET", back(otherID), otherCookie)
	if w.Code != http.StatusBadGateway {
		t.Errorf("a code served twice: got %d", w.Code)
	}
	shows(t, w, "<h1>We couldn’t reach your Alipay account</h1>")
	shows(t, w, "isv.code-invalid")
}

func TestAWalletThatDoesNotTellIsExplained(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		code int
		say  string
	}{
		"silence":     {wallet.ErrUnknown, 502, "We couldn’t reach your Alipay account"},
		"not reached": {wallet.ErrNotSent, 502, "We couldn’t reach your Alipay account"},
		"the account": {&wallet.Rejection{Code: "isv.invalid-app-id", Kind: wallet.RejectedAccount}, 502,
			"The shop can’t take Alipay just now"},
		"trouble of ours":  {errors.New("<b>secret</b>"), 503, "We couldn’t reach your Alipay account"},
		"too late to come": {nil, 410, "This link is no longer good"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, "https://pay.example")
			id, cookie := h.sent(h.link())
			if h.fails = tt.err; tt.err == nil {
				h.now = h.now.Add(gateway.AuthorizeWithin)
			}
			w := h.open("GET", back(id)+"&lang=en", cookie)
			if w.Code != tt.code || w.Header().Get("Location") != "" {
				t.Errorf("got %d to %q", w.Code, w.Header().Get("Location"))
			}
			shows(t, w, "<h1>"+tt.say+"</h1>")
			hides(t, w, "secret")
		})
	}
}

func TestEveryRefusalIsSaidInEveryLanguage(t *testing.T) {
	left := regexp.MustCompile(`\{[a-z]+\}|<h1></h1>|<p></p>`)
	for _, l := range languages {
		for code := range refusals {
			c := New(Config{Now: time.Now, Log: slog.New(slog.DiscardHandler)})
			r := httptest.NewRequest("GET", "/authorize/alipay?lang="+l.Tag, nil)
			w := httptest.NewRecorder()
			c.refuse(w, r, c.authorizing(r), &pay.Error{Code: code, Message: "x"}, &web.Entry{})
			if m := left.FindString(w.Body.String()); m != "" || w.Code < 400 {
				t.Errorf("%s in %s: %d with %q:\n%s", code, l.Tag, w.Code, m, w.Body)
			}
		}
	}
}
