package api

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sign"
)

func TestFormIsDecoded(t *testing.T) {
	for _, test := range []struct {
		name, raw string
		want      sign.Params
	}{
		{"encoded", "a=1&b=x+y%26z%3D", sign.Params{"a": "1", "b": "x y&z="}},
		{"raw spaces", "txdtm=2026-01-02 03:04:05&a=", sign.Params{"txdtm": "2026-01-02 03:04:05", "a": ""}},
		{"raw and encoded UTF-8", "a=茶&b=%E8%8C%B6", sign.Params{"a": "茶", "b": "茶"}},
		{"a semicolon does not separate", "a=1;b=2", sign.Params{"a": "1;b=2"}},
		{"only the first = separates", "a=b=c", sign.Params{"a": "b=c"}},
		{"empty pairs", "&a=1&&b=2&", sign.Params{"a": "1", "b": "2"}},
		{"names differ by case", "a=1&A=2", sign.Params{"a": "1", "A": "2"}},
		{"a name of 64 characters, encoded in part", "%61" + strings.Repeat("_", 62) + "9=1",
			sign.Params{"a" + strings.Repeat("_", 62) + "9": "1"}},
		{"nothing", "", sign.Params{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := DecodeForm(test.raw)
			if err != nil || !maps.Equal(got, test.want) {
				t.Errorf("got %v, %v; want %v", got, err, test.want)
			}
		})
	}
}

func TestFormIsRefusedNamingTheParameter(t *testing.T) {
	for _, test := range []struct{ name, raw, field, message string }{
		{"percent without digits", "a=1&goods_name=100%", "goods_name", "hexadecimal"},
		{"percent with other letters", "goods_name=%zz", "goods_name", "hexadecimal"},
		{"percent error in a name", "goods%=1", "", `"goods%"`},
		{"invalid UTF-8, encoded", "goods_name=%ff", "goods_name", "UTF-8"},
		{"invalid UTF-8, raw", "goods_name=\xc3\x28", "goods_name", "UTF-8"},
		{"an encoded surrogate", "goods_name=%ed%a0%80", "goods_name", "UTF-8"},
		{"invalid UTF-8 in a name", "%ff=1", "", "UTF-8"},
		{"twice", "txamt=1&b=2&txamt=1", "txamt", "more than once"},
		{"twice, once encoded", "txamt=1&tx%61mt=2", "txamt", "more than once"},
		{"no =", "goods_name=Tea & cake", " cake", "%26"},
		{"no name", "=1", "", "no name"},
		{"a space in a name", "goods_name=Tea & Co=1", "", `" Co"`},
		{"a notification cut at an =", "%7B%22status%22%3A+%221%22%2C+%22goods_name%22%3A+%22a=b%22%7D", "",
			`must be 1 to 64 letters`},
		{"the same, sent raw", `{"status": "1", "goods_name": "a=b"}`, "", `must be 1 to 64 letters`},
		{"a quote in a name, encoded", "a%22=1", "", `"a\""`},
		{"an & in a name, encoded", "a%26b=1", "", `"a&b"`},
		{"an = in a name, encoded", "a%3Db=1", "", `"a=b"`},
		{"a dash", "goods-name=1", "", `"goods-name"`},
		{"brackets", "a[]=1", "", `"a[]"`},
		{"letters of another script", "ａ=1", "", `"ａ"`},
		{"a line feed behind a name", "txamt%0A=1", "", `"txamt\n"`},
		{"a NUL", "txamt%00=1", "", `"txamt\x00"`},
		{"a bad name without a value", "a%22=", "", `"a\""`},
		{"65 characters", strings.Repeat("n", 65) + "=1", "", "must be 1 to 64 letters"},
		{"too many", strings.Repeat("&", maxParams), "", "more than 100"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := DecodeForm(test.raw)
			wantRefusal(t, err, pay.BadRequest, test.field, test.message)
		})
	}
}

