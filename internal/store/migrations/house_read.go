package migrations

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// facts are the columns of an event that held a sentence.
type facts struct {
	kind, actor, actorName            string
	minor                             int64
	currency                          string
	tradeNo, refundID, number, reason string
	code, note                        string
}

// readEvent returns the facts of an event's sentence, as the releases up to
// schema 8 wrote it: kind, actor and detail are the event's columns, and appCode
// is that of the payment. It keeps the words of those releases and uses none of
// the program's types, since they change and what was written does not. A failed
// refund's amount stands in the refund's row, not in the sentence.
func readEvent(kind, actor, detail, appCode string) (f facts, err error) {
	f = facts{kind: kind, actor: actor}
	switch actor {
	case "merchant":
		f.actorName = appCode
	case "late":
		f.actor = "policy"
	case "wallet", "recover":
	default:
		return f, fmt.Errorf("%q is no actor", actor)
	}
	switch kind {
	case "registered", "close_asked":
		f.number = detail
	case "failed":
		f.code = detail
	case "note":
		f.note = detail
	case "expired", "closed":
		err = f.readEnd(detail)
	case "paid", "paid_late":
		err = f.readMoney(detail)
	case "surplus":
		err = f.readSurplus(detail)
	case "unlisted":
		err = f.readUnlisted(detail)
	case "orphan":
		err = f.readOrphan(detail)
	case "refund_asked", "refunded":
		err = f.readRefund(detail)
	case "refund_failed":
		err = f.readFailedRefund(detail)
	case "refund_foreign":
		f.refundID, err = after(detail, "given back at the wallet itself, as ")
	case "refund_contradicted":
		err = f.readContradiction(detail)
	default:
		err = errors.New("no release has written events of this kind")
	}
	return f, err
}

// endReasons are the first halves of the sentences of orders that ended unpaid
// when the wallet had been asked.
var endReasons = map[string]string{"called off": "called_off", "not paid within its life": "unpaid"}

// readEnd reads "closed by the wallet: CODE", "never opened", "the wallet's
// payment is not the order's", or "REASON; the wallet says OUTCOME", at which
// "; closed there" may stand.
func (f *facts) readEnd(detail string) error {
	switch detail {
	case "never opened":
		f.reason = "never_opened"
		return nil
	case "the wallet's payment is not the order's":
		f.reason = "other_payment"
		return nil
	}
	if code, ok := strings.CutPrefix(detail, "closed by the wallet: "); ok {
		f.reason, f.code = "closed_by_wallet", code
		return nil
	}
	rest, closed := strings.CutSuffix(detail, "; closed there")
	why, outcome, _ := strings.Cut(rest, "; the wallet says ")
	f.reason = endReasons[why]
	if f.reason == "" || outcome != "waiting" && outcome != "not_found" {
		return errors.New("no reason why an order ends")
	}
	if f.code = outcome; closed {
		f.reason += "_closed"
	}
	return nil
}

// readMoney reads "AMOUNT under trade TRADE".
func (f *facts) readMoney(detail string) (err error) {
	amount, tradeNo, ok := strings.Cut(detail, " under trade ")
	if !ok || tradeNo == "" {
		return errors.New("no amount under a trade")
	}
	f.tradeNo = tradeNo
	return f.readAmount(amount)
}

// readSurplus reads what a payment was flagged for under the kind "surplus": an
// amount under a trade, or one of four sentences about a trade. A trade's number
// may be any text, so the ends of the four distinguish them.
func (f *facts) readSurplus(detail string) error {
	rest, ok := strings.CutPrefix(detail, "trade ")
	if !ok {
		return f.readMoney(detail)
	}
	for end, kind := range map[string]string{
		" was paid, and given back in full at the wallet itself": "given_back",
		" was paid, and is closed by the wallet's word":          "closed_after_paid",
		" has paid another order":                                "foreign_trade",
	} {
		if tradeNo, ok := strings.CutSuffix(rest, end); ok {
			f.kind, f.tradeNo = kind, tradeNo
			return nil
		}
	}
	rest, now, ok := cutLast(rest, " before, now ")
	tradeNo, was, ok2 := cutLast(rest, " was ")
	if !ok || !ok2 {
		return errors.New("nothing that a trade was flagged for")
	}
	if err := f.readAmount(was); err != nil { // it stands in the money record
		return err
	}
	f.kind, f.tradeNo = "amounts_differ", tradeNo
	return f.readAmount(now)
}

