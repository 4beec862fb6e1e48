package checkout

import (
	"net/url"
	"slices"
	"strings"
)

// system is the device's operating system.
type system string

const (
	ios     system = "ios"
	android system = "android"
	phone   system = "phone" // another one on a phone
	desktop system = "desktop"
)

// menu is where an app has its menu with "open in browser", and how it looks.
type menu struct {
	Corner string // top, bottom: on the right; any: unknown, or it changes
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

// app is an app whose built-in browser does not open the wallet.
type app struct {
	ID           string   // of its translated name in the messages
	Name         string   // for apps without a translation
	tokens       []string // one of them begins a word of the User-Agent
	iOS, Android menu
	escape       func(link string) string // an address that opens in the phone's browser; nil if it has none
	noIntents    bool                     // on Android it usually does not pass links on
	noDesk       bool                     // the wallet does not open from it on a computer either
	fetches      string                   // begins its User-Agent when it fetches a preview
	capable      bool                     // its browser does open the wallet
}

// apps are tried in order: an app comes before the one whose User-Agent its own
// contains (Messenger before Facebook, DingTalk before the rest of AliApp). Tokens
// are in lower case. Apps whose browser does not name itself (Telegram on iOS,
// Signal …) look like Safari or Chrome and are treated as those.
var apps = []app{
	{ID: "dingtalk", Name: "DingTalk", tokens: []string{"dingtalk"}, iOS: dotsTop, Android: dotsTop},
	{ID: "alipay", tokens: []string{"alipayclient", "alipayhk", "aliapp("}, capable: true},
	{ID: "wecom", Name: "WeCom", tokens: []string{"wxwork"}, iOS: dotsTop, Android: dotsTop,
		noIntents: true, noDesk: true},
	{ID: "wechat", Name: "WeChat", tokens: []string{"micromessenger", "windowswechat", "macwechat"},
		iOS: dotsTop, Android: dotsTop, noIntents: true, noDesk: true},
	{ID: "qq", Name: "QQ", tokens: []string{"qq/", "qzone/"},
		iOS: dotsTop, Android: dotsTop, noIntents: true},
	{ID: "weibo", Name: "Weibo", tokens: []string{"weibo"}, iOS: dotsTop, Android: dotsTop},
	{ID: "messenger", Name: "Messenger", iOS: dotsBottom, Android: kebabTop,
		tokens: []string{"fban/messenger", "messengerlite", "fb_iab/messenger", "fb_iab/orca"}},
	{ID: "threads", Name: "Threads", tokens: []string{"barcelona"}, iOS: dotsTop, Android: dotsTop},
	{ID: "instagram", Name: "Instagram", tokens: []string{"instagram"}, iOS: dotsTop, Android: dotsTop},
	{ID: "facebook", Name: "Facebook", tokens: []string{"fban", "fbav", "fb_iab", "fbios"},
		iOS: dotsBottom, Android: kebabTop},
	{ID: "line", Name: "LINE", tokens: []string{"line/"},
		iOS: shareBottom, Android: kebabTop, escape: escapeLINE},
	{ID: "kakaotalk", Name: "KakaoTalk", tokens: []string{"kakaotalk"}, iOS: dotsBottom, Android: kebabBottom,
		escape: escapeKakaoTalk},
	{ID: "whatsapp", Name: "WhatsApp", tokens: []string{"whatsapp"}, iOS: dotsAny, Android: kebabTop,
		fetches: "whatsapp/"},
	{ID: "telegram", Name: "Telegram", tokens: []string{"telegram"}, iOS: dotsAny, Android: kebabTop},
	{ID: "douyin", Name: "Douyin", tokens: []string{"aweme"}, iOS: dotsTop, Android: dotsTop},
	{ID: "tiktok", Name: "TikTok", tokens: []string{"tiktok", "musical_ly", "trill_"},
		iOS: dotsTop, Android: dotsTop},
	{ID: "lark", Name: "Lark", tokens: []string{"lark/", "feishu"}, iOS: dotsTop, Android: dotsTop},
	// Toutiao and its sisters
	{ID: "unknown", tokens: []string{"bytedancewebview"}, iOS: dotsTop, Android: dotsTop},
	{ID: "xiaohongshu", Name: "Xiaohongshu", tokens: []string{"xhsdiscover", "xiaohongshu"},
		iOS: dotsTop, Android: dotsTop},
	{ID: "snapchat", Name: "Snapchat", tokens: []string{"snapchat"}, iOS: dotsAny, Android: kebabAny},
	{ID: "x", Name: "X", tokens: []string{"twitter for ", "twitterandroid"}, iOS: dotsAny, Android: kebabTop},
	{ID: "linkedin", Name: "LinkedIn", tokens: []string{"linkedinapp"}, iOS: dotsTop, Android: kebabTop},
	{ID: "pinterest", Name: "Pinterest", tokens: []string{"pinterest"}, iOS: dotsAny, Android: kebabAny},
	{ID: "viber", Name: "Viber", tokens: []string{"viber"},
		iOS: dotsAny, Android: kebabAny, fetches: "viber/"},
	{ID: "zalo", Name: "Zalo", tokens: []string{"zalo"}, iOS: dotsTop, Android: kebabTop},
	// Android's WebView, in any app
	{ID: "unknown", tokens: []string{"; wv)"}, iOS: dotsAny, Android: kebabAny},
}

// previews are parts of the User-Agents of programs that open links to show a
// preview. "bot" alone does not suffice: CUBOT makes phones.
var previews = []string{
	"facebookexternalhit", "facebot", "meta-externalagent", "bot/", "bot-", "telegrambot", "slack-imgproxy",
	"skypeuripreview", "preview",
	"kakaotalk-scrap", "spider", "crawler", "embedly", "iframely", "vkshare", "+http",
}

// browser is what the User-Agent says about the browser.
type browser struct {
	system  system
	app     *app // the app around it, if the wallet does not open from that
	alipay  bool // inside the Alipay app, whose pages can open its cashier
	preview bool // a program that fetches a preview
}

// browserOf reads a User-Agent. The result only chooses a page: a buyer can go on
// with any browser.
func browserOf(userAgent string) browser {
	const limit = 2 << 10 // of a header that may have a megabyte
	ua := strings.ToLower(userAgent[:min(len(userAgent), limit)])
	b := browser{
		system: systemOf(ua), alipay: hasWord(ua, "alipayclient"), preview: containsAny(ua, previews),
	}
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
		b.system = phone // apps usually run on phones
	case !apps[i].noDesk:
		return b
	}
	b.app = &apps[i]
	return b
}

// hasWord reports whether a word of s begins with the token. Apps write a version,
// a system or nothing after their names.
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

// isDesk reports whether a User-Agent that names no phone certainly belongs to a
// computer, where most apps' browsers open the wallet's page. "Macintosh" alone
// does not suffice: iPads send it too, but without "Chrome".
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

// menu returns the menu through which the buyer leaves the app.
func (b browser) menu() menu {
	switch b.system {
	case ios:
		return b.app.iOS
	case android:
		return b.app.Android
	}
	return menu{"any", b.app.Android.Glyph}
}

// escape returns an address that opens the link outside of the app, "" if none is
// known. On Android most apps pass an intent on to the browser.
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

// escapeLINE adds the parameter with which LINE opens a link in the phone's browser
// (LINE Developers, "Using LINE URL scheme", opening a URL in an external browser).
func escapeLINE(link string) string { return link + "?openExternalBrowser=1" }

// escapeKakaoTalk uses KakaoTalk's scheme for the phone's browser.
func escapeKakaoTalk(link string) string {
	return "kakaotalk://web/openExternal?url=" + url.QueryEscape(link)
}
