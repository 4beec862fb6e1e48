package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// tale is what a payment's events say of it.
type tale struct {
	status   pay.Status // "" while no event has moved it: created or pending, as it began
	late     bool
	flagged  bool        // a person must look: at money that is not the order's own, or went back otherwise than we know
	unlisted bool        // the same: at a status that the wallet's documents do not list, unless its trade has paid the order after it
	statuses []pay.Event // unlisted ones
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
		if !e.By.Role.Known() {
			v.wrong(name, "by "+e.By.String(), "an actor of a known role")
		}
		if why := t.happens(e); why != "" {
			v.wrong(name, factsOf(e), why)
		}
	}
	return t
}

// factsOf writes the facts of an event for the report.
func factsOf(e pay.Event) string {
	var words []string
	if e.Amount != (pay.Amount{}) {
		words = append(words, e.Amount.String())
	}
	for _, f := range []struct{ name, value string }{
		{"trade", e.TradeNo}, {"refund", e.RefundID}, {"number", e.Number}, {"reason", string(e.Reason)}, {"code", e.Code}, {"note", e.Note},
	} {
		if f.value != "" {
			words = append(words, f.name+" "+f.value)
		}
	}
	return strings.Join(words, ", ")
}

// written checks that a row's id is of the moment at which it was written.
func (v *verdict) written(what, id string, at time.Time) {
	if !strings.HasPrefix(id, fmt.Sprintf("%012x", at.UnixMilli())) || len(id) < 36 {
		v.wrong(what, "has the id "+id+" and the time "+at.Format(time.RFC3339Nano), "an id that begins with its time")
	}
}

// happens takes the next event, or says what it should have been.
func (t *tale) happens(e pay.Event) (want string) {
	t.flagged = t.flagged || e.Kind.Flags() && e.Kind != pay.EventUnlisted
	switch e.Kind {
	case pay.EventRegistered:
		if t.status != "" && t.status != pay.Pending {
			return "an open order"
		}
		t.status, t.ref = pay.Pending, e.Number
	case pay.EventFailed:
		t.failure = e.Code
		return t.move(pay.Failed)
	case pay.EventExpired:
		if t.closing {
			return "closed, since it was called off"
		}
		return t.move(pay.Expired)
	case pay.EventClosed:
		t.closing = true
		return t.move(pay.Closed)
	case pay.EventCloseAsked:
		if !t.open() || t.closing {
			return "an open order that is not called off yet"
		}
		t.closing, t.closeID = true, e.Number
	case pay.EventPaid, pay.EventPaidLate:
		return t.isPaid(e)
	case pay.EventSurplus:
		if !isMoney(e) {
			return "an amount under a trade"
		}
		t.surplus = append(t.surplus, money{e.Amount, e.TradeNo})
	case pay.EventGivenBack, pay.EventAmountsDiffer, pay.EventClosedAfterPaid, pay.EventForeignTrade: // nothing is booked
	case pay.EventRefundAsked, pay.EventRefunded, pay.EventRefundFailed:
		return t.refund(e)
	case pay.EventRefundContradicted, pay.EventRefundForeign: // nothing is booked
	case pay.EventUnlisted:
		t.unlisted = true
		t.statuses = append(t.statuses, e)
	case pay.EventOrphan:
		return t.orphan(e)
	case pay.EventNote:
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

// isMoney reports whether an event names an amount that came in by a trade.
func isMoney(e pay.Event) bool {
	return e.Amount.Minor > 0 && e.Amount.Currency.Known() && e.TradeNo != ""
}

func (t *tale) isPaid(e pay.Event) (want string) {
	switch late := e.Kind == pay.EventPaidLate; {
	case !isMoney(e):
		return "an amount under a trade"
	case late && t.open():
		return "paid, and not late: it was open"
	case !late && !t.open():
		return fmt.Sprintf("paid_late: it was %s", t.status)
	}
	if want := t.move(pay.Paid); want != "" {
		return want
	}
	t.paid, t.late = money{e.Amount, e.TradeNo}, e.Kind == pay.EventPaidLate
	t.unlisted = slices.ContainsFunc(t.statuses, func(s pay.Event) bool { return !s.ExplainedBy(e.TradeNo) })
	return ""
}

// orphan takes the event that money of an orphan was settled here.
func (t *tale) orphan(e pay.Event) (want string) {
	if e.TradeNo == "" || !pay.IsNumber(e.MerchantID, e.Number) {
		return "a number of the merchant's under a trade"
	}
	t.numbers = append(t.numbers, e.Number)
	if e.TradeNo == t.paid.tradeNo && e.Number != e.PaymentID {
		t.orphaned = e.Number
	}
	return ""
}

// refund takes an event of a refund.
func (t *tale) refund(e pay.Event) (want string) {
	r := t.refunds[e.RefundID]
	pending := r != nil && r.status == pay.RefundPending && r.amount == e.Amount
	switch e.Kind {
	case pay.EventRefundFailed:
		if !pending {
			return "the failure of a refund that is pending, of the same amount"
		}
		r.status, r.failure = pay.RefundFailed, e.Code
		t.reserved -= r.amount.Minor
		t.flagged = t.flagged || r.automatic
		return ""
	case pay.EventRefunded:
		if !pending {
			return "a refund that was asked for, of the same amount, and is pending"
		}
		r.status = pay.RefundSucceeded
		t.returned += r.amount.Minor
		return ""
	}
	if e.RefundID == "" || e.Amount.Minor <= 0 {
		return "an amount and the refund's number"
	}
	t.refunds[e.RefundID] = &retold{amount: e.Amount, automatic: e.By.Role == pay.RolePolicy, status: pay.RefundPending}
	t.reserved += e.Amount.Minor
	switch {
	case r != nil:
		return "a refund that was not asked for before"
	case t.status != pay.Paid:
		return "a refund of an order that is paid"
	case e.Amount.Currency != t.paid.amount.Currency || t.reserved > t.paid.amount.Minor:
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