// readUnlisted reads "WHAT is "CODE" by the wallet's word, which no document of
// it lists", where WHAT is "the order", "trade TRADE" or "refund REFUND". Within
// the quotes each quote has a backslash before it.
func (f *facts) readUnlisted(detail string) (err error) {
	rest, ok := strings.CutSuffix(detail, " by the wallet's word, which no document of it lists")
	what, code, ok2 := cutLast(rest, ` is "`)
	if !ok || !ok2 {
		return errors.New("no status that is not listed")
	}
	if f.code, err = strconv.Unquote(`"` + code); err != nil {
		return errors.New("no status in quotes")
	}
	f.code = storable(f.code)
	if what == "the order" {
		return nil
	}
	if f.tradeNo, err = after(what, "trade "); err == nil {
		return nil
	}
	f.refundID, err = after(what, "refund ")
	return err
}

// readOrphan reads "NUMBER under trade TRADE".
func (f *facts) readOrphan(detail string) error {
	number, tradeNo, ok := strings.Cut(detail, " under trade ")
	if !ok || len(number) != 26 || strings.Trim(number, "0123456789") != "" {
		return errors.New("no number of ours under a trade")
	}
	f.number, f.tradeNo = number, tradeNo
	return nil
}

// readRefund reads "AMOUNT as REFUND".
func (f *facts) readRefund(detail string) error {
	amount, id, ok := strings.Cut(detail, " as ")
	if !ok || id == "" {
		return errors.New("no amount and number of a refund")
	}
	f.refundID = id
	return f.readAmount(amount)
}

// readFailedRefund reads "CODE: REFUND", where CODE may have a colon in it.
func (f *facts) readFailedRefund(detail string) error {
	code, id, ok := cutLast(detail, ": ")
	if !ok || id == "" {
		return errors.New("no code and number of a refund")
	}
	f.code, f.refundID = code, id
	return nil
}

// readContradiction reads "AMOUNT by the wallet's word: REFUND", or that a refund
// had one outcome and has the other now.
func (f *facts) readContradiction(detail string) error {
	what, id, ok := cutLast(detail, ": ")
	if !ok || id == "" {
		return errors.New("no contradiction about a refund")
	}
	f.refundID = id
	switch what {
	case "failed, now succeeded":
		f.reason = "said_succeeded"
		return nil
	case "succeeded, now failed":
		f.reason = "said_failed"
		return nil
	}
	amount, ok := strings.CutSuffix(what, " by the wallet's word")
	if !ok {
		return errors.New("no contradiction about a refund")
	}
	return f.readAmount(amount)
}

// withDecimals are the currencies that the releases up to schema 8 counted in
// hundredths; they counted JPY in whole yen.
var withDecimals = []string{
	"AED", "AUD", "CAD", "CNY", "EUR", "HKD", "IDR", "MMK", "MYR", "SGD", "THB", "USD",
}

// readAmount reads an amount as those releases wrote it: "12.30 HKD", "500 JPY".
// Any other spelling of the same amount is an error, so that nothing is guessed.
func (f *facts) readAmount(text string) error {
	decimal, currency, _ := strings.Cut(text, " ")
	wrong := fmt.Errorf("%q is no amount", text)
	minor, err := strconv.ParseInt(strings.Replace(decimal, ".", "", 1), 10, 64)
	if err != nil {
		return wrong
	}
	written := strconv.FormatInt(minor, 10)
	if slices.Contains(withDecimals, currency) {
		sign, digits := "", written
		if minor < 0 {
			sign, digits = "-", written[1:]
		}
		if len(digits) < 3 {
			digits = strings.Repeat("0", 3-len(digits)) + digits
		}
		written = sign + digits[:len(digits)-2] + "." + digits[len(digits)-2:]
	} else if currency != "JPY" {
		return wrong
	}
	if decimal != written {
		return wrong
	}
	f.minor, f.currency = minor, currency
	return nil
}

// after returns what follows a prefix that must be there.
func after(s, prefix string) (string, error) {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return "", fmt.Errorf("it does not begin with %q", prefix)
	}
	return rest, nil
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// storable replaces what PostgreSQL does not take in a text: bytes that are no
// UTF-8, and NUL. Only quoted text can have hidden them. Each byte is replaced for
// itself, as when the program records such a status: else the wallet's next message
// with the same status would flag the payment once more.
func storable(s string) string {
	return strings.ReplaceAll(string([]rune(s)), "\x00", "\uFFFD")
}
