package simulator

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// inTheApp returns a browser that opens its pages through the app.
func inTheApp(t *testing.T, h *harness) (browser *http.Client, app string) {
	t.Helper()
	server := httptest.NewServer(h.sim.App())
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}, server.URL
}

func body(t *testing.T, res *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAppAddsBridgeAndRewritesLinks(t *testing.T) {
	const text = `<p title="http://127.0.0.1:9/"> http://127.0.0.1:9/ stays</p>`
	const others = `<a href="https://example.com/">y</a><a href="/z">z</a></body></html>`
	var agent, host, policy string
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agent, host = r.UserAgent(), r.Host
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "http://"+r.Host+"/there?a=1&b=2", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if policy != "" {
			w.Header().Set("Content-Security-Policy", policy)
		}
		fmt.Fprintf(w, `<!doctype html><html><head lang="en"><title>%s</title></head><body>%s`+
			`<a href="http://127.0.0.1:9/x?a=1&amp;b=2">x</a>`+others, r.URL, text)
	}))
	defer page.Close()
	h := newHarness(t, func(c *Config) { c.Opens = []string{page.Listener.Addr().String(), "127.0.0.1:9"} })
	browser, app := inTheApp(t, h)
	open := func(path string) string {
		res, err := browser.Get(app + "/~app/go?url=" + url.QueryEscape(page.URL+path))
		return body(t, res, err)
	}
	const script = `<script src="/~app/bridge.js"></script>`
	want := `<!doctype html><html><head lang="en">` + script +
		`<title>/there?a=1&b=2</title></head><body>` + text +
		`<a href="/~app/go?url=http%3A%2F%2F127.0.0.1%3A9%2Fx%3Fa%3D1%26b%3D2">x</a>` + others
	for _, path := range []string{"/there?a=1&b=2", "/away"} {
		if got := open(path); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", path, got, want)
		}
	}
	if !strings.Contains(agent, "AlipayClient/") || "http://"+host != page.URL {
		t.Errorf("asked as %q for %q", agent, host)
	}
	policy = "default-src 'none'"
	if got := open("/there?a=1&b=2"); got != strings.Replace(want, script, "", 1) {
		t.Errorf("without scripts: %s", got)
	}
}

func TestAppOpensOnlyNamedAddresses(t *testing.T) {
	served := 0
	listen := func() string {
		page := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
		t.Cleanup(page.Close)
		return page.Listener.Addr().String()
	}
	shop, stranger := listen(), listen()
	h := newHarness(t, func(c *Config) { c.Opens = []string{shop} })
	browser, app := inTheApp(t, h)
	open := func(to string) int {
		t.Helper()
		res, err := browser.Get(app + "/~app/go?url=" + url.QueryEscape(to))
		body(t, res, err)
		return res.StatusCode
	}
	if status := open("http://" + shop + "/"); status != http.StatusOK || served != 1 {
		t.Errorf("the shop: %d", status)
	}
	_, port, _ := strings.Cut(shop, ":")
	for _, to := range []string{
		"http://" + stranger + "/", "http://127.0.0.1/", "http://127.0.0.1:1/", "http://[::1]:" + port + "/",
		"http://localhost:" + port + "/",
		"http://127.0.0.2:" + port + "/", "http://127.1:" + port + "/", "http://2130706433:" + port + "/",
		"http://[::ffff:127.0.0.1]:" + port + "/",
		"http://" + shop + ".example/", "http://" + shop + "@" + stranger + "/",
		"http://" + stranger + "#" + shop, "http://" + stranger + "?" + shop,
		"//" + shop + "/", "https://" + shop + "/", "http://10.0.0.1:80/", "http://example.com:80/",
		"file:///etc/passwd", "http://u:p@" + shop + "/",
		"http://127.0.0.1:99999/", "http:" + shop, "javascript:alert(1)", "", "%",
	} {
		if status := open(to); status != http.StatusBadRequest {
			t.Errorf("%s: %d", to, status)
		}
	}
	for _, host := range []string{"10.0.0.1:80", stranger, "localhost:" + port, ""} {
		r := httptest.NewRequest("GET", "/x", nil)
		r.AddCookie(&http.Cookie{Name: targetCookie, Value: host})
		rec := httptest.NewRecorder()
		h.sim.App().ServeHTTP(rec, r)
		if rec.Code != http.StatusBadGateway {
			t.Errorf("a forged cookie, %q: %d", host, rec.Code)
		}
	}
	if served != 1 {
		t.Errorf("pages were asked for %d times", served)
	}
}

// The page's own origin, which the browser knows by the app's address, is translated. Other origins
// are not.
func TestAppPassesForeignOriginsUnchanged(t *testing.T) {
	origin := ""
	page := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		origin = r.Header.Get("Origin")
	}))
	defer page.Close()
	host := page.Listener.Addr().String()
	h := newHarness(t, func(c *Config) { c.Opens = []string{host} })
	for _, x := range []struct{ method, sent, site, want string }{
		{"GET", "http://example.com", "", page.URL}, // the app's own, by httptest
		{"POST", "http://example.com", "same-origin", page.URL},
		{"POST", "null", "same-origin", page.URL}, // from a page without a referrer
		{"GET", "", "", ""},
		{"GET", "http://evil.example", "", "http://evil.example"},
		{"GET", "http://evil.example", "cross-site", "http://evil.example"},
		{"GET", "http://example.com:3000", "same-site", "http://example.com:3000"},
		{"GET", "null", "cross-site", "null"},
	} {
		r := httptest.NewRequest(x.method, "/x", nil)
		r.AddCookie(&http.Cookie{Name: targetCookie, Value: host})
		for name, value := range map[string]string{"Origin": x.sent, "Sec-Fetch-Site": x.site} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		rec := httptest.NewRecorder()
		h.sim.App().ServeHTTP(rec, r)
		if rec.Code != http.StatusOK || origin != x.want {
			t.Errorf("%v: %d, the page sees the origin %q", x, rec.Code, origin)
		}
	}
}
