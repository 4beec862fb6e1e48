package sign

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLinksMatchForeignVectors(t *testing.T) {
	for _, v := range vectors(t, "link.txt") {
		t.Run(v["name"], func(t *testing.T) {
			p, key, end := decode(t, v["form"]), v["key"], End(v["end"])
			p[SigParam] = v["sig"]
			want := v["verify"] == "yes"
			if got := VerifyLink(p, key, end); got != want {
				t.Errorf("verified %v, want %v", got, want)
			}
			if query, ok := v["query"]; ok && p.Query() != query {
				t.Errorf("canonical\n %s, want\n %s", p.Query(), query)
			}
			if got := Link(p, key, end); want && got != strings.ToLower(v["sig"]) {
				t.Errorf("signed %s, want %s", got, strings.ToLower(v["sig"]))
			}
		})
	}
}

func TestUnsignedLinkIsRefused(t *testing.T) {
	if VerifyLink(Params{"state": "1"}, "key", Authorize) {
		t.Error("verified")
	}
}

func FuzzSignedLinkSurvivesTheWire(f *testing.F) {
	f.Add("return_url", "https://shop.example/?a=1&b=凍頂", "state", " +%~*'", "abcd1234")
	f.Add("a", "", "b", "&sig=1", "k")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2, key string) {
		if key == "" || n1 == SigParam || n2 == SigParam || n1 == n2 || !utf8.ValidString(n1+v1+n2+v2) {
			return
		}
		sent := Params{n1: v1, n2: v2}
		query := SignedQuery(sent, key, Authorize)
		if u, err := url.Parse("https://pay.example/authorize/alipay?" + query); err != nil ||
			u.RawQuery != query {
			t.Fatalf("%q is not a query: %v", query, err)
		}
		got := decode(t, query)
		if len(got) != len(sent)+1 || got[n1] != v1 || got[n2] != v2 || !VerifyLink(got, key, Authorize) {
			t.Fatalf("%q came as %q", sent, got)
		}
		if VerifyLink(got, key, Authorized) || VerifyLink(got, key+"0", Authorize) {
			t.Error("verified for another end or another key")
		}
		for name := range sent {
			got[name] += "0"
			if VerifyLink(got, key, Authorize) {
				t.Errorf("verified with another %q", name)
			}
			got[name] = sent[name]
		}
	})
}
