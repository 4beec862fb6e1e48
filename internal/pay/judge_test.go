package pay

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	day   = time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)
	later = day.Add(time.Hour)
	hkd   = func(minor int64) Amount { return Amount{Minor: minor, Currency: "HKD"} }
)

// pending returns an order of HKD 12.30 that its buyer has opened.
func pending() Payment {
	return Payment{
		Scope: Scope{MerchantID: "100001", AppCode: "A"}, ID: "P", AccountID: "main", Amount: hkd(1230),
		Status: Pending, CreatedAt: day, OpenedAt: day, DueAt: day, Events: 3,
	}
}

// with returns p after change.
func with[T any](p T, change func(*T)) T {
	change(&p)
	return p
}

func paidBy(trade string) Payment {
	return with(pending(), func(p *Payment) {
		p.Status, p.TradeNo, p.PaidAt, p.DueAt = Paid, trade, day, time.Time{}
	})
}

func lineOf(payment, trade string, amount Amount) Movement {
	return Movement{ID: "M", PaymentID: payment, Kind: MovementPayment, Amount: amount, TradeNo: trade}
}

func paidWord(trade string, amount Amount) Word {
	return Word{Outcome: WordPaid, TradeNo: trade, Amount: amount, BuyerID: "2088***1",
		At: day.Add(time.Minute)}
}

func flagged(p Payment) Payment { return with(p, func(p *Payment) { p.Flagged = true }) }

// event returns an event as Judge makes it.
func event(e Event) []Event {
	e.MerchantID, e.PaymentID, e.At, e.By = "100001", "P", later, ByWallet
	return []Event{e}
}

func refundOf(status RefundStatus) Refund {
	return Refund{ID: "R", OrderNo: "R-1", PaymentID: "P", Amount: hkd(230), Status: status, DueAt: day}
}

func reserved(p Payment, minor, refunded int64) Payment {
	return with(p, func(p *Payment) { p.Reserved, p.Refunded = minor, refunded })
}

