package checkout

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/sampanpay/sampan/internal/pay"
)

// TestScreenshots writes pictures of the pages into the directory that
// SAMPAN_SCREENSHOTS names, for people to look at; it checks nothing. Those of
// docs/checkout.md are made so.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("SAMPAN_SCREENSHOTS")
	if dir == "" {
		t.Skip("SAMPAN_SCREENSHOTS names no directory")
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("hide-scrollbars", true))...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()

	for _, shot := range []struct {
		name, agent, accept, path string
		payments                  *payments
		dark, desk, noScript      bool
	}{
		{name: "guide-wechat-ios", agent: "ios wechat", accept: "en", path: "/pay/tok", payments: pending()},
		{name: "guide-wechat-android-hant", agent: "android wechat", accept: "zh-HK,zh", path: "/pay/tok", payments: pending()},
		{name: "guide-wechat-hans-dark", agent: "ios wechat", accept: "zh-CN", path: "/pay/tok", payments: pending(), dark: true},
		{name: "guide-facebook-ios-hant-dark", agent: "ios facebook", accept: "zh-TW", path: "/pay/tok", payments: pending(), dark: true},
		{name: "guide-unknown-android", agent: "android unknown", accept: "en", path: "/pay/tok", payments: pending()},
		{name: "guide-no-script", agent: "ios line", accept: "en", path: "/pay/tok", payments: pending(), noScript: true},
		{name: "waiting", agent: "ios -", accept: "en", path: "/return/tok", payments: pending()},
		{name: "waiting-slow-hans", agent: "ios -", accept: "zh-CN", path: "/return/tok?again=11", payments: pending()},
		{name: "waiting-slow-dark", agent: "ios -", accept: "en", path: "/return/tok?again=11", payments: pending(), dark: true},
		{name: "paid", agent: "ios -", accept: "en", path: "/return/tok", payments: ended(pay.Paid)},
		{name: "paid-hant-dark", agent: "ios -", accept: "zh-HK", path: "/return/tok", payments: ended(pay.Paid), dark: true},
		{name: "paid-desk", agent: "desktop -", accept: "en", path: "/return/tok", payments: ended(pay.Paid), desk: true},
		{name: "expired", agent: "ios -", accept: "en", path: "/pay/tok", payments: ended(pay.Expired)},
		{name: "closed-hans", agent: "ios -", accept: "zh-CN", path: "/pay/tok", payments: ended(pay.Closed)},
		{name: "failed-dark", agent: "ios -", accept: "en", path: "/pay/tok", payments: ended(pay.Failed), dark: true},
		{name: "missing-hant", agent: "ios -", accept: "zh-TW", path: "/pay/nope", payments: pending()},
		{name: "trouble", agent: "ios -", accept: "en", path: "/pay/tok", payments: ended(pay.Pending)},
		{name: "preview-desk-dark", agent: "preview", accept: "en", path: "/pay/tok", payments: pending(), desk: true, dark: true},
	} {
		mux := http.NewServeMux()
		New(Config{
			Payments: shot.payments, BaseURL: "https://pay.example.com", Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
		}).Register(mux)
		server := httptest.NewServer(mux)
		scheme := "light"
		if shot.dark {
			scheme = "dark"
		}
		viewport := chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait, chromedp.EmulateScale(2))
		if shot.desk {
			viewport = chromedp.EmulateViewport(1280, 800)
		}
		prepare := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			if _, err := chromedp.Call(ctx, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent(t, shot.agent), AcceptLanguage: shot.accept}); err != nil {
				return err
			}
			if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: shot.noScript}); err != nil {
				return err
			}
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
			}})
			return err
		})
		if err := chromedp.Do(ctx, prepare, viewport, chromedp.Navigate(server.URL+shot.path)); err != nil {
			t.Fatalf("%s: %v", shot.name, err)
		}
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatalf("%s: %v", shot.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "checkout-"+shot.name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
		server.Close()
	}
}
