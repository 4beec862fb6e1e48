package openapi

import (
	"errors"
	"strings"
	"testing"
)

// crowd returns a message with the maximum number of fields, nearly 64 KiB in all.
func crowd(sign, signType string) string {
	var b strings.Builder
	b.WriteString("sign=" + sign + "&sign_type=" + signType)
	for i := range 98 {
		b.WriteString("&" + strings.Repeat(string(rune('a'+i%26)), 2) + strings.Repeat("0", i%9) +
			string(rune('A'+i/26)) + "=" + strings.Repeat("x", 600))
	}
	return b.String()
}

// names returns 64 KiB of short names.
func names() string {
	var b strings.Builder
	b.WriteString("sign=AAAA&sign_type=RSA2")
	for i := 0; b.Len() < 63<<10; i++ {
		b.WriteString("&" + string(rune('a'+i%26)) + strings.Repeat(string(rune('a'+i/26%26)), 1+i/676%4) +
			string(rune('0'+i%10)) + "=")
	}
	return b.String()
}

// long has the length of a signature by the keys.
var long = strings.Repeat("A", 342) + "=="

func TestImplausibleSignatureCostsNoWork(t *testing.T) {
	keys := made(t)
	for _, x := range []struct {
		what, sign, signType string
		want                 error
		most                 float64 // allocations: joining takes more
	}{
		{"of another type", long, "RSA", ErrSignType, 0},
		{"of no type", long, "", ErrSignType, 0},
		{"none", "", "RSA2", ErrNoSignature, 0},
		{"too short", "AAAA", "RSA2", ErrBadSignature, 1},
		{"too long", long[:340] + long, "RSA2", ErrBadSignature, 1},
		{"no base64", strings.Repeat("*", 344), "RSA2", ErrBadSignature, 2},
	} {
		m, err := Parse(crowd(x.sign, x.signType))
		if err != nil {
			t.Fatal(err)
		}
		for name, verify := range map[string]func(Message, Keys) error{
			"notification": Message.VerifyNotification,
			"request":      Message.Verify} {
			if err := verify(m, keys); !errors.Is(err, x.want) {
				t.Errorf("%s, %s: %v", name, x.what, err)
			}
			if n := testing.AllocsPerRun(10, func() { _ = verify(m, keys) }); n > x.most {
				t.Errorf("%s, %s: %.0f allocations", name, x.what, n)
			}
		}
	}
	if _, err := Parse(names()); err == nil {
		t.Error("thousands of fields are read")
	}
	n := testing.AllocsPerRun(10,
		func() { _, _ = Parse(names()) }) - testing.AllocsPerRun(10, func() { names() })
	if n > 4 {
		t.Errorf("thousands of fields: %.0f allocations", n)
	}
}

func BenchmarkForgedNotification(b *testing.B) {
	keys := made(b)
	for name, form := range map[string]string{
		"64KiBOfNames":           names(),
		"100Fields":              crowd("AAAA", "RSA2"),
		"100FieldsLongSignature": crowd(long, "RSA2"),
		"100FieldsOtherSignType": crowd(long, "MD5"),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := ReadNotification([]byte(form), keys); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}
