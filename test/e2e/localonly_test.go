package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/test/harness"
)

// ask sends a request with another host's name and with headers.
func ask(t *testing.T, method, address, host string, header map[string]string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// A stranger's web page whose host name leads to 127.0.0.1 cannot read from any port of a sandbox,
// nor reach another port through the app.
func TestASandboxServesOnlyThisMachine(t *testing.T) {
	s := harness.NewSandbox(t)
	app, err := url.Parse(s.App)
	if err != nil {
		t.Fatal(err)
	}
	for name, address := range map[string]string{
		"gateway": s.Gateway + "/livez", "wallet": s.Wallet + "/gateway.do", "control": s.Control + "/trades",
		"shop": s.Shop + "/", "app": "http://" + app.Host + "/~app/style.css",
	} {
		port := address[strings.LastIndex(address, ":"):]
		port, _, _ = strings.Cut(port, "/")
		for _, host := range []string{
			"evil.example", "evil.example" + port, "localhost." + port, "0.0.0.0" + port, "127.1" + port,
		} {
			if status, text := ask(t, "GET", address, host, nil); status != http.StatusMisdirectedRequest {
				t.Errorf("%s as %s: %d %.80s", name, host, status, text)
			}
		}
		for _, host := range []string{"", "localhost" + port, "127.0.0.1", "[::1]" + port} {
			if status, text := ask(t, "GET", address, host, nil); status != http.StatusOK {
				t.Errorf("%s as %q: %d %.80s", name, host, status, text)
			}
		}
	}
	// A page of another origin on this machine cannot change anything either.
	for _, header := range []map[string]string{
		{"Origin": "http://127.0.0.1:1"}, {"Origin": "null"}, {"Sec-Fetch-Site": "same-site"},
		{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
	} {
		for _, address := range []string{
			s.Control + "/faults?scope=all&fault=drop", s.Shop + "/buy?item=oolong&wallet=801107",
			"http://" + app.Host + "/~app/trade",
		} {
			if status, text := ask(t, "POST", address, "", header); status != http.StatusForbidden {
				t.Errorf("%s with %v: %d %.80s", address, header, status, text)
			}
		}
	}
	status, text := ask(t, "POST", s.Control+"/faults?scope=all&fault=late", "", nil)
	if status != http.StatusOK {
		t.Errorf("a script's request: %d %s", status, text)
	}
}

func TestTheAppOpensTheSandboxAndWhatIsNamed(t *testing.T) {
	pages := func() string {
		page := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a page") }
		server := httptest.NewServer(http.HandlerFunc(page))
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	named, also, other := pages(), pages(), pages()
	s := harness.NewSandbox(t, "--app-opens", named, "--app-opens", also)
	app, _, _ := strings.Cut(s.App, "/~app/")
	for to, want := range map[string]int{
		s.Gateway + "/livez": http.StatusSeeOther, s.Wallet + "/": http.StatusSeeOther,
		s.Control + "/": http.StatusSeeOther, s.Shop + "/": http.StatusSeeOther,
		strings.Replace(s.Shop, "127.0.0.1", "localhost", 1) + "/": http.StatusSeeOther,
		"http://" + named + "/x":                                   http.StatusSeeOther,
		"http://" + also + "/":                                     http.StatusSeeOther,
		"http://" + other + "/":                                    http.StatusBadRequest,
		app + "/":                                                  http.StatusBadRequest,
		"http://example.com/":                                      http.StatusBadRequest,
	} {
		if status, text := ask(t, "GET", app+"/~app/go?url="+url.QueryEscape(to), "", nil); status != want {
			t.Errorf("%s: %d %.80s", to, status, text)
		}
	}
	status, text := ask(t, "GET", app+"/x", "", map[string]string{"Cookie": "simulator-page=" + named})
	if status != http.StatusOK || text != "a page" {
		t.Errorf("the developer's own shop: %d %s", status, text)
	}
	status, _ = ask(t, "GET", app+"/x", "", map[string]string{"Cookie": "simulator-page=" + other})
	if status != http.StatusBadGateway {
		t.Errorf("another program on this machine: %d", status)
	}
}
