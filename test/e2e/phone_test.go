package e2e_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/device"

	"github.com/sampanpay/sampan/test/harness"
)

// The user agents of other browsers on a phone than harness.Safari.
const (
	wechat = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) " +
		"AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 MicroMessenger/8.0.59(0x18003b2a) " +
		"NetType/WIFI Language/zh_CN"

	alipayApp = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) " +
		"AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 AliApp(AP/10.7.30.6000) " +
		"AlipayClient/10.7.30.6000 Language/zh-Hans"
)

// phone is a real Chromium with the screen of a phone. It keeps pictures of what it shows in
// artifacts/e2e. A page fails the test if it violates its own content security policy, if its
// script throws, or if it requests anything from another host.
type phone struct {
	t     *testing.T
	ctx   context.Context
	dir   string
	shots int

	mu      sync.Mutex
	faults  []string
	visited []string // addresses of the pages that it has shown
}

// newPhone starts a browser with an empty profile.
func newPhone(t *testing.T, agent, languages string) *phone {
	t.Helper()
	p := &phone{t: t, dir: filepath.Join("..", "..", "artifacts", "e2e",
		strings.ReplaceAll(t.Name(), "/", "-"))}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	browser := chromium(t)

	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browser),
		chromedp.NoSandbox, // otherwise it refuses to run as root; it visits only our pages
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)...)
	t.Cleanup(cancel)
	p.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(p.observe))
	t.Cleanup(func() {
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, fault := range p.faults {
			t.Error(fault)
		}
	})

	p.do("start", chromedp.Emulate(device.Info{
		Name: "phone", UserAgent: agent, Width: 390, Height: 844, Scale: 2, Mobile: true, Touch: true,
	}))
	override := emulation.SetUserAgentOverrideParams{UserAgent: agent, AcceptLanguage: languages}
	_, err := chromedp.Call(p.ctx, emulation.SetUserAgentOverride, override)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// chromium is the browser's path.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	harness.Missing(t, "Chromium")
	return ""
}

// observe records what a good page never does.
func (p *phone) observe(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fault := ""
	switch e := event.(type) {
	case *page.EventFrameNavigated:
		p.visited = append(p.visited, e.Frame.URL)
	case *runtime.EventExceptionThrown:
		fault = fmt.Sprintf("script: %s %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
	case *log.EventEntryAdded:
		if e.Entry.Source == log.EntrySourceSecurity ||
			strings.Contains(e.Entry.Text, "Content Security Policy") {
			fault = "browser: " + e.Entry.Text
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil ||
			(u.Scheme != "data" && u.Hostname() != "127.0.0.1") {
			fault = "asked for " + e.Request.URL
		}
	}
	if fault != "" {
		p.faults = append(p.faults, fault)
	}
}

// do runs the actions, within the test's patience.
func (p *phone) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if chromedp.FromContext(p.ctx).Target == nil { // starting binds the browser's life to the context
		if err := chromedp.Do(p.ctx); err != nil {
			p.t.Fatalf("start the browser: %v", err)
		}
	}
	ctx, cancel := context.WithTimeout(p.ctx, harness.Patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		p.t.Errorf("%s: %v", what, err)
		p.shoot("failed")
		p.t.Fatalf("the browser was at %s", p.location())
	}
}

func (p *phone) open(address string) {
	p.t.Helper()
	p.do("open "+address, chromedp.Navigate(address))
}

func (p *phone) see(selector string) {
	p.t.Helper()
	p.do("see "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

func (p *phone) press(selector string) {
	p.t.Helper()
	p.do("press "+selector, chromedp.Click(chromedp.CSS(selector)))
}

func (p *phone) text(selector string) string {
	p.t.Helper()
	return value(p, "read "+selector, chromedp.Text(chromedp.CSS(selector)))
}

func (p *phone) location() string {
	p.t.Helper()
	return value(p, "location", chromedp.Location())
}

// fits fails the test if the page is wider than the screen.
func (p *phone) fits() {
	p.t.Helper()
	const script = `document.documentElement.scrollWidth - window.innerWidth`
	if over := value(p, "measure", chromedp.Evaluate[int](script)); over > 0 {
		p.t.Errorf("%s is %d pixels wider than the screen", p.location(), over)
	}
}

// look checks that the page fits, and keeps a picture of it.
func (p *phone) look(name string) {
	p.t.Helper()
	p.fits()
	p.shoot(name)
}

// visit returns the address of a page that it has shown, which begins with prefix.
func (p *phone) visit(prefix string) string {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, address := range p.visited {
		if strings.HasPrefix(address, prefix) {
			return address
		}
	}
	p.t.Fatalf("no page of %s was shown, only %q", prefix, p.visited)
	return ""
}

// glimpse keeps a picture of a page that goes on by itself after a moment. On a busy machine the
// picture may be missed.
func (p *phone) glimpse(selector, name string) {
	ctx, cancel := context.WithTimeout(p.ctx, 3*time.Second)
	defer cancel()
	picture, err := chromedp.Run(ctx, func(ctx context.Context, target *chromedp.Target) ([]byte, error) {
		if _, err := chromedp.WaitVisible(chromedp.CSS(selector))(ctx, target); err != nil {
			return nil, err
		}
		return chromedp.CaptureScreenshot()(ctx, target)
	})
	if err != nil {
		p.t.Logf("no picture of %s: %v", name, err)
		return
	}
	p.keep(name, picture)
}

// shoot keeps a picture of the whole page.
func (p *phone) shoot(name string) {
	p.t.Helper()
	p.keep(name, value(p, "screenshot", chromedp.FullScreenshot(100)))
}

func (p *phone) keep(name string, picture []byte) {
	p.t.Helper()
	p.shots++
	path := filepath.Join(p.dir, fmt.Sprintf("%02d-%s.png", p.shots, name))
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// value runs an action and returns its result.
func value[T any](p *phone, what string, action chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, harness.Patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	return v
}
