package web

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func threeLanguages() Languages {
	return LoadLanguages(fstest.MapFS{
		"messages/en.json":      {Data: []byte(`{"greeting": "Hello {name}"}`)},
		"messages/zh-Hant.json": {Data: []byte(`{"greeting": "你好{name}"}`)},
		"messages/zh-Hans.json": {Data: []byte(`{}`)},
	})
}

func TestSaySetsChineseAndLatinApart(t *testing.T) {
	all := threeLanguages()
	for i, want := range []string{"Hello Alipay", "你好 Alipay", ""} {
		if got := all[i].Say("greeting", "{name}", "Alipay"); got != want {
			t.Errorf("%s: got %q, want %q", all[i].Tag, got, want)
		}
	}
	if got := all[1].Say("greeting", "{name}", "小明"); got != "你好小明" {
		t.Errorf("got %q", got)
	}
	if got := all[2].Term("greeting", "none"); got != "none" {
		t.Errorf("got %q", got)
	}
}

func TestMatchChoosesTheUsersLanguage(t *testing.T) {
	for _, tt := range []struct{ chosen, accept, want string }{
		{"", "", "en"},
		{"", "en-GB,en;q=0.9", "en"},
		{"", "zh-HK,zh;q=0.9", "zh-Hant"}, // as a list this would match Simplified
		{"", "zh-HK,zh;q=0.9,en-US;q=0.8,en;q=0.7", "zh-Hant"},
		{"", "zh-TW,zh;q=0.9", "zh-Hant"},
		{"", "zh-Hant-HK", "zh-Hant"},
		{"", "zh-MO", "zh-Hant"},
		{"", "zh-CN,zh;q=0.9,zh-TW;q=0.8", "zh-Hans"},
		{"", "zh-Hans-HK", "zh-Hans"},
		{"", "zh-SG", "zh-Hans"},
		{"", "zh", "zh-Hans"},
		{"", "en;q=0.5,zh-TW", "zh-Hant"},
		{"", "fr-FR,ja;q=0.9,zh-HK;q=0.8,en;q=0.7", "zh-Hant"},
		{"", "fr", "en"},
		{"", "*", "en"},
		{"", "zh-TW;q=0,en", "en"},
		{"", "zh-HK,zh;q=0.9;q=0.9", "zh-Hant"},
		{"", "en_!!,%%,zh-TW", "zh-Hant"},
		{"", "\xff\x00;;;q=", "en"},
		{"zh-Hans", "zh-HK", "zh-Hans"},
		{"en", "zh-HK", "en"},
		{"xx", "zh-HK", "zh-Hant"},
	} {
		if got := threeLanguages().Match(tt.chosen, tt.accept).Tag; got != tt.want {
			t.Errorf("chosen %q, accept %q: got %s, want %s", tt.chosen, tt.accept, got, tt.want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"", "en", "zh-HK,zh;q=0.9", "*", "x-a-b-c", "zh-Hant-TW-u-co-stroke;q=0.001",
		strings.Repeat("zh-", 2000), strings.Repeat("_", 5000)} {
		f.Add(s)
	}
	all := threeLanguages()
	f.Fuzz(func(t *testing.T, accept string) {
		if l := all.Match("", accept); !slices.Contains(all, l) {
			t.Errorf("got %v", l)
		}
	})
}
