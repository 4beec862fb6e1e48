package simulator

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"

	"golang.org/x/text/language"
)

//go:embed page
var pageFiles embed.FS

// pages holds the templates of each language, in the order of languages.
type pages []*template.Template

// languages is in the order of texts. The first is the default.
var languages = []language.Tag{
	language.English, language.MustParse("zh-Hant"), language.MustParse("zh-Hans"),
}

var matcher = language.NewMatcher(languages)

func parsePages() (pages, error) {
	var p pages
	for i, tag := range languages {
		t, err := template.New("").Funcs(template.FuncMap{
			"lang": tag.String,
			"t": func(key string) (string, error) {
				text, ok := texts[key]
				if !ok {
					return "", fmt.Errorf("unknown text %q", key)
				}
				return text[i], nil
			},
		}).ParseFS(pageFiles, "page/*.html")
		if err != nil {
			return nil, fmt.Errorf("simulator: pages: %w", err)
		}
		p = append(p, t)
	}
	return p, nil
}

// chooseLanguage picks the reader's language. It matches the tags one at a time: matched together,
// "zh-HK, zh;q=0.9" gets Simplified for its exact second tag.
func chooseLanguage(r *http.Request) int {
	accept := r.Header.Get("Accept-Language")
	if len(accept) > 256 {
		return 0
	}
	tags, _, err := language.ParseAcceptLanguage(accept)
	if err != nil {
		return 0
	}
	for _, tag := range tags {
		if _, i, confidence := matcher.Match(tag); confidence >= language.Low {
			return i
		}
	}
	return 0
}

// write renders a page in the reader's language. Pages load only our own style sheet, run no script
// and cannot be framed.
func (p pages) write(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	if err := p[chooseLanguage(r)].ExecuteTemplate(&b, name+".html", data); err != nil {
		http.Error(w, "simulator: the page cannot be rendered", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // with a stricter one the forms' Origin is null
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// errorView is the data of an error page: the vendor's code, and the reason for the developer.
type errorView struct{ Code, Why string }

func (r *mapiError) view() errorView { return errorView{r.code, r.why} }

func servePageFile(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pageFiles, name) }
}

// localCookie is a cookie of the simulator's own pages.
func localCookie(name, value string) *http.Cookie {
	//nolint:gosec // the simulator speaks plain HTTP, on loopback
	return &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
}
