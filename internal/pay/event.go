package pay

import (
	"slices"
	"time"
)

// Event is one line of a payment's history. Events are only ever added. Each
// holds facts, no sentence: words are made where an event is shown. No field
// holds a secret.
type Event struct {
	MerchantID string
	PaymentID  string
	ID         string
	Seq        int // 1, 2, … of the payment, in the order of writing; the store counts
	At         time.Time
	Kind       EventKind
	By         Actor

	Amount   Amount // zero where the kind has none
	TradeNo  string // the wallet's number of the trade
	RefundID string // the refund, or the wallet's number of one that is not ours
	Number   string // EventRegistered: the wallet's reference; EventCloseAsked: the closing's number; EventOrphan: the number it was paid under
	Reason   Reason // EventExpired, EventClosed, EventRefundContradicted
	Code     string // the wallet's own code or status
	Note     string // EventNote: the merchant's words
}

// EventKind says what happened.
type EventKind string

// The kinds of events, with the facts that each has. The values are stored and
// shown, never translated.
const (
	EventRegistered EventKind = "registered"  // the wallet took the order: Number
	EventFailed     EventKind = "failed"      // the wallet refused the order: Code
	EventExpired    EventKind = "expired"     // not paid in time: Reason, Code
	EventClosed     EventKind = "closed"      // called off: Reason, Code
	EventCloseAsked EventKind = "close_asked" // the merchant wants it closed: Number
	EventPaid       EventKind = "paid"        // Amount, TradeNo
	EventPaidLate   EventKind = "paid_late"   // paid after it had ended: Amount, TradeNo

	EventSurplus         EventKind = "surplus"           // money beyond the order, booked as such: Amount, TradeNo
	EventGivenBack       EventKind = "given_back"        // paid, and given back in full at the wallet itself: TradeNo
	EventAmountsDiffer   EventKind = "amounts_differ"    // the wallet now names another amount than the recorded one: TradeNo, Amount
	EventClosedAfterPaid EventKind = "closed_after_paid" // the wallet now says that a paid trade is closed: TradeNo
	EventForeignTrade    EventKind = "foreign_trade"     // the wallet names a trade that has paid another order: TradeNo
	EventUnlisted        EventKind = "unlisted"          // a status that the wallet's documents do not list: Code, and TradeNo, RefundID or neither

	EventRefundAsked        EventKind = "refund_asked"        // Amount, RefundID
	EventRefunded           EventKind = "refunded"            // Amount, RefundID
	EventRefundFailed       EventKind = "refund_failed"       // Amount, RefundID, Code
	EventRefundForeign      EventKind = "refund_foreign"      // given back at the wallet itself: RefundID
	EventRefundContradicted EventKind = "refund_contradicted" // the wallet goes against what is recorded: RefundID, and Amount or Reason

	EventOrphan EventKind = "orphan" // money of an orphan was settled here: Number, TradeNo
	EventNote   EventKind = "note"   // Note
)

// EventKinds lists all of them.
var EventKinds = []EventKind{
	EventRegistered, EventFailed, EventExpired, EventClosed, EventCloseAsked, EventPaid, EventPaidLate,
	EventSurplus, EventGivenBack, EventAmountsDiffer, EventClosedAfterPaid, EventForeignTrade, EventUnlisted,
	EventRefundAsked, EventRefunded, EventRefundFailed, EventRefundForeign, EventRefundContradicted,
	EventOrphan, EventNote,
}

// flagging are the kinds that flag their payment, whatever else it is.
var flagging = []EventKind{
	EventSurplus, EventGivenBack, EventAmountsDiffer, EventClosedAfterPaid, EventForeignTrade, EventUnlisted,
	EventRefundForeign, EventRefundContradicted,
}

// Flags reports whether a person must look at a payment that has an event of the
// kind. (A failed refund flags its payment too if nobody asked for the refund.)
func (k EventKind) Flags() bool { return slices.Contains(flagging, k) }

// ExplainedBy reports whether nobody need look at a flagging event any more once a
// trade has paid the order: an unlisted status, unless it was another trade's. A
// listed status has followed it.
func (e Event) ExplainedBy(tradeNo string) bool {
	return e.Kind == EventUnlisted && (e.TradeNo == "" || e.TradeNo == tradeNo)
}

// Reason says why, where a kind has several reasons.
type Reason string

// The reasons why an order ended without money. The wallet's outcome at that
// time, or its status, is the event's Code.
const (
	ReasonNeverOpened     Reason = "never_opened"      // the wallet cannot know of it
	ReasonUnpaid          Reason = "unpaid"            // not paid within its life
	ReasonUnpaidClosed    Reason = "unpaid_closed"     // the same, and the wallet has closed it
	ReasonCalledOff       Reason = "called_off"        // the merchant wanted it closed
	ReasonCalledOffClosed Reason = "called_off_closed" // the same, and the wallet has closed it
	ReasonClosedByWallet  Reason = "closed_by_wallet"
	ReasonOtherPayment    Reason = "other_payment" // what was paid is not what was ordered
)

// The reasons why a wallet's word on a refund goes against what is recorded.
const (
	ReasonSaidSucceeded Reason = "said_succeeded" // it had failed
	ReasonSaidFailed    Reason = "said_failed"    // it had succeeded
)

// Says reports whether both events state the same of their payments: kind and
// facts, whoever caused them and whenever. By that a payment is flagged once,
// however often the wallet repeats itself.
func (e Event) Says(other Event) bool { return e.facts() == other.facts() }

// facts returns the event without what tells it from one that says the same.
func (e Event) facts() Event {
	e.MerchantID, e.PaymentID, e.ID, e.Seq, e.At, e.By = "", "", "", 0, time.Time{}, Actor{}
	return e
}
