package checkout

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
)

// chromium starts a browser, which ends with the test.
func chromium(t *testing.T) context.Context {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no Chromium on this machine")
		}
		t.Skip("no Chromium on this machine")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("hide-scrollbars", true))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return ctx
}

// changing is a gateway whose payment changes while a browser looks at it.
type changing struct {
	mu sync.Mutex
	payments
}

func (c *changing) become(s pay.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Status = s
}

func (c *changing) Lookup(ctx context.Context, token string) (pay.Payment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.payments.Lookup(ctx, token)
}

func (c *changing) Visit(ctx context.Context, token string) (pay.Payment, gateway.Way, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.payments.Visit(ctx, token)
}

func (c *changing) Returned(ctx context.Context, token string) (pay.Payment, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.payments.Returned(ctx, token)
}

// The whole way of a buyer who comes back before the money does: the page
// waits, sees it arrive, and goes to the shop; and the browser finds nothing
// on it that the policy refuses.
func TestTheResultPageFollowsThePaymentToTheShop(t *testing.T) {
	ctx := chromium(t)
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/thanks" && r.Referer() == "" {
			_, _ = w.Write([]byte(`<link rel=icon href="data:,"><p id="thanks">Thank you</p>`))
		}
	}))
	defer shop.Close()
	f := &changing{payments: *pending()}
	f.ReturnURL = shop.URL + "/thanks"
	gateway := serve(f)
	defer gateway.Close()

	if err := chromedp.Do(ctx); err != nil { // starts it
		t.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	if err := chromedp.Do(ctx, chromedp.Navigate(gateway.URL+"/return/tok?sign=x"),
		chromedp.WaitVisible(chromedp.CSS(".waiting h1"))); err != nil {
		t.Fatal(err)
	}
	f.become(pay.Paid)
	if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(".paid #leaving")),
		chromedp.WaitVisible(chromedp.CSS("#thanks"))); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if returned := len(slices.DeleteFunc(slices.Clone(f.calls),
		func(c string) bool { return c != "Returned" })); returned != 1 {
		t.Errorf("the wallet was asked %d times, calls %q", returned, f.calls)
	}
	if err := chromedp.Cancel(ctx); err != nil {
		t.Fatal(err)
	}
	for m, err := range messages {
		if err == nil {
			t.Errorf("the browser's console: %s %s", m.Type, m.Text)
		}
	}
}

func TestTheLinkCanBeCopied(t *testing.T) {
	ctx := chromium(t)
	gateway := serve(pending())
	defer gateway.Close()
	ua := func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetUserAgentOverride,
			emulation.SetUserAgentOverrideParams{UserAgent: agent(t, "ios wechat"), AcceptLanguage: "en"})
		return err
	}
	if err := chromedp.Do(ctx, chromedp.Func(ua), chromedp.Navigate(gateway.URL+"/pay/tok"),
		chromedp.Click(chromedp.CSS("#copy"))); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(ctx,
		chromedp.Poll[bool](`document.getElementById('copy').textContent === 'Copied'`)); err != nil {
		t.Fatal(err)
	}
}

// serve puts the pages on a port of their own.
func serve(p Payments) *httptest.Server {
	mux := http.NewServeMux()
	New(Config{
		Payments: p, Authorizations: nobody{}, BaseURL: "https://pay.example.com",
		Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
	}).Register(mux)
	return httptest.NewServer(mux)
}

// nobody is a gateway from which no buyer was sent to the wallet.
type nobody struct{ Authorizations }

func (nobody) Authorized(context.Context, string, string, url.Values) (gateway.Identified, error) {
	return gateway.Identified{},
		&pay.Error{Code: pay.NotFound, Message: "this browser did not start the sign-in"}
}

