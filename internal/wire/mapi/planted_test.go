package mapi

import (
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// reference is a second implementation of the "Signature" page, with a switch for each mistake that
// implementations have made.
type reference struct {
	keepEmpty, dropBlank, signSignType, signSign, dropCharset, dropService bool

	unsorted, foldCase, reversed                             bool
	noAmpersand, noEquals, escape, latin1, trim, dropPrefix  bool
	keyFirst, keySeparated, upperHex, shaOne, shaTwo, urlB64 bool
}

// agrees reports whether r gives the vector's result for the vector's fields.
func (r reference) agrees(t *testing.T, v vector) bool {
	fields, err := v.fields()
	if err != nil {
		t.Fatal(err)
	}
	s := v.canonical
	if fields != nil {
		s = r.canonical(fields)
	}
	if v.keys.Type == MD5 {
		return r.md5(s, v.keys.Shared) == v.sign
	}
	enc := base64.StdEncoding
	if r.urlB64 {
		enc = base64.URLEncoding
	}
	raw, err := enc.DecodeString(v.sign)
	hash, sum := crypto.SHA256, sha256Of(s)
	if r.shaOne || (v.keys.Type == RSA && !r.shaTwo) {
		hash, sum = crypto.SHA1, sha1Of(s)
	}
	return err == nil && rsa.VerifyPKCS1v15(v.keys.Public, hash, sum, raw) == nil
}

func (r reference) canonical(fields Message) string {
	var names []string
	for name, value := range fields {
		switch {
		case name == "sign" && !r.signSign,
			name == "sign_type" && !r.signSignType,
			name == "_input_charset" && r.dropCharset,
			name == "service" && r.dropService,
			strings.HasPrefix(name, "sign") && r.dropPrefix,
			value == "" && !r.keepEmpty,
			strings.TrimSpace(value) == "" && r.dropBlank:
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	switch {
	case r.foldCase:
		slices.SortFunc(names, func(a, b string) int {
			return strings.Compare(strings.ToLower(a), strings.ToLower(b))
		})
	case r.reversed:
		slices.Reverse(names)
	case r.unsorted: // as they came would do; by length is as wrong and always the same
		slices.SortStableFunc(names, func(a, b string) int { return len(a) - len(b) })
	}
	equals, ampersand := "=", "&"
	if r.noEquals {
		equals = ""
	}
	if r.noAmpersand {
		ampersand = ""
	}
	var pairs []string
	for _, name := range names {
		value := fields[name]
		if r.escape {
			value = url.QueryEscape(value)
		}
		if r.trim {
			value = strings.TrimSpace(value)
		}
		pairs = append(pairs, name+equals+value)
	}
	s := strings.Join(pairs, ampersand)
	if r.latin1 {
		var b []byte
		for _, c := range s {
			b = append(b, byte(c))
		}
		s = string(b)
	}
	return s
}

func (r reference) md5(s, key string) string {
	switch {
	case r.keyFirst:
		s = key + s
	case r.keySeparated:
		s += "&key=" + key
	default:
		s += key
	}
	sum := md5.Sum([]byte(s))
	if r.upperHex {
		return strings.ToUpper(hex.EncodeToString(sum[:]))
	}
	return hex.EncodeToString(sum[:])
}

func sha1Of(s string) []byte   { sum := sha1.Sum([]byte(s)); return sum[:] }
func sha256Of(s string) []byte { sum := sha256.Sum256([]byte(s)); return sum[:] }

// TestPlantedBugsFailAVector proves that the vectors detect mistakes: the reference agrees with all
// of them, and with any one mistake it disagrees with some. With -v it prints which vector detects
// which mistake.
func TestPlantedBugsFailAVector(t *testing.T) {
	vectors := accepted(t)
	for _, v := range vectors {
		if !(reference{}).agrees(t, v) {
			t.Errorf("without a bug: disagrees with %s/%s", v.file, v.name)
		}
	}
	for _, p := range []struct {
		bug string
		r   reference
	}{
		{"keep empty fields", reference{keepEmpty: true}},
		{"drop fields that are blank", reference{dropBlank: true}},
		{"sign sign_type", reference{signSignType: true}},
		{"sign sign", reference{signSign: true}},
		{"drop every name that begins with sign", reference{dropPrefix: true}},
		{"leave _input_charset out", reference{dropCharset: true}},
		{"leave service out", reference{dropService: true}},
		{"do not sort by name", reference{unsorted: true}},
		{"sort without regard to case", reference{foldCase: true}},
		{"sort backwards", reference{reversed: true}},
		{"join without &", reference{noAmpersand: true}},
		{"join without =", reference{noEquals: true}},
		{"sign values URL-encoded", reference{escape: true}},
		{"sign bytes of another charset", reference{latin1: true}},
		{"trim values", reference{trim: true}},
		{"key before the string", reference{keyFirst: true}},
		{"separator before the key", reference{keySeparated: true}},
		{"hex in upper case", reference{upperHex: true}},
		{"SHA-1 for RSA2", reference{shaOne: true}},
		{"SHA-256 for RSA", reference{shaTwo: true}},
		{"URL alphabet for base64", reference{urlB64: true}},
	} {
		i := slices.IndexFunc(vectors, func(v vector) bool { return !p.r.agrees(t, v) })
		if i < 0 {
			t.Errorf("%s: no vector detects it", p.bug)
			continue
		}
		t.Logf("| %s | `%s`: %s |", p.bug, vectors[i].file, vectors[i].name)
	}
}
