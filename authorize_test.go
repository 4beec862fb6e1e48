package sampan_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan"
)

var visited = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func authorizing() *sampan.Client {
	return &sampan.Client{BaseURL: "https://pay.example/", AppCode: "APP1", ClientKey: testKey,
		Now: func() time.Time { return visited }}
}

// linkSignature computes the documented signature, independently of the client.
func linkSignature(query, purpose string) string {
	mac := func(key []byte, message string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(message))
		return h.Sum(nil)
	}
	return hex.EncodeToString(mac(mac([]byte(testKey), purpose), query))
}

func TestAuthorizeURLIsSignedAndUnique(t *testing.T) {
	c := authorizing()
	r := sampan.AuthorizationRequest{ReturnURL: "https://shop.example/in?a=1&b=茶",
		State: "s 1+1", StoreID: "M1"}
	link, err := c.AuthorizeURL(r)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	signed, signature, _ := strings.Cut(u.RawQuery, "&sig=")
	want := "app_code=APP1&expires=1767323645&mchid=M1&nonce=" + u.Query().Get("nonce") +
		"&return_url=https%3A%2F%2Fshop.example%2Fin%3Fa%3D1%26b%3D%E8%8C%B6&state=s%201%2B1"
	if signed != want || signature != linkSignature(want, "sampan-authorize-v1") ||
		u.Scheme+u.Host+u.Path != "httpspay.example/authorize/alipay" {
		t.Errorf("got %s", link)
	}
	if again, err := c.AuthorizeURL(r); err != nil || again == link {
		t.Errorf("two visits share a link: %v", err)
	}
}

func TestAuthorizeURLRefusesBadRequests(t *testing.T) {
	good := sampan.AuthorizationRequest{ReturnURL: "https://shop.example/", State: "s"}
	for name, change := range map[string]func(*sampan.Client, *sampan.AuthorizationRequest){
		"no address": func(_ *sampan.Client, r *sampan.AuthorizationRequest) { r.ReturnURL = "" },
		"no state":   func(_ *sampan.Client, r *sampan.AuthorizationRequest) { r.State = "" },
		"too long": func(_ *sampan.Client, r *sampan.AuthorizationRequest) {
			r.ExpiresIn = 15*time.Minute + 1
		},
		"over already": func(_ *sampan.Client, r *sampan.AuthorizationRequest) {
			r.ExpiresIn = -time.Minute
		},
		"no client key": func(c *sampan.Client, _ *sampan.AuthorizationRequest) { c.ClientKey = "" },
		"no app code":   func(c *sampan.Client, _ *sampan.AuthorizationRequest) { c.AppCode = "" },
		"no gateway":    func(c *sampan.Client, _ *sampan.AuthorizationRequest) { c.BaseURL = "" },
	} {
		c, r := authorizing(), good
		change(c, &r)
		if link, err := c.AuthorizeURL(r); err == nil || strings.Contains(err.Error(), testKey) {
			t.Errorf("%s: %s, %v", name, link, err)
		}
	}
}

func TestVerifyAuthorization(t *testing.T) {
	const signed = "expires=1767323345&openid=2088102122524333&state=s%201"
	good := signed + "&sig=" + linkSignature(signed, "sampan-authorized-v1")
	for _, tt := range []struct {
		name, query, state string
		after              time.Duration
		want               error
	}{
		{"unchanged", good, "s 1", 0, nil},
		{"after the merchant's own query", "order=7&" + good, "s 1", 0, nil},
		{"in another order", "sig=" + linkSignature(signed, "sampan-authorized-v1") +
			"&state=s+1&openid=2088102122524333&expires=1767323345", "s 1", 0, nil},
		{"a moment before its end", good, "s 1", 5*time.Minute - time.Second, nil},
		{"at its end", good, "s 1", 5 * time.Minute, sampan.ErrAuthorizationExpired},
		{"another visit's", good, "s 2", 0, sampan.ErrNotAuthorized},
		{"another buyer", strings.Replace(good, "2088102122524333", "2088102122524334", 1), "s 1", 0,
			sampan.ErrNotAuthorized},
		{"a later end", strings.Replace(good, "1767323345", "1867323345", 1), "s 1", 0,
			sampan.ErrNotAuthorized},
		{"another state", strings.Replace(good, "s%201", "s%202", 1), "s 2", 0, sampan.ErrNotAuthorized},
		{"two buyers", good + "&openid=2088102122524334", "s 1", 0, sampan.ErrNotAuthorized},
		{"no signature", signed, "s 1", 0, sampan.ErrNotAuthorized},
		{"an empty signature", signed + "&sig=", "s 1", 0, sampan.ErrNotAuthorized},
		{"signed as a link", signed + "&sig=" + linkSignature(signed, "sampan-authorize-v1"), "s 1", 0,
			sampan.ErrNotAuthorized},
		{"nothing", "", "s 1", 0, sampan.ErrNotAuthorized},
		{"unreadable", good + "&x=%zz", "s 1", 0, sampan.ErrNotAuthorized},
	} {
		c := authorizing()
		c.Now = func() time.Time { return visited.Add(tt.after) }
		got, err := c.VerifyAuthorization(httptest.NewRequest("GET", "/in?"+tt.query, nil), tt.state)
		if !errors.Is(err, tt.want) || (err == nil) != (got != nil) ||
			got != nil && got.OpenID != "2088102122524333" {
			t.Errorf("%s: %+v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
	for _, c := range []*sampan.Client{{}, {ClientKey: "other"}} {
		got, err := c.VerifyAuthorization(httptest.NewRequest("GET", "/in?"+good, nil), "s 1")
		if err == nil {
			t.Errorf("another key accepted it as %+v", got)
		}
	}
	r := httptest.NewRequest("GET", "/in?expires=1767323345&openid=o&state=&sig=x", nil)
	got, err := authorizing().VerifyAuthorization(r, "")
	if err == nil || errors.Is(err, sampan.ErrNotAuthorized) {
		t.Errorf("without a state to compare: %+v, %v", got, err)
	}
}