// TestScreenshots writes pictures of the pages into the directory that
// SAMPAN_SCREENSHOTS names, for people to look at; it checks nothing. Those of
// docs/checkout.md are made so.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("SAMPAN_SCREENSHOTS")
	if dir == "" {
		t.Skip("SAMPAN_SCREENSHOTS names no directory")
	}
	ctx := chromium(t)

	for _, shot := range []struct {
		name, agent, accept, path string // without an agent: Alipay's
		payments                  *payments
		dark, desk, noScript      bool
		bridge                    string        // run before the page's own script
		settle                    time.Duration // before the picture is taken
	}{
		{name: "guide-wechat-ios", agent: "ios wechat", accept: "en", path: "/pay/" + trueToken,
			payments: pending()},
		{name: "guide-wechat-android-hant", agent: "android wechat", accept: "zh-HK,zh",
			path: "/pay/" + trueToken, payments: pending()},
		{name: "guide-wechat-hans-dark", agent: "ios wechat", accept: "zh-CN", path: "/pay/" + trueToken,
			payments: pending(), dark: true},
		{name: "guide-facebook-ios-hant-dark", agent: "ios facebook", accept: "zh-TW",
			path: "/pay/" + trueToken, payments: pending(), dark: true},
		{name: "guide-unknown-android", agent: "android unknown", accept: "en", path: "/pay/" + trueToken,
			payments: pending()},
		{name: "guide-no-script", agent: "ios line", accept: "en", path: "/pay/" + trueToken,
			payments: pending(), noScript: true},
		{name: "waiting", agent: "ios -", accept: "en", path: "/return/tok", payments: pending()},
		{name: "waiting-slow-hans", agent: "ios -", accept: "zh-CN", path: "/return/tok?again=11",
			payments: pending()},
		{name: "waiting-slow-dark", agent: "ios -", accept: "en", path: "/return/tok?again=11",
			payments: pending(), dark: true},
		{name: "paid", agent: "ios -", accept: "en", path: "/return/tok", payments: ended(pay.Paid)},
		{name: "paid-hant-dark", agent: "ios -", accept: "zh-HK", path: "/return/tok",
			payments: ended(pay.Paid), dark: true},
		{name: "paid-desk", agent: "desktop -", accept: "en", path: "/return/tok", payments: ended(pay.Paid),
			desk: true},
		{name: "returned", agent: "ios -", accept: "en", path: "/return/tok", payments: goingBack()},
		{name: "returned-hant-dark", agent: "ios -", accept: "zh-HK", path: "/return/tok",
			payments: goingBack(), dark: true},
		{name: "expired", agent: "ios -", accept: "en", path: "/pay/" + trueToken,
			payments: ended(pay.Expired)},
		{name: "closed-hans", agent: "ios -", accept: "zh-CN", path: "/pay/" + trueToken,
			payments: ended(pay.Closed)},
		{name: "failed-dark", agent: "ios -", accept: "en", path: "/pay/" + trueToken,
			payments: ended(pay.Failed), dark: true},
		{name: "missing-hant", agent: "ios -", accept: "zh-TW", path: "/pay/nope", payments: pending()},
		{name: "trouble", agent: "ios -", accept: "en", path: "/pay/" + trueToken,
			payments: ended(pay.Pending)},
		{name: "declined", agent: "ios -", accept: "en", path: "/pay/" + trueToken,
			payments: unreached(pay.WalletRejected)},
		{name: "declined-hans-dark", agent: "ios -", accept: "zh-CN", path: "/pay/" + trueToken,
			payments: unreached(pay.WalletRejected), dark: true},
		{name: "silent-hant", agent: "ios -", accept: "zh-HK", path: "/pay/" + trueToken,
			payments: unreached(pay.WalletBusy)},
		{name: "silent-desk", agent: "desktop -", accept: "en", path: "/pay/" + trueToken,
			payments: unreached(pay.WalletBusy), desk: true},
		{name: "window-opening", accept: "en", path: "/pay/" + trueToken, payments: inWindow()},
		{name: "window-cancelled-hans", accept: "zh-CN", path: "/pay/" + trueToken, payments: inWindow(),
			bridge: cancelling},
		{name: "window-cancelled-dark", accept: "en", path: "/pay/" + trueToken, payments: inWindow(),
			bridge: cancelling, dark: true},
		{name: "window-refused", accept: "en", path: "/pay/" + trueToken, payments: inWindow(),
			bridge: strings.ReplaceAll(cancelling, "6001", "4000")},
		{name: "window-unopened-hant", accept: "zh-HK", path: "/pay/" + trueToken, payments: inWindow(),
			settle: 7 * time.Second},
		{name: "outside-phone", agent: "ios -", accept: "en", path: "/pay/" + trueToken,
			payments: inWindow()},
		{name: "outside-phone-hans-dark", agent: "android -", accept: "zh-CN", path: "/pay/" + trueToken,
			payments: inWindow(), dark: true},
		{name: "outside-desk-hant", agent: "desktop -", accept: "zh-TW", path: "/pay/" + trueToken,
			payments: inWindow(), desk: true},
		{name: "outside-desk-dark", agent: "desktop -", accept: "en", path: "/pay/" + trueToken,
			payments: inWindow(), desk: true, dark: true},
		{name: "authorize-link", accept: "en", path: "/authorize/alipay?app_code=A", payments: inWindow()},
		{name: "authorize-stranger-hans-dark", accept: "zh-CN", path: "/authorized/alipay?state=x",
			payments: inWindow(), dark: true},
		{name: "authorize-stranger-desk-hant", agent: "desktop -", accept: "zh-HK",
			path: "/authorized/alipay?state=x", payments: inWindow(), desk: true},
		{name: "preview-desk-dark", agent: "preview", accept: "en", path: "/pay/" + trueToken,
			payments: pending(), desk: true, dark: true},
	} {
		server := serve(shot.payments)
		var bridge page.ScriptIdentifier
		userAgent := alipayApp(t)
		if shot.agent != "" {
			userAgent = agent(t, shot.agent)
		}
		scheme := "light"
		if shot.dark {
			scheme = "dark"
		}
		viewport := chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch,
			chromedp.EmulatePortrait, chromedp.EmulateScale(2))
		if shot.desk {
			viewport = chromedp.EmulateViewport(1280, 800)
		}
		prepare := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			if _, err := chromedp.Call(ctx, emulation.SetUserAgentOverride,
				emulation.SetUserAgentOverrideParams{UserAgent: userAgent,
					AcceptLanguage: shot.accept}); err != nil {
				return err
			}
			if shot.bridge != "" {
				added, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument,
					page.AddScriptToEvaluateOnNewDocumentParams{Source: shot.bridge})
				if err != nil {
					return err
				}
				bridge = added.Identifier
			}
			if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled,
				emulation.SetScriptExecutionDisabledParams{Value: shot.noScript}); err != nil {
				return err
			}
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia,
				emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
					{Name: "prefers-color-scheme", Value: scheme},
					{Name: "prefers-reduced-motion", Value: "reduce"},
				}})
			return err
		})
		if err := chromedp.Do(ctx, prepare, viewport, chromedp.Navigate(server.URL+shot.path),
			chromedp.Sleep(shot.settle)); err != nil {
			t.Fatalf("%s: %v", shot.name, err)
		}
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatalf("%s: %v", shot.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "checkout-"+shot.name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
		if shot.bridge != "" {
			if err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
				_, err := chromedp.Call(ctx, page.RemoveScriptToEvaluateOnNewDocument,
					page.RemoveScriptToEvaluateOnNewDocumentParams{Identifier: bridge})
				return err
			})); err != nil {
				t.Fatal(err)
			}
		}
		server.Close()
	}
}

// cancelling is a bridge whose cashier the buyer has left.
const cancelling = "window.AlipayJSBridge = {call: function (_, _, done) { done({resultCode: '6001'}); }};"
