package checkout

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// agents reads testdata/browsers.txt: what is expected, and the User-Agent.
func agents(t testing.TB) (list [][2]string) {
	t.Helper()
	raw, err := os.ReadFile("testdata/browsers.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if want, ua, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && !strings.HasPrefix(line, "#") {
			list = append(list, [2]string{want, ua})
		}
	}
	if len(list) < 40 {
		t.Fatalf("only %d User-Agents were read", len(list))
	}
	return list
}

// agent is the first User-Agent of testdata of which want is expected.
func agent(t testing.TB, want string) string {
	t.Helper()
	for _, a := range agents(t) {
		if a[0] == want {
			return a[1]
		}
	}
	t.Fatalf("no User-Agent for %q", want)
	return ""
}

func TestRealUserAgentsAreTold(t *testing.T) {
	for _, a := range agents(t) {
		b := browserOf(a[1])
		got := string(b.system) + " -"
		switch {
		case b.preview:
			got = "preview"
		case b.app != nil:
			got = string(b.system) + " " + b.app.ID
		}
		if got != a[0] {
			t.Errorf("got %q, want %q, of %s", got, a[0], a[1])
		}
	}
}

func TestEveryAppIsInTheUserAgents(t *testing.T) {
	seen := map[string]bool{"alipay": true} // capable, and so without a name in the file
	for _, a := range agents(t) {
		_, id, _ := strings.Cut(a[0], " ")
		seen[id] = true
	}
	for _, a := range apps {
		if !seen[a.ID] {
			t.Errorf("no User-Agent of %s is tested", a.ID)
		}
		for _, token := range a.tokens {
			if token != strings.ToLower(token) {
				t.Errorf("token %q can never match: it is not in lower case", token)
			}
		}
	}
}

func TestAWayOutIsOfferedWhereTheSystemHasOne(t *testing.T) {
	const link = "https://pay.example.com/pay/abc"
	for _, tt := range []struct{ agent, want string }{
		{"android wechat",
			"intent://pay.example.com/pay/abc#Intent;scheme=https;action=android.intent.action.VIEW;" +
				"category=android.intent.category.BROWSABLE;end"},
		{"ios wechat", ""},
		{"ios line", link + "?openExternalBrowser=1"},
		{"android line", link + "?openExternalBrowser=1"},
		{"ios kakaotalk", "kakaotalk://web/openExternal?url=https%3A%2F%2Fpay.example.com%2Fpay%2Fabc"},
	} {
		if got := browserOf(agent(t, tt.agent)).escape(link); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.agent, got, tt.want)
		}
	}
}

func FuzzBrowserOf(f *testing.F) {
	for _, a := range agents(f) {
		f.Add(a[1])
	}
	f.Add("")
	f.Add(strings.Repeat("; wv)", 1000))
	f.Fuzz(func(t *testing.T, ua string) {
		b := browserOf(ua)
		if b.app == nil {
			return
		}
		if b.app.capable || b.system == desktop && !b.app.noDesk {
			t.Errorf("guidance for a browser that needs none: %+v", b)
		}
		if m := b.menu(); m.Glyph == "" || languages[0].Messages["guide.menu."+m.Corner] == "" {
			t.Errorf("no way to the menu: %+v", m)
		}
		if !utf8.ValidString(b.escape("https://pay.example.com/pay/abc")) {
			t.Error("the way out is not text")
		}
	})
}
