package gateway

import (
	"time"

	"github.com/sampanpay/sampan/internal/audit"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// stored returns all payments.
func (h *historyHarness) stored() map[string]pay.Payment {
	all, err := h.replicas[0].Store.Payments(h.replicas[0].ctx,
		store.Filter{Scope: pay.Scope{MerchantID: "123456", AppCode: "APP"}})
	if err != nil {
		panic(err)
	}
	found := map[string]pay.Payment{}
	for _, p := range all {
		found[p.ID] = p
	}
	return found
}

// compare reports what a step must not do: payments that are gone, and states and sums
// that went backwards.
func (h *historyHarness) compare(before, after map[string]pay.Payment) {
	for id, was := range before {
		is, ok := after[id]
		switch {
		case !ok:
			h.problem("%s is gone", id)
		case was.Status != is.Status && !leadsTo(was.Status, is.Status):
			h.problem("%s was %s and is %s", id, was.Status, is.Status)
		case was.Late && !is.Late || was.Flagged && !is.Flagged:
			h.problem("%s was flagged and is not", id)
		case is.Refunded < was.Refunded:
			h.problem("%s: %d were given back, and now %d", id, was.Refunded, is.Refunded)
		case was.TradeNo != "" && is.TradeNo != was.TradeNo:
			h.problem("%s was paid by %s and now by %s", id, was.TradeNo, is.TradeNo)
		case was.CloseID != "" && is.CloseID != was.CloseID:
			h.problem("%s: the closing %s is now %q", id, was.CloseID, is.CloseID)
		}
	}
	for id, p := range after {
		if p.Refunded < 0 || p.Reserved < p.Refunded || p.Reserved > p.Amount.Minor {
			h.problem("%s of %d: %d given back, %d promised", id, p.Amount.Minor, p.Refunded, p.Reserved)
		}
	}
}

// leadsTo reports whether legal moves lead from one state to another.
func leadsTo(from, to pay.Status) bool {
	for _, next := range []pay.Status{pay.Pending, pay.Paid, pay.Failed, pay.Closed, pay.Expired} {
		if next != from && from.CanBecome(next) && (next == to || leadsTo(next, to)) {
			return true
		}
	}
	return false
}

// settleAll has the wallet send every notice until it is acknowledged, and lets time
// pass until nothing is due any more. Nothing fails meanwhile.
func (h *historyHarness) settleAll() {
	r := h.replicas[0]
	taken := map[message]bool{}
	for range 500 {
		repeat := false
		for _, id := range h.outside.order {
			for _, m := range h.outside.trades[id].notices {
				if !taken[m] {
					taken[m] = h.post(r, m) == nil
					repeat = repeat || !taken[m]
				}
			}
		}
		for _, r := range h.replicas {
			h.do(r, step{Do: looking})
			h.do(r, step{Do: deliver})
		}
		var next time.Time
		sooner := func(at time.Time, err error) {
			if err != nil {
				h.problem("the schedule cannot be read: %v", err)
			} else if next.IsZero() || !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		sooner(storetest.Soonest(r.Store.NextPayments(r.ctx)))
		sooner(storetest.Soonest(r.Store.NextRefunds(r.ctx)))
		sooner(storetest.Soonest(r.Store.NextDeliveries(r.ctx)))
		if repeat {
			sooner(h.now.Add(confirmGap), nil)
		}
		if next.IsZero() {
			return
		}
		if next.After(h.now) {
			h.now = next
		}
	}
	h.problem("something is due for ever")
}

// check compares the gateway's books with those outside, after everything has settled.
func (h *historyHarness) check() {
	all := h.stored()
	for _, id := range h.merchant.ids {
		if _, ok := all[id]; !ok {
			h.problem("%s was taken and is not there", id)
		}
	}
	for id := range h.outside.trades {
		if _, ok := all[id]; !ok {
			h.problem("%s is known to the wallet only", id)
		}
	}
	for _, p := range all {
		h.checkPayment(p)
	}
	for number, told := range h.merchant.refunds {
		r, err := h.replicas[0].Store.Refund(h.replicas[0].ctx, "123456", told.ID)
		switch {
		case err != nil:
			h.problem("refund %s: %v", number, err)
		case told.Status != pay.RefundPending && r.Status != told.Status:
			h.problem("refund %s was said to be %s and is %s", number, told.Status, r.Status)
		}
	}
	for order, id := range h.merchant.ids {
		if p := all[id]; h.merchant.closed[order] && p.Status != pay.Closed && !p.Late {
			h.problem("order %d was said to be closed and is %s", order, p.Status)
		}
	}
	again := 0
	for _, times := range h.outside.acked {
		again += times - 1
	}
	if again > h.excuses {
		h.problem("the merchant was told %d times what it had acknowledged, with an excuse for %d", again,
			h.excuses)
	}
	for _, what := range h.outside.false_ {
		h.problem("the merchant was %s", what)
	}
	h.audit("at the end")
}

// audit runs the audit over the books.
func (h *historyHarness) audit(when string) {
	r := h.replicas[0]
	report, err := audit.Audit{
		Store: r.Store, Zone: r.Zone,
		Found: func(d audit.Difference) { h.problem("audit, %s: %+v", when, d) },
	}.Run(r.ctx)
	if err != nil {
		h.problem("audit, %s: %v", when, err)
	}
	h.seen["movements audited"] += report.Movements
}

func (h *historyHarness) checkPayment(p pay.Payment) {
	db, ctx := h.replicas[0].Store, h.replicas[0].ctx
	t := h.outside.trades[p.ID]
	if t == nil {
		t = &trade{}
	}
	movements, err := db.Movements(ctx, p.MerchantID, p.ID)
	if err != nil {
		h.problem("%s: %v", p.ID, err)
	}
	in, back, own := map[string]int{}, map[string]int64{}, 0
	for _, m := range movements {
		switch m.Kind {
		case pay.MovementRefund:
			back[m.RefundID] += m.Amount.Minor
			continue
		case pay.MovementPayment:
			own++
		}
		in[m.TradeNo]++
		if m.Amount != p.Amount {
			h.problem("%s: %s came in by %s", p.ID, m.Amount, m.TradeNo)
		}
	}
	if paid := len(t.paid) > 0; p.Status.Open() || (p.Status == pay.Paid) != paid || paid != (own == 1) ||
		len(in) != len(t.paid) {
		h.problem("%s is %s with %v in the money record, and the wallet has %v", p.ID, p.Status, in, t.paid)
	}
	for _, number := range t.paid {
		if in[number] != 1 {
			h.problem("%s: trade %s is %d times in the money record", p.ID, number, in[number])
		}
	}

	refunds, err := db.RefundsOf(ctx, p.MerchantID, p.ID)
	if err != nil {
		h.problem("%s: %v", p.ID, err)
	}
	known, sum, stuck := map[string]bool{}, int64(0), false
	for _, r := range refunds {
		known[r.ID] = true
		done := r.Status == pay.RefundSucceeded
		stuck = stuck || r.Automatic() && !done
		if given, ok := t.back[r.ID]; r.Status == pay.RefundPending || done != ok ||
			done && given != r.Amount.Minor || done != (back[r.ID] == r.Amount.Minor) {
			h.problem("refund %s of %d is %s with %d in the money record, and the wallet has %d", r.ID,
				r.Amount.Minor, r.Status, back[r.ID], given)
		}
		if done {
			sum += r.Amount.Minor
			h.checkTold("refund "+r.ID, true)
		}
	}
	for id := range t.back {
		if !known[id] {
			h.problem("refund %s is known to the wallet only", id)
		}
	}
	if p.Refunded != sum || p.Reserved != sum {
		h.problem("%s: %d given back, %d promised, in all %d", p.ID, p.Refunded, p.Reserved, sum)
	}
	if must := len(t.paid) > 1 || stuck; p.Flagged != must && (must || !t.doubted) {
		h.problem("%s: surplus is %v", p.ID, p.Flagged)
	}
	h.checkTold("payment "+p.ID, p.Status == pay.Paid && !(p.Late && p.CloseID != ""))
}

// checkTold checks that the merchant has got a notification of what has happened, and
// of nothing else. A notification that failed eight times needs no receipt.
func (h *historyHarness) checkTold(what string, so bool) {
	if heard := h.outside.heard[what] > 0; heard != so && (heard || !h.deaf()) {
		h.problem("the merchant has heard of %s %d times", what, h.outside.heard[what])
	}
}

// deaf reports whether a delivery is dead.
func (h *historyHarness) deaf() bool {
	dead, err := h.replicas[0].Store.Deliveries(h.replicas[0].ctx,
		store.DeliveryFilter{MerchantID: "123456", State: store.DeliveryDead})
	return err == nil && len(dead) > 0
}

// count adds what has happened to the tally.
func (h *historyHarness) count(steps int) {
	h.seen["histories"]++
	h.seen["steps"] += steps
	for _, p := range h.stored() {
		h.seen["payments "+string(p.Status)]++
		if p.Late {
			h.seen["payments paid late"]++
		}
		if p.Flagged {
			h.seen["payments with surplus"]++
		}
		refunds, err := h.replicas[0].Store.RefundsOf(h.replicas[0].ctx, p.MerchantID, p.ID)
		if err != nil {
			panic(err)
		}
		for _, r := range refunds {
			h.seen["refunds "+string(r.Status)]++
		}
	}
	for _, times := range h.outside.heard {
		h.seen["notifications"]++
		h.seen["repeats of notifications"] += times - 1
	}
}
