package checkout

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan/internal/pay"
)

// inWindow is a payment that is paid inside the Alipay app.
func inWindow() *payments {
	f := pending()
	f.wallet, f.PayType, f.Checkout, f.Amount.Currency = "", pay.AlipayServiceWindow,
		"2026050422001446881000041395",
		"CNY"
	return f
}

// alipayApp is the User-Agent of Alipay on an iPhone.
func alipayApp(t *testing.T) string {
	t.Helper()
	all := agents(t)
	i := slices.IndexFunc(all, func(a [2]string) bool {
		return strings.Contains(a[1], "iPhone") && strings.Contains(a[1], "AlipayClient")
	})
	return all[i][1]
}

func TestThePageInTheAppHoldsWhatTheCashierNeeds(t *testing.T) {
	for name, ask := range map[string][]string{
		"Alipay on iOS":        {"/pay/tok?lang=en", "User-Agent", alipayApp(t)},
		"a buyer who insists":  {"/pay/tok?open=1&lang=en", "User-Agent", agent(t, "ios wechat")},
		"insisting on a desk":  {"/pay/tok?open=1&lang=en", "User-Agent", agent(t, "desktop -")},
		"insisting on Android": {"/pay/tok?open=1&lang=en", "User-Agent", agent(t, "android -")},
	} {
		f := inWindow()
		w := get(t, f, ask[0], ask[1:]...)
		if w.Code != http.StatusOK || !cmp.Equal(f.calls, []string{"Visit"}) {
			t.Errorf("%s: got %d, calls %q", name, w.Code, f.calls)
		}
		shows(t, w, `data-trade="2026050422001446881000041395"`)
		shows(t, w, `data-result="../return/tok?lang=en"`)
		shows(t, w, `data-poll="../pay/tok/status"`)
		shows(t, w, `data-next="../return/tok?again=1&lang=en"`)
		shows(t, w, "Opening Alipay")
		policy := w.Header().Get("Content-Security-Policy")
		if !strings.HasSuffix(policy, "; frame-src alipaybridge: alipayjsbridge:") ||
			!strings.Contains(policy, "script-src 'self';") {
			t.Errorf("%s: policy %q", name, policy)
		}
	}
}

func TestOutsideOfTheAppThePageShowsTheWaysIn(t *testing.T) {
	for who, phone := range map[string]bool{"ios -": true, "android -": true, "desktop -": false} {
		f := inWindow()
		w := get(t, f, "/pay/tok", "User-Agent", agent(t, who))
		if w.Code != http.StatusOK || !cmp.Equal(f.calls, []string{"Visit"}) {
			t.Errorf("%s: got %d, calls %q", who, w.Code, f.calls)
		}
		shows(t, w, "<h1>Open in Alipay to pay</h1>")
		shows(t, w, `id="link" aria-labelledby="or">https://pay.example.com/pay/tok<`)
		shows(t, w, `<svg class="qr"`)
		shows(t, w, `href="?open=1"`)
		shows(t, w, `data-poll="../pay/tok/status"`) // it may be paid on the phone
		hides(t, w, "data-trade")
		link := `href="alipays://platformapi/startapp?appId=20000067&url=https%3A%2F%2Fpay.example.com%2Fpay%2Ftok"`
		if phone {
			shows(t, w, link)
		} else {
			hides(t, w, "alipays:")
			shows(t, w, "<details open>")
		}
	}
	// from there the app cannot be opened either
	w := get(t, inWindow(), "/pay/tok", "User-Agent", agent(t, "ios wechat"))
	shows(t, w, "Alipay doesn’t open inside WeChat")
	hides(t, w, "alipays:")
}

func TestTheWindowOpensOnlyForWhatCanBePaid(t *testing.T) {
	for name, f := range map[string]*payments{
		"paid": ended(pay.Paid), "expired": ended(pay.Expired), "closed": ended(pay.Closed),
		"failed": ended(pay.Failed),
	} {
		f.Checkout = "2026050422001446881000041395"
		w := get(t, f, "/pay/tok?open=1", "User-Agent", alipayApp(t))
		hides(t, w, "data-trade")
		shows(t, w, `<body class="`+name+`">`)
	}
	late := inWindow()
	late.ExpiresAt = noon
	hides(t, get(t, late, "/pay/tok", "User-Agent", alipayApp(t)), "data-trade")
	for _, unregistered := range []func(*payments){func(f *payments) { f.Checkout = "" },
		func(f *payments) { f.Status = pay.Created }} {
		f := inWindow()
		unregistered(f)
		if w := get(t, f, "/pay/tok", "User-Agent", alipayApp(t)); w.Code != http.StatusServiceUnavailable {
			t.Errorf("an order that the wallet has not taken: got %d", w.Code)
		}
	}
}

