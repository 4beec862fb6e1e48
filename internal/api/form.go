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

// Bounds of what is read before anybody is authenticated.
const (
	maxBody   = 64 << 10
	maxParams = 100
)

// readForm reads a request's parameters: the query of a GET, or the form in the body of
// a POST. A POST with a query is refused, since two places could hold two values. A
// body without a stated type is read as a form. Its charset is UTF-8 whatever is
// stated: bytes that are not UTF-8 are refused.
//
// The error is pay.BadRequest, with errMethod or errTooLarge inside if it has a status
// of its own.
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
			return nil, unreadable("Content-Type",
				fmt.Sprintf("must be application/x-www-form-urlencoded, not %q", web.Clip(t, 64)))
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

// readBody reads at most maxBody bytes. A longer body is an error with errTooLarge
// inside.
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
		return nil, &pay.Error{
			Code: pay.BadRequest, Message: "the body could not be read to its end", Err: err,
		}
	}
	return body, nil
}

func formType(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.TrimSpace(mediaType)
	return mediaType == "" || strings.EqualFold(mediaType, "application/x-www-form-urlencoded")
}

// names are the names that parameters may have. The same key signs a notification's
// body and a request's joined parameters. No name can hold what a JSON object begins
// with, so neither signature fits the other.
var names = regexp.MustCompile(`^[A-Za-z0-9_]{1,64}$`)

// DecodeForm decodes name=value pairs joined by &, as in every request. Raw spaces in
// values are accepted, since the vendor's PHP samples send them; a ; is an ordinary
// character. The error is pay.BadRequest, naming the parameter, for a wrong percent
// sign, invalid UTF-8, a pair without =, and a name that comes twice or has other
// characters than names.
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
			return nil, unreadable("",
				fmt.Sprintf("the parameter name %q must be 1 to 64 letters, digits and _; "+
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

// unescape decodes one name or value, or returns what is wrong with it.
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
