package gateway

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// tale is what a payment's events say of it.
type tale struct {
	status   pay.Status // "" while no event has moved it: created or pending, as it began
	late     bool
	flagged  bool     // a person must look: at money that is not the order's own, or went back otherwise than we know
	unlisted bool     // the same: at a status that the wallet's documents do not list, unless its trade has paid the order after it
	statuses []string // unlisted ones
	closeID  string
	closing  bool // called off, while it was open
	ref      string
	failure  string
	ended    bool // was closed, expired or failed
	paid     money
	surplus  []money
	refunds  map[string]*retold
	numbers  []string // those of orphans that were settled here
	orphaned string   // the number under which it was paid before a restore, "" if its own
	returned int64    // given back
	reserved int64    // the same, and what is still to be given back
}

// money is an amount that came in by a trade.
type money struct {
	amount  pay.Amount
	tradeNo string
}

func (m money) String() string { return fmt.Sprintf("%s under trade %s", m.amount, m.tradeNo) }

// retold is what the events say of a refund.
type retold struct {
	amount    pay.Amount
	automatic bool
	status    pay.RefundStatus
	failure   string
}

// retell tells the story of a payment from its events, and finds what cannot
// have happened: moves that are not legal, events that are gone or were put in.
func (v *verdict) retell() tale {
	t := tale{refunds: map[string]*retold{}}
	for i, e := range v.Events {
		name := fmt.Sprintf("event %d (%s)", e.Seq, e.Kind)
		if e.Seq != i+1 {
			v.wrong("events", fmt.Sprintf("number %d comes after number %d", e.Seq, i), "numbers without a gap: one is gone, or was put in")
		}
		v.written(name, e.ID, e.At)
		if why := t.happens(e); why != "" {
			v.wrong(name, strconv.Quote(e.Detail), why)
		}
	}
	return t
}

// written checks that a row's id is of the moment at which it was written.
func (v *verdict) written(what, id string, at time.Time) {
	if !strings.HasPrefix(id, fmt.Sprintf("%012x", at.UnixMilli())) || len(id) < 36 {
		v.wrong(what, "has the id "+id+" and the time "+at.Format(time.RFC3339Nano), "an id that begins with its time")
	}
}

// happens takes the next event, or says what it should have been.
func (t *tale) happens(e pay.Event) (want string) {
	switch e.Kind {
	case "registered":
		if t.status != "" {
			return "an order that the wallet has not been asked for yet"
		}
		t.status, t.ref = pay.Pending, e.Detail
	case "failed":
		t.failure = e.Detail
		return t.move(pay.Failed)
	case "expired":
		if t.closing {
			return "closed, since it was called off"
		}
		return t.move(pay.Expired)
	case "closed":
		t.closing = true
		return t.move(pay.Closed)
	case "close_asked":
		if !t.open() || t.closing {
			return "an open order that is not called off yet"
		}
		t.closing, t.closeID = true, e.Detail
	case "paid", "paid_late":
		return t.isPaid(e)
	case "surplus":
		t.flagged = true
		if strings.HasPrefix(e.Detail, "trade ") { // a trade that is no payment, or of two amounts: nothing is recorded
			return ""
		}
		m, ok := readMoney(e.Detail)
		if !ok {
			return "an amount under a trade"
		}
		t.surplus = append(t.surplus, m)
	case "refund_asked", "refunded", "refund_failed":
		return t.refund(e)
	case "refund_contradicted", "refund_foreign":
		t.flagged = true
	case "unlisted":
		t.unlisted = true
		t.statuses = append(t.statuses, e.Detail)
	case "orphan":
		return t.orphan(e)
	case "note":
	default:
		return "an event of a known kind"
	}
	return ""
}

func (t *tale) open() bool { return t.status == "" || t.status.Open() }

// move makes a legal move. From created every move is legal that is from pending.
func (t *tale) move(next pay.Status) (want string) {
	from := t.status
	if from == "" {
		from = pay.Created
	}
	if !from.CanBecome(next) {
		return fmt.Sprintf("a legal move: %s cannot become %s", from, next)
	}
	t.status = next
	t.ended = t.ended || next != pay.Paid
	return ""
}

func (t *tale) isPaid(e pay.Event) (want string) {
	m, ok := readMoney(e.Detail)
	switch late := e.Kind == "paid_late"; {
	case !ok:
		return "an amount under a trade"
	case late && t.open():
		return "paid, and not late: it was open"
	case !late && !t.open():
		return fmt.Sprintf("paid_late: it was %s", t.status)
	}
	if want := t.move(pay.Paid); want != "" {
		return want
	}
	t.paid, t.late = m, e.Kind == "paid_late"
	t.unlisted = slices.ContainsFunc(t.statuses, func(s string) bool { return ofAnotherTrade(s, m.tradeNo) })
	return ""
}

// orphan takes the event that money of an orphan was settled here.
func (t *tale) orphan(e pay.Event) (want string) {
	number, tradeNo, ok := strings.Cut(e.Detail, " under trade ")
	if !ok || !ourNumber(e.MerchantID, number) {
		return "a number of the merchant's under a trade"
	}
	t.numbers = append(t.numbers, number)
	if tradeNo == t.paid.tradeNo && number != e.PaymentID {
		t.orphaned = number
	}
	return ""
}

// refund takes an event of a refund.
func (t *tale) refund(e pay.Event) (want string) {
	if e.Kind == "refund_failed" {
		failure, id, ok := cutLast(e.Detail, ": ")
		r := t.refunds[id]
		if !ok || r == nil || r.status != pay.RefundPending {
			return "the failure of a refund that is pending"
		}
		r.status, r.failure = pay.RefundFailed, failure
		t.reserved -= r.amount.Minor
		t.flagged = t.flagged || r.automatic
		return ""
	}
	text, id, ok := cutLast(e.Detail, " as ")
	amount, readable := readAmount(text)
	if !ok || !readable {
		return "an amount and the refund's number"
	}
	r := t.refunds[id]
	if e.Kind == "refunded" {
		if r == nil || r.status != pay.RefundPending || r.amount != amount {
			return "a refund that was asked for, of the same amount, and is pending"
		}
		r.status = pay.RefundSucceeded
		t.returned += amount.Minor
		return ""
	}
	t.refunds[id] = &retold{amount: amount, automatic: e.Actor == "late", status: pay.RefundPending}
	t.reserved += amount.Minor
	switch {
	case r != nil:
		return "a refund that was not asked for before"
	case t.status != pay.Paid:
		return "a refund of an order that is paid"
	case amount.Currency != t.paid.amount.Currency || t.reserved > t.paid.amount.Minor:
		return "at most what was left of " + t.paid.amount.String()
	}
	return ""
}

// givenBack reports whether the money was late and nobody wanted it.
func (t tale) givenBack() bool {
	for _, r := range t.refunds {
		if r.automatic {
			return true
		}
	}
	return false
}

func readMoney(s string) (money, bool) {
	text, tradeNo, ok := strings.Cut(s, " under trade ")
	amount, readable := readAmount(text)
	return money{amount, tradeNo}, ok && readable && tradeNo != ""
}

// readAmount is the reverse of Amount.String.
func readAmount(s string) (pay.Amount, bool) {
	decimal, currency, _ := strings.Cut(s, " ")
	a, err := pay.ParseDecimal(decimal, pay.Currency(currency))
	return a, err == nil && a.Minor > 0 && a.String() == s
}

// cutLast is strings.Cut at the last separator: what comes before it may be the wallet's.
func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}
