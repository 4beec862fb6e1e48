package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The in-app browser's own parts, which lie beside the pages that it shows.
const (
	appPath      = "/~app/"
	targetCookie = "simulator-page" // holds the host:port of the open page
	appPageLimit = 4 << 20
	appAgent     = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) " +
		"AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 " +
		"AlipayDefined(nt:WIFI,ws:390|780|3.0) AliApp(AP/10.7.30.6000) AlipayClient/10.7.30.6000 " +
		"Language/zh-Hans"
)

// App serves the browser inside the Alipay app, as far as a page can tell. It shows local pages as
// Alipay's browser does: with its User-Agent, and with its AlipayJSBridge, whose tradePay opens the
// cashier over the page.
//
// GET /~app/go?url=… opens a page. All other paths belong to the open page's origin. Links in it to
// another page that may be opened lead back here. Only http pages at Config.Opens may be opened.
func (s *Simulator) App() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+appPath+"go", s.openPage)
	mux.HandleFunc("GET "+appPath+"bridge.js", servePageFile("page/bridge.js"))
	mux.HandleFunc("GET "+appPath+"style.css", servePageFile("page/bridge.css"))
	mux.HandleFunc("GET "+appPath+"trade", s.showAppCashier)
	mux.HandleFunc("POST "+appPath+"trade", s.actInApp)
	mux.Handle("/", &httputil.ReverseProxy{
		Rewrite: s.toPage, ModifyResponse: s.fromPage, ErrorHandler: s.pageError,
	})
	sameOrigin := http.NewCrossOriginProtection()
	return sameOrigin.Handler(mux)
}

// openPage redirects to a page that may be opened.
func (s *Simulator) openPage(w http.ResponseWriter, r *http.Request) {
	to, ok := s.mayOpen(r.FormValue("url"))
	if !ok {
		why := "only http pages of the sandbox and of the addresses that --app-opens names can be opened here"
		s.pages.write(w, r, http.StatusBadRequest, "error", errorView{"url", why})
		return
	}
	http.SetCookie(w, localCookie(targetCookie, to.Host))
	// One slash only: with a second one, what follows would be a host.
	path := "/" + strings.TrimLeft(to.RequestURI(), "/")
	http.Redirect(w, r, path, http.StatusSeeOther) //nolint:gosec // a path of this server
}

// mayOpen parses an http address and reports whether it may be opened.
func (s *Simulator) mayOpen(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.User != nil {
		return nil, false
	}
	return u, s.mayOpenHost(u.Host)
}

// mayOpenHost reports whether pages at host:port may be opened. Being on this machine is not
// enough: another server here may trust everyone who can reach it.
func (s *Simulator) mayOpenHost(host string) bool { return slices.Contains(s.cfg.Opens, host) }

var errNoPage = errors.New("no page is open")

// toPage forwards the browser's request to the open page's origin, as Alipay's browser sends it.
func (s *Simulator) toPage(r *httputil.ProxyRequest) {
	host := ""
	if cookie, err := r.In.Cookie(targetCookie); err == nil && s.mayOpenHost(cookie.Value) {
		host = cookie.Value
	}
	// Without an open page, the address is one that cannot be connected to, and pageError explains.
	r.SetURL(&url.URL{Scheme: "http", Host: host})
	r.Out.Host = host
	r.Out.Header.Set("User-Agent", appAgent)
	r.Out.Header.Del("Accept-Encoding")
	// The browser sends this server's origin for the page's own. Another page's origin stays as it
	// is.
	origin, from := r.In.Header.Get("Origin"), r.In.Header.Get("Sec-Fetch-Site")
	if origin == "http://"+r.In.Host || origin != "" && from == "same-origin" {
		r.Out.Header.Set("Origin", "http://"+host)
	}
}

func (s *Simulator) pageError(w http.ResponseWriter, r *http.Request, err error) {
	if cookie, _ := r.Cookie(targetCookie); cookie == nil {
		err = errNoPage
	}
	why := err.Error() + ": open one with " + appPath + "go?url=http://127.0.0.1:…"
	s.pages.write(w, r, http.StatusBadGateway, "error", errorView{"page", why})
}

var (
	head          = regexp.MustCompile(`(?i)<head[^>]*>`)
	linkAttribute = regexp.MustCompile(`(href|action|content|data-[a-z]+)="([^"]*)"`)
	httpAddress   = regexp.MustCompile(`http://[^\s"'<>]+`)
)