func TestJudgeMoneyThatCameIn(t *testing.T) {
	own := with(paidBy("T"), func(p *Payment) { p.BuyerID, p.PaidAt = "2088***1", day.Add(time.Minute) })
	bookedOwn := &Movement{MerchantID: "100001", PaymentID: "P", Kind: MovementPayment,
		Debit: "wallet:main", Credit: "merchant",
		Amount: hkd(1230), TradeNo: "T", At: later}
	surplus := func(trade string, amount Amount) *Movement {
		return &Movement{MerchantID: "100001", PaymentID: "P", Kind: MovementSurplus,
			Debit: "wallet:main", Credit: "surplus",
			Amount: amount, TradeNo: trade, At: later}
	}
	givenBack := Event{Kind: EventGivenBack, TradeNo: "T"}
	ended := func(s Status) Payment {
		return with(pending(), func(p *Payment) { p.Status, p.ClosedAt = s, day })
	}
	lateOwn := func(s Status) Payment {
		return with(own, func(p *Payment) { p.Late, p.ClosedAt = true, day })
	}
	paidEvent := event(Event{Kind: EventPaid, Amount: hkd(1230), TradeNo: "T"})
	lateEvent := event(Event{Kind: EventPaidLate, Amount: hkd(1230), TradeNo: "T"})
	unlisted := func(trade string) []Event {
		return []Event{{Kind: EventUnlisted, TradeNo: trade, Code: "TRADE_SUCCESS"}}
	}

	for name, c := range map[string]struct {
		recorded Recorded
		word     Word
		want     Verdict
	}{
		"own": {Recorded{Payment: pending()}, paidWord("T", hkd(1230)),
			Verdict{Kind: VerdictPaid, Payment: own, Movement: bookedOwn, Events: paidEvent, Notify: true}},
		"own, of a created order": {
			Recorded{Payment: with(pending(), func(p *Payment) { p.Status = Created })},
			paidWord("T", hkd(1230)), Verdict{Kind: VerdictPaid, Payment: own, Movement: bookedOwn,
				Events: paidEvent, Notify: true}},
		"own, of no stated amount and time": {Recorded{Payment: pending()},
			Word{Outcome: WordPaid, TradeNo: "T"},
			Verdict{Kind: VerdictPaid, Payment: with(paidBy("T"), func(p *Payment) { p.PaidAt = later }),
				Movement: bookedOwn, Events: paidEvent, Notify: true}},
		"late, after expired": {Recorded{Payment: ended(Expired)}, paidWord("T", hkd(1230)),
			Verdict{Kind: VerdictPaidLate, Payment: lateOwn(Expired), Movement: bookedOwn,
				Events: lateEvent, Notify: true}},
		"late, after closed": {Recorded{Payment: ended(Closed)}, paidWord("T", hkd(1230)),
			Verdict{Kind: VerdictPaidLate, Payment: lateOwn(Closed), Movement: bookedOwn,
				Events: lateEvent, Notify: true}},
		"late, after failed": {Recorded{Payment: ended(Failed)}, paidWord("T", hkd(1230)),
			Verdict{Kind: VerdictPaidLate, Payment: lateOwn(Failed), Movement: bookedOwn,
				Events: lateEvent, Notify: true}},
		"own, explains an unlisted status of its trade": {
			Recorded{Payment: flagged(pending()), Flags: unlisted("T")}, paidWord("T", hkd(1230)),
			Verdict{Kind: VerdictPaid, Payment: own, Movement: bookedOwn, Events: paidEvent, Notify: true}},
		"own, explains no other trade's status": {
			Recorded{Payment: flagged(pending()), Flags: unlisted("T0")}, paidWord("T", hkd(1230)),
			Verdict{Kind: VerdictPaid, Payment: flagged(own), Movement: bookedOwn,
				Events: paidEvent, Notify: true}},
		"own, leaves other flags": {
			Recorded{Payment: flagged(pending()), Flags: []Event{{Kind: EventRefundForeign, RefundID: "X"}}},
			paidWord("T", hkd(1230)),
			Verdict{Kind: VerdictPaid, Payment: flagged(own), Movement: bookedOwn,
				Events: paidEvent, Notify: true}},

		"repeat": {Recorded{Payment: paidBy("T"), Movement: lineOf("P", "T", hkd(1230))},
			paidWord("T", hkd(1230)), Verdict{Kind: VerdictRepeat, Payment: paidBy("T")}},
		"repeat, of no stated amount": {
			Recorded{Payment: paidBy("T"), Movement: lineOf("P", "T", hkd(1230))},
			Word{Outcome: WordPaid, TradeNo: "T"},
			Verdict{Kind: VerdictRepeat, Payment: paidBy("T")}},
		"repeat of surplus": {
			Recorded{Payment: flagged(paidBy("T")), Movement: lineOf("P", "T2", hkd(5))},
			paidWord("T2", hkd(5)), Verdict{Kind: VerdictRepeat, Payment: flagged(paidBy("T"))}},
		"one trade, two amounts": {
			Recorded{Payment: paidBy("T"), Movement: lineOf("P", "T", hkd(1230))}, paidWord("T", hkd(5)),
			Verdict{Kind: VerdictAmounts, Payment: flagged(paidBy("T")),
				Events: event(Event{Kind: EventAmountsDiffer, TradeNo: "T", Amount: hkd(5)})}},
		"one trade, the same two amounts again": {
			Recorded{Payment: flagged(paidBy("T")),
				Movement: lineOf("P", "T", hkd(1230)),
				Flags:    []Event{{Kind: EventAmountsDiffer, TradeNo: "T", Amount: hkd(5), By: ByRecover}}},
			paidWord("T", hkd(5)), Verdict{Kind: VerdictRepeat, Payment: flagged(paidBy("T"))}},

		"second trade is surplus": {Recorded{Payment: paidBy("T")}, paidWord("T2", hkd(1230)),
			Verdict{Kind: VerdictSurplus, Payment: flagged(paidBy("T")), Movement: surplus("T2", hkd(1230)),
				Events: event(Event{Kind: EventSurplus, Amount: hkd(1230), TradeNo: "T2"})}},
		"another amount is surplus": {Recorded{Payment: pending()}, paidWord("T", hkd(1229)),
			Verdict{Kind: VerdictSurplus, Payment: flagged(pending()), Movement: surplus("T", hkd(1229)),
				Events: event(Event{Kind: EventSurplus, Amount: hkd(1229), TradeNo: "T"})}},
		"another currency is surplus": {Recorded{Payment: pending()}, paidWord("T", Amount{1230, "JPY"}),
			Verdict{Kind: VerdictSurplus, Payment: flagged(pending()),
				Movement: surplus("T", Amount{1230, "JPY"}),
				Events:   event(Event{Kind: EventSurplus, Amount: Amount{1230, "JPY"}, TradeNo: "T"})}},
		"another payment's trade": {
			Recorded{Payment: pending(), Movement: lineOf("Q", "T", hkd(1230))}, paidWord("T", hkd(1230)),
			Verdict{Kind: VerdictForeignTrade, Payment: pending()}},

		"given back before we knew": {
			Recorded{Payment: pending()}, Word{Outcome: WordPaid, TradeNo: "T", GivenBack: true},
			Verdict{Kind: VerdictGivenBack, Payment: flagged(pending()), Events: event(givenBack)}},
		"given back, again": {
			Recorded{Payment: flagged(pending()), Flags: []Event{givenBack}},
			Word{Outcome: WordPaid, TradeNo: "T", GivenBack: true},
			Verdict{Kind: VerdictRepeat, Payment: flagged(pending())}},
		"paid, told after it was given back": {
			Recorded{Payment: flagged(pending()), Flags: []Event{givenBack}}, paidWord("T", hkd(1230)),
			Verdict{Kind: VerdictRepeat, Payment: flagged(pending())}},
		"given back in part by us, in full at the wallet": {
			Recorded{Payment: reserved(paidBy("T"), 230, 230), Movement: lineOf("P", "T", hkd(1230))},
			Word{Outcome: WordPaid, TradeNo: "T", GivenBack: true},
			Verdict{Kind: VerdictGivenBack, Payment: flagged(reserved(paidBy("T"), 230, 230)),
				Events: event(givenBack)}},
		"given back in full by us": {
			Recorded{Payment: reserved(paidBy("T"), 1230, 1000), Movement: lineOf("P", "T", hkd(1230))},
			Word{Outcome: WordPaid, TradeNo: "T", GivenBack: true},
			Verdict{Kind: VerdictRepeat, Payment: reserved(paidBy("T"), 1230, 1000)}},
	} {
		t.Run(name, func(t *testing.T) { judges(t, c.recorded, c.word, c.want) })
	}
}

