package gateway

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// TestHistoriesWithARestore is TestHistories with a database that is put back to
// an earlier moment: after a history a backup is made, then more happens, then
// the backup is restored, and more happens still. In the end the wallet has sent
// all its notices until they were taken, and the merchant has asked once more for
// each order that the database has lost.
//
// Whatever came in at the wallet is then once in the money record of the order
// that it was paid for, and nothing was given back twice.
func TestHistoriesWithARestore(t *testing.T) {
	empty, seen := seededDatabase(t), tally{}
	defer func() { t.Log(seen) }()
	rapid.Check(t, func(rt *rapid.T) {
		steps := func(name string, least, most int) []step {
			return rapid.SliceOfN(drawStep(false), least, most).Draw(rt, name)
		}
		parts := [][]step{steps("before the backup", 0, 10), steps("lost", 10, 30), steps("after the restore", 0, 20)}
		noticeFirst := rapid.Bool().Draw(rt, "notice first")
		var problems []string
		synctest.Test(t, func(t *testing.T) { problems = restoreBetween(t, empty, parts, noticeFirst, seen) })
		if len(problems) > 0 {
			rt.Fatalf("%s\n%s", strings.Join(problems, "\n"), script(slices.Concat(parts...)))
		}
	})
}

func restoreBetween(t *testing.T, empty string, parts [][]step, noticeFirst bool, seen tally) []string {
	s := begin(t, empty, seen)
	defer s.end()
	for _, st := range parts[0] {
		s.do(s.replicas[st.On], st)
	}
	backup := t.TempDir()
	s.stopped(func() {
		if err := os.CopyFS(backup, os.DirFS(s.dir)); err != nil {
			t.Fatal(err)
		}
	})
	for _, st := range parts[1] {
		s.do(s.replicas[st.On], st)
	}
	if len(s.problems) > 0 {
		return append(s.problems, "before the restore")
	}
	lost, refunds := s.stored(), s.refundNumbers(nil)
	s.stopped(func() {
		if err := os.RemoveAll(s.dir); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(s.dir, os.DirFS(backup)); err != nil {
			t.Fatal(err)
		}
	})
	s.forget(lost)
	for _, st := range parts[2] {
		s.do(s.replicas[st.On], s.again(st, lost))
	}
	s.makeUpFor(lost, noticeFirst)
	s.refundNumbers(refunds)
	s.checkRestored()
	s.seen["histories"]++
	return s.problems
}

// stopped does something while no process runs.
func (s *site) stopped(do func()) {
	for _, r := range s.replicas {
		r.crash()
		r.Wait()
		_ = r.store.Close()
	}
	do()
	for _, r := range s.replicas {
		s.start(r)
	}
}

// forget gives up what the merchant was promised, and remembers the numbers that
// the wallet knows the orders by.
func (s *site) forget(lost map[string]pay.Payment) {
	s.merchant, s.world.restored, s.world.told = newMerchantsView(), true, map[string][]byte{}
	s.numbers, s.accounts = map[string][]string{}, map[string]string{}
	for id, p := range lost {
		s.numbers[p.OrderNo] = append(s.numbers[p.OrderNo], id)
		s.accounts[id] = p.AccountID
	}
	for id, p := range s.stored() { // what was not lost is as it was promised
		var order int
		fmt.Sscanf(p.OrderNo, "O%d", &order)
		s.merchant.ids[order], s.merchant.prints[order] = id, p.Fingerprint
	}
	s.seen["orders lost"] += len(lost) - len(s.merchant.ids)
}

// again is a step after the restore: the merchant asks for what it asked for
// before, and the wallet tells of any of its orders.
func (s *site) again(st step, lost map[string]pay.Payment) step {
	if st.Then != nil {
		then := s.again(*st.Then, lost)
		st.Then = &then
	}
	for _, p := range lost {
		if st.Do == place && p.OrderNo == fmt.Sprint("O", st.Order) {
			fmt.Sscanf(p.Fingerprint, "%d", &st.Amount)
		}
	}
	if st.Do == notify && len(s.world.order) > 0 && !st.Force {
		t := s.world.trades[s.world.order[st.Order%len(s.world.order)]]
		if len(t.notices) > 0 {
			_ = s.post(s.replicas[st.On], t.notices[st.N%len(t.notices)])
		}
	}
	return st
}

