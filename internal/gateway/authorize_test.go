package gateway

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// identifier is a wallet that identifies buyers: the code "CODE" is the test's buyer,
// once.
type identifier struct {
	scripted
	buyer string
	err   error
	used  atomic.Bool
}

func (w *identifier) Authorize(redirectURL, state string) (string, error) {
	return "https://wallet.example/oauth?redirect_uri=" + url.QueryEscape(redirectURL) + "&state=" +
		url.QueryEscape(state), nil
}

func (w *identifier) Identify(_ context.Context, query url.Values) (string, error) {
	w.countCall("identify")
	if w.err != nil {
		return "", w.err
	}
	if query.Get("auth_code") != "CODE" || w.used.Swap(true) {
		return "", &wallet.Rejection{Code: "isv.code-invalid"}
	}
	return w.buyer, nil
}

// newIdentifying returns a harness whose merchant has an account that identifies
// buyers, and an app code that may return to shop.example.
func newIdentifying(t *testing.T) (*harness, *identifier, AuthorizeRequest) {
	t.Helper()
	h := newHarness(t)
	return h, h.addIdentifier(), h.authorizeRequest()
}

func (h *harness) addIdentifier() *identifier {
	h.t.Helper()
	w := &identifier{buyer: "2088102122524333"}
	h.Wallets["window"] = wallet.Driver{
		Info: wallet.Info{Currencies: map[pay.PayType][]pay.Currency{pay.AlipayServiceWindow: {"CNY"}}},
		Open: func(wallet.Account) (wallet.Connector, error) { return w, nil },
	}
	if err := h.Store.PutWalletAccount(h.t.Context(),
		pay.WalletAccount{MerchantID: "123456", ID: "window", Wallet: "window",
			PayTypes: []pay.PayType{pay.AlipayServiceWindow}, Currencies: []pay.Currency{"CNY"},
			CreatedAt: h.clock(), UpdatedAt: h.clock()}); err != nil {
		h.t.Fatal(err)
	}
	return w
}

func (h *harness) authorizeRequest() AuthorizeRequest {
	c := h.credential
	c.ReturnHosts = []string{"shop.example", "shop.example:8443", "127.0.0.1:7703"}
	return AuthorizeRequest{Credential: c, ReturnURL: "https://shop.example/back?order=7", State: "session 1",
		Nonce: "n1", ExpiresAt: h.clock().Add(10 * time.Minute)}
}

var fromWallet = url.Values{"auth_code": {"CODE"}, "app_id": {"2021"}}

