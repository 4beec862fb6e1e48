package checkout

import (
	"net/url"
	"slices"
	"strings"
)

// system is what the device runs, as far as it matters to a buyer.
type system string

const (
	ios     system = "ios"
	android system = "android"
	phone   system = "phone" // some other
	desktop system = "desktop"
)

// menu is where an app keeps its "open in browser" and what that looks like.
type menu struct {
	Corner string // top, bottom: on the right hand side; any: not known, or not always the same
	Glyph  string
}

var (
	dotsTop     = menu{"top", "⋯"}
	kebabTop    = menu{"top", "⋮"}
	dotsBottom  = menu{"bottom", "⋯"}
	kebabBottom = menu{"bottom", "⋮"}
	shareBottom = menu{"bottom", "↥"}
	dotsAny     = menu{"any", "⋯"}
	kebabAny    = menu{"any", "⋮"}
)

// app is a program with a browser inside from which the wallet does not open.
type app struct {
	ID           string   // of its translated name in the messages
	Name         string   // where it has none
	tokens       []string // of which one begins a word of the User-Agent
	iOS, Android menu
	escape       func(link string) string // an address that this app opens outside; nil if it has none
	noIntents    bool                     // on Android it mostly refuses to pass a link on
	noDesk       bool                     // the wallet does not open from it on a desk either
	fetches      string                   // what it calls itself, without a browser's name, when it fetches a preview
	capable      bool                     // opens the wallet after all
}

// apps are tried in order, so that an app stands before the one whose browser
// it borrows: Messenger before Facebook, DingTalk before the rest of AliApp.
// Tokens are in lower case. Apps whose browser does not tell its name (Telegram
// on iOS, Signal …) cannot be told from Safari or Chrome and count as those.
var apps = []app{
	{ID: "dingtalk", Name: "DingTalk", tokens: []string{"dingtalk"}, iOS: dotsTop, Android: dotsTop},
	{ID: "alipay", tokens: []string{"alipayclient", "alipayhk", "aliapp("}, capable: true},
	{ID: "wecom", Name: "WeCom", tokens: []string{"wxwork"}, iOS: dotsTop, Android: dotsTop, noIntents: true, noDesk: true},
	{ID: "wechat", Name: "WeChat", tokens: []string{"micromessenger", "windowswechat", "macwechat"}, iOS: dotsTop, Android: dotsTop, noIntents: true, noDesk: true},
	{ID: "qq", Name: "QQ", tokens: []string{"qq/", "qzone/"}, iOS: dotsTop, Android: dotsTop, noIntents: true},
	{ID: "weibo", Name: "Weibo", tokens: []string{"weibo"}, iOS: dotsTop, Android: dotsTop},
	{ID: "messenger", Name: "Messenger", tokens: []string{"fban/messenger", "messengerlite", "fb_iab/messenger", "fb_iab/orca"}, iOS: dotsBottom, Android: kebabTop},
	{ID: "threads", Name: "Threads", tokens: []string{"barcelona"}, iOS: dotsTop, Android: dotsTop},
	{ID: "instagram", Name: "Instagram", tokens: []string{"instagram"}, iOS: dotsTop, Android: dotsTop},
	{ID: "facebook", Name: "Facebook", tokens: []string{"fban", "fbav", "fb_iab", "fbios"}, iOS: dotsBottom, Android: kebabTop},
	{ID: "line", Name: "LINE", tokens: []string{"line/"}, iOS: shareBottom, Android: kebabTop, escape: escapeLINE},
	{ID: "kakaotalk", Name: "KakaoTalk", tokens: []string{"kakaotalk"}, iOS: dotsBottom, Android: kebabBottom, escape: escapeKakaoTalk},
	{ID: "whatsapp", Name: "WhatsApp", tokens: []string{"whatsapp"}, iOS: dotsAny, Android: kebabTop, fetches: "whatsapp/"},
	{ID: "telegram", Name: "Telegram", tokens: []string{"telegram"}, iOS: dotsAny, Android: kebabTop},
	{ID: "douyin", Name: "Douyin", tokens: []string{"aweme"}, iOS: dotsTop, Android: dotsTop},
	{ID: "tiktok", Name: "TikTok", tokens: []string{"tiktok", "musical_ly", "trill_"}, iOS: dotsTop, Android: dotsTop},
	{ID: "lark", Name: "Lark", tokens: []string{"lark/", "feishu"}, iOS: dotsTop, Android: dotsTop},
	{ID: "unknown", tokens: []string{"bytedancewebview"}, iOS: dotsTop, Android: dotsTop}, // Toutiao and its sisters
	{ID: "xiaohongshu", Name: "Xiaohongshu", tokens: []string{"xhsdiscover", "xiaohongshu"}, iOS: dotsTop, Android: dotsTop},
	{ID: "snapchat", Name: "Snapchat", tokens: []string{"snapchat"}, iOS: dotsAny, Android: kebabAny},
	{ID: "x", Name: "X", tokens: []string{"twitter for ", "twitterandroid"}, iOS: dotsAny, Android: kebabTop},
	{ID: "linkedin", Name: "LinkedIn", tokens: []string{"linkedinapp"}, iOS: dotsTop, Android: kebabTop},
	{ID: "pinterest", Name: "Pinterest", tokens: []string{"pinterest"}, iOS: dotsAny, Android: kebabAny},
	{ID: "viber", Name: "Viber", tokens: []string{"viber"}, iOS: dotsAny, Android: kebabAny, fetches: "viber/"},
	{ID: "zalo", Name: "Zalo", tokens: []string{"zalo"}, iOS: dotsTop, Android: kebabTop},
	{ID: "unknown", tokens: []string{"; wv)"}, iOS: dotsAny, Android: kebabAny}, // Android's WebView, in whatever app
}

