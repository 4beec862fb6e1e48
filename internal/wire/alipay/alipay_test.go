package alipay

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The keys in testdata are for these tests only. They were made by
//
//	openssl genrsa 2048 | openssl pkcs8 -topk8 -nocrypt -out rsa.pem
//	openssl pkey -in rsa.pem -pubout -out rsa-pub.pem
//
// and, for the elliptic ones, openssl ecparam -name prime256v1 -genkey -noout in place of genrsa.
func read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// body returns the base64 within a PEM text, with its line breaks.
func body(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[1:len(lines)-1], "\n")
}

func TestKeysParseHoweverTheyWereCopied(t *testing.T) {
	private, public := read(t, "rsa.pem"), read(t, "rsa-pub.pem")
	want, err := ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(string) string{
		"PEM": func(s string) string { return s },
		"PEM with the line ends of Windows": func(s string) string {
			return strings.ReplaceAll(s, "\n", "\r\n")
		},
		"PEM with space around": func(s string) string { return "\n  " + s + "\n\n" },
		"base64 in lines":       body,
		"base64 in lines of Windows": func(s string) string {
			return strings.ReplaceAll(body(s), "\n", "\r\n")
		},
		"base64 in words":    func(s string) string { return strings.ReplaceAll(body(s), "\n", " \t") },
		"base64 in one line": func(s string) string { return strings.ReplaceAll(body(s), "\n", "") },
		"base64 with space around": func(s string) string {
			return " \t" +
				strings.ReplaceAll(body(s), "\n", "") + "\n"
		},
	} {
		if key, err := ParsePrivateKey(change(private)); err != nil || !key.Equal(want) {
			t.Errorf("private, %s: %v", what, err)
		}
		if key, err := ParsePublicKey(change(public)); err != nil || !key.Equal(&want.PublicKey) {
			t.Errorf("public, %s: %v", what, err)
		}
	}
}

func TestKeysOfAnotherKindAreRefused(t *testing.T) {
	for what, text := range map[string]string{"elliptic": read(t, "elliptic.pem"),
		"elliptic, base64": body(read(t, "elliptic.pem")), "a public key": read(t, "rsa-pub.pem")} {
		if key, err := ParsePrivateKey(text); err == nil {
			t.Errorf("%s: accepted as an RSA private key: %T", what, key)
		}
	}
	for what, text := range map[string]string{"elliptic": read(t, "elliptic-pub.pem"),
		"elliptic, base64": body(read(t, "elliptic-pub.pem")), "a private key": read(t, "rsa.pem")} {
		if key, err := ParsePublicKey(text); err == nil {
			t.Errorf("%s: accepted as an RSA public key: %T", what, key)
		}
	}
}

func TestUnknownSignTypeNeitherSignsNorVerifies(t *testing.T) {
	key, err := ParsePrivateKey(read(t, "rsa.pem"))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := Sign(RSA2, key, "a=1")
	if err != nil {
		t.Fatal(err)
	}
	for _, unknown := range []SignType{"", "rsa2", "RSA2 ", "RSA3", "MD5"} {
		if err := Verify(unknown, &key.PublicKey, "a=1", sig); err == nil {
			t.Errorf("%q: verified", unknown)
		}
		if _, err := Sign(unknown, key, "a=1"); err == nil {
			t.Errorf("%q: signed", unknown)
		}
	}
	if err := Verify(RSA, &key.PublicKey, "a=1", sig); err == nil {
		t.Error("a signature of RSA2 verifies as one of RSA")
	}
}

func TestFormsAreCutAtTheirSeparators(t *testing.T) {
	for form, want := range map[string]string{
		"a=1=2&b=":                "a=1=2&b=",
		"sign=AAAA==&a":           "a=&sign=AAAA==",
		"a=1%2B1+%26+2;b=3":       "a=1+1 & 2;b=3",
		"b=2&&a=1&":               "a=1&b=2",
		"%61=%e8%8c%b6":           "a=茶",
		"a=%253D":                 "a=%3D",
		"":                        "",
		"A=1&a=2&a1=3&_=4":        "A=1&_=4&a=2&a1=3",
		"a=%00&b=%0A&c=%E2%80%A8": "a=\x00&b=\n&c=\u2028",
		"a=%D5%5C&%B2%E8=%ff":     "a=\xd5\\&\xb2\xe8=\xff", // bytes, whatever they say
	} {
		fields, err := ParseForm(form)
		if err != nil {
			t.Errorf("%q: %v", form, err)
			continue
		}
		if got := Join(fields, func(string, string) bool { return true }); got != want {
			t.Errorf("%q is read as %q, want %q", form, got, want)
		}
		for name := range fields {
			if strings.Contains(name, "=") {
				t.Errorf("%q has a field %q", form, name)
			}
		}
	}
	for _, form := range []string{"a=1&a=1", "a=1&%61=2", "=1", "%=1", "a=%", "a=%f",
		strings.Repeat("&", MaxFields)} {
		if fields, err := ParseForm(form); err == nil {
			t.Errorf("%q is read as %v", form, fields)
		}
	}
}
