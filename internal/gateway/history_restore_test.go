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

// TestHistoriesWithARestore is TestHistories with a restore of the database. After a
// history a backup is made, more happens, the backup is restored, and more happens
// again. At the end the wallet has sent all its notices until they were acknowledged,
// and the merchant has sent each order that the database has lost once more.
//
// Then all money that came in at the wallet is in the money record once, for the order
// that it was paid for, and nothing was given back twice.
func TestHistoriesWithARestore(t *testing.T) {
	empty, seen := seededDatabase(t), tally{}
	defer func() { t.Log(seen) }()
	rapid.Check(t, func(rt *rapid.T) {
		steps := func(name string, least, most int) []step {
			return rapid.SliceOfN(drawStep(false), least, most).Draw(rt, name)
		}
		parts := [][]step{steps("before the backup", 0, 10), steps("lost", 10, 30),
			steps("after the restore", 0, 20)}
		noticeFirst := rapid.Bool().Draw(rt, "notice first")
		var problems []string
		synctest.Test(t, func(t *testing.T) { problems = restoreBetween(t, empty, parts, noticeFirst, seen) })
		if len(problems) > 0 {
			rt.Fatalf("%s\n%s", strings.Join(problems, "\n"), script(slices.Concat(parts...)))
		}
	})
}

func restoreBetween(t *testing.T, empty string, parts [][]step, noticeFirst bool, seen tally) []string {
	h := begin(t, empty, seen)
	defer h.end()
	for _, st := range parts[0] {
		h.do(h.replicas[st.On], st)
	}
	backup := t.TempDir()
	h.stopped(func() {
		if err := os.CopyFS(backup, os.DirFS(h.dir)); err != nil {
			t.Fatal(err)
		}
	})
	for _, st := range parts[1] {
		h.do(h.replicas[st.On], st)
	}
	if len(h.problems) > 0 {
		return append(h.problems, "before the restore")
	}
	lost, refunds := h.stored(), h.refundNumbers(nil)
	h.stopped(func() {
		if err := os.RemoveAll(h.dir); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(h.dir, os.DirFS(backup)); err != nil {
			t.Fatal(err)
		}
	})
	h.forget(lost)
	for _, st := range parts[2] {
		h.do(h.replicas[st.On], h.again(st, lost))
	}
	h.makeUpFor(lost, noticeFirst)
	h.refundNumbers(refunds)
	h.checkRestored()
	h.seen["histories"]++
	return h.problems
}

// stopped calls a function while no process runs.
func (h *historyHarness) stopped(do func()) {
	for _, r := range h.replicas {
		r.crash()
		r.Wait()
		_ = r.store.Close()
	}
	do()
	for _, r := range h.replicas {
		h.start(r)
	}
}

// forget drops the promises about orders that were lost, and keeps the numbers that
// they have at the wallet.
func (h *historyHarness) forget(lost map[string]pay.Payment) {
	h.merchant, h.outside.restored, h.outside.told = newMerchantsView(), true, map[string][]byte{}
	h.numbers, h.accounts = map[string][]string{}, map[string]string{}
	for id, p := range lost {
		h.numbers[p.OrderNo] = append(h.numbers[p.OrderNo], id)
		h.accounts[id] = p.AccountID
	}
	for id, p := range h.stored() { // what was not lost is still as promised
		var order int
		fmt.Sscanf(p.OrderNo, "O%d", &order)
		h.merchant.ids[order], h.merchant.prints[order] = id, p.Fingerprint
	}
	h.seen["orders lost"] += len(lost) - len(h.merchant.ids)
}

// again returns a step after the restore: the merchant repeats its requests, and the
// wallet sends notices of all its orders.
func (h *historyHarness) again(st step, lost map[string]pay.Payment) step {
	if st.Then != nil {
		then := h.again(*st.Then, lost)
		st.Then = &then
	}
	for _, p := range lost {
		if st.Do == place && p.OrderNo == fmt.Sprint("O", st.Order) {
			fmt.Sscanf(p.Fingerprint, "%d", &st.Amount)
		}
	}
	if st.Do == notify && len(h.outside.order) > 0 && !st.Force {
		t := h.outside.trades[h.outside.order[st.Order%len(h.outside.order)]]
		if len(t.notices) > 0 {
			_ = h.post(h.replicas[st.On], t.notices[st.N%len(t.notices)])
		}
	}
	return st
}

