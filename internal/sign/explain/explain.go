// Package explain tells why a signature of the trade API is wrong. It signs the
// message again and again, each time with one or two of the mistakes that
// clients make, until one attempt gives the signature that came. It does no I/O,
// so the command line, the console and the API can all use it.
//
// Read explain.go first: the questions and the answer. signing.go is a way to
// sign that can be given mistakes, and the search. mistakes.go lists the
// mistakes.
package explain

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/sampanpay/sampan/internal/sign"
)

// KeyMark stands for the client key in every text that this package returns.
const KeyMark = "«client_key»"

// Hide returns text with KeyMark in place of the client key, as it is and
// URL-encoded. Use it on every text that may hold the key before showing it.
func Hide(text, key string) string {
	return strings.NewReplacer(key, KeyMark, url.QueryEscape(key), KeyMark).Replace(text)
}

// Sent is a signed message as it came, and the client key that should fit it.
type Sent struct {
	Body      string // a form's body, a query, or a notification, byte for byte
	SignType  string // the header X-QF-SIGNTYPE; "" if it was absent
	AppCode   string // the header X-QF-APPCODE; "" if unknown
	Signature string // the header X-QF-SIGN
	Key       string // the client key
}

// Explanation is why a signature is wrong.
type Explanation struct {
	// Signed is the text that the client signed, with KeyMark for the key. It is
	// "" if no mistake of the list makes the signature.
	Signed string
	// Mistakes are the client's, at least one. Without Signed there is one, which
	// says that the signature cannot be read or explained.
	Mistakes []Mistake
}

// Mistake is one thing that a client does wrong, and how to mend it.
type Mistake struct{ Cause, Fix string }

// Request explains the signature of a request, whose declared algorithm the
// caller has read from SignType. The body must be a form that the API can read.
func Request(sent Sent, declared sign.Algorithm) Explanation {
	usual := requestMistakes(sent.Body, sent.SignType, declared, sent.AppCode)
	return sent.explain(signedForm(declared), usual, readMessage(sent.Body))
}

// Notification explains the signature of a notification.
func Notification(sent Sent) Explanation {
	return sent.explain(signedBody(), notificationMistakes(sent.Body, sent.AppCode), message{body: sent.Body})
}

func (sent Sent) explain(right signing, usual []mistake, m message) Explanation {
	one := func(cause, fix string) Explanation { return Explanation{Mistakes: []Mistake{{cause, fix}}} }
	digest, written := readSignature(sent.Signature)
	if digest == nil {
		return one("the signature is neither hex nor base64", "write the hash in hex")
	}
	found, s, ok := findMistakes(right, usual, m, sent.Key, digest)
	if written.cause != "" {
		found = append(found, written)
	}
	switch {
	case !ok && written.cause == "" && !knownLength(len(digest)):
		return one(fmt.Sprintf("the signature has %d digits: MD5 has 32, SHA-256 has 64", 2*len(digest)),
			"send the whole hash, in hex")
	case !ok:
		return one("the signature is wrong, and not by one or two of the usual mistakes",
			"is it the key of this app code? are these all the parameters that were sent? "+
				"compare your string with the one above")
	}
	e := Explanation{Signed: Hide(s.shown(m), sent.Key)}
	for _, f := range found {
		e.Mistakes = append(e.Mistakes, Mistake{Hide(f.cause, sent.Key), Hide(f.fix, sent.Key)})
	}
	return e
}
