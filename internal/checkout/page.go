package checkout

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/web"
)

//go:embed assets messages page.html
var files embed.FS

var (
	assets    = web.LoadAssets(files)
	languages = web.LoadLanguages(files)
)

var pages = template.Must(
	template.New("page.html").Funcs(template.FuncMap{"asset": assetName}).ParseFS(files, "page.html"))

// view is the data of page.html. Its addresses are relative, so that the pages
// work under any prefix that a proxy adds.
type view struct {
	*web.Language
	from browser
	keep url.Values // the parameters that the page's links to itself repeat

	Kind  string // guide, waiting, preview, shut, missing, trouble, or a payment's final status
	Goods string
	Price string   // "" on a page without a payment
	Code  string   // the currency's
	words []string // pairs of placeholder and value for the messages

	ReturnURL string
	Leaving   bool // the page goes on to ReturnURL

	Menu    menu // of the app that the buyer has to leave
	Link    string
	Escape  template.URL // opens the link outside of the app
	Refused bool         // the app often ignores Escape
	QR      web.QR
	OnDesk  bool // the QR code is the best way: the browser is on a computer

	Poll      string // the address of the payment's status, if the page waits for it
	Next      string // the address of this page's next showing
	Refresh   int    // seconds until then, without scripts
	Resume    string // back to the wallet, while the payment can be paid
	Slow      bool   // the buyer has waited long already
	SlowAfter int64  // milliseconds

	Trade  string // opens the wallet's cashier
	Result string // the result page's address
	Why    string // why a link does not work, in English, for the developer who built it
}

func (c *Checkout) view(r *http.Request, from browser) *view {
	chosen := r.FormValue("lang")
	v := &view{
		Language: languages.Match(chosen, r.Header.Get("Accept-Language")), from: from, keep: url.Values{},
	}
	if chosen == v.Tag {
		v.keep.Set("lang", chosen)
	}
	v.words = []string{"{browser}", v.Messages["browser."+string(from.system)]}
	if from.app != nil {
		v.words = append(v.words, "{app}", v.Term("app."+from.app.ID, from.app.Name))
	}
	return v
}

// order puts the payment on the page.
func (v *view) order(p pay.Payment) {
	v.Goods, v.Price, v.Code = p.Goods, price(p.Amount), string(p.Amount.Currency)
	v.ReturnURL = returnURL(p)
	v.words = append(v.words, "{wallet}", v.Term("wallet."+p.PayType.Name(), p.PayType.Name()))
}

// guide puts the ways out of the app on the page.
func (v *view) guide(baseURL, token string) {
	v.Menu = v.from.menu()
	v.Link = baseURL + "/pay/" + url.PathEscape(token)
	v.Escape = template.URL(v.from.escape(v.Link)) // made of our own address
	v.Refused = v.from.app.noIntents
	v.QR, v.OnDesk = web.QROf(v.Link), v.from.system == desktop
}

// inApp shows the page that pays inside the wallet's app, or to other browsers the
// ways into the app. Both wait for the payment: it may be paid on another device.
func (c *Checkout) inApp(w http.ResponseWriter, v *view, token, ref string, inside bool) {
	v.Poll = "../pay/" + token + "/status"
	v.Result = "../return/" + token + v.query()
	v.Next = "../return/" + token + v.query("again", "1")
	if inside {
		v.Trade = ref
		w.Header().Set("Content-Security-Policy", policy+bridgePolicy)
		v.show(w, http.StatusOK, "window")
		return
	}
	v.Link = c.BaseURL + "/pay/" + url.PathEscape(token)
	v.QR, v.OnDesk = web.QROf(v.Link), v.from.system == desktop
	if !v.OnDesk {
		v.Escape = template.URL(alipayLink(v.Link)) // made of our own address
	}
	v.show(w, http.StatusOK, "outside")
}

// alipayLink opens a page inside the Alipay app: 20000067 is the id of the app's
// browser.
func alipayLink(link string) string {
	return "alipays://platformapi/startapp?appId=20000067&url=" + url.QueryEscape(link)
}

// bridgePolicy allows the frames through which the bridge of older Alipay apps
// talks to the app. No browser loads addresses of these schemes.
const bridgePolicy = "; frame-src alipaybridge: alipayjsbridge:"

// Say returns the message of a key.
func (v *view) Say(key string) string { return v.Language.Say(key, v.words...) }

// Title is the page's heading.
func (v *view) Title() string { return v.Say(v.Kind + ".title") }

// MenuStep is the text that says where the app's menu is, with a picture of it.
func (v *view) MenuStep() template.HTML {
	text := template.HTMLEscapeString(v.Say("guide.menu." + v.Menu.Corner))
	picture := fmt.Sprintf(`<kbd role="img" aria-label="%s">%s</kbd>`,
		template.HTMLEscapeString(v.Say("guide.menu")),
		v.Menu.Glyph)
	return template.HTML(strings.ReplaceAll(text, "{menu}", picture))
}

// Languages are the choices of the language switch.
func (v *view) Languages() web.Languages { return languages }

// In is this page in another language.
func (v *view) In(tag string) string { return v.query("lang", tag) }

// GoOn is this page's address for a buyer who goes on in spite of its guidance.
func (v *view) GoOn() string { return v.query("open", "1") }

// Retry is this page again.
func (v *view) Retry() string { return v.query() }

// query returns the parameters of the page's links, with pairs of name and value
// added. A value of "" removes the parameter.
func (v *view) query(pairs ...string) string {
	q := url.Values{}
	for name := range v.keep {
		q.Set(name, v.keep.Get(name))
	}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return "?" + q.Encode()
}

// show writes the page.
func (v *view) show(w http.ResponseWriter, code int, kind string) {
	v.Kind = kind
	var b bytes.Buffer
	if err := pages.Execute(&b, v); err != nil {
		panic(err) // every kind of page is executed by a test
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Tag)
	h.Set("Vary", "Accept-Language, User-Agent")
	w.WriteHeader(code)
	_, _ = w.Write(b.Bytes()) // the browser may have gone away
}

// assetName is the address of an asset, relative to a page.
func assetName(file string) string { return "../checkout/" + assets.Name(file) }

func asset(w http.ResponseWriter, r *http.Request, entry *web.Entry) {
	entry.Level = slog.LevelDebug // each page loads three
	assets.Serve(w, r, r.PathValue("file"))
}
