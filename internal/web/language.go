package web

import (
	"encoding/json"
	"io/fs"
	"regexp"
	"strings"

	textlanguage "golang.org/x/text/language"
)

// Language is one of the languages of the pages, with a room's messages in it.
type Language struct {
	Tag      string // as in HTML's lang attribute
	Name     string // in the language itself
	Messages map[string]string
}

// Languages are a room's messages in every language of the program. The first
// language is the default.
type Languages []*Language

// LoadLanguages reads the embedded messages/TAG.json for every language. It
// panics if one is missing or is not JSON.
func LoadLanguages(files fs.FS) Languages {
	all := Languages{
		{Tag: "en", Name: "English"}, {Tag: "zh-Hant", Name: "繁體中文"}, {Tag: "zh-Hans", Name: "简体中文"},
	}
	for _, l := range all {
		file := "messages/" + l.Tag + ".json"
		raw, err := fs.ReadFile(files, file)
		if err != nil {
			panic(err) // the files are embedded
		}
		if err := json.Unmarshal(raw, &l.Messages); err != nil {
			panic("web: " + file + ": " + err.Error())
		}
	}
	return all
}

// matcher matches the tags of all languages, in the order of Languages.
var matcher = textlanguage.NewMatcher([]textlanguage.Tag{
	textlanguage.MustParse("en"), textlanguage.MustParse("zh-Hant"), textlanguage.MustParse("zh-Hans"),
})

// Match returns the language that the user has chosen (its tag, "" for none),
// otherwise the best one for the browser's Accept-Language.
//
// The header is matched one entry at a time. Matched as a whole,
// "zh-HK,zh;q=0.9" gives Simplified Chinese, because a later exact match beats
// an earlier close one.
func (all Languages) Match(chosen, accept string) *Language {
	for _, l := range all {
		if l.Tag == chosen {
			return l
		}
	}
	const limit = 1 << 10 // of a header that may have a megabyte
	best, bestWeight := all[0], float32(0)
	for entry := range strings.SplitSeq(accept[:min(len(accept), limit)], ",") {
		tags, weights, err := textlanguage.ParseAcceptLanguage(entry)
		if err != nil || len(tags) != 1 || weights[0] <= bestWeight {
			continue // an entry that cannot be read must not spoil the others
		}
		if _, i, confidence := matcher.Match(tags[0]); confidence >= textlanguage.Low {
			best, bestWeight = all[i], weights[0]
		}
	}
	return best
}

// Say returns the message of a key. Its {placeholders} are replaced from pairs
// of placeholder and value. Values may be in either script, so Say adds the
// space between Chinese and Latin letters afterwards.
func (l *Language) Say(key string, pairs ...string) string {
	text := strings.NewReplacer(pairs...).Replace(l.Messages[key])
	return latinAfterHan.ReplaceAllString(hanAfterLatin.ReplaceAllString(text, "$1 $2"), "$1 $2")
}

var (
	hanAfterLatin = regexp.MustCompile(`([0-9A-Za-z])(\p{Han})`)
	latinAfterHan = regexp.MustCompile(`(\p{Han})([0-9A-Za-z])`)
)

// Term returns the message of a key, or otherwise if the key has none.
func (l *Language) Term(key, otherwise string) string {
	if text, ok := l.Messages[key]; ok {
		return text
	}
	return otherwise
}
