package pay

import (
	"slices"
	"time"
)

// Recorded is what is stored of a payment, as far as a wallet's word concerns it.
type Recorded struct {
	Payment  Payment
	Movement Movement // of the word's trade, for this payment or another; without an ID if not stored
	Refund   Refund   // of the word's number, of this payment or another; without an ID if not stored
	Flags    []Event  // the payment's events whose kind Flags, oldest first, also if Flagged is false again
}

// Verdict is what follows from a wallet's word: the rows as they become. The ids of
// the movement and the events are not set yet. With a Kind that changes nothing, the
// rows are as they were.
type Verdict struct {
	Kind     VerdictKind
	Payment  Payment
	Refund   Refund
	Movement *Movement // a line to add to the money record
	Events   []Event   // to add to the payment
	Notify   bool      // the merchant gets a notification

	// OtherAmount says that the word states another amount than the refund's. It is
	// also true for a repeat.
	OtherAmount bool
}

// VerdictKind names the effect of a wallet's word on what is recorded.
type VerdictKind string

// The verdicts. The first three change nothing.
const (
	VerdictNothing      VerdictKind = "nothing"       // the word is not final, or of nothing that is stored
	VerdictRepeat       VerdictKind = "repeat"        // all that the word says is recorded
	VerdictForeignTrade VerdictKind = "foreign trade" // the trade has paid another payment

	VerdictPaid         VerdictKind = "paid"               // by the order's own trade
	VerdictPaidLate     VerdictKind = "paid late"          // the same, for an order that had ended
	VerdictEnded        VerdictKind = "ended"              // the order is closed or expired
	VerdictSurplus      VerdictKind = "surplus"            // beyond the order: a second trade or amount
	VerdictGivenBack    VerdictKind = "given back"         // paid, and refunded at the wallet unknown to us
	VerdictAmounts      VerdictKind = "amounts differ"     // one trade, two amounts
	VerdictClosedPaid   VerdictKind = "closed after paid"  // the wallet says that a paid trade is closed
	VerdictUnlisted     VerdictKind = "unlisted"           // a status that the wallet's documents do not list
	VerdictRefunded     VerdictKind = "refunded"           // a refund is done
	VerdictRefundFailed VerdictKind = "refund failed"      // a refund will never be done
	VerdictRefundOther  VerdictKind = "refund foreign"     // money went back under a foreign number
	VerdictContradicted VerdictKind = "refund contradicts" // the word contradicts a recorded refund
	VerdictFlagged      VerdictKind = "flagged"            // by Flag
	VerdictActed        VerdictKind = "acted"              // by Act
)

// Changes reports whether there is anything to write.
func (v Verdict) Changes() bool {
	return v.Kind != VerdictNothing && v.Kind != VerdictRepeat && v.Kind != VerdictForeignTrade
}

// Judge returns what follows from a wallet's word about a payment. It is the one
// place that decides about money, and it is pure. by is who brought the word to
// light.
//
// A success by the order's own trade makes the payment paid, late if the order had
// ended. A success of another trade, or of another amount, is recorded as surplus,
// and flags the payment. An order that was paid and refunded at the wallet before we
// knew is not made paid: the payment is flagged. A refund becomes succeeded or failed
// once, and a word that contradicts that flags the payment. Repeats change nothing.
// Outcomes that are not final change nothing.
//
// The same facts flag a payment once, however often the wallet repeats them.
func Judge(r Recorded, w Word, by Actor, now time.Time) Verdict {
	j := judgement{Recorded: r, word: w, by: by, now: now}
	switch {
	case w.Outcome == WordUnknown:
		return j.flag(VerdictUnlisted, w.unlisted())
	case w.RefundID != "":
		return j.refund()
	case w.Outcome == WordPaid:
		return j.paid()
	case w.Outcome == WordClosed:
		return j.closed()
	}
	return j.nothing(VerdictNothing)
}

// Flag returns the verdict that flags a payment for the facts of e. If they flagged
// it before, it changes nothing.
func Flag(r Recorded, e Event, by Actor, now time.Time) Verdict {
	return judgement{Recorded: r, by: by, now: now}.flag(VerdictFlagged, e)
}