// makeUpFor lets the wallet send every notice until it is taken, has the merchant
// ask for each lost order again, and all settle.
func (s *site) makeUpFor(lost map[string]pay.Payment, noticeFirst bool) {
	r := s.replicas[0]
	taken := map[message]bool{}
	tell := func() {
		for _, id := range s.world.order {
			for _, m := range s.world.trades[id].notices {
				for range 5 {
					if s.now = s.now.Add(4 * time.Second); !taken[m] {
						taken[m] = s.post(r, m) == nil
					}
				}
			}
		}
	}
	ask := func() {
		for _, p := range lost {
			st := step{Do: place}
			fmt.Sscanf(p.OrderNo, "O%d", &st.Order)
			fmt.Sscanf(p.Fingerprint, "%d", &st.Amount)
			s.do(r, st)
		}
	}
	if noticeFirst {
		tell()
	}
	ask()
	tell()
	s.settleAll()
	for m := range taken {
		if !taken[m] {
			s.problem("not taken: %+v", m)
		}
	}
	for range 3 {
		s.now = s.now.Add(25 * time.Hour)
		s.do(r, step{Do: looking})
	}
	s.settleAll()
}

// refundNumbers collects the numbers of refunds by what was asked for, and finds
// those that were given a second one.
func (s *site) refundNumbers(before map[string]string) map[string]string {
	found := map[string]string{}
	for id := range s.stored() {
		all, err := s.replicas[0].Store.RefundsOf(s.replicas[0].ctx, "123456", id)
		if err != nil {
			panic(err)
		}
		for _, r := range all {
			if r.Automatic() {
				continue
			}
			what := r.PaymentID + " " + r.OrderNo + " " + r.Fingerprint
			found[what] = r.ID
			if was := before[what]; was != "" && was != r.ID {
				s.problem("refund %s was %s and is %s", what, was, r.ID)
			}
			if before[what] != "" {
				s.seen["refunds asked for again"]++
			}
		}
	}
	return found
}

// checkRestored compares the books with the wallet's.
func (s *site) checkRestored() {
	db, ctx := s.replicas[0].Store, s.replicas[0].ctx
	orphans, err := db.Orphans(ctx, store.OrphanFilter{})
	if err != nil {
		panic(err)
	}
	settledIn := map[string]string{} // numbers, by the payment whose they are
	for _, o := range orphans {
		s.seen["orphans "+string(o.State)]++
		if o.State != pay.OrphanMatched {
			s.problem("orphan %+v", o)
		}
		settledIn[o.Number] = o.PaymentID
		if o.PaymentID == o.Number {
			s.seen["orders that took an orphan's number"]++
		} else {
			s.seen["orphans matched in another slot"]++
		}
	}
	recorded := map[string]int{}
	for id, p := range s.stored() {
		lines, err := db.Movements(ctx, "123456", id)
		if err != nil {
			panic(err)
		}
		in := 0
		for _, l := range lines {
			if l.Kind == pay.MovementRefund {
				if given := s.world.given(l.RefundID); given != l.Amount.Minor {
					s.problem("refund %s of %s is in the money record, and the wallet has %d", l.RefundID, l.Amount, given)
				}
				continue
			}
			in++
			recorded[l.TradeNo]++
			if !slices.Contains(s.paid(p.OrderNo, id), l.TradeNo) {
				s.problem("%s has money of trade %s", id, l.TradeNo)
			}
		}
		if (p.Status == pay.Paid) != (in > 0) || in > 1 && !p.Flagged {
			s.problem("%s is %s with %d trades, surplus %v", id, p.Status, in, p.Flagged)
		}
		if p.Status == pay.Paid && !(p.Late && p.CloseID != "") && s.world.heard["payment "+id] == 0 && p.CloseID == "" && !s.deaf() {
			s.problem("the merchant was not told of %s", id)
		}
	}
	for id, t := range s.world.trades {
		for _, number := range t.paid {
			if recorded[number] != 1 {
				s.problem("trade %s of %s is %d times in the money record", number, id, recorded[number])
			}
		}
	}
	for _, what := range s.world.false_ {
		s.problem("the merchant was %s", what)
	}
	s.audit("at the end")
}