func TestJudgeAnEnd(t *testing.T) {
	over := func(s Status) Payment {
		return with(pending(), func(p *Payment) { p.Status, p.ClosedAt, p.DueAt = s, later, time.Time{} })
	}
	calledOff := func(p Payment) Payment { return with(p, func(p *Payment) { p.CloseID = "C" }) }
	closed := Word{Outcome: WordClosed, TradeNo: "T", Code: "TRADE_CLOSED"}
	for name, c := range map[string]struct {
		recorded Recorded
		word     Word
		want     Verdict
	}{
		"by the wallet": {Recorded{Payment: pending()}, closed,
			Verdict{Kind: VerdictEnded, Payment: over(Expired),
				Events: event(Event{Kind: EventExpired, Reason: ReasonClosedByWallet,
					Code: "TRADE_CLOSED"})}},
		"by the wallet, once called off": {Recorded{Payment: calledOff(pending())}, closed,
			Verdict{Kind: VerdictEnded, Payment: calledOff(over(Closed)),
				Events: event(Event{Kind: EventClosed, Reason: ReasonClosedByWallet, Code: "TRADE_CLOSED"})}},
		"again": {Recorded{Payment: over(Expired)}, closed,
			Verdict{Kind: VerdictRepeat, Payment: over(Expired)}},
		"of a paid trade": {Recorded{Payment: paidBy("T")}, closed,
			Verdict{Kind: VerdictClosedPaid, Payment: flagged(paidBy("T")),
				Events: event(Event{Kind: EventClosedAfterPaid, TradeNo: "T"})}},
		"of a paid trade, again": {
			Recorded{Payment: flagged(paidBy("T")),
				Flags: []Event{{Kind: EventClosedAfterPaid, TradeNo: "T"}}},
			closed,
			Verdict{Kind: VerdictRepeat, Payment: flagged(paidBy("T"))}},
		"of a paid trade, given back by us": {Recorded{Payment: reserved(paidBy("T"), 1230, 0)}, closed,
			Verdict{Kind: VerdictRepeat, Payment: reserved(paidBy("T"), 1230, 0)}},
		"of another trade than paid it": {
			Recorded{Payment: paidBy("T2")}, closed, Verdict{Kind: VerdictRepeat, Payment: paidBy("T2")}},
		"waiting": {
			Recorded{Payment: pending()},
			Word{Outcome: WordWaiting}, Verdict{Kind: VerdictNothing, Payment: pending()}},
		"not found": {
			Recorded{Payment: pending()},
			Word{Outcome: WordNotFound}, Verdict{Kind: VerdictNothing, Payment: pending()}},
		"unlisted": {Recorded{Payment: pending()}, Word{Outcome: WordUnknown, TradeNo: "T", Code: "ODD"},
			Verdict{Kind: VerdictUnlisted, Payment: flagged(pending()),
				Events: event(Event{Kind: EventUnlisted, TradeNo: "T", Code: "ODD"})}},
		"unlisted, of a refund": {
			Recorded{Payment: paidBy("T")}, Word{Outcome: WordUnknown, RefundID: "R", Code: "ODD"},
			Verdict{Kind: VerdictUnlisted, Payment: flagged(paidBy("T")),
				Events: event(Event{Kind: EventUnlisted, RefundID: "R", Code: "ODD"})}},
		"unlisted, again": {
			Recorded{Payment: paidBy("T"), Flags: []Event{{Kind: EventUnlisted, TradeNo: "T", Code: "ODD"}}},
			Word{Outcome: WordUnknown, TradeNo: "T", Code: "ODD"},
			Verdict{Kind: VerdictRepeat, Payment: paidBy("T")}},
	} {
		t.Run(name, func(t *testing.T) { judges(t, c.recorded, c.word, c.want) })
	}
}

