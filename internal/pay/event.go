package pay

import (
	"slices"
	"strings"
	"time"
)

// Event is one line of a payment's history. Events are only ever added. They hold
// facts, which are put into words where an event is shown. No field holds a secret.
type Event struct {
	MerchantID string
	PaymentID  string
	ID         string
	Seq        int // 1, 2, … within the payment, in the order of writing; the store counts
	At         time.Time
	Kind       EventKind
	By         Actor

	Amount   Amount // zero where the kind has none
	TradeNo  string // the wallet's number of the trade
	RefundID string // the refund, or the wallet's number of a refund that is not ours

	// Number is the wallet's reference with EventRegistered, the closing's number
	// with EventCloseAsked, and with EventOrphan the number that was paid under.
	Number string

	Reason Reason // EventExpired, EventClosed, EventRefundContradicted
	Code   string // the wallet's own code or status
	Note   string // EventNote: the merchant's words
}

// EventKind says what happened.
type EventKind string

// The kinds of events. Each comment names the fields that the kind sets. The values
// are stored and shown, never translated.
const (
	EventRegistered EventKind = "registered"  // the wallet accepted the order: Number
	EventFailed     EventKind = "failed"      // the wallet refused the order: Code
	EventExpired    EventKind = "expired"     // not paid in time: Reason, Code
	EventClosed     EventKind = "closed"      // closed at the merchant's request: Reason, Code
	EventCloseAsked EventKind = "close_asked" // the merchant asked to close it: Number
	EventPaid       EventKind = "paid"        // Amount, TradeNo
	EventPaidLate   EventKind = "paid_late"   // paid after it had ended: Amount, TradeNo

	// EventSurplus: money beyond the order was recorded. Amount, TradeNo.
	EventSurplus EventKind = "surplus"
	// EventGivenBack: the order was paid and refunded in full at the wallet itself. TradeNo.
	EventGivenBack EventKind = "given_back"
	// EventAmountsDiffer: the wallet now states another amount than the recorded one. TradeNo, Amount.
	EventAmountsDiffer EventKind = "amounts_differ"
	// EventClosedAfterPaid: the wallet now says that a paid trade is closed. TradeNo.
	EventClosedAfterPaid EventKind = "closed_after_paid"
	// EventForeignTrade: the wallet names a trade that has paid another order. TradeNo.
	EventForeignTrade EventKind = "foreign_trade"
	// EventUnlisted: the wallet's documents do not list the status. Code, and TradeNo, RefundID or neither.
	EventUnlisted EventKind = "unlisted"

	EventRefundAsked   EventKind = "refund_asked"   // Amount, RefundID
	EventRefunded      EventKind = "refunded"       // Amount, RefundID
	EventRefundFailed  EventKind = "refund_failed"  // Amount, RefundID, Code
	EventRefundForeign EventKind = "refund_foreign" // refunded at the wallet itself: RefundID
	// EventRefundContradicted: the wallet contradicts what is recorded. RefundID, and Amount or Reason.
	EventRefundContradicted EventKind = "refund_contradicted"

	EventOrphan EventKind = "orphan" // an orphan's money was settled here: Number, TradeNo
	EventNote   EventKind = "note"   // Note
)

// EventKinds lists all kinds.
var EventKinds = []EventKind{
	EventRegistered, EventFailed, EventExpired, EventClosed, EventCloseAsked, EventPaid, EventPaidLate,
	EventSurplus, EventGivenBack, EventAmountsDiffer, EventClosedAfterPaid, EventForeignTrade, EventUnlisted,
	EventRefundAsked, EventRefunded, EventRefundFailed, EventRefundForeign, EventRefundContradicted,
	EventOrphan, EventNote,
}

// flagging lists the kinds that flag their payment.
var flagging = []EventKind{
	EventSurplus, EventGivenBack, EventAmountsDiffer, EventClosedAfterPaid, EventForeignTrade, EventUnlisted,
	EventRefundForeign, EventRefundContradicted,
}

// Flags reports whether a person must look at a payment that has an event of the
// kind. (A failed automatic refund also flags its payment.)
func (k EventKind) Flags() bool { return slices.Contains(flagging, k) }

// ExplainedBy reports whether a flagging event needs no look any more once a trade
// has paid the order. That holds for an unlisted status of the same trade, or of
// none, since a listed status has followed it.
func (e Event) ExplainedBy(tradeNo string) bool {
	return e.Kind == EventUnlisted && (e.TradeNo == "" || e.TradeNo == tradeNo)
}

// Reason says why, where a kind has several reasons.
type Reason string

// The reasons why an order ended without money. The event's Code is the wallet's
// outcome at that time, or its status.
const (
	ReasonNeverOpened     Reason = "never_opened"      // the wallet cannot know of it
	ReasonUnpaid          Reason = "unpaid"            // not paid in time
	ReasonUnpaidClosed    Reason = "unpaid_closed"     // the same, and the wallet has closed it
	ReasonCalledOff       Reason = "called_off"        // the merchant asked to close it
	ReasonCalledOffClosed Reason = "called_off_closed" // the same, and the wallet has closed it
	ReasonClosedByWallet  Reason = "closed_by_wallet"
	ReasonOtherPayment    Reason = "other_payment" // what was paid is not what was ordered
)

// The reasons of EventRefundContradicted.
const (
	ReasonSaidSucceeded Reason = "said_succeeded" // of a refund that had failed
	ReasonSaidFailed    Reason = "said_failed"    // of a refund that had succeeded
)

// Says reports whether both events state the same: kind and facts, not actor and
// time. A payment is flagged once for the same facts, however often the wallet
// repeats them.
func (e Event) Says(other Event) bool { return e.facts() == other.facts() }

// facts returns the event with the fields that Says compares, as they are stored.
func (e Event) facts() Event {
	return Event{
		Kind: e.Kind, Amount: e.Amount, TradeNo: Storable(e.TradeNo), RefundID: Storable(e.RefundID),
		Number: Storable(e.Number), Reason: e.Reason, Code: Storable(e.Code), Note: Storable(e.Note),
	}
}

// Storable returns a text from outside as it is stored. A database takes neither
// invalid UTF-8 nor NUL.
func Storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
