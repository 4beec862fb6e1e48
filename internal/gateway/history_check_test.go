package gateway

import (
	"time"

	"github.com/sampanpay/sampan/internal/audit"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
)

// stored reads all payments.
func (s *site) stored() map[string]pay.Payment {
	all, err := s.replicas[0].Store.Payments(s.replicas[0].ctx, store.Filter{Scope: pay.Scope{MerchantID: "123456", AppCode: "APP"}})
	if err != nil {
		panic(err)
	}
	found := map[string]pay.Payment{}
	for _, p := range all {
		found[p.ID] = p
	}
	return found
}

// compare finds what a step must not have done: payments that are gone, states
// and sums that have moved backwards.
func (s *site) compare(before, after map[string]pay.Payment) {
	for id, was := range before {
		is, ok := after[id]
		switch {
		case !ok:
			s.problem("%s is gone", id)
		case was.Status != is.Status && !leadsTo(was.Status, is.Status):
			s.problem("%s was %s and is %s", id, was.Status, is.Status)
		case was.Late && !is.Late || was.Flagged && !is.Flagged:
			s.problem("%s was flagged and is not", id)
		case is.Refunded < was.Refunded:
			s.problem("%s: %d were given back, and now %d", id, was.Refunded, is.Refunded)
		case was.TradeNo != "" && is.TradeNo != was.TradeNo:
			s.problem("%s was paid by %s and now by %s", id, was.TradeNo, is.TradeNo)
		case was.CloseID != "" && is.CloseID != was.CloseID:
			s.problem("%s: the closing %s is now %q", id, was.CloseID, is.CloseID)
		}
	}
	for id, p := range after {
		if p.Refunded < 0 || p.Reserved < p.Refunded || p.Reserved > p.Amount.Minor {
			s.problem("%s of %d: %d given back, %d promised", id, p.Amount.Minor, p.Refunded, p.Reserved)
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

// settleAll lets the wallet send every notice until it is taken, and time pass
// until nothing is due any more, with nothing in the way.
func (s *site) settleAll() {
	r := s.replicas[0]
	taken := map[message]bool{}
	for range 500 {
		repeat := false
		for _, id := range s.world.order {
			for _, m := range s.world.trades[id].notices {
				if !taken[m] {
					taken[m] = s.post(r, m) == nil
					repeat = repeat || !taken[m]
				}
			}
		}
		for _, r := range s.replicas {
			s.do(r, step{Do: looking})
			s.do(r, step{Do: deliver})
		}
		var next time.Time
		sooner := func(at time.Time, err error) {
			if err != nil {
				s.problem("the schedule cannot be read: %v", err)
			} else if next.IsZero() || !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		sooner(storetest.Soonest(r.Store.NextPayments(r.ctx)))
		sooner(storetest.Soonest(r.Store.NextRefunds(r.ctx)))
		sooner(storetest.Soonest(r.Store.NextDeliveries(r.ctx)))
		if repeat {
			sooner(s.now.Add(confirmGap), nil)
		}
		if next.IsZero() {
			return
		}
		if next.After(s.now) {
			s.now = next
		}
	}
	s.problem("something is due for ever")
}

// check compares the gateway's books with the world's, when all has settled.
func (s *site) check() {
	all := s.stored()
	for _, id := range s.merchant.ids {
		if _, ok := all[id]; !ok {
			s.problem("%s was taken and is not there", id)
		}
	}
	for id := range s.world.trades {
		if _, ok := all[id]; !ok {
			s.problem("%s is known to the wallet only", id)
		}
	}
	for _, p := range all {
		s.checkPayment(p)
	}
	for number, told := range s.merchant.refunds {
		r, err := s.replicas[0].Store.Refund(s.replicas[0].ctx, "123456", told.ID)
		switch {
		case err != nil:
			s.problem("refund %s: %v", number, err)
		case told.Status != pay.RefundPending && r.Status != told.Status:
			s.problem("refund %s was said to be %s and is %s", number, told.Status, r.Status)
		}
	}
	for order, id := range s.merchant.ids {
		if p := all[id]; s.merchant.closed[order] && p.Status != pay.Closed && !p.Late {
			s.problem("order %d was said to be closed and is %s", order, p.Status)
		}
	}
	again := 0
	for _, times := range s.world.acked {
		again += times - 1
	}
	if again > s.excuses {
		s.problem("the merchant was told %d times what it had acknowledged, with an excuse for %d", again, s.excuses)
	}
	for _, what := range s.world.false_ {
		s.problem("the merchant was %s", what)
	}
	s.audit("at the end")
}

// audit has the gateway's own audit look at its books.
func (s *site) audit(when string) {
	r := s.replicas[0]
	report, err := audit.Audit{
		Store: r.Store, Zone: r.Zone,
		Found: func(d audit.Difference) { s.problem("audit, %s: %+v", when, d) },
	}.Run(r.ctx)
	if err != nil {
		s.problem("audit, %s: %v", when, err)
	}
	s.seen["movements audited"] += report.Movements
}

func (s *site) checkPayment(p pay.Payment) {
	db, ctx := s.replicas[0].Store, s.replicas[0].ctx
	t := s.world.trades[p.ID]
	if t == nil {
		t = &trade{}
	}
	movements, err := db.Movements(ctx, p.MerchantID, p.ID)
	if err != nil {
		s.problem("%s: %v", p.ID, err)
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
			s.problem("%s: %s came in by %s", p.ID, m.Amount, m.TradeNo)
		}
	}
	if paid := len(t.paid) > 0; p.Status.Open() || (p.Status == pay.Paid) != paid || paid != (own == 1) || len(in) != len(t.paid) {
		s.problem("%s is %s with %v in the money record, and the wallet has %v", p.ID, p.Status, in, t.paid)
	}
	for _, number := range t.paid {
		if in[number] != 1 {
			s.problem("%s: trade %s is %d times in the money record", p.ID, number, in[number])
		}
	}

	refunds, err := db.RefundsOf(ctx, p.MerchantID, p.ID)
	if err != nil {
		s.problem("%s: %v", p.ID, err)
	}
	known, sum, stuck := map[string]bool{}, int64(0), false
	for _, r := range refunds {
		known[r.ID] = true
		done := r.Status == pay.RefundSucceeded
		stuck = stuck || r.Automatic() && !done
		if given, ok := t.back[r.ID]; r.Status == pay.RefundPending || done != ok || done && given != r.Amount.Minor || done != (back[r.ID] == r.Amount.Minor) {
			s.problem("refund %s of %d is %s with %d in the money record, and the wallet has %d", r.ID, r.Amount.Minor, r.Status, back[r.ID], given)
		}
		if done {
			sum += r.Amount.Minor
			s.checkTold("refund "+r.ID, true)
		}
	}
	for id := range t.back {
		if !known[id] {
			s.problem("refund %s is known to the wallet only", id)
		}
	}
	if p.Refunded != sum || p.Reserved != sum {
		s.problem("%s: %d given back, %d promised, in all %d", p.ID, p.Refunded, p.Reserved, sum)
	}
	if must := len(t.paid) > 1 || stuck; p.Flagged != must && (must || !t.doubted) {
		s.problem("%s: surplus is %v", p.ID, p.Flagged)
	}
	s.checkTold("payment "+p.ID, p.Status == pay.Paid && !(p.Late && p.CloseID != ""))
}

// checkTold checks that the merchant has heard of something that is so, and only
// then; one who never listens in eight attempts has had its chance.
func (s *site) checkTold(what string, so bool) {
	if heard := s.world.heard[what] > 0; heard != so && (heard || !s.deaf()) {
		s.problem("the merchant has heard of %s %d times", what, s.world.heard[what])
	}
}

// deaf reports whether a notification was given up.
func (s *site) deaf() bool {
	dead, err := s.replicas[0].Store.Deliveries(s.replicas[0].ctx, store.DeliveryFilter{MerchantID: "123456", State: store.DeliveryDead})
	return err == nil && len(dead) > 0
}

// count adds what there was to the tally.
func (s *site) count(steps int) {
	s.seen["histories"]++
	s.seen["steps"] += steps
	for _, p := range s.stored() {
		s.seen["payments "+string(p.Status)]++
		if p.Late {
			s.seen["payments paid late"]++
		}
		if p.Flagged {
			s.seen["payments with surplus"]++
		}
		refunds, err := s.replicas[0].Store.RefundsOf(s.replicas[0].ctx, p.MerchantID, p.ID)
		if err != nil {
			panic(err)
		}
		for _, r := range refunds {
			s.seen["refunds "+string(r.Status)]++
		}
	}
	for _, times := range s.world.heard {
		s.seen["notifications"]++
		s.seen["repeats of notifications"] += times - 1
	}
}
