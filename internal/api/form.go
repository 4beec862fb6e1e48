package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sign"
	"github.com/sampanpay/sampan/internal/web"
)

// Bounds of what is read from anyone.
const (
	maxBody   = 64 << 10
	maxParams = 100
)

// readForm reads a request's parameters: the query of a GET, the form in the
// body of a POST. They are in one place or the other, never both: a POST with a
// query is refused, so that there is no question which value counts. A body
// whose type is not stated is taken for a form, and its charset for UTF-8
// whatever is stated, since what is not UTF-8 is refused by its bytes.
//
// Errors are pay.BadRequest, with errMethod or errTooLarge inside where they
// have a status of their own.
func readForm(w http.ResponseWriter, r *http.Request) (sign.Params, error) {
	switch r.Method {
	case http.MethodGet:
		if len(r.URL.RawQuery) > maxBody {
			return nil, tooLarge()
		}
		return DecodeForm(r.URL.RawQuery)
	case http.MethodPost:
		if r.URL.RawQuery != "" {
			return nil, unreadable("", "parameters of a POST belong in its body, not in the address")
		}
		if t := r.Header.Get("Content-Type"); !formType(t) {
			return nil, unreadable("Content-Type", fmt.Sprintf("must be application/x-www-form-urlencoded, not %q", web.Clip(t, 64)))
		}
		body, err := readBody(w, r)
		if err != nil {
			return nil, err
		}
		return DecodeForm(string(body))
	}
	w.Header().Set("Allow", "GET, POST")
	return nil, &pay.Error{Code: pay.BadRequest, Message: "the method must be POST or GET", Err: errMethod}
}

// readBody reads at most maxBody bytes; more is an error with errTooLarge inside.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxBody {
		return nil, tooLarge()
	}
	body, err := io.ReadAll(web.LimitBody(w, r, maxBody))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge()
	case err != nil:
		return nil, &pay.Error{Code: pay.BadRequest, Message: "the body could not be read to its end", Err: err}
	}
	return body, nil
}

func formType(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.TrimSpace(mediaType)
	return mediaType == "" || strings.EqualFold(mediaType, "application/x-www-form-urlencoded")
}

// names are what parameters may be called. The signature of a notification is over its body, and that of a
// request over the joined parameters, under the same key: no name can hold what a JSON object begins with, so
// neither can be taken for the other.
var names = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

// DecodeForm decodes name=value pairs joined by &, as every request is read. Raw spaces in values are taken
// as they are, since the vendor's PHP samples send them; a ; is a character like any
// other. Percent errors, invalid UTF-8, a pair without =, a name that comes
// twice or has other characters than names are pay.BadRequest naming the parameter.
func DecodeForm(raw string) (sign.Params, error) {
	if strings.Count(raw, "&") >= maxParams {
		return nil, unreadable("", fmt.Sprintf("more than %d parameters", maxParams))
	}
	params := sign.Params{}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, found := strings.Cut(pair, "=")
		name, wrong := unescape(rawName)
		switch {
		case wrong != "":
			return nil, unreadable("", fmt.Sprintf("the parameter name %q %s", web.Clip(rawName, 64), wrong))
		case !found:
			return nil, unreadable(web.Clip(name, 64), "has no =; a & within a value must be sent as %26")
		case name == "":
			return nil, unreadable("", "a parameter has no name")
		case !names.MatchString(name):
			return nil, unreadable("", fmt.Sprintf("the parameter name %q must be 1 to 64 letters, digits and _; "+
				"a & within a value must be sent as %%26", web.Clip(name, 64)))
		}
		value, wrong := unescape(rawValue)
		if wrong != "" {
			return nil, unreadable(web.Clip(name, 64), "its value "+wrong)
		}
		if _, twice := params[name]; twice {
			return nil, unreadable(web.Clip(name, 64), "is there more than once")
		}
		params[name] = value
	}
	return params, nil
}

// unescape decodes one name or value, or says what is wrong with it.
func unescape(s string) (decoded, wrong string) {
	decoded, err := url.QueryUnescape(s)
	switch {
	case err != nil:
		return "", "has a % that two hexadecimal digits do not follow"
	case !utf8.ValidString(decoded):
		return "", "is not valid UTF-8"
	}
	return decoded, ""
}

func unreadable(field, message string) error {
	return &pay.Error{Code: pay.BadRequest, Field: field, Message: message}
}

func tooLarge() error {
	return &pay.Error{Code: pay.BadRequest, Message: "the request is over 64 KiB", Err: errTooLarge}
}
