package checkout

import (
	"embed"
	"encoding/json"
	"regexp"
	"strings"

	textlanguage "golang.org/x/text/language"
)

//go:embed messages
var messageFiles embed.FS

// language is one of the languages that the pages speak.
type language struct {
	Tag  string // as HTML has it
	Name string // in the language itself
	text map[string]string
}

// languages are those we have; the first is for everybody else.
var languages = []*language{
	load("en", "English"),
	load("zh-Hant", "繁體中文"),
	load("zh-Hans", "简体中文"),
}

var matcher = func() textlanguage.Matcher {
	var tags []textlanguage.Tag
	for _, l := range languages {
		tags = append(tags, textlanguage.MustParse(l.Tag))
	}
	return textlanguage.NewMatcher(tags)
}()

func load(tag, name string) *language {
	raw, err := messageFiles.ReadFile("messages/" + tag + ".json")
	if err != nil {
		panic(err) // it is embedded
	}
	l := &language{Tag: tag, Name: name}
	if err := json.Unmarshal(raw, &l.text); err != nil {
		panic("checkout: messages/" + tag + ".json: " + err.Error())
	}
	return l
}

// languageOf chooses by the buyer's own choice, else by the browser's list.
// The list is matched one tag at a time: matched as a whole, "zh-HK,zh;q=0.9"
// gives Simplified, because a later exact match beats an earlier close one.
func languageOf(chosen, accept string) *language {
	for _, l := range languages {
		if l.Tag == chosen {
			return l
		}
	}
	const enough = 1 << 10
	best, bestWeight := languages[0], float32(0)
	for entry := range strings.SplitSeq(accept[:min(len(accept), enough)], ",") {
		tags, weights, err := textlanguage.ParseAcceptLanguage(entry)
		if err != nil || len(tags) != 1 || weights[0] <= bestWeight {
			continue // an entry that cannot be read must not spoil the others
		}
		if _, i, confidence := matcher.Match(tags[0]); confidence >= textlanguage.Low {
			best, bestWeight = languages[i], weights[0]
		}
	}
	return best
}

// say is the text of a key with its {placeholders} filled in from pairs of name
// and value. Names may be in either script, so the space that belongs between
// Chinese and Latin letters is put in afterwards.
func (l *language) say(key string, pairs ...string) string {
	text := strings.NewReplacer(pairs...).Replace(l.text[key])
	return latinAfterHan.ReplaceAllString(hanAfterLatin.ReplaceAllString(text, "$1 $2"), "$1 $2")
}

var (
	hanAfterLatin = regexp.MustCompile(`([0-9A-Za-z])(\p{Han})`)
	latinAfterHan = regexp.MustCompile(`(\p{Han})([0-9A-Za-z])`)
)

// name is the translated name of something that may have none.
func (l *language) name(key, otherwise string) string {
	if n, ok := l.text[key]; ok {
		return n
	}
	return otherwise
}
