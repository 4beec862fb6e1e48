package audit

import (
	"fmt"
	"slices"

	"github.com/sampanpay/sampan/internal/pay"
)

// History is the state of a payment as its events give it. The zero value is that
// of a payment without events.
type History struct {
	Status   pay.Status // "" while no event has moved it: created or pending, as the payment began
	Ended    bool       // was closed, expired or failed
	Late     bool
	Flagged  bool
	Failure  string
	WalletID string

	Closing bool   // the merchant has asked to close it
	CloseID string // "" too if it was closed at once

	Paid     Money
	Surplus  []Money
	Refunds  map[string]*Refund
	Returned int64 // given back
	Reserved int64 // the same, and what is still to be given back

	Numbers      []string // of the orphans whose money it turned out to be
	WalletNumber string   // the number that it was paid under, if not its own

	flags []pay.Event // those that have flagged it
}

// Money is an amount that came in by a trade.
type Money struct {
	Amount  pay.Amount
	TradeNo string
}

// Refund is the state of a refund as the events give it.
type Refund struct {
	Amount    pay.Amount
	Automatic bool // no merchant asked for it
	Status    pay.RefundStatus
	Failure   string
}

// Apply applies the next event. If the event cannot follow, Apply returns what it
// should have been.
func (h *History) Apply(e pay.Event) (want string) {
	if e.Kind.Flags() {
		h.Flagged = true
		h.flags = append(h.flags, e)
	}
	switch e.Kind {
	case pay.EventRegistered:
		if h.Status != "" && h.Status != pay.Pending {
			return "an open order"
		}
		h.Status, h.WalletID = pay.Pending, e.Number
	case pay.EventFailed:
		h.Failure = e.Code
		return h.move(pay.Failed)
	case pay.EventExpired:
		if h.Closing {
			return "closed, since it was called off"
		}
		return h.move(pay.Expired)
	case pay.EventClosed:
		h.Closing = true
		return h.move(pay.Closed)
	case pay.EventCloseAsked:
		if !h.open() || h.Closing {
			return "an open order that is not called off yet"
		}
		h.Closing, h.CloseID = true, e.Number
	case pay.EventPaid, pay.EventPaidLate:
		return h.pay(e)
	case pay.EventSurplus:
		if !isMoney(e) {
			return "an amount under a trade"
		}
		h.Surplus = append(h.Surplus, Money{e.Amount, e.TradeNo})
	case pay.EventRefundAsked:
		return h.askRefund(e)
	case pay.EventRefunded, pay.EventRefundFailed:
		return h.endRefund(e)
	case pay.EventOrphan:
		return h.orphan(e)
	case pay.EventGivenBack, pay.EventAmountsDiffer, pay.EventClosedAfterPaid, pay.EventForeignTrade,
		pay.EventUnlisted, pay.EventRefundContradicted, pay.EventRefundForeign, pay.EventNote:
		// nothing else follows
	default:
		return "an event of a known kind"
	}
	return ""
}

func (h *History) open() bool { return h.Status == "" || h.Status.Open() }

// move makes a legal move. Every move that is legal from pending is legal from
// created.
func (h *History) move(next pay.Status) (want string) {
	from := h.Status
	if from == "" {
		from = pay.Created
	}
	if !from.CanBecome(next) {
		return fmt.Sprintf("a legal move: %s cannot become %s", from, next)
	}
	h.Status = next
	h.Ended = h.Ended || next != pay.Paid
	return ""
}

// isMoney reports whether an event names an amount that came in by a trade.
func isMoney(e pay.Event) bool {
	return e.Amount.Minor > 0 && e.Amount.Currency.Known() && e.TradeNo != ""
}

func (h *History) pay(e pay.Event) (want string) {
	switch late := e.Kind == pay.EventPaidLate; {
	case !isMoney(e):
		return "an amount under a trade"
	case late && h.open():
		return "paid, and not late: it was open"
	case !late && !h.open():
		return fmt.Sprintf("paid_late: it was %s", h.Status)
	}
	if want := h.move(pay.Paid); want != "" {
		return want
	}
	h.Paid, h.Late = Money{e.Amount, e.TradeNo}, e.Kind == pay.EventPaidLate
	h.Flagged = slices.ContainsFunc(h.flags, func(f pay.Event) bool { return !f.ExplainedBy(e.TradeNo) })
	return ""
}

// orphan applies the event that an orphan's money was settled here.
func (h *History) orphan(e pay.Event) (want string) {
	if e.TradeNo == "" || !pay.IsNumber(e.MerchantID, e.Number) {
		return "a number of the merchant's under a trade"
	}
	h.Numbers = append(h.Numbers, e.Number)
	if e.TradeNo == h.Paid.TradeNo && e.Number != e.PaymentID {
		h.WalletNumber = e.Number
	}
	return ""
}

func (h *History) askRefund(e pay.Event) (want string) {
	if e.RefundID == "" || e.Amount.Minor <= 0 {
		return "an amount and the refund's number"
	}
	_, known := h.Refunds[e.RefundID]
	if h.Refunds == nil {
		h.Refunds = map[string]*Refund{}
	}
	h.Refunds[e.RefundID] = &Refund{
		Amount: e.Amount, Automatic: e.By.Role == pay.RolePolicy, Status: pay.RefundPending,
	}
	h.Reserved += e.Amount.Minor
	switch {
	case known:
		return "a refund that was not asked for before"
	case h.Status != pay.Paid:
		return "a refund of an order that is paid"
	case e.Amount.Currency != h.Paid.Amount.Currency || h.Reserved > h.Paid.Amount.Minor:
		return "at most what was left of " + h.Paid.Amount.String()
	}
	return ""
}

// endRefund applies the event that a refund is done, or failed. One that nobody
// asked for flags the payment if it failed.
func (h *History) endRefund(e pay.Event) (want string) {
	r, failed := h.Refunds[e.RefundID], e.Kind == pay.EventRefundFailed
	switch {
	case (r == nil || r.Status != pay.RefundPending || r.Amount != e.Amount) && failed:
		return "the failure of a refund that is pending, of the same amount"
	case r == nil || r.Status != pay.RefundPending || r.Amount != e.Amount:
		return "a refund that was asked for, of the same amount, and is pending"
	case failed:
		r.Status, r.Failure = pay.RefundFailed, e.Code
		h.Reserved -= r.Amount.Minor
		h.Flagged = h.Flagged || r.Automatic
	default:
		r.Status = pay.RefundSucceeded
		h.Returned += r.Amount.Minor
	}
	return ""
}

// goesBack reports whether the money was late and goes back by a policy.
func (h *History) goesBack() bool {
	for _, r := range h.Refunds {
		if r.Automatic {
			return true
		}
	}
	return false
}