// previews name the programs that open links to show what is behind them.
// "bot" alone is no sign of one: CUBOT makes telephones.
var previews = []string{
	"facebookexternalhit", "facebot", "meta-externalagent", "bot/", "bot-", "telegrambot", "slack-imgproxy",
	"skypeuripreview", "preview",
	"kakaotalk-scrap", "spider", "crawler", "embedly", "iframely", "vkshare", "+http",
}

// browser is what a User-Agent tells.
type browser struct {
	system  system
	app     *app // the app that it is inside of, if the wallet does not open from there
	alipay  bool // inside Alipay itself, whose pages can open its cashier
	preview bool // a program that looks at the link, not a buyer
}

// browserOf reads a User-Agent. It is a courtesy and not a defence: whatever a
// browser claims, its buyer can go on.
func browserOf(userAgent string) browser {
	const enough = 2 << 10 // of a header that may be a megabyte
	ua := strings.ToLower(userAgent[:min(len(userAgent), enough)])
	b := browser{system: systemOf(ua), alipay: hasWord(ua, "alipayclient"), preview: containsAny(ua, previews)}
	i := slices.IndexFunc(apps, func(a app) bool {
		return slices.ContainsFunc(a.tokens,
			func(t string) bool { return hasWord(ua, t) })
	})
	if i < 0 || apps[i].capable {
		return b
	}
	switch fetches := apps[i].fetches; {
	case b.system != desktop:
	case fetches != "" && strings.HasPrefix(ua, fetches):
		b.preview = true
		return b
	case !isDesk(ua):
		b.system = phone // where apps mostly are
	case !apps[i].noDesk:
		return b
	}
	b.app = &apps[i]
	return b
}

// hasWord reports whether a word of s begins with the token, whatever follows:
// apps write a version, a system or nothing after their names.
func hasWord(s, token string) bool {
	for from := 0; ; {
		i := strings.Index(s[from:], token)
		if i < 0 {
			return false
		}
		from += i + 1
		if from == 1 || !isAlnum(s[from-2]) || !isAlnum(token[0]) {
			return true
		}
	}
}

func isAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

// isDesk reports whether a User-Agent without a phone in it is certainly that of
// a computer, on which most apps' browsers are as good as another. A Mac alone
// is no sign: an iPad says that it is one, but has no Chrome inside.
func isDesk(ua string) bool {
	return containsAny(ua, []string{"windows nt", "x11;", "cros ", "macwechat"}) ||
		strings.Contains(ua, "macintosh") && strings.Contains(ua, " chrome/")
}

func systemOf(ua string) system {
	switch {
	case containsAny(ua, []string{"iphone", "ipad", "ipod"}):
		return ios
	case strings.Contains(ua, "android"):
		return android
	case containsAny(ua, []string{"mobile", "harmony", "phone"}):
		return phone
	}
	return desktop
}

func containsAny(s string, tokens []string) bool {
	for _, t := range tokens {
		if strings.Contains(s, t) {
			return true
		}
	}
	return false
}

// menu is where the buyer finds the way out of the app.
func (b browser) menu() menu {
	switch b.system {
	case ios:
		return b.app.iOS
	case android:
		return b.app.Android
	}
	return menu{"any", b.app.Android.Glyph}
}

// escape is an address that leads out of the app to the link, "" where none is
// known. On Android any app may pass an intent on to the browser; some don't.
func (b browser) escape(link string) string {
	switch {
	case b.app.escape != nil:
		return b.app.escape(link)
	case b.system == android:
		scheme, rest, _ := strings.Cut(link, "://")
		return "intent://" + rest + "#Intent;scheme=" + scheme +
			";action=android.intent.action.VIEW;category=android.intent.category.BROWSABLE;end"
	}
	return ""
}

// LINE opens what has this parameter in the phone's browser (LINE Developers,
// "Using LINE URL scheme", opening a URL in an external browser).
func escapeLINE(link string) string { return link + "?openExternalBrowser=1" }

// KakaoTalk has a scheme for it.
func escapeKakaoTalk(link string) string {
	return "kakaotalk://web/openExternal?url=" + url.QueryEscape(link)
}
