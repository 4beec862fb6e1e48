package mapi

import (
	"bufio"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

// vector is one case of testdata/*.txt. None was made by this package: source says who published
// it, or the command that made it.
type vector struct {
	file, name, source string

	keys      Keys
	form      string // a message
	xml       string // or an answer
	canonical string
	sign      string
	// "", or the step that must refuse it: parse, unsigned, sign_type, signature, charset, separator
	refused string
	notice  bool // read as a notification is
}

// load reads the vectors of one file.
func load(t testing.TB, file string) []vector {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []vector
	var charset *encoding.Encoder // of what the line canonical says
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("%s:%d: no colon", file, n)
		}
		if key == "case" {
			charset = encoding.Nop.NewEncoder()
			all = append(all, vector{file: file, name: value,
				notice: strings.HasPrefix(value, "notification")})
			continue
		}
		v := &all[len(all)-1]
		switch key {
		case "source":
			v.source = value
		case "type":
			v.keys.Type = SignType(value)
		case "key":
			v.keys.Shared = value
		case "private":
			v.keys.Private, err = alipay.ParsePrivateKey(read(t, value))
		case "public":
			v.keys.Public, err = alipay.ParsePublicKey(read(t, value))
		case "form":
			v.form = value
		case "xml":
			v.xml = value
		case "answer":
			v.xml = read(t, value)
		case "charset":
			charset = simplifiedchinese.GB18030.NewEncoder()
		case "canonical":
			v.canonical, err = charset.String(value)
		case "sign":
			v.sign = value
		case "refused":
			v.refused = value
		default:
			t.Fatalf("%s:%d: unknown %q", file, n, key)
		}
		if err != nil {
			t.Fatalf("%s:%d: %v", file, n, err)
		}
	}
	if lines.Err() != nil || len(all) == 0 {
		t.Fatalf("%s: no vectors (%v)", file, lines.Err())
	}
	for _, v := range all {
		if v.source == "" {
			t.Errorf("%s: %s: no source", file, v.name)
		}
	}
	return all
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// accepted returns the vectors that must verify.
func accepted(t testing.TB) []vector {
	var all []vector
	for _, file := range []string{"published-md5.txt", "made-md5.txt", "rsa.txt", "gbk.txt", "answers.txt"} {
		all = append(all, load(t, file)...)
	}
	return all
}

func TestForeignMessagesVerify(t *testing.T) {
	for _, v := range accepted(t) {
		t.Run(v.file+"/"+v.name, func(t *testing.T) {
			fields, err := v.fields()
			if err != nil {
				t.Fatal(err)
			}
			if fields == nil { // a bare string
				if err := v.keys.verify(v.canonical, v.sign); err != nil {
					t.Error(err)
				}
				return
			}
			if got := fields.Canonical(); got != v.canonical {
				t.Errorf("canonical string\n got %s\nwant %s", got, v.canonical)
			}
			if err := v.verify(); err != nil {
				t.Error(err)
			}
			if v.keys.Shared == "" && v.keys.Private == nil {
				return
			}
			signed := maps.Clone(fields)
			if err := signed.Sign(v.keys); err != nil {
				t.Fatal(err)
			}
			if signed["sign"] != v.sign || signed["sign_type"] != string(v.keys.Type) {
				t.Errorf("signed %s %s, want %s", signed["sign_type"], signed["sign"], v.sign)
			}
		})
	}
}

func TestRefusedMessages(t *testing.T) {
	for _, v := range append(load(t, "refused.txt"), load(t, "refused-gbk.txt")...) {
		t.Run(v.name, func(t *testing.T) {
			err := v.verify()
			step := "parse"
			switch {
			case err == nil:
				t.Fatal("accepted")
			case errors.Is(err, ErrNoSignature):
				step = "unsigned"
			case errors.Is(err, ErrSignType):
				step = "sign_type"
			case errors.Is(err, ErrBadSignature):
				step = "signature"
			case errors.Is(err, ErrCharset):
				step = "charset"
			case errors.Is(err, ErrSeparator):
				step = "separator"
			}
			if step != v.refused {
				t.Errorf("refused at %s (%v), want %s", step, err, v.refused)
			}
			if v.keys.Shared != "" && strings.Contains(err.Error(), v.keys.Shared) {
				t.Error("the error shows the key")
			}
		})
	}
}