// fromPage adds the bridge to a page, and makes its links to other pages that may be opened lead
// back here.
func (s *Simulator) fromPage(resp *http.Response) error {
	if to := resp.Header.Get("Location"); to != "" {
		resp.Header.Set("Location", s.appLink(to))
	}
	kind := resp.Header.Get("Content-Type")
	if !strings.HasPrefix(kind, "text/html") && !strings.HasPrefix(kind, "application/json") {
		return nil
	}
	page, err := io.ReadAll(io.LimitReader(resp.Body, appPageLimit))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if strings.HasPrefix(kind, "text/html") {
		// A page that runs no scripts does not need the bridge.
		policy := resp.Header.Get("Content-Security-Policy")
		if policy == "" || strings.Contains(policy, "script-src 'self'") {
			page = withBridge(page)
		}
		page = linkAttribute.ReplaceAllFunc(page, func(attribute []byte) []byte {
			return httpAddress.ReplaceAllFunc(attribute, func(to []byte) []byte {
				link := s.appLink(strings.ReplaceAll(string(to), "&amp;", "&"))
				return []byte(strings.ReplaceAll(link, "&", "&amp;"))
			})
		})
	}
	resp.Body = io.NopCloser(bytes.NewReader(page))
	resp.Header.Set("Content-Length", strconv.Itoa(len(page)))
	return nil
}

func withBridge(page []byte) []byte {
	return head.ReplaceAll(page, []byte(`$0<script src="`+appPath+`bridge.js"></script>`))
}

// appLink returns the address that opens a page here if it may be opened. Other addresses stay as
// they are.
func (s *Simulator) appLink(to string) string {
	if _, ok := s.mayOpen(to); !ok {
		return to
	}
	return appPath + "go?url=" + url.QueryEscape(to)
}

// appCashier is what the cashier over the page shows.
type appCashier struct {
	Payee   string `json:"payee"`
	Subject string `json:"subject"`
	Total   string `json:"total"`
	Buyer   string `json:"buyer"`
	Why     string `json:"why,omitempty"` // why the cashier does not take the payment

	Words map[string]string `json:"words"` // in the reader's language; buttons by their result code
}

// appWords returns the texts of the app's cashier in a language.
func appWords(language int) map[string]string {
	words := map[string]string{"simulator": texts["simulator"][language]}
	for key, text := range texts {
		if name, ok := strings.CutPrefix(key, "app."); ok {
			words[name] = text[language]
		}
	}
	return words
}

// showAppCashier answers what the cashier shows for a trade.
func (s *Simulator) showAppCashier(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeOverdue(s.cfg.Now())
	t, v := s.appTrade(r)
	v.Words = appWords(chooseLanguage(r))
	if t != nil {
		a := s.attempts[t.Attempt]
		v.Payee, v.Subject, v.Total = s.apps[t.Partner].Name, a.Terms.Subject, t.Total.String()
	}
	writeJSON(w, v)
}

// appTrade finds the trade that the page wants paid, and the buyer who is logged in: the one who
// was authorised last, or else the trade's own. The caller holds s.mu.
func (s *Simulator) appTrade(r *http.Request) (*Trade, appCashier) {
	t := s.trades[r.FormValue("tradeNO")]
	app, ok := App{}, false
	if t != nil {
		app, ok = s.apps[t.Partner]
	}
	if !ok {
		return nil, appCashier{Why: "ALI40247: the trade does not exist"}
	}
	user := app.buyer(t.Buyer)
	if cookie, err := r.Cookie(userCookie); err == nil {
		if chosen, known := pickBuyer(alipayCN, cookie.Value); known {
			user = chosen
		}
	}
	v := appCashier{Buyer: user.ID}
	switch {
	case app.buyer(t.Buyer).ID != user.ID:
		v.Why = "ALI38110: the trade belongs to another buyer"
	case t.Status != Waiting:
		v.Why = "ALI40247: the trade is " + string(t.Status)
	}
	return t, v
}

// actInApp carries out the buyer's choice in the cashier and answers with the page's result code:
// 9000 paid, 8000 in process (paid, but the page does not learn it), 6001 left, 6002 network
// failure (though paid), 4000 refused.
func (s *Simulator) actInApp(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	code, why := r.FormValue("outcome"), ""
	switch code {
	case "9000", "8000", "6002":
		var paid *Trade
		if paid, why = s.payInApp(r); paid == nil {
			code = "4000"
			break
		}
		for s.returnHeldNow(paid) && s.pause(r, 100*time.Millisecond) {
		}
	case "6001", "4000":
	default:
		http.Error(w, "outcome is not 9000, 8000, 6001, 6002 or 4000", http.StatusBadRequest)
		return
	}
	writeJSON(w, map[string]string{"resultCode": code, "memo": why, "result": ""})
}

// payInApp lets the buyer who is logged in pay. If it returns no trade, why says what prevented the
// payment.
func (s *Simulator) payInApp(r *http.Request) (paid *Trade, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeOverdue(s.cfg.Now())
	t, v := s.appTrade(r)
	if v.Why != "" {
		return nil, v.Why
	}
	buyer := Buyer{ID: v.Buyer, Balance: s.apps[t.Partner].buyer(t.Buyer).Balance}
	out, err := s.act(s.attempts[t.Attempt], buyer, Pay)
	switch {
	case err != nil:
		return nil, err.Error()
	case out != PaidNow:
		return nil, string(out)
	}
	return t, ""
}

// returnHeldNow is returnHeld for callers that do not hold s.mu.
func (s *Simulator) returnHeldNow(t *Trade) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.returnHeld(t, s.cfg.Now())
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v)
}
