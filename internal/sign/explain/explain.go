// Package explain shows what a signature of the trade API covers, and why one is
// wrong. It signs the message again and again, each time with one or two of the
// mistakes that clients make, until one attempt gives the signature that came.
// It does no I/O, so the command line, the console and the API can all use it.
//
// Read explain.go first: the question and the answer. signing.go has a way to
// sign that can be given mistakes, and the search. mistakes.go lists the mistakes
// in requests, notification.go those in notifications.
package explain

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/sign"
)

// KeyMark stands for the client key in every text that this package returns.
const KeyMark = "«client_key»"

// Sent is a message as it came, and the client key that it should be signed with.
// The key must not be empty.
type Sent struct {
	Body      string // a form's body, a query, or a notification, byte for byte
	SignType  string // the header X-QF-SIGNTYPE; "" if absent
	AppCode   string // the header X-QF-APPCODE; "" if unknown
	Signature string // the header X-QF-SIGN; "" to see what is signed only
	Key       string // the client key
}

// Explanation is what a message's signature covers, and whether it is right.
type Explanation struct {
	Text       string      // what is signed, with KeyMark for the key
	Signatures []Signature // right ones
	Leaks      []string    // the names of parameters that hold the client key
	Right      bool        // Sent.Signature is right

	// ActualText is what the client signed, with KeyMark for the key. It is "" if
	// Sent.Signature is right or empty, and if no mistake explains it.
	ActualText string
	// Mistakes are those that make Sent.Signature. Without ActualText there is at
	// most one, which says that the signature cannot be read or explained.
	Mistakes []Mistake
}

// Signature is a signature in hex.
type Signature struct {
	Algorithm sign.Algorithm
	Hex       string
}

// Mistake is something that a client does wrong, and the remedy.
type Mistake struct{ Cause, Fix string }

// Request explains a request. params are the parameters that the API has read
// from the body. If SignType names no algorithm of the API, the Explanation is
// only that mistake.
func Request(sent Sent, params sign.Params) Explanation {
	declared, err := sign.ParseAlgorithm(sent.SignType)
	if err != nil {
		return Explanation{Mistakes: []Mistake{{"X-QF-SIGNTYPE names no algorithm that there is",
			"send MD5 or SHA256"}}}
	}
	e := Explanation{Text: params.Canonical() + KeyMark}
	for _, a := range []sign.Algorithm{sign.MD5, sign.SHA256} {
		e.Signatures = append(e.Signatures, Signature{a, sign.Request(params, sent.Key, a)})
	}
	for name, value := range params {
		if strings.Contains(value, sent.Key) {
			e.Leaks = append(e.Leaks, sent.hide(name))
		}
	}
	slices.Sort(e.Leaks)
	switch {
	case sent.Signature == "":
	case sign.VerifyRequest(params, sent.Key, declared, sent.Signature):
		e.Right = true
	default:
		usual := requestMistakes(sent.Body, sent.SignType, declared, sent.AppCode)
		sent.search(&e, signedForm(declared), usual, readMessage(sent.Body))
	}
	return sent.hidden(e)
}

// Notification explains a notification.
func Notification(sent Sent) Explanation {
	body := []byte(sent.Body)
	e := Explanation{
		Text:       sent.Body + KeyMark,
		Signatures: []Signature{{sign.MD5, sign.Notification(body, sent.Key)}},
	}
	switch {
	case sent.Signature == "":
	case sign.VerifyNotification(body, sent.Key, sent.Signature):
		e.Right = true
	default:
		sent.search(&e, signedBody(), notificationMistakes(sent.Body, sent.AppCode), message{body: sent.Body})
	}
	return sent.hidden(e)
}

// Unreadable explains a request that the API cannot read, and why it cannot.
func Unreadable(sent Sent, why string) Explanation {
	return sent.hidden(Explanation{Mistakes: []Mistake{{
		"a server cannot read it: " + why,
		"send it as a form: each name once, and every value URL-encoded, in UTF-8",
	}}})
}

// search looks for the mistakes that make a wrong signature.
func (sent Sent) search(e *Explanation, right signing, usual []mistake, m message) {
	digest, written := readSignature(sent.Signature)
	if digest == nil {
		e.Mistakes = []Mistake{{"the signature is neither hex nor base64", "write the hash in hex"}}
		return
	}
	found, s, ok := findMistakes(right, usual, m, sent.Key, digest)
	if written.cause != "" {
		found = append(found, written)
	}
	switch {
	case !ok && written.cause == "" && !knownLength(len(digest)):
		e.Mistakes = []Mistake{{
			fmt.Sprintf("the signature has %d digits: MD5 has 32, SHA-256 has 64", 2*len(digest)),
			"send the whole hash, in hex",
		}}
	case !ok:
		e.Mistakes = []Mistake{{
			"the signature is wrong, and not by one or two of the usual mistakes",
			"is it the key of this app code? are these all the parameters that were sent? " +
				"compare your string with the one above",
		}}
	default:
		e.ActualText = s.shown(m)
		for _, f := range found {
			e.Mistakes = append(e.Mistakes, Mistake{f.cause, f.fix})
		}
	}
}

// hidden puts KeyMark in place of the key in every text of e.
func (sent Sent) hidden(e Explanation) Explanation {
	e.Text, e.ActualText = sent.hide(e.Text), sent.hide(e.ActualText)
	for i, m := range e.Mistakes {
		e.Mistakes[i] = Mistake{sent.hide(m.Cause), sent.hide(m.Fix)}
	}
	return e
}

func (sent Sent) hide(text string) string {
	return strings.NewReplacer(sent.Key, KeyMark, url.QueryEscape(sent.Key), KeyMark).Replace(text)
}

// Line is one line of an explanation for people: a word or a mark, and a text. The
// text may hold what a stranger sent.
type Line struct{ Mark, Text string }

// Lines returns the explanation for people.
func (x Explanation) Lines() (all []Line) {
	line := func(mark, text string) { all = append(all, Line{mark, text}) }
	if x.Text != "" {
		line("signed", x.Text)
	}
	for _, s := range x.Signatures {
		line(string(s.Algorithm), s.Hex)
	}
	for _, name := range x.Leaks {
		line("!", name+" holds the client key: it must never be sent; have a new one made")
	}
	if x.Right {
		line("✔", "the signature is right")
	}
	why := "✘"
	if x.ActualText != "" {
		line("✘", "the signature is wrong; what was signed is")
		line("", x.ActualText)
		why = "why"
	}
	for _, m := range x.Mistakes {
		line(why, m.Cause)
		line("→", m.Fix)
	}
	return all
}