func (v vector) fields() (Message, error) {
	switch {
	case v.xml != "":
		a, err := ParseAnswer([]byte(v.xml))
		if strings.HasSuffix(v.name, "signed as UTF-8") {
			return a.Fields, err
		}
		return a.raw, err
	case v.form != "":
		return Parse(v.form)
	}
	return nil, nil
}

func (v vector) verify() error {
	if v.xml != "" {
		a, err := ParseAnswer([]byte(v.xml))
		if err != nil {
			return err
		}
		return a.Verify(v.keys)
	}
	if v.notice {
		_, err := ReadNotification([]byte(v.form), v.keys)
		return err
	}
	m, err := Parse(v.form)
	if err != nil {
		return err
	}
	return m.Verify(v.keys)
}

func TestUnsignedErrorInGBKIsRead(t *testing.T) {
	a, err := ParseAnswer([]byte(read(t, "answer-error-gbk.xml")))
	if err != nil || a.Success || a.Error != "TRADE_NOT_EXIST" {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := a.Verify(Keys{Type: MD5, Shared: "k"}); !errors.Is(err, ErrNoSignature) {
		t.Errorf("Verify = %v", err)
	}
}

func TestFieldWithElementsIsDropped(t *testing.T) {
	a, err := ParseAnswer([]byte(`<alipay><is_success>T</is_success><response><alipay>` +
		`<trade_no>1</trade_no><list>x<item>2</item>y</list><empty/></alipay></response></alipay>`))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Message{"trade_no": "1", "empty": ""}); !maps.Equal(a.Fields, want) || a.Kind != "alipay" {
		t.Errorf("%s %v, want %v", a.Kind, a.Fields, want)
	}
}

func TestSpaceInSignatureCountsAsPlus(t *testing.T) {
	for _, v := range load(t, "rsa.txt") {
		if v.form == "" || !strings.Contains(v.sign, "+") {
			continue
		}
		m, err := Parse(v.form)
		if err != nil {
			t.Fatal(err)
		}
		m["sign"] = strings.ReplaceAll(m["sign"], "+", " ")
		if err := m.Verify(v.keys); err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
	}
}

func TestKeysParseInEveryCommonForm(t *testing.T) {
	want, err := alipay.ParsePrivateKey(read(t, "key-pkcs8.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"key-pkcs1.pem", "key-pkcs1.txt", "key-pkcs8.txt"} {
		if got, err := alipay.ParsePrivateKey(read(t, file)); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, file := range []string{"pub-pkix.pem", "pub-pkix.txt", "pub-pkcs1.pem", "pub-pkcs1.txt"} {
		if got, err := alipay.ParsePublicKey(read(t, file)); err != nil || !got.Equal(&want.PublicKey) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestUnreadableKeysAreRefusedUnquoted(t *testing.T) {
	secret := strings.TrimSpace(read(t, "key-pkcs8.txt"))
	for _, text := range []string{"", "???", secret[:200], secret + "A", read(t, "pub-pkix.pem"),
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"} {
		_, err := alipay.ParsePrivateKey(text)
		if err == nil {
			t.Errorf("%.20q: accepted as a private key", text)
		} else if len(text) > 8 && strings.Contains(err.Error(), text[:8]) {
			t.Errorf("the error quotes the key: %v", err)
		}
	}
	for _, text := range []string{"", "???", secret} {
		if _, err := alipay.ParsePublicKey(text); err == nil {
			t.Errorf("%.20q: accepted as a public key", text)
		}
	}
}

func TestSidesWithoutKeysNeitherSignNorVerify(t *testing.T) {
	for _, k := range []Keys{{Type: MD5}, {Type: RSA}, {Type: RSA2}, {Type: "DSA", Shared: "k"}, {}} {
		m := Message{"a": "1"}
		if err := m.Sign(k); err == nil {
			t.Errorf("%q: signed", k.Type)
		}
		m["sign"], m["sign_type"] = md5Hex("a=1"), string(k.Type)
		if err := m.Verify(k); err == nil {
			t.Errorf("%q: verified", k.Type)
		}
	}
}
