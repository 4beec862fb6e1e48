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

// pages are the templates in each language.
type pages []*template.Template

// languages in the order of texts; the first is for everybody else.
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
					return "", fmt.Errorf("no text %q", key)
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

// choose picks the reader's language. The tags are matched one at a time: all
// at once, "zh-HK, zh;q=0.9" would get Simplified for its exact second.
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

// write renders a page in the reader's language. Pages load nothing but our own
// style sheet, run no script and are not framed.
func (p pages) write(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	if err := p[chooseLanguage(r)].ExecuteTemplate(&b, name+".html", data); err != nil {
		http.Error(w, "simulator: the page is broken", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // the forms' Origin must not be null
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Language")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

func style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, pageFiles, "page/style.css")
}

// errorView is an error page: the vendor's code, and why for the developer.
type errorView struct{ Code, Why string }

func (r *mapiError) view() errorView { return errorView{r.code, r.why} }