// Act returns the verdict on what a merchant or an operator does to a payment: it
// becomes p, with the event e. The caller has checked that the act is legal.
func Act(r Recorded, p Payment, e Event, by Actor, now time.Time) Verdict {
	j := judgement{Recorded: r, by: by, now: now}
	return Verdict{Kind: VerdictActed, Payment: p, Refund: r.Refund, Events: []Event{j.event(e)}}
}

// Nothing returns the verdict that changes nothing.
func Nothing(r Recorded) Verdict { return judgement{Recorded: r}.nothing(VerdictNothing) }

// judgement is one case for Judge.
type judgement struct {
	Recorded
	word Word
	by   Actor
	now  time.Time
}

func (j judgement) nothing(kind VerdictKind) Verdict {
	return Verdict{Kind: kind, Payment: j.Payment, Refund: j.Refund}
}

// flagged reports whether the payment has an event with the facts of e.
func (j judgement) flagged(e Event) bool { return slices.ContainsFunc(j.Flags, e.Says) }

// flag is Flag with a verdict's kind.
func (j judgement) flag(kind VerdictKind, e Event) Verdict {
	if j.flagged(e) {
		return j.nothing(VerdictRepeat)
	}
	v := j.nothing(kind)
	v.Payment.Flagged = true
	v.Events = []Event{j.event(e)}
	return v
}

// event completes an event of the payment. ID and Seq stay unset.
func (j judgement) event(e Event) Event {
	e.MerchantID, e.PaymentID, e.At, e.By = j.Payment.MerchantID, j.Payment.ID, j.now, j.by
	return e
}

func (j judgement) paid() Verdict {
	p, w := j.Payment, j.word
	givenBack := Event{Kind: EventGivenBack, TradeNo: w.TradeNo}
	if j.Movement.ID != "" && j.Movement.PaymentID == p.ID {
		switch {
		case w.GivenBack && p.Reserved < p.Amount.Minor: // more was refunded than our refunds
			return j.flag(VerdictGivenBack, givenBack)
		case !w.differsFrom(j.Movement.Amount):
			return j.nothing(VerdictRepeat)
		}
		return j.flag(VerdictAmounts, Event{Kind: EventAmountsDiffer, TradeNo: w.TradeNo, Amount: w.Amount})
	}
	switch amount := w.amountOr(p.Amount); {
	case w.GivenBack:
		return j.flag(VerdictGivenBack, givenBack)
	case j.flagged(givenBack): // a callback that arrives after the money went back
		return j.nothing(VerdictRepeat)
	case j.Movement.ID != "":
		return j.nothing(VerdictForeignTrade)
	case p.Status == Paid || amount != p.Amount:
		v := j.flag(VerdictSurplus, Event{Kind: EventSurplus, Amount: amount, TradeNo: w.TradeNo})
		v.Kind, v.Movement = VerdictSurplus, j.line(MovementSurplus, OwedToSomebody, amount)
		return v
	}
	return j.ownTrade()
}

// ownTrade makes the payment paid by the order's own trade.
func (j judgement) ownTrade() Verdict {
	w, v := j.word, j.nothing(VerdictPaid)
	e := Event{Kind: EventPaid, Amount: j.Payment.Amount, TradeNo: w.TradeNo}
	p := &v.Payment
	if p.Late = !p.Status.Open(); p.Late {
		v.Kind, e.Kind = VerdictPaidLate, EventPaidLate
	}
	p.Status, p.TradeNo, p.BuyerID, p.DueAt = Paid, w.TradeNo, w.BuyerID, time.Time{}
	if p.PaidAt = w.At; p.PaidAt.IsZero() {
		p.PaidAt = j.now
	}
	p.Flagged = p.Flagged && slices.ContainsFunc(j.Flags, func(f Event) bool {
		return !f.ExplainedBy(w.TradeNo)
	})
	v.Movement = j.line(MovementPayment, OwedToMerchant, p.Amount)
	v.Events = []Event{j.event(e)}
	v.Notify = true
	return v
}

// line returns the movement of money that came in.
func (j judgement) line(kind MovementKind, credit string, amount Amount) *Movement {
	p := j.Payment
	return &Movement{
		MerchantID: p.MerchantID, PaymentID: p.ID, Kind: kind,
		Debit: p.HeldBy(), Credit: credit, Amount: amount, TradeNo: j.word.TradeNo, At: j.now,
	}
}