func TestJudgeARefund(t *testing.T) {
	p := reserved(paidBy("T"), 230, 0)
	said := func(o Outcome) Word {
		return Word{Outcome: o, RefundID: "R", Code: "CODE", Cause: RefundDenied, At: day.Add(time.Minute)}
	}
	automatic := with(refundOf(RefundPending), func(r *Refund) { r.OrderNo = r.ID })
	done := with(refundOf(RefundSucceeded),
		func(r *Refund) { r.DoneAt, r.DueAt = day.Add(time.Minute), time.Time{} })
	failed := func(r Refund) Refund {
		return with(r, func(r *Refund) {
			r.Status, r.Failure, r.Cause, r.DoneAt, r.DueAt = RefundFailed, "CODE", RefundDenied,
				later, time.Time{}
		})
	}
	booked := &Movement{MerchantID: "100001", PaymentID: "P", RefundID: "R", Kind: MovementRefund,
		Debit: "merchant", Credit: "wallet:main",
		Amount: hkd(230), TradeNo: "T", At: later}
	failedEvent := event(Event{Kind: EventRefundFailed, Amount: hkd(230), RefundID: "R", Code: "CODE"})
	contradicted := func(e Event) []Event {
		e.Kind, e.RefundID = EventRefundContradicted, "R"
		return event(e)
	}
	for name, c := range map[string]struct {
		recorded Recorded
		word     Word
		want     Verdict
	}{
		"done": {Recorded{Payment: p, Refund: refundOf(RefundPending)}, said(WordSucceeded),
			Verdict{Kind: VerdictRefunded, Payment: reserved(p, 230, 230), Refund: done, Movement: booked,
				Events: event(Event{Kind: EventRefunded, Amount: hkd(230), RefundID: "R"}), Notify: true}},
		"done, at no stated time": {
			Recorded{Payment: p, Refund: refundOf(RefundPending)},
			with(said(WordSucceeded), func(w *Word) { w.At = time.Time{} }),
			Verdict{Kind: VerdictRefunded, Payment: reserved(p, 230, 230),
				Refund:   with(done, func(r *Refund) { r.DoneAt = later }),
				Movement: booked,
				Events:   event(Event{Kind: EventRefunded, Amount: hkd(230), RefundID: "R"}), Notify: true}},
		"done, of the same amount": {
			Recorded{Payment: p, Refund: refundOf(RefundPending)},
			with(said(WordSucceeded), func(w *Word) { w.Amount = hkd(230) }),
			Verdict{Kind: VerdictRefunded, Payment: reserved(p, 230, 230), Refund: done, Movement: booked,
				Events: event(Event{Kind: EventRefunded, Amount: hkd(230), RefundID: "R"}), Notify: true}},
		"done, after another": {
			Recorded{Payment: reserved(p, 530, 300), Refund: refundOf(RefundPending)}, said(WordSucceeded),
			Verdict{Kind: VerdictRefunded, Payment: reserved(p, 530, 530), Refund: done, Movement: booked,
				Events: event(Event{Kind: EventRefunded, Amount: hkd(230), RefundID: "R"}), Notify: true}},
		"done, again": {
			Recorded{Payment: p, Refund: done},
			said(WordSucceeded), Verdict{Kind: VerdictRepeat, Payment: p, Refund: done}},
		"failed": {Recorded{Payment: p, Refund: refundOf(RefundPending)}, said(WordFailed),
			Verdict{Kind: VerdictRefundFailed, Payment: reserved(p, 0, 0),
				Refund: failed(refundOf(RefundPending)), Events: failedEvent}},
		"failed, beside another, of a flagged payment": {
			Recorded{Payment: flagged(reserved(p, 530, 300)), Refund: refundOf(RefundPending)},
			said(WordFailed),
			Verdict{Kind: VerdictRefundFailed, Payment: flagged(reserved(p, 300, 300)),
				Refund: failed(refundOf(RefundPending)), Events: failedEvent}},
		"failed, again": {Recorded{Payment: p, Refund: failed(refundOf(RefundPending))}, said(WordFailed),
			Verdict{Kind: VerdictRepeat, Payment: p, Refund: failed(refundOf(RefundPending))}},
		"failed, and nobody asked for it": {Recorded{Payment: p, Refund: automatic}, said(WordFailed),
			Verdict{Kind: VerdictRefundFailed, Payment: flagged(reserved(p, 0, 0)), Refund: failed(automatic),
				Events: failedEvent}},
		"short of funds, and nobody asked for it": {
			Recorded{Payment: p, Refund: automatic},
			with(said(WordFailed), func(w *Word) { w.Cause = FundsShort }),
			Verdict{Kind: VerdictNothing, Payment: p, Refund: automatic}},
		"account in trouble, and nobody asked for it": {
			Recorded{Payment: p, Refund: automatic},
			with(said(WordFailed), func(w *Word) { w.Cause = WalletTrouble }),
			Verdict{Kind: VerdictNothing, Payment: p, Refund: automatic}},
		"short of funds": {
			Recorded{Payment: p, Refund: refundOf(RefundPending)},
			with(said(WordFailed), func(w *Word) { w.Cause = FundsShort }),
			Verdict{Kind: VerdictRefundFailed, Payment: reserved(p, 0, 0), Events: failedEvent,
				Refund: with(failed(refundOf(RefundPending)), func(r *Refund) { r.Cause = FundsShort })}},
		"in work": {Recorded{Payment: p, Refund: refundOf(RefundPending)}, said(WordNotFound),
			Verdict{Kind: VerdictNothing, Payment: p, Refund: refundOf(RefundPending)}},

		"another amount": {
			Recorded{Payment: p, Refund: refundOf(RefundPending)},
			with(said(WordSucceeded), func(w *Word) { w.Amount = hkd(231) }),
			Verdict{Kind: VerdictContradicted, Payment: flagged(p), Refund: refundOf(RefundPending),
				OtherAmount: true,
				Events:      contradicted(Event{Amount: hkd(231)})}},
		"another amount, again": {
			Recorded{Payment: flagged(p), Refund: refundOf(RefundPending),
				Flags: contradicted(Event{Amount: hkd(231)})},
			with(said(WordSucceeded), func(w *Word) { w.Amount = hkd(231) }),
			Verdict{Kind: VerdictRepeat, Payment: flagged(p), Refund: refundOf(RefundPending),
				OtherAmount: true}},
		"done after failed": {Recorded{Payment: p, Refund: failed(refundOf(RefundPending))},
			said(WordSucceeded),
			Verdict{Kind: VerdictContradicted, Payment: flagged(p), Refund: failed(refundOf(RefundPending)),
				Events: contradicted(Event{Reason: ReasonSaidSucceeded})}},
		"failed after done": {Recorded{Payment: p, Refund: done}, said(WordFailed),
			Verdict{Kind: VerdictContradicted, Payment: flagged(p), Refund: done,
				Events: contradicted(Event{Reason: ReasonSaidFailed})}},

		"not ours": {Recorded{Payment: p}, said(WordSucceeded),
			Verdict{Kind: VerdictRefundOther, Payment: flagged(p),
				Events: event(Event{Kind: EventRefundForeign, RefundID: "R"})}},
		"not ours, again": {
			Recorded{Payment: flagged(p), Flags: []Event{{Kind: EventRefundForeign, RefundID: "R"}}},
			said(WordSucceeded),
			Verdict{Kind: VerdictRepeat, Payment: flagged(p)}},
		"another payment's": {
			Recorded{Payment: p, Refund: with(refundOf(RefundPending),
				func(r *Refund) { r.PaymentID = "P2" })},
			said(WordSucceeded),
			Verdict{Kind: VerdictRefundOther, Payment: flagged(p),
				Events: event(Event{Kind: EventRefundForeign, RefundID: "R"})}},
		"not ours, and failed": {Recorded{Payment: p}, said(WordFailed),
			Verdict{Kind: VerdictNothing, Payment: p}},
	} {
		t.Run(name, func(t *testing.T) { judges(t, c.recorded, c.word, c.want) })
	}
}