func TestABuyerIsIdentifiedOnce(t *testing.T) {
	onEach(t, func(t *testing.T, h *harness) {
		w := h.addIdentifier()
		ticket, err := h.Authorize(t.Context(), h.authorizeRequest())
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^123456[0-9a-f]{32}$`).MatchString(ticket.ID) {
			t.Errorf("id %q", ticket.ID)
		}
		want := "https://wallet.example/oauth?redirect_uri=https%3A%2F%2Fpay.example%2Fauthorized%2Falipay&state="
		if want += ticket.ID; ticket.WalletURL != want {
			t.Errorf("sent to %s, want %s", ticket.WalletURL, want)
		}
		var once atomic.Int64
		var all sync.WaitGroup
		for range 5 { // on another replica
			all.Go(func() {
				got, err := h.newReplica(h.Store).Authorized(t.Context(), ticket.ID, ticket.Proof, fromWallet)
				if pay.CodeOf(err) == pay.AlreadyExpired {
					return
				}
				once.Add(1)
				if pay.CodeOf(err) != pay.WalletTrouble { // the other replica does not have that wallet
					t.Errorf("got %+v, %v", got, err)
				}
			})
		}
		all.Wait()
		if once.Load() != 1 {
			t.Errorf("served %d times", once.Load())
		}

		request := h.authorizeRequest()
		request.Nonce = "n2"
		if ticket, err = h.Authorize(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		got, err := h.Authorized(t.Context(), ticket.ID, ticket.Proof, fromWallet)
		if err != nil || got.OpenID != "2088102122524333" ||
			got.ReturnURL != "https://shop.example/back?order=7" || got.State != "session 1" ||
			got.Credential.ClientKey != "KEY" {
			t.Errorf("got %+v, %v", got, err)
		}
		_, err = h.Authorized(t.Context(), ticket.ID, ticket.Proof, fromWallet)
		wantCode(t, err, pay.AlreadyExpired)
		if w.calls() != 1 {
			t.Errorf("the wallet was asked %d times", w.calls())
		}
	})
}

func TestALinkOpensOnce(t *testing.T) {
	h, _, link := newIdentifying(t)
	if _, err := h.Authorize(t.Context(), link); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := h.Authorize(t.Context(), link)
		wantCode(t, err, pay.NumberUsed)
	}
	h.advance(10*time.Minute - time.Second) // before it expires
	_, err := h.Authorize(t.Context(), link)
	wantCode(t, err, pay.NumberUsed)
	h.advance(time.Second)
	_, err = h.Authorize(t.Context(), link)
	wantCode(t, err, pay.AlreadyExpired)
	// Links that others open an hour and a half later have it deleted.
	h.advance(90 * time.Minute)
	link.Nonce, link.ExpiresAt = "n2", h.clock().Add(time.Minute)
	if _, err := h.Authorize(t.Context(), link); err != nil {
		t.Fatal(err)
	}
	link.Nonce = "n1"
	if _, err := h.Authorize(t.Context(), link); err != nil {
		t.Errorf("what is long over is still kept: %v", err)
	}
}

func TestLinksThatMayNotBeFollowed(t *testing.T) {
	h, _, _ := newIdentifying(t)
	for name, c := range map[string]struct {
		change func(*AuthorizeRequest)
		want   pay.Code
	}{
		"at its end": {func(r *AuthorizeRequest) { r.ExpiresAt = h.clock() }, pay.AlreadyExpired},
		"too long a life": {
			func(r *AuthorizeRequest) { r.ExpiresAt = h.clock().Add(15*time.Minute + time.Second) },
			pay.BadParameter},
		"centuries": {func(r *AuthorizeRequest) { r.ExpiresAt = time.Unix(1<<40, 0) },
			pay.BadParameter},
		"a store where there are none": {func(r *AuthorizeRequest) { r.StoreID = "M1" }, pay.StoreUnknown},
		"no store where there are some": {func(r *AuthorizeRequest) { r.Credential.HasStores = true },
			pay.StoreNotSetUp},
		"no hosts": {func(r *AuthorizeRequest) { r.Credential.ReturnHosts = nil }, pay.Forbidden},
		"nothing wrong: the longest": {
			func(r *AuthorizeRequest) { r.ExpiresAt = h.clock().Add(15 * time.Minute) }, ""},
		"nothing wrong: another app's n": {func(r *AuthorizeRequest) { r.Credential.AppCode = "OTHER" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			link := h.authorizeRequest()
			link.Nonce = name
			c.change(&link)
			_, err := h.Authorize(t.Context(), link)
			wantCode(t, err, c.want)
		})
	}
	t.Run("no account tells buyers", func(t *testing.T) {
		h := newHarness(t)
		_, err := h.Authorize(t.Context(), h.authorizeRequest())
		wantCode(t, err, pay.Forbidden)
		w := h.addIdentifier()
		h.Wallets["window"] = wallet.Driver{Info: h.Wallets["window"].Info,
			Open: func(wallet.Account) (wallet.Connector, error) { return &w.scripted, nil }}
		_, err = h.newReplica(h.Store).Authorize(t.Context(), h.authorizeRequest())
		wantCode(t, err, pay.Forbidden)
		_, err = h.Authorize(t.Context(), h.authorizeRequest())
		wantCode(t, err, pay.Forbidden)
	})
}

func TestABuyerReturnsToListedHostsOnly(t *testing.T) {
	hosts := []string{"shop.example", "shop.example:8443", "127.0.0.1:7703"}
	for address, want := range map[string]pay.Code{
		"https://shop.example/back?order=7#top": "",
		"https://SHOP.Example/":                 "", // the same host, as browsers lower it
		"https://shop.example:443/":             "",
		"http://shop.example:80/":               "",
		"http://shop.example":                   "",
		"https://shop.example:8443/x":           "",
		"http://127.0.0.1:7703/orders/1":        "",
		"https://shop.example/?next=//evil":     "",

		"https://evil.example/":                   pay.Forbidden,
		"https://evil.example/shop.example":       pay.Forbidden,
		"https://evil.example?shop.example":       pay.Forbidden,
		"https://evil.example#@shop.example/":     pay.Forbidden,
		"https://shop.example.evil.example/":      pay.Forbidden,
		"https://evilshop.example/":               pay.Forbidden,
		"https://www.shop.example/":               pay.Forbidden,
		"https://shop.example./":                  pay.Forbidden,
		"https://shop.example:8444/":              pay.Forbidden,
		"https://shop.example:80/":                pay.Forbidden,
		"http://shop.example:443/":                pay.Forbidden,
		"https://shop.example:/":                  pay.Forbidden,
		"http://127.0.0.1/":                       pay.Forbidden,
		"http://2130706433:7703/":                 pay.Forbidden,
		"https://ｓhop.example/":                   pay.Forbidden, // a browser reads it as an s
		"https://shop%2eexample/":                 pay.BadParameter,
		"https://shop.example@evil.example/":      pay.BadParameter,
		"https://evil.example@shop.example/":      pay.BadParameter,
		"https://:@shop.example/":                 pay.BadParameter,
		`https://evil.example\@shop.example/`:     pay.BadParameter,
		`https://shop.example\.evil.example/`:     pay.BadParameter,
		`https:\\evil.example`:                    pay.BadParameter,
		"https:///shop.example/":                  pay.BadParameter,
		"https:shop.example":                      pay.BadParameter,
		"//shop.example/":                         pay.BadParameter,
		"/back":                                   pay.BadParameter,
		"":                                        pay.BadParameter,
		"shop.example":                            pay.BadParameter,
		"javascript:alert(1)//shop.example":       pay.BadParameter,
		"javascript://shop.example/%0aalert(1)":   pay.BadParameter,
		"JAVASCRIPT://shop.example/":              pay.BadParameter,
		"data:text/html,<script>x</script>":       pay.BadParameter,
		"alipays://shop.example/":                 pay.BadParameter,
		"https://shop.example/a b":                pay.BadParameter,
		" https://shop.example/":                  pay.BadParameter,
		"https://shop.example/\r\nSet-Cookie: a":  pay.BadParameter,
		"https://shop.example/?openid=2088":       pay.BadParameter,
		"https://shop.example/?a=1&sig=x":         pay.BadParameter,
		"https://shop.example/?st%61te=x":         pay.BadParameter,
		"https://shop.example/?expires=1":         pay.BadParameter,
		"https://shop.example/?a=%zz":             pay.BadParameter,
		"https://shop.example/?a;openid=1":        pay.BadParameter,
		"https://shop.example/" + "\x00":          pay.BadParameter,
		"https://[::1]:x/":                        pay.BadParameter,
		"https://shop.example:8443:8443/":         pay.BadParameter,
		"https://shop.example\t/":                 pay.BadParameter,
		"https://shop.example,evil.example/":      pay.Forbidden,
		"https://" + strings.Repeat("a", 500):     pay.Forbidden,
		"https://shop.example:08443/":             pay.Forbidden,
		"https://user@shop.example:8443/":         pay.BadParameter,
		"ftp://shop.example/":                     pay.BadParameter,
		"https://\u202eelpmaxe.pohs/":             pay.Forbidden,
		"https://shop.example\u3002evil.example/": pay.Forbidden,
	} {
		if got := pay.CodeOf(checkReturn(address, hosts)); got != want {
			t.Errorf("%q: got %q, want %q", address, got, want)
		}
	}
}

func TestHostsForTheListAreReadStrictly(t *testing.T) {
	for in, want := range map[string]string{
		"shop.example": "shop.example", "SHOP.example:8443": "shop.example:8443", "localhost": "localhost",
		"127.0.0.1:7703": "127.0.0.1:7703",
		"[::1]:7703":     "[::1]:7703", "xn--fiqs8s.example": "xn--fiqs8s.example",
		"a-b.example": "a-b.example",
	} {
		got, err := ReturnHost(in)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
		if err := checkReturn("http://"+got+"/x", []string{got}); err != nil {
			t.Errorf("%q is listed and refused: %v", got, err)
		}
	}
	for _, in := range []string{
		"", "*", "*.example", "https://shop.example", "shop.example/", "shop.example.", ".example", "a..b",
		"shop.example:", "shop.example:x",
		"shop.example:443", "shop.example:80", "user@shop.example", "shop example",
		"shop.example,evil.example", "茶.example", "-a.example", "a_b.example",
	} {
		if got, err := ReturnHost(in); err == nil {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

func TestOnlyTheBrowserThatWentOutComesBack(t *testing.T) {
	h, w, link := newIdentifying(t)
	mine, err := h.Authorize(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	link.Nonce = "n2"
	other, err := h.Authorize(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	if mine.ID == other.ID || mine.Proof == other.Proof {
		t.Fatal("two buyers share a ticket")
	}
	for name, pair := range map[string][2]string{
		"another browser's proof": {mine.ID, other.Proof}, "no proof": {mine.ID, ""},
		"another's id": {other.ID, mine.Proof},
		"a changed id": {mine.ID[:37] + "x", mine.Proof}, "no id": {"", mine.Proof},
		"a proof cut short": {mine.ID, mine.Proof[:10]},
		"nothing":           {"", ""}, "a long id": {strings.Repeat("1", 5000), mine.Proof},
	} {
		_, err := h.Authorized(t.Context(), pair[0], pair[1], fromWallet)
		if pay.CodeOf(err) != pay.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.calls() != 0 {
		t.Error("the wallet was asked for a stranger")
	}
	if _, err := h.Authorized(t.Context(), mine.ID, mine.Proof, fromWallet); err != nil {
		t.Errorf("a stranger used it up: %v", err)
	}
}

func TestWithoutTheWalletsWordNoBuyerIsIdentified(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*harness, *identifier)
		want  pay.Code
	}{
		"a code used before": {func(_ *harness, w *identifier) { w.used.Store(true) }, pay.WalletRejected},
		"the account refused": {func(_ *harness,
			w *identifier) {
			w.err = &wallet.Rejection{Kind: wallet.RejectedAccount}
		}, pay.WalletTrouble},
		"silence": {func(_ *harness, w *identifier) { w.err = wallet.ErrUnknown },
			pay.OutcomeUnknown},
		"not reached": {func(_ *harness, w *identifier) { w.err = wallet.ErrNotSent }, pay.WalletBusy},
		"anything else": {func(_ *harness, w *identifier) { w.err = errors.New("surprise") },
			pay.Internal},
		"an id that no order can have": {func(_ *harness, w *identifier) { w.buyer = "1&sig=" },
			pay.Internal},
		"no id": {func(_ *harness, w *identifier) { w.buyer = "" }, pay.Internal},
		"the app code revoked": {func(h *harness, _ *identifier) {
			if err := h.Store.SetCredentialDisabled(h.t.Context(), "APP", true); err != nil {
				h.t.Fatal(err)
			}
		}, pay.BadSignature},
		"after its time": {func(h *harness, _ *identifier) { h.advance(AuthorizeWithin) },
			pay.AlreadyExpired},
		"nothing wrong: the last moment": {
			func(h *harness, _ *identifier) { h.advance(AuthorizeWithin - time.Second) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, w, link := newIdentifying(t)
			ticket, err := h.Authorize(t.Context(), link)
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(h, w)
			got, err := h.Authorized(t.Context(), ticket.ID, ticket.Proof, fromWallet)
			wantCode(t, err, c.want)
			if err != nil && got.OpenID != "" {
				t.Errorf("told %+v", got)
			}
			_, err = h.Authorized(t.Context(), ticket.ID, ticket.Proof, fromWallet)
			if pay.CodeOf(err) != pay.AlreadyExpired {
				t.Errorf("it served twice: %v", err)
			}
		})
	}
}
