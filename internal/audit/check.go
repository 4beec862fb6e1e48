package audit

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/sampanpay/sampan/internal/delivery"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// payment compares a payment's row with the tale.
func (v *verdict) payment(p pay.Payment) {
	t := v.tale
	switch {
	case t.status != "":
		v.same("status", p.Status, t.status)
	case !p.Status.Open():
		v.wrong("status", string(p.Status), "created or pending: no event has moved it")
	}
	if t.status == pay.Paid {
		v.same("amount", p.Amount, t.paid.amount)
	}
	if !p.Amount.Currency.Known() {
		v.wrong("currency", string(p.Amount.Currency), "one of those that Sampan counts in")
	}
	v.same("trade_no", p.TradeNo, t.paid.tradeNo)
	v.same("late", p.Late, t.late)
	v.same("flagged", p.Flagged, t.flagged || t.unlisted)
	v.same("reserved", amountOf(p, p.Reserved), amountOf(p, t.reserved))
	v.same("refunded", amountOf(p, p.Refunded), amountOf(p, t.returned))
	v.same("events", p.Events, len(v.Events))
	v.same("wallet_id", p.WalletID, t.ref)
	if isAddress := strings.Contains(p.Checkout, "://"); !isAddress { // events have references, and no addresses
		v.same("checkout", p.Checkout, t.ref)
	}
	v.same("wallet_number", p.WalletNumber, t.orphaned)
	v.same("failure", p.Failure, t.failure)
	v.isSet("paid_at", !p.PaidAt.IsZero(), t.status == pay.Paid)
	v.isSet("closed_at", !p.ClosedAt.IsZero(), t.ended)
	v.isSet("close_asked_at", !p.CloseAskedAt.IsZero(), t.closing)
	switch {
	case t.closeID != "":
		v.same("close_id", p.CloseID, t.closeID)
	default: // one that was never opened is closed at once, and the event does not name the closing
		v.isSet("close_id", p.CloseID != "", t.closing)
	}
	if len(p.ID) != 26 || p.ID[8:14] != p.MerchantID {
		v.wrong("syssn", p.ID, "26 digits, those of the merchant among them")
	}
	if v.Asked != nil && !v.Asked(p) {
		v.wrong("order", fmt.Sprintf("%s by %s as %s, and what else it asks for", p.Amount, p.PayType, p.OrderNo), "what the merchant's request asked for: its fingerprint is another")
	}
}

// isSet reports a difference unless a value is there if, and only if, it should be.
func (v *verdict) isSet(what string, stored, want bool) {
	words := map[bool]string{true: "a value", false: "none"}
	v.same(what, words[stored], words[want])
}

func amountOf(p pay.Payment, minor int64) pay.Amount {
	return pay.Amount{Minor: minor, Currency: p.Amount.Currency}
}

// refunds compares the refunds' rows with the tale.
func (v *verdict) refunds(p pay.Payment) {
	rows := map[string]bool{}
	for _, r := range v.Refunds {
		rows[r.ID] = true
		name := "refund " + r.ID
		t := v.tale.refunds[r.ID]
		if t == nil {
			v.wrong(name, fmt.Sprintf("%s, %s", r.Amount, r.Status), "none: no event asks for it")
			continue
		}
		v.same(name+": amount", r.Amount, t.amount)
		v.same(name+": status", r.Status, t.status)
		v.same(name+": failure", r.Failure, t.failure)
		v.isSet(name+": cause", r.Cause != "", t.status == pay.RefundFailed)
		v.isSet(name+": done_at", !r.DoneAt.IsZero(), t.status != pay.RefundPending)
		v.same(name+": that nobody asked for it", r.Automatic(), t.automatic)
		v.same(name+": whose it is", r.Scope, p.Scope)
		v.same(name+": account_id", r.AccountID, p.AccountID)
		if v.RefundAsked != nil && !r.Automatic() && !v.refundAsked(r) {
			v.wrong(name, fmt.Sprintf("%s as %s", r.Amount, r.OrderNo), "what the merchant's request asked for: its fingerprint is another")
		}
	}
	for id, t := range sorted(v.tale.refunds) {
		if !rows[id] {
			v.wrong("refund "+id, "none", fmt.Sprintf("%s, %s", t.amount, t.status))
		}
	}
}

// refundAsked reports whether a refund is what the merchant's request asked for,
// by any number that the payment has had.
func (v *verdict) refundAsked(r pay.Refund) bool {
	return slices.ContainsFunc(append(v.tale.numbers, r.PaymentID), func(number string) bool { return v.RefundAsked(r, number) })
}

