package checkout

import (
	"encoding/json"
	"net/http"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
)

func TestEveryAnswerIsPrivateAndUnframed(t *testing.T) {
	for _, tt := range []struct {
		target, agent string
		code          int
	}{
		{"/pay/tok", "ios -", http.StatusFound},
		{"/pay/tok", "ios wechat", http.StatusOK},
		{"/pay/tok", "preview", http.StatusOK},
		{"/pay/nope", "ios -", http.StatusNotFound},
		{"/pay/tok/status", "ios -", http.StatusOK},
		{"/return/tok", "ios -", http.StatusOK},
	} {
		w := get(t, pending(), tt.target, "User-Agent", agent(t, tt.agent))
		if w.Code != tt.code {
			t.Errorf("%s by %s: got %d, want %d", tt.target, tt.agent, w.Code, tt.code)
		}
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"X-Content-Type-Options": "nosniff",
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src " +
				"'self'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s by %s: %s is %q", tt.target, tt.agent, name, got)
			}
		}
	}
}

func TestOnlyGETAndHEADAreServed(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		for _, path := range []string{"/pay/tok", "/return/tok", "/pay/tok/status"} {
			f := pending()
			if w := ask(t, f, os.Stderr, method, path); w.Code != http.StatusMethodNotAllowed ||
				f.calls != nil {
				t.Errorf("%s %s: got %d, calls %q", method, path, w.Code, f.calls)
			}
		}
	}
}

// hostile are things that a merchant can put into an order.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`,
	`</title><script>alert(1)</script>`,
	`{{.Say "x"}}`, `javascript:alert(1)`, "\u202egnp.exe", `&lt;b&gt;`,
}

func TestWhatAMerchantWroteIsNeverMarkup(t *testing.T) {
	for _, text := range hostile {
		for _, target := range []string{"/pay/tok", "/return/tok"} {
			for _, f := range []*payments{pending(), ended(pay.Paid)} {
				f.Goods, f.ReturnURL = text, "https://shop.example/?q="+text
				body := get(t, f, target, "User-Agent", agent(t, "android wechat")).Body.String()
				for _, raw := range []string{"<script>alert", "<img", "onmouseover='", "&lt;b&gt;</bdi>"} {
					if strings.Contains(body, raw) {
						t.Errorf("%s holds %q:\n%s", target, raw, body)
					}
				}
				if !strings.Contains(body, `<p class="goods"><bdi>`) {
					t.Errorf("%s lets the goods' direction loose:\n%s", target, body)
				}
				if got := strings.Count(body, "<script"); got != 1 {
					t.Errorf("%s has %d scripts:\n%s", target, got, body)
				}
			}
		}
	}
}

func TestWhatABuyerSentIsNeverMarkup(t *testing.T) {
	for _, text := range hostile {
		r := strings.NewReplacer(" ", "%20", `"`, "%22", "<", "%3C", ">", "%3E", "&", "%26")
		for _, target := range []string{"/pay/tok?lang=" + r.Replace(text),
			"/return/tok?again=" + r.Replace(text) + "&lang=" + r.Replace(text),
			"/pay/x?x=" + r.Replace(text)} {
			body := get(t, pending(), target, "User-Agent", agent(t, "ios wechat"), "Accept-Language",
				"en").Body.String()
			if strings.Contains(body, "alert") || strings.Contains(body, "exe") {
				t.Errorf("%s is echoed:\n%s", target, body)
			}
		}
	}
}

func TestAReturnAddressKeepsItsBytes(t *testing.T) {
	const odd = "https://shop.example/a;url=b'c?x=%E8%8C%B6&y='1'&z=a;b#f"
	f := ended(pay.Paid)
	f.ReturnURL = odd
	w := get(t, f, "/pay/tok/status")
	var got struct {
		ReturnURL string `json:"return_url"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.ReturnURL != odd {
		t.Errorf("got %q, %v", got.ReturnURL, err)
	}
	// the same address to a browser
	shows(t, get(t, f, "/return/tok"), `href="`+strings.ReplaceAll(odd, "'", "%27")+`"`)
}

func TestAssetsAreKeptForEverUnderTheirHash(t *testing.T) {
	page := get(t, pending(), "/return/tok").Body.String()
	found := regexp.MustCompile(`"\.\.(/checkout/[a-z]+-[0-9a-f]{12}\.(css|js|svg))"`).
		FindAllStringSubmatch(page, -1)
	if len(found) != 3 {
		t.Fatalf("the page names %d assets:\n%s", len(found), page)
	}
	for _, m := range found {
		w := get(t, pending(), m[1])
		if w.Code != http.StatusOK ||
			w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" ||
			w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: got %d with %v", m[1], w.Code, w.Header())
		}
		unstamped := regexp.MustCompile(`-[0-9a-f]+\.`).ReplaceAllString(path.Base(m[1]), ".")
		source, err := os.ReadFile("assets/" + unstamped)
		if err != nil || string(source) != w.Body.String() {
			t.Errorf("%s is not the file: %v", m[1], err)
		}
	}
	for _, target := range []string{"/checkout/app.js", "/checkout/", "/checkout/..%2fpage.html"} {
		if w := get(t, pending(), target); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d", target, w.Code)
		}
	}
}