func TestAFormMayComeInOneWayOnly(t *testing.T) {
	for _, test := range []struct {
		name, method, target, contentType, body string
		field, message                          string
		status                                  int
	}{
		{"POST", "POST", "/", "application/x-www-form-urlencoded", "a=1", "", "", 200},
		{"POST with a charset", "POST", "/", "Application/X-WWW-Form-Urlencoded; charset=utf-8",
			"a=1", "", "", 200},
		{"POST without a type", "POST", "/", "", "a=1", "", "", 200},
		{"GET", "GET", "/?a=1", "", "", "", "", 200},
		{"POST with a query", "POST", "/?b=1", "", "a=1", "", "in its body", 200},
		{"multipart", "POST", "/", "multipart/form-data; boundary=x", "a=1", "Content-Type",
			"multipart/form-data", 200},
		{"JSON", "POST", "/", "application/json", "{}", "Content-Type", "application/json", 200},
		{"PUT", "PUT", "/", "", "a=1", "", "POST or GET", 405},
		{"HEAD", "HEAD", "/?a=1", "", "", "", "POST or GET", 405},
		{"exactly 64 KiB", "POST", "/", "", "a=1&b=" + strings.Repeat("x", 65536-6), "", "", 200},
		{"one byte more", "POST", "/", "", "a=1&b=" + strings.Repeat("x", 65536-5), "", "64 KiB", 413},
		{"a long query", "GET", "/?a=" + strings.Repeat("x", maxBody), "", "", "", "64 KiB", 413},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, chunked := range []bool{false, true} {
				r := httptest.NewRequest(test.method, test.target, strings.NewReader(test.body))
				r.Header.Set("Content-Type", test.contentType)
				if chunked {
					r.ContentLength = -1
				}
				params, err := readForm(httptest.NewRecorder(), r)
				if got := statusOf(err); got != test.status {
					t.Errorf("status is %d, want %d", got, test.status)
				}
				if test.message != "" {
					wantRefusal(t, err, pay.BadRequest, test.field, test.message)
				} else if err != nil || params["a"] != "1" {
					t.Errorf("got %v, %v", params, err)
				}
			}
		})
	}
}

// FuzzForm: whatever comes in, the decoder either refuses it as unreadable or
// gives valid UTF-8 that survives being encoded and decoded again; and what it
// takes, net/url's own parser reads in the same way.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"a=1&b=x+y%26z", "txdtm=2026-01-02 03:04:05", "a=%", "a=%ff", "a=1&a=2", "a=1;b=2", "=",
		"a", "&&", "a=茶", "%00=%00", "a==b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		params, err := DecodeForm(raw)
		if err != nil {
			if pay.CodeOf(err) != pay.BadRequest || !utf8.ValidString(err.Error()) || len(err.Error()) > 600 {
				t.Errorf("%q: unfit error %q", raw, err)
			}
			return
		}
		values := url.Values{}
		for name, value := range params {
			if !utf8.ValidString(value) || len(name) > 64 ||
				strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != "" {
				t.Errorf("%q: %q=%q was taken", raw, name, value)
			}
			values.Set(name, value)
		}
		if again, err := DecodeForm(values.Encode()); err != nil || !maps.Equal(again, params) {
			t.Errorf("%q: %v became %v, %v", raw, params, again, err)
		}
		if theirs, err := url.ParseQuery(raw); err == nil {
			for name, value := range params {
				if got := theirs[name]; len(got) != 1 || got[0] != value {
					t.Errorf("%q: %q is %q here, %q to net/url", raw, name, value, got)
				}
			}
		}
	})
}

func wantRefusal(t *testing.T, err error, code pay.Code, field, message string) {
	t.Helper()
	refused, ok := err.(*pay.Error)
	if !ok || refused.Code != code || refused.Field != field || !strings.Contains(refused.Message, message) {
		t.Errorf("got %v; want %s naming %q with %q", err, code, field, message)
	}
}

func TestMessagesNeverGrowWithWhatWasSent(t *testing.T) {
	for _, raw := range []string{
		strings.Repeat("%", 60000), "%" + strings.Repeat("\xff", 60000) + "=1", strings.Repeat("n", 60000),
		strings.Repeat("n", 30000) + "=1&" + strings.Repeat("n", 30000) + "=1",
	} {
		_, err := DecodeForm(raw)
		if err == nil || len(err.Error()) > 600 {
			t.Errorf("%.20q: error of %d bytes", raw, len(err.Error()))
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Content-Type", strings.Repeat("x", 60000))
	if _, err := readForm(httptest.NewRecorder(), r); err == nil || len(err.Error()) > 600 {
		t.Error("the content type's whole length is in the message")
	}
}