func judges(t *testing.T, r Recorded, w Word, want Verdict) {
	t.Helper()
	got := Judge(r, w, ByWallet, later)
	if want.Refund.ID == "" {
		want.Refund = r.Refund
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if changes := len(got.Events)+len(want.Events) > 0 || got.Movement != nil; got.Changes() != changes {
		t.Errorf("%s: changes %t", got.Kind, got.Changes())
	}
}

func TestEnd(t *testing.T) {
	r := Recorded{Payment: pending()}
	v := End(r, ReasonUnpaid, "waiting", ByRecover, later)
	want := with(pending(), func(p *Payment) { p.Status, p.ClosedAt, p.DueAt = Expired, later, time.Time{} })
	e := event(Event{Kind: EventExpired, Reason: ReasonUnpaid, Code: "waiting"})
	e[0].By = ByRecover
	if diff := cmp.Diff(Verdict{Kind: VerdictEnded, Payment: want, Events: e}, v); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if again := End(Recorded{Payment: v.Payment}, ReasonUnpaid, "", ByRecover, later); again.Changes() {
		t.Errorf("ends twice: %+v", again)
	}
}

func TestFlag(t *testing.T) {
	e := Event{Kind: EventForeignTrade, TradeNo: "T"}
	v := Flag(Recorded{Payment: pending()}, e, ByWallet, later)
	diff := cmp.Diff(Verdict{Kind: VerdictFlagged, Payment: flagged(pending()), Events: event(e)}, v)
	if diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	again := Flag(Recorded{Payment: v.Payment, Flags: v.Events}, e, ByRecover, later.Add(time.Hour))
	if again.Changes() {
		t.Errorf("flags twice: %+v", again)
	}
}

func TestAct(t *testing.T) {
	r, p := Recorded{Payment: pending()}, with(pending(), func(p *Payment) { p.CloseID = "C" })
	v := Act(r, p, Event{Kind: EventCloseAsked, Number: "C"}, ByWallet, later)
	want := Verdict{Kind: VerdictActed, Payment: p, Events: event(Event{Kind: EventCloseAsked, Number: "C"})}
	if diff := cmp.Diff(want, v); diff != "" || !v.Changes() {
		t.Errorf("-want +got:\n%s", diff)
	}
	if v := Nothing(r); v.Changes() || v.Payment != r.Payment {
		t.Errorf("nothing changes something: %+v", v)
	}
}

func TestUnlistedStatusIsCutShort(t *testing.T) {
	w := Word{Outcome: WordUnknown, TradeNo: "T", RefundID: "R", Code: strings.Repeat("茶", 100)}
	v := Judge(Recorded{Payment: paidBy("T")}, w, ByWallet, later)
	if e := v.Events[0]; e.Code != strings.Repeat("茶", 64) || e.TradeNo != "" || e.RefundID != "R" {
		t.Errorf("%+v", e)
	}
}

// A word that has changed something changes nothing when it is repeated.
func TestJudgeTakesAWordOnce(t *testing.T) {
	amounts := []Amount{{}, hkd(1230), hkd(230), hkd(5), {1230, "JPY"}}
	payments := []Payment{pending(), paidBy("T"), paidBy("T2"), flagged(pending()),
		reserved(paidBy("T"), 230, 0), reserved(paidBy("T"), 1230, 0)}
	for _, s := range []Status{Created, Closed, Expired, Failed} {
		payments = append(payments, with(pending(), func(p *Payment) { p.Status = s }))
	}
	refunds := []Refund{{}, refundOf(RefundPending), refundOf(RefundSucceeded), refundOf(RefundFailed)}
	outcomes := []Outcome{WordUnknown, WordNotFound, WordWaiting, WordPaid, WordClosed,
		WordSucceeded, WordFailed}
	tried := 0
	for _, p := range payments {
		for _, r := range refunds {
			for _, refundID := range []string{"", "R"} {
				for _, o := range outcomes {
					for _, a := range amounts {
						for _, back := range []bool{false, true} {
							w := Word{Outcome: o, RefundID: refundID, TradeNo: "T",
								Amount: a, Code: "C", GivenBack: back}
							rec := Recorded{Payment: p, Refund: r}
							if refundID == "" {
								rec.Refund = Refund{}
							}
							if p.TradeNo == "T" {
								rec.Movement = lineOf("P", "T", p.Amount)
							}
							again := after(rec, Judge(rec, w, ByWallet, later))
							if v := Judge(again, w, ByRecover, later.Add(time.Hour)); v.Changes() {
								t.Fatalf("%+v\nabout %+v\nchanges again: %s", w, rec, v.Kind)
							}
							tried++
						}
					}
				}
			}
		}
	}
	if tried < 1000 {
		t.Errorf("only %d words", tried)
	}
}

// after returns what is recorded after a verdict is written.
func after(r Recorded, v Verdict) Recorded {
	r.Payment, r.Refund = v.Payment, v.Refund
	if v.Movement != nil && v.Movement.RefundID == "" {
		r.Movement = *v.Movement
		r.Movement.ID = "M2"
	}
	for _, e := range v.Events {
		if e.Kind.Flags() {
			r.Flags = append(r.Flags, e)
		}
	}
	return r
}