func TestTheStatusAsksTheWalletOnlyIfToldTo(t *testing.T) {
	for path, want := range map[string]string{"/pay/tok/status": "Lookup",
		"/pay/tok/status?ask=1": "Returned", "/pay/tok/status?ask=2": "Lookup"} {
		f := inWindow()
		if w := get(t, f, path); w.Code != http.StatusOK || !cmp.Equal(f.calls, []string{want}) {
			t.Errorf("%s: got %d, calls %q", path, w.Code, f.calls)
		}
	}
}

// In a browser: each answer of the cashier is taken as a hint, and what became
// of the payment is learnt from its status.
func TestEveryAnswerOfTheCashierIsOnlyAHint(t *testing.T) {
	ctx := chromium(t)
	if err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetUserAgentOverride,
			emulation.SetUserAgentOverrideParams{UserAgent: alipayApp(t), AcceptLanguage: "en"})
		return err
	})); err != nil {
		t.Fatal(err)
	}
	const paid, waiting = ".paid #leaving", ".waiting h1"
	for _, tt := range []struct {
		name, bridge string
		status       pay.Status // of the payment once the cashier has answered
		then         string     // what the buyer sees
		quiet        bool       // the wallet need not be asked
		click        bool       // the buyer tries again, and pays
	}{
		{name: "paid", bridge: answering("9000"), status: pay.Paid, then: "#thanks"},
		{name: "paid, says the cashier, but not the wallet", bridge: answering("9000"), status: pay.Pending,
			then: waiting},
		{name: "in process", bridge: answering("8000"), status: pay.Pending, then: waiting},
		{name: "not known", bridge: answering("6004"), status: pay.Paid, then: paid},
		{name: "the network failed, yet it is paid", bridge: answering("6002"), status: pay.Paid, then: paid},
		{name: "left by the forgotten password", bridge: answering("99"), status: pay.Pending, then: waiting},
		{name: "an answer that nobody knows", bridge: answering("12345"), status: pay.Pending, then: waiting},
		{name: "no answer worth the name", bridge: "window.answers = [undefined];" + bridge,
			status: pay.Pending, then: waiting},
		{name: "a number for an answer", bridge: "window.answers = [{resultCode: 6001}];" + bridge,
			status: pay.Pending, then: "#cancelled h1", quiet: true},
		{name: "cancelled", bridge: answering("6001"), status: pay.Pending,
			then: "#cancelled h1", quiet: true},
		{name: "cancelled, yet it is paid", bridge: answering("6001"), status: pay.Paid,
			then: paid, quiet: true},
		{name: "cancelled, then paid", bridge: answering("6001", "9000"), status: pay.Pending,
			then: "#cancelled h1", click: true},
		{name: "refused", bridge: answering("4000"), status: pay.Pending, then: "#refused h1"},
		{name: "refused because it is paid", bridge: answering("4000"), status: pay.Paid, then: paid},
		{name: "no permission", bridge: answering("4"), status: pay.Pending, then: "#refused h1"},
		{name: "the bridge comes late", bridge: "setTimeout(function () {" + answering("9000") +
			ready + "}, 700);",
			status: pay.Paid, then: paid},
		{name: "it says twice that it is there",
			bridge: "setTimeout(function () {" + answering("9000") + ready + ready + "}, 300);",
			status: pay.Pending, then: waiting},
		{name: "the bridge never comes", then: "#unopened h1", quiet: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				_, _ = w.Write([]byte(`<link rel=icon href="data:,"><p id="thanks">Thank you</p>`))
			}))
			defer shop.Close()
			f := &changing{payments: *inWindow()}
			f.ReturnURL = shop.URL
			status := tt.status
			var told []string // what the cashier was opened with
			mux := http.NewServeMux()
			mux.HandleFunc("POST /told", func(_ http.ResponseWriter, r *http.Request) {
				f.mu.Lock()
				defer f.mu.Unlock()
				told = append(told, r.URL.Query().Get("trade"))
				f.Status = status
			})
			inner := serve(f)
			defer inner.Close()
			mux.Handle("/", inner.Config.Handler)
			gateway := httptest.NewServer(mux)
			defer gateway.Close()

			var script page.ScriptIdentifier
			inject := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
				added, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument,
					page.AddScriptToEvaluateOnNewDocumentParams{Source: tt.bridge})
				if err == nil {
					script = added.Identifier
				}
				return err
			})
			defer func() {
				if err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
					_, err := chromedp.Call(ctx, page.RemoveScriptToEvaluateOnNewDocument,
						page.RemoveScriptToEvaluateOnNewDocumentParams{Identifier: script})
					return err
				})); err != nil {
					t.Error(err)
				}
			}()
			if err := chromedp.Do(ctx, inject, chromedp.Navigate(gateway.URL+"/pay/tok"),
				chromedp.WaitVisible(chromedp.CSS(tt.then))); err != nil {
				t.Fatal(err)
			}
			want := []string{"2026050422001446881000041395"}
			if tt.click {
				f.mu.Lock()
				status = pay.Paid
				f.mu.Unlock()
				want = append(want, want[0])
				if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS("#pay")),
					chromedp.WaitVisible(chromedp.CSS(paid))); err != nil {
					t.Fatal(err)
				}
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			if tt.bridge == "" {
				want = nil
			}
			if !slices.Equal(told, want) {
				t.Errorf("the cashier was opened with %q, want %q", told, want)
			}
			if asked := slices.Contains(f.calls, "Returned"); asked == tt.quiet {
				t.Errorf("the wallet was asked: %v; calls %q", asked, f.calls)
			}
		})
	}
}