func (j judgement) closed() Verdict {
	p, w := j.Payment, j.word
	switch {
	case p.Status.Open():
		return j.end(ReasonClosedByWallet, w.Code)
	case p.Status == Paid && w.TradeNo == p.TradeNo && p.Reserved < p.Amount.Minor:
		return j.flag(VerdictClosedPaid, Event{Kind: EventClosedAfterPaid, TradeNo: w.TradeNo})
	}
	return j.nothing(VerdictRepeat)
}

// End returns the verdict that ends an open payment without money: closed if the
// merchant asked for that, else expired. Late money may still make it paid. code is
// the wallet's outcome or status behind the reason. A payment that is not open stays
// as it is.
func End(r Recorded, why Reason, code string, by Actor, now time.Time) Verdict {
	return judgement{Recorded: r, by: by, now: now}.end(why, code)
}

func (j judgement) end(why Reason, code string) Verdict {
	if !j.Payment.Status.Open() {
		return j.nothing(VerdictNothing)
	}
	v, kind := j.nothing(VerdictEnded), EventExpired
	v.Payment.Status, v.Payment.ClosedAt, v.Payment.DueAt = Expired, j.now, time.Time{}
	if v.Payment.CloseID != "" {
		v.Payment.Status, kind = Closed, EventClosed
	}
	v.Events = []Event{j.event(Event{Kind: kind, Reason: why, Code: code})}
	return v
}

func (j judgement) refund() Verdict {
	r, w := j.Refund, j.word
	if r.PaymentID != j.Payment.ID {
		r = Refund{} // none of this payment's
	}
	succeeded := w.Outcome == WordSucceeded
	switch {
	case !succeeded && w.Outcome != WordFailed:
		return j.nothing(VerdictNothing)
	case r.ID == "" && succeeded:
		return j.flag(VerdictRefundOther, Event{Kind: EventRefundForeign, RefundID: w.RefundID})
	case r.ID == "":
		return j.nothing(VerdictNothing) // nothing went back
	case succeeded && w.differsFrom(r.Amount):
		v := j.contradicted(Event{Amount: w.Amount})
		v.OtherAmount = true
		return v
	case succeeded && r.Status == RefundFailed:
		return j.contradicted(Event{Reason: ReasonSaidSucceeded})
	case !succeeded && r.Status == RefundSucceeded:
		return j.contradicted(Event{Reason: ReasonSaidFailed})
	case r.Status != RefundPending:
		return j.nothing(VerdictRepeat)
	case succeeded:
		return j.refunded()
	case w.Postpones(r):
		return j.nothing(VerdictNothing)
	}
	return j.refundFailed()
}

func (j judgement) contradicted(e Event) Verdict {
	e.Kind, e.RefundID = EventRefundContradicted, j.Refund.ID
	return j.flag(VerdictContradicted, e)
}

func (j judgement) refunded() Verdict {
	v := j.nothing(VerdictRefunded)
	r, p := &v.Refund, &v.Payment
	r.Status, r.DoneAt, r.DueAt = RefundSucceeded, j.word.At, time.Time{}
	if r.DoneAt.IsZero() {
		r.DoneAt = j.now
	}
	p.Refunded += r.Amount.Minor
	v.Movement = &Movement{
		MerchantID: p.MerchantID, PaymentID: p.ID, RefundID: r.ID, Kind: MovementRefund,
		Debit: OwedToMerchant, Credit: p.HeldBy(), Amount: r.Amount, TradeNo: p.TradeNo, At: j.now,
	}
	v.Events = []Event{j.event(Event{Kind: EventRefunded, Amount: r.Amount, RefundID: r.ID})}
	v.Notify = true
	return v
}

// refundFailed releases the reserved amount. A failed automatic refund flags its
// payment, since no merchant asked for it and would ask again.
func (j judgement) refundFailed() Verdict {
	v := j.nothing(VerdictRefundFailed)
	r, p := &v.Refund, &v.Payment
	r.Status, r.Failure, r.Cause = RefundFailed, j.word.Code, j.word.Cause
	r.DoneAt, r.DueAt = j.now, time.Time{}
	p.Reserved -= r.Amount.Minor
	p.Flagged = p.Flagged || r.Automatic()
	v.Events = []Event{
		j.event(Event{Kind: EventRefundFailed, Amount: r.Amount, RefundID: r.ID, Code: r.Failure}),
	}
	return v
}