func TestPagesLoadNothingFromElsewhere(t *testing.T) {
	load := regexp.MustCompile(`(?:src|<link[^>]* href)="([^"]*)"`)
	for _, f := range []*payments{pending(), ended(pay.Paid)} {
		for _, m := range load.FindAllStringSubmatch(get(t, f, "/return/tok").Body.String(), -1) {
			if !strings.HasPrefix(m[1], "../checkout/") {
				t.Errorf("the page loads %s", m[1])
			}
		}
	}
	entries, err := files.ReadDir("assets")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := files.ReadFile("assets/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`https?://`).MatchString(strings.ReplaceAll(string(content),
			"http://www.w3.org/2000/svg", "")) {
			t.Errorf("%s names another host", e.Name())
		}
	}
}

func TestNoInlineCodeIsOnAPage(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<script>|<style| style=| on[a-z]+=`)
	for _, target := range []string{"/pay/tok", "/pay/nope", "/return/tok"} {
		if m := inline.FindString(get(t, pending(), target, "User-Agent",
			agent(t, "android wechat")).Body.String()); m != "" {
			t.Errorf("%s holds %q, which the policy refuses", target, m)
		}
	}
}

func TestEveryLanguageSaysEverything(t *testing.T) {
	placeholders := regexp.MustCompile(`\{[a-z]+\}`)
	for _, l := range languages[1:] {
		for key, text := range languages[0].Messages {
			other, ok := l.Messages[key]
			if !ok {
				t.Errorf("%s lacks %s", l.Tag, key)
				continue
			}
			want, got := placeholders.FindAllString(text, -1), placeholders.FindAllString(other, -1)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Errorf("%s: %s has %q, in English %q", l.Tag, key, got, want)
			}
		}
		for key := range l.Messages {
			if _, ok := languages[0].Messages[key]; !ok && !strings.HasPrefix(key, "app.") &&
				!strings.HasPrefix(key, "wallet.") {
				t.Errorf("%s has %s, which English lacks", l.Tag, key)
			}
		}
	}
	for _, file := range []string{"page.html"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.Say "([a-z.]+)"`).FindAllStringSubmatch(string(source), -1) {
			if languages[0].Messages[m[1]] == "" {
				t.Errorf("%s says %q, which has no text", file, m[1])
			}
		}
	}
}

func TestNoPageIsLeftWithAPlaceholder(t *testing.T) {
	left := regexp.MustCompile(`\{(app|wallet|browser|menu)\}`)
	for _, l := range languages {
		for _, a := range agents(t) {
			for _, f := range []*payments{pending(), ended(pay.Pending), ended(pay.Paid), ended(pay.Failed),
				ended(pay.Closed), ended(pay.Expired)} {
				for _, target := range []string{"/pay/tok", "/return/tok", "/pay/nope"} {
					body := get(t, f, target+"?lang="+l.Tag, "User-Agent", a[1]).Body.String()
					if m := left.FindString(body); m != "" {
						t.Fatalf("%s in %s holds %s:\n%s", target, l.Tag, m, body)
					}
				}
			}
		}
	}
}

func TestTheChosenLanguageIsKept(t *testing.T) {
	w := get(t, pending(), "/pay/tok?lang=zh-Hant", "User-Agent", agent(t, "ios wechat"),
		"Accept-Language", "en")
	shows(t, w, `<html lang="zh-Hant">`)
	shows(t, w, "微信內無法開啟 AlipayHK，只需兩步即可繼續")
	shows(t, w, `href="?lang=zh-Hant&open=1"`)
	shows(t, w, `href="?lang=zh-Hans" lang="zh-Hans"`)
	if got := w.Header().Get("Content-Language"); got != "zh-Hant" {
		t.Errorf("Content-Language is %q", got)
	}
	w = get(t, pending(), "/return/tok", "Accept-Language", "zh-CN")
	shows(t, w, `<html lang="zh-Hans">`)
	shows(t, w, `href="?again=1&lang=en"`) // and not another return from the wallet
}
