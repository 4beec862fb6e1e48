package pay

import (
	"os"
	"strings"
	"testing"
)

func TestPayTypes(t *testing.T) {
	for _, c := range []struct {
		code        PayType
		name, alias string
		currency    Currency
		needs, can  bool
	}{
		{"801107", "Alipay", "alipay", "HKD", false, false},
		{"801512", "AlipayHK", "alipayhk", "HKD", false, false},
		{"800107", "Alipay", "alipay-window", "CNY", true, true},
	} {
		if !c.code.Known() || c.code.Name() != c.name || c.code.DefaultCurrency() != c.currency ||
			c.code.NeedsOpenID() != c.needs || c.code.ExcludesCredit() != c.can {
			t.Errorf("%s: %q, %s, needs an openid %t, excludes credit %t",
				c.code, c.code.Name(), c.code.DefaultCurrency(), c.code.NeedsOpenID(),
				c.code.ExcludesCredit())
		}
		if PayTypeNamed(c.alias) != c.code || PayTypeNamed(string(c.code)) != c.code {
			t.Errorf("%s: named %s", c.alias, PayTypeNamed(c.alias))
		}
	}
	if u := PayType("800101"); u.Known() || u.Name() != "800101" || u.NeedsOpenID() || u.ExcludesCredit() ||
		u.DefaultCurrency() != "HKD" {
		t.Errorf("an unknown pay type has properties: %q", u.Name())
	}
}

// A row of the table is a row of the README too.
func TestReadmeNamesEveryPayType(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range PayTypes {
		if !strings.Contains(string(readme), "| "+string(code)+" |") {
			t.Errorf("README.md does not name pay type %s", code)
		}
	}
}
