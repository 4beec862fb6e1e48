package api

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sign"
)

// values reads a call's parameters, each by its rule. An empty value counts as absent.
// err is the first broken rule, a pay.BadParameter that names the parameter. Values that
// are read after it mean nothing.
type values struct {
	params sign.Params
	err    error
}

func (v *values) fail(name, format string, args ...any) {
	if v.err == nil {
		v.err = &pay.Error{Code: pay.BadParameter, Field: name, Message: fmt.Sprintf(format, args...)}
	}
}

// text reads a value of at most limit characters, none of them control characters.
func (v *values) text(name string, limit int) string {
	s := v.params[name]
	if utf8.RuneCountInString(s) > limit {
		v.fail(name, "must have at most %d characters", limit)
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		v.fail(name, "must not hold control characters")
	}
	return s
}

// required is text for a value that must not be empty.
func (v *values) required(name string, limit int) string {
	s := v.text(name, limit)
	if s == "" {
		v.fail(name, "is required")
	}
	return s
}

// number reads a whole number from low to high in plain digits: no sign, no
// exponent, no leading zero, so that there is one spelling of each. Absent is 0.
func (v *values) number(name string, low, high int64) int64 {
	s := v.params[name]
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != s || n < low || n > high {
		v.fail(name, "must be a whole number from %d to %d, in digits only", low, high)
	}
	return n
}

// moment reads a date and time of day in zone; the zero time if absent.
func (v *values) moment(name string, zone *time.Location) time.Time {
	s := v.params[name]
	if s == "" {
		return time.Time{}
	}
	t, err := time.ParseInLocation(layout, s, zone)
	if err != nil || t.Format(layout) != s {
		v.fail(name, "must be a date and time as YYYY-MM-DD hh:mm:ss")
	}
	return t
}

// age returns an error if a call is too old to begin anything new: if its txdtm, in
// txzone, differs from our time by more than the app code allows, in either direction.
// txzone is not read if the app code allows any age.
func (v *values) age(c call) error {
	if c.credential.MaxAge <= 0 {
		return nil
	}
	zone := v.zone()
	sent := v.moment("txdtm", zone)
	if v.err != nil || c.at.Sub(sent).Abs() <= c.credential.MaxAge {
		return nil
	}
	return &pay.Error{Code: pay.BadParameter, Field: "txdtm", Message: fmt.Sprintf(
		"must be within %s of our time, which is %s in the zone %s",
		c.credential.MaxAge, c.at.In(zone).Format(layout), zone)}
}

// address reads an absolute http or https URL of at most limit characters. A URL with a
// user name or a password is refused, since it would be shown and logged.
func (v *values) address(name string, limit int) string {
	s := v.text(name, limit)
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || strings.ContainsAny(s, " \\\"<>`"):
		v.fail(name, "is not a valid URL")
	case u.Scheme != "http" && u.Scheme != "https":
		v.fail(name, "must begin with http:// or https://")
	case u.Hostname() == "":
		v.fail(name, "must name a host")
	case u.Port() != "" && !validPort(u.Port()):
		v.fail(name, "must name a port from 1 to 65535")
	case u.User != nil:
		v.fail(name, "must not hold a user name or password")
	}
	return s
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// list reads comma-separated values, at most limit of them.
func (v *values) list(name string, limit int) []string {
	var found []string
	for s := range strings.SplitSeq(v.params[name], ",") {
		if s != "" {
			found = append(found, s)
		}
	}
	if len(found) > limit {
		v.fail(name, "must name at most %d", limit)
	}
	return found
}
