package explain

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/url"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/sign"
)

const key = "Abcd1234"

// hexOf hashes a text that the test spells out: the client's side of the matter.
func hexOf(h hash.Hash, text string) string {
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

func read(t *testing.T, body string) sign.Params {
	t.Helper()
	values, err := url.ParseQuery(body)
	if err != nil {
		t.Fatal(err)
	}
	params := sign.Params{}
	for name := range values {
		params[name] = values.Get(name)
	}
	return params
}

// What a client hashed, spelt out, is explained by the mistake that led to it.
func TestRequestFindsTheMistake(t *testing.T) {
	for _, tt := range []struct {
		body, hashed string
		causes       string // with "; " between them; "" if the signature is right
	}{
		{"txamt=100&goods_name=1%2B1%3D2+%26+%E8%8C%B6", "goods_name=1+1=2 & 茶&txamt=100" + key, ""},
		{"b=2&a=", "b=2" + key, ""},
		{"b=2&a=", "a=&b=2" + key, ""},
		{"b=2&a=1", "b=2&a=1" + key, "the parameters are not sorted: they are in the order of the body"},
		{"a=1&B=2&_=3", "_=3&a=1&B=2" + key, "the names are sorted without regard to upper and lower case"},
		{"g=%E8%8C%B6+1%3A2", "g=%E8%8C%B6+1%3A2" + key,
			"the values were URL-encoded before they were signed"},
		{"g=1+1", "g=1+1" + key, "a space was signed as +, or a + was sent as it is, " +
			"which arrives as a space"},
		{"g=a%26b", "g=a&amp;b" + key, "the values were escaped for HTML before they were signed"},
		{"g=%E8%8C%B6", "g=\xb2\xe8" + key, "the text was hashed in GBK"},
		{"b=2&a=%E8%8C%B6", `{"b": "2", "a": "\u8336"}` + key, "the parameters were signed as JSON"},
		{"a=1&b=2", "a=1b=2" + key, "the parameters are joined without &"},
		{"a=1", "a=1&udid=" + key, "udid was signed, empty, and is not sent"},
		{"a=1&udid=phone", "a=1" + key, "udid is sent and was not signed"},
		{"a=1", "a=1&app_code=CODE" + key, "the app code was signed as app_code"},
		{"a=1", "a=1&key=" + key, "&key= is before the client key"},
		{"a=1", "a=1" + key + "\n", "a line feed is behind the client key, as echo or a file leaves it"},
		{"a=1", "a=1", "there is no client key"},
		{"a=1", "a=1CODE", "the app code is in the client key's place"},
		{"b=%E8%8C%B6&a=1", "b=%E8%8C%B6&a=1" + key,
			"the parameters are not sorted: they are in the order of the body; " +
				"the values were URL-encoded before they were signed"},
	} {
		t.Run(tt.hashed, func(t *testing.T) {
			sent := Sent{Body: tt.body, AppCode: "CODE", Signature: hexOf(md5.New(), tt.hashed), Key: key}
			e := Request(sent, read(t, tt.body))
			if got := causes(e); got != tt.causes || e.Right != (tt.causes == "") {
				t.Errorf("got right: %v, %q\nwant %q", e.Right, got, tt.causes)
			}
			checkHidden(t, e)
		})
	}
}

func TestRequestFindsTheWrongHash(t *testing.T) {
	mac := hmac.New(md5.New, []byte(key))
	md5Hex := hexOf(md5.New(), "a=1"+key)
	raw, _ := hex.DecodeString(md5Hex)
	for _, tt := range []struct{ signature, signType, causes, text string }{
		{hexOf(sha256.New(), "a=1"+key), "", "it is hashed with SHA-256, and without X-QF-SIGNTYPE it is MD5",
			"a=1" + KeyMark},
		{md5Hex, "sha256", "it is hashed with MD5, and X-QF-SIGNTYPE is sha256", "a=1" + KeyMark},
		{hexOf(sha1.New(), "a=1"+key), "MD5", "it is hashed with SHA-1, and X-QF-SIGNTYPE is MD5",
			"a=1" + KeyMark},
		{hexOf(mac, "a=1"), "", "it is an HMAC", "a=1"},
		{base64.StdEncoding.EncodeToString(raw), "", "the hash is written in base64", "a=1" + KeyMark},
		{"1234abcd", "", "the signature has 8 digits: MD5 has 32, SHA-256 has 64", ""},
		{"nonsense!", "", "the signature is neither hex nor base64", ""},
		{hexOf(md5.New(), "a=1other"), "",
			"the signature is wrong, and not by one or two of the usual mistakes", ""},
		{md5Hex, "SHA512", "X-QF-SIGNTYPE names no algorithm that there is", ""},
	} {
		e := Request(Sent{Body: "a=1", SignType: tt.signType, Signature: tt.signature, Key: key},
			sign.Params{"a": "1"})
		if got := causes(e); got != tt.causes || e.ActualText != tt.text {
			t.Errorf("%s: got %q of %q, want %q of %q", tt.signature, got, e.ActualText, tt.causes, tt.text)
		}
	}
}

func TestNotificationFindsTheMistake(t *testing.T) {
	for _, tt := range []struct{ body, hashed, causes string }{
		{`{"status": "1", "note": "\u8336/"}`, `{"status": "1", "note": "\u8336/"}` + key, ""},
		{`{"status":"1","note":"茶/"}`, `{"status": "1", "note": "\u8336/"}` + key,
			"the body was parsed and written again, as Python does"},
		{`{"status": "1", "note": "\u8336/"}`, `{"status":"1","note":"茶/"}` + key,
			"the body was parsed and written again, as JavaScript does"},
		{`{"status": "1", "note": "\u8336/"}`, `{"note":"\u8336\/","status":"1"}` + key,
			"the body was parsed and written again with its members sorted, as PHP can"},
		{"{\"a\": \"1\"}\n", `{"a": "1"}` + key, "the body has a line feed at its end that was not signed"},
		{`{"a": "1"}`, key + `{"a": "1"}`, "the client key is in front of the text"},
		{`{"a": "1"}`, `{"a": "2"}` + key,
			"the signature is wrong, and not by one or two of the usual mistakes"},
	} {
		e := Notification(Sent{Body: tt.body, Signature: hexOf(md5.New(), tt.hashed), Key: key})
		if got := causes(e); got != tt.causes || e.Right != (tt.causes == "") {
			t.Errorf("%s: got %v, %q, want %q", tt.hashed, e.Right, got, tt.causes)
		}
		checkHidden(t, e)
	}
}

// A mistake that no signature leads to would be advice that nobody gets. Several
// may make the same signature: then one of them is named.
func TestEveryMistakeIsFound(t *testing.T) {
	const body = "b_=%E8%8C%B6+%2B%26&B=%3A/&a=+x+&c=%C3%A9"
	for _, algorithm := range []sign.Algorithm{sign.MD5, sign.SHA256} {
		for _, m := range requestMistakes(body, string(algorithm), algorithm, "CODE") {
			wrong := signedForm(algorithm)
			m.plant(&wrong)
			sum := wrong.sum(readMessage(body), key)
			e := Request(Sent{
				Body: body, SignType: string(algorithm), AppCode: "CODE",
				Signature: hex.EncodeToString(sum), Key: key,
			}, read(t, body))
			if len(e.Mistakes) != 1 || e.ActualText == "" {
				t.Errorf("%s, %s: %+v", algorithm, m.cause, e)
			}
		}
	}
}

func TestLeaksNameTheParameters(t *testing.T) {
	body := "sign=" + key + "&b=1&a=x" + key
	e := Request(Sent{Body: body, Key: key}, read(t, body))
	if fmt.Sprint(e.Leaks) != "[a sign]" || len(e.Mistakes) != 0 || len(e.Signatures) != 2 {
		t.Errorf("got %+v", e)
	}
	checkHidden(t, e)
	checkHidden(t, Unreadable(Sent{Key: key}, key+" is there more than once"))
}

func causes(e Explanation) string {
	var all []string
	for _, m := range e.Mistakes {
		all = append(all, m.Cause)
	}
	return strings.Join(all, "; ")
}

// checkHidden fails the test if the key is in the explanation.
func checkHidden(t *testing.T, e Explanation) {
	t.Helper()
	if text := fmt.Sprintf("%+v", e); strings.Contains(text, key) {
		t.Errorf("the key is in %s", text)
	}
}