// money compares the money record with the tale.
func (v *verdict) money(p pay.Payment) {
	wallet := p.HeldBy()
	var expected []pay.Movement
	expect := func(kind pay.MovementKind, refundID, debit, credit string, m money) {
		expected = append(expected, pay.Movement{Kind: kind, RefundID: refundID, Debit: debit, Credit: credit, Amount: m.amount, TradeNo: m.tradeNo})
	}
	if v.tale.status == pay.Paid {
		expect(pay.MovementPayment, "", wallet, pay.OwedToMerchant, v.tale.paid)
	}
	for _, s := range v.tale.surplus {
		expect(pay.MovementSurplus, "", wallet, pay.OwedToSomebody, s)
	}
	for id, r := range sorted(v.tale.refunds) {
		if r.status == pay.RefundSucceeded {
			expect(pay.MovementRefund, id, pay.OwedToMerchant, wallet, money{r.amount, v.tale.paid.tradeNo})
		}
	}
	left := map[string]pay.Movement{}
	for _, l := range v.Movements {
		v.written("movement "+l.ID, l.ID, l.At)
		left[l.ID] = l
	}
	for _, want := range expected {
		l, ok := nearest(left, want)
		if !ok {
			v.wrong("movement", "none", line(want))
			continue
		}
		delete(left, l.ID)
		v.same("movement "+l.ID, line(l), line(want))
	}
	for _, l := range sorted(left) {
		v.wrong("movement "+l.ID, line(l), "none: no event tells of it")
	}
}

// nearest finds the line that is meant for one that should be there: of the same
// kind and refund and, if there are several, of the same trade.
func nearest(lines map[string]pay.Movement, want pay.Movement) (found pay.Movement, ok bool) {
	for _, l := range lines {
		if l.Kind != want.Kind || l.RefundID != want.RefundID {
			continue
		}
		if l.TradeNo == want.TradeNo {
			return l, true
		}
		found, ok = l, want.Kind != pay.MovementSurplus
	}
	return found, ok
}

// sorted goes through a map by its keys, so that two audits say the same.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// line is all that a line of the money record says, but when.
func line(l pay.Movement) string {
	of := ""
	if l.RefundID != "" {
		of = " " + l.RefundID
	}
	return fmt.Sprintf("%s%s: %s from %s to %s, trade %s", l.Kind, of, l.Amount, l.Credit, l.Debit, l.TradeNo)
}

// told compares the notifications with the tale: the merchant must hear of a
// payment and of each refund that is done, and of nothing else; of late money
// that goes back it hears when it has.
func (v *verdict) told(p pay.Payment) {
	_, heard := pay.ReceiverOf(p.NotifyURL)
	due := map[string]bool{"": heard && v.tale.status == pay.Paid && !v.tale.givenBack()}
	refunds := map[string]pay.Refund{}
	for _, r := range v.Refunds {
		refunds[r.ID] = r
	}
	for id, r := range v.tale.refunds {
		due[id] = heard && r.status == pay.RefundSucceeded
	}
	for _, d := range v.Deliveries {
		name := "notification " + d.ID
		v.written(name, d.ID, d.CreatedAt)
		if !due[d.RefundID] {
			v.wrong(name, strings.TrimSpace("of "+d.Kind+" "+d.RefundID), "none: there is nothing, or nothing more, to tell")
			continue
		}
		due[d.RefundID] = false
		v.delivery(name, d, p, refunds)
	}
	for id, still := range sorted(due) {
		if still {
			v.wrong("notification", "none", strings.TrimSpace("the merchant must be told of the payment, or the refund "+id))
		}
	}
}

func (v *verdict) delivery(name string, d store.Delivery, p pay.Payment, refunds map[string]pay.Refund) {
	kind, body := "payment", delivery.Body(p, v.Zone)
	if d.RefundID != "" {
		kind, body = "refund", delivery.RefundBody(refunds[d.RefundID], p, v.Zone)
	}
	receiver, _ := pay.ReceiverOf(p.NotifyURL)
	v.same(name+": kind", d.Kind, kind)
	v.same(name+": url", d.URL, p.NotifyURL)
	v.same(name+": receiver", d.Receiver, receiver)
	v.same(name+": app_code", d.AppCode, p.AppCode)
	if stored, want := delivery.Differ(d.Body, body); stored != want {
		v.wrong(name+": body", stored, want)
	}
	if d.State == store.DeliveryDone && !v.Acknowledged[d.ID] {
		v.wrong(name+": state", string(d.State), "due or dead: no attempt was acknowledged")
	}
	if d.State == store.DeliveryDead && d.Attempts == 0 {
		v.wrong(name+": state", string(d.State), "due: nobody has tried to send it")
	}
}