// makeUpFor has the wallet send every notice until it is acknowledged, and the merchant
// send each lost order again, and then settles all.
func (h *historyHarness) makeUpFor(lost map[string]pay.Payment, noticeFirst bool) {
	r := h.replicas[0]
	taken := map[message]bool{}
	tell := func() {
		for _, id := range h.outside.order {
			for _, m := range h.outside.trades[id].notices {
				for range 5 {
					if h.now = h.now.Add(4 * time.Second); !taken[m] {
						taken[m] = h.post(r, m) == nil
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
			h.do(r, st)
		}
	}
	if noticeFirst {
		tell()
	}
	ask()
	tell()
	h.settleAll()
	for m := range taken {
		if !taken[m] {
			h.problem("not taken: %+v", m)
		}
	}
	for range 3 {
		h.now = h.now.Add(25 * time.Hour)
		h.do(r, step{Do: looking})
	}
	h.settleAll()
}

// refundNumbers collects the numbers of refunds by their requests, and reports a request
// that got a second number.
func (h *historyHarness) refundNumbers(before map[string]string) map[string]string {
	found := map[string]string{}
	for id := range h.stored() {
		all, err := h.replicas[0].Store.RefundsOf(h.replicas[0].ctx, "123456", id)
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
				h.problem("refund %s was %s and is %s", what, was, r.ID)
			}
			if before[what] != "" {
				h.seen["refunds asked for again"]++
			}
		}
	}
	return found
}

// checkRestored compares the books with the wallet's.
func (h *historyHarness) checkRestored() {
	db, ctx := h.replicas[0].Store, h.replicas[0].ctx
	orphans, err := db.Orphans(ctx, store.OrphanFilter{})
	if err != nil {
		panic(err)
	}
	settledIn := map[string]string{} // numbers, by payment
	for _, o := range orphans {
		h.seen["orphans "+string(o.State)]++
		if o.State != pay.OrphanMatched {
			h.problem("orphan %+v", o)
		}
		settledIn[o.Number] = o.PaymentID
		if o.PaymentID == o.Number {
			h.seen["orders that took an orphan's number"]++
		} else {
			h.seen["orphans matched in another slot"]++
		}
	}
	recorded := map[string]int{}
	for id, p := range h.stored() {
		lines, err := db.Movements(ctx, "123456", id)
		if err != nil {
			panic(err)
		}
		in := 0
		for _, l := range lines {
			if l.Kind == pay.MovementRefund {
				if given := h.outside.given(l.RefundID); given != l.Amount.Minor {
					h.problem("refund %s of %s is in the money record, and the wallet has %d",
						l.RefundID, l.Amount, given)
				}
				continue
			}
			in++
			recorded[l.TradeNo]++
			if !slices.Contains(h.paid(p.OrderNo, id), l.TradeNo) {
				h.problem("%s has money of trade %s", id, l.TradeNo)
			}
		}
		if (p.Status == pay.Paid) != (in > 0) || in > 1 && !p.Flagged {
			h.problem("%s is %s with %d trades, surplus %v", id, p.Status, in, p.Flagged)
		}
		if p.Status == pay.Paid && !(p.Late && p.CloseID != "") && h.outside.heard["payment "+id] == 0 &&
			p.CloseID == "" && !h.deaf() {
			h.problem("the merchant was not told of %s", id)
		}
	}
	for id, t := range h.outside.trades {
		for _, number := range t.paid {
			if recorded[number] != 1 {
				h.problem("trade %s of %s is %d times in the money record", number, id, recorded[number])
			}
		}
	}
	for _, what := range h.outside.false_ {
		h.problem("the merchant was %s", what)
	}
	h.audit("at the end")
}