// bridge is an AlipayJSBridge that tells the test what it was called with and
// gives the answers in window.answers in turn.
const bridge = `window.AlipayJSBridge = {call: function (what, options, done) {
	var request = new XMLHttpRequest();
	request.open('POST', '/told?trade=' + (what === 'tradePay' ? encodeURIComponent(options.tradeNO) : what));
	request.onloadend = function () { done(window.answers.shift()); };
	request.send();
}};`

const ready = "document.dispatchEvent(new Event('AlipayJSBridgeReady'));"

func answering(codes ...string) string {
	answers := ""
	for _, c := range codes {
		answers += "{resultCode: '" + c + "'},"
	}
	return "window.answers = [" + answers + "];" + bridge
}

// On a desk the page that shows the QR code goes on by itself once the buyer
// has paid on the phone.
func TestThePageOutsideOfTheAppFollowsThePayment(t *testing.T) {
	ctx := chromium(t)
	f := &changing{payments: *inWindow()}
	f.ReturnURL = ""
	gateway := serve(f)
	defer gateway.Close()
	if err := chromedp.Do(ctx, chromedp.Navigate(gateway.URL+"/pay/tok"),
		chromedp.WaitVisible(chromedp.CSS(".outside .qr"))); err != nil {
		t.Fatal(err)
	}
	f.become(pay.Paid)
	if err := chromedp.Do(ctx, chromedp.WaitVisible(chromedp.CSS(".paid h1"))); err != nil {
		t.Fatal(err)
	}
}

// Older Alipay apps are spoken to through frames, which the policy must allow.
func TestThePolicyLetsTheBridgeThrough(t *testing.T) {
	ctx := chromium(t)
	gateway := serve(inWindow())
	defer gateway.Close()
	if err := chromedp.Do(ctx, chromedp.Navigate(gateway.URL+"/pay/tok?open=1"),
		chromedp.WaitVisible(chromedp.CSS("#opening h1"))); err != nil {
		t.Fatal(err)
	}
	for frame, allowed := range map[string]bool{"alipaybridge://dispatch_message": true,
		"alipayjsbridge://callNativeFunc?x": true, "https://evil.example/": false} {
		blocked, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`new Promise(function (done) {
			document.addEventListener('securitypolicyviolation', function () { done(true); }, {once: true});
			var frame = document.createElement('iframe');
			frame.src = `+"'"+frame+"'"+`;
			document.body.appendChild(frame);
			setTimeout(function () { done(false); }, 500);
		})`, func(p *runtime.EvaluateParams) { p.AwaitPromise = new(true) }))
		if err != nil || blocked == allowed {
			t.Errorf("%s: blocked %v, %v", frame, blocked, err)
		}
	}
}

func TestTheAlipayLinkHoldsOurWholeAddress(t *testing.T) {
	u, err := url.Parse(alipayLink("https://pay.example.com/pay/tok?a=1&b=2"))
	if err != nil || u.Query().Get("url") != "https://pay.example.com/pay/tok?a=1&b=2" ||
		u.Query().Get("appId") != "20000067" {
		t.Errorf("%s, %v", u, err)
	}
}
