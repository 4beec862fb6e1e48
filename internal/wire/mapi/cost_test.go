package mapi

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/wire/alipay"
)

func TestImplausibleSignatureCostsNoWork(t *testing.T) {
	private, err := alipay.ParsePrivateKey(read(t, "key-pkcs8.pem"))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("A", 342) + "=="
	for _, x := range []struct {
		keys           Keys
		sign, signType string
		want           error
	}{
		{Keys{Type: MD5, Shared: "k"}, strings.Repeat("0", 32), "RSA2", ErrSignType},
		{Keys{Type: MD5, Shared: "k"}, strings.Repeat("0", 31), "MD5", ErrBadSignature},
		{Keys{Type: MD5, Shared: "k"}, long, "MD5", ErrBadSignature},
		{Keys{Type: MD5, Shared: "k"}, "", "MD5", ErrNoSignature},
		{Keys{Type: RSA2, Public: &private.PublicKey}, long, "RSA", ErrSignType},
		{Keys{Type: RSA2, Public: &private.PublicKey}, "AAAA", "RSA2", ErrBadSignature},
	} {
		m := Message{"sign": x.sign, "sign_type": x.signType}
		for i := range alipay.MaxFields {
			m[fmt.Sprint("field", i)] = strings.Repeat("x", 600)
		}
		if err := m.Verify(x.keys); !errors.Is(err, x.want) {
			t.Errorf("%s for %s: %v, want %v", x.signType, x.keys.Type, err, x.want)
		}
		if n := testing.AllocsPerRun(10, func() { _ = m.Verify(x.keys) }); n > 1 { // joining takes more
			t.Errorf("%s for %s, %d characters: %.0f allocations", x.signType, x.keys.Type, len(x.sign), n)
		}
	}
}
