package crash_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"

	"github.com/sampanpay/sampan/test/harness"
)

// tally is what a check has counted.
type tally struct {
	orders, paid, refunds, told, repeats int
	wrong                                int64
}

// settled waits until the gateway has nothing left to ask or to tell.
func (l *ledger) settled(t *testing.T) {
	t.Helper()
	db := storetest.Open(t, l.on.dsn)
	settled := again(t, "all to be given back that must be, and every notification to be acknowledged", func() bool {
		at, err := db.NextDueRefund(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Looked for after them: a refund that is done leaves a notification.
		due, err := db.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryDue, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		return len(due) == 0 && at.IsZero() && !l.untold()
	})
	if !settled {
		t.FailNow()
	}
}

// untold reports whether somebody has paid, or the gateway has taken on a
// refund, and nobody was told of either.
func (l *ledger) untold() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.orders {
		heard := len(e.told.at)
		for _, r := range e.refunds {
			heard += len(r.told.at)
		}
		if e.buying && heard == 0 {
			return true
		}
	}
	return false
}

// A dossier is one order with what everybody says of it.
type dossier struct {
	*entry
	*ledger
	number   string
	wallet   sale
	said     map[string]sampan.Transaction // by the gateway, of the order and its refunds
	db       *store.DB
	payment  pay.Payment
	returned map[string]pay.Refund // the refunds in the database that succeeded, by id
}

// check compares what the merchant and the wallet know with what the gateway
// says and with what is in its database:
//   - every acknowledged order is there, under its id;
//   - it is paid if the wallet says so, and only then, and its money came in once;
//   - every acknowledged refund is there, and what the wallet has given back is
//     what we say, once each and never more than was paid;
//   - what was closed is not paid, or its money went back;
//   - the merchant was told of each payment and refund, in the same bytes, and
//     again only where the acknowledgement could get lost;
//   - sampan audit finds the books in order.
func (l *ledger) check(t *testing.T) tally {
	t.Helper()
	db := storetest.Open(t, l.on.dsn)
	l.mu.Lock()
	defer l.mu.Unlock()
	said := l.ask(t)
	var c tally
	for number, e := range l.orders {
		if e.id == "" {
			l.wrong("%s was never acknowledged", number)
			continue
		}
		d := &dossier{entry: e, ledger: l, number: number, wallet: l.on.sale(t, e.id), said: said, db: db, returned: map[string]pay.Refund{}}
		var err error
		if d.payment, err = db.Payment(t.Context(), "100002", e.id); err != nil {
			l.wrong("%s: %v", number, err)
			continue
		}
		d.checkRefunds(t)
		d.checkState()
		d.checkMoney(t)
		d.checkTold(t)
		c.orders++
		if d.wallet.paid() {
			c.paid++
		}
		c.refunds += len(d.returned)
		for _, h := range d.hearings() {
			c.told += len(h.at)
			c.repeats += max(0, len(h.at)-1)
		}
	}
	if printed, inOrder := harness.Audit(t, l.on.Config); !inOrder {
		l.wrong("the audit says\n%s", printed)
	}
	c.wrong = l.faults.Load()
	return c
}

// ask queries every order and every refund, by number.
func (l *ledger) ask(t *testing.T) map[string]sampan.Transaction {
	t.Helper()
	said := map[string]sampan.Transaction{}
	numbers := slices.AppendSeq(slices.Collect(maps.Keys(l.orders)), maps.Keys(l.returns))
	for some := range slices.Chunk(numbers, 50) {
		result, err := l.Query(t.Context(), sampan.QueryRequest{OrderNos: some, PageSize: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range result.Transactions {
			if _, twice := said[x.OrderNo]; twice {
				l.wrong("%s is there twice", x.OrderNo)
			}
			said[x.OrderNo] = x
		}
	}
	return said
}

// late reports whether the money came after the order was closed.
func (d *dossier) late() bool { return d.wallet.paid() && d.closing && d.payment.Late }

// checkState compares the order's state.
func (d *dossier) checkState() {
	paid := d.wallet.paid()
	if paid != d.buying {
		d.wrong("%s: that the buyer pays is %t, and the wallet says %q", d.number, d.buying, d.wallet.Status)
	}
	want := sampan.Transaction{ID: d.id, Amount: d.request.Amount, Code: sampan.CodeNotPaidYet, Cancel: "0"}
	switch {
	case paid:
		want.Code, want.WalletNo, want.Cancel = sampan.CodeSuccess, d.wallet.Trade.TradeNo, d.cancel()
	case d.closing:
		want.Code, want.Cancel = sampan.CodeOrderClosed, "2"
	}
	s := d.said[d.number]
	if got := (sampan.Transaction{ID: s.ID, Amount: s.Amount, Code: s.Code, WalletNo: s.WalletNo, Cancel: s.Cancel}); got != want {
		d.wrong("%s: the gateway says %+v, want %+v", d.number, got, want)
	}
	if back := d.sum(); paid && d.closed && (!d.payment.Late || back != d.request.Amount) {
		d.wrong("%s was closed and is paid (late %t), and %d of %d went back", d.number, d.payment.Late, back, d.request.Amount)
	}
	if d.payment.Late && !d.closing || d.payment.Flagged {
		d.wrong("%s is late (%t) or has surplus money (%t)", d.number, d.payment.Late, d.payment.Flagged)
	}
}

// cancel is what a query says of money that went back.
func (d *dossier) cancel() string {
	switch d.sum() {
	case 0:
		return "0"
	case d.request.Amount:
		return "3"
	}
	return "5"
}

// sum is how much went back.
func (d *dossier) sum() (minor int64) {
	for _, r := range d.returned {
		minor += r.Amount.Minor
	}
	return minor
}

// checkRefunds compares the refunds, and finds those that succeeded.
func (d *dossier) checkRefunds(t *testing.T) {
	t.Helper()
	stored, err := d.db.RefundsOf(t.Context(), "100002", d.id)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]*giveback{}
	for _, r := range d.refunds {
		if r.id == "" && !r.refused {
			d.wrong("refund %s was never acknowledged", r.request.OrderNo)
		}
		known[r.request.OrderNo] = r
	}
	for _, r := range stored {
		g := known[r.OrderNo]
		delete(known, r.OrderNo)
		switch {
		case g == nil && !(r.Automatic() && d.closing):
			d.wrong("%s: nobody asked for the refund %+v", d.number, r)
		case r.Status == pay.RefundSucceeded:
			d.returned[r.ID] = r
			if s := d.said[r.OrderNo]; s.Code != sampan.CodeSuccess || s.ID != r.ID || s.Amount != r.Amount.Minor || s.OriginalID != d.id {
				d.wrong("refund %s is done, and the gateway says %+v", r.OrderNo, s)
			}
			if g != nil && (g.refused || g.id != r.ID || g.request.Amount != r.Amount.Minor) {
				d.wrong("refund %s is %+v, and the merchant knows it as %+v", r.OrderNo, r, g)
			}
		case r.Status != pay.RefundFailed || !d.noisy:
			d.wrong("refund %s is %s (%s)", r.OrderNo, r.Status, r.Failure)
		}
	}
	for number, g := range known {
		if g.id != "" {
			d.wrong("refund %s was acknowledged as %s, and is not there", number, g.id)
		}
	}
	for _, g := range d.refunds {
		if g.refused && !d.noisy && d.sum()+g.request.Amount <= d.request.Amount {
			d.wrong("refund %s was refused, and %d of %d went back", g.request.OrderNo, d.sum(), d.request.Amount)
		}
	}
	done := 0
	for _, back := range d.wallet.Trade.Refunds {
		if back.DoneAt.IsZero() {
			continue
		}
		done++
		if r, ok := d.returned[back.ID]; !ok || back.Amount.Minor != r.Amount.Minor {
			d.wrong("%s: the wallet has given back %+v, and here it is %+v", d.number, back, r)
		}
	}
	if done != len(d.returned) || d.sum() > d.request.Amount {
		d.wrong("%s: the wallet has given back %+v of %d, and here it is %+v", d.number, d.wallet.Trade.Refunds, d.request.Amount, d.returned)
	}
}

// checkMoney compares the money record, and the events, of which each happens once.
func (d *dossier) checkMoney(t *testing.T) {
	t.Helper()
	lines, err := d.db.Movements(t.Context(), "100002", d.id)
	if err != nil {
		t.Fatal(err)
	}
	events, err := d.db.Events(t.Context(), "100002", d.id)
	if err != nil {
		t.Fatal(err)
	}
	moves := 0
	for _, x := range events {
		if x.Kind == "paid" || x.Kind == "paid_late" {
			moves++
		}
	}
	came, went := 0, map[string]bool{}
	for _, m := range lines {
		switch r := d.returned[m.RefundID]; {
		case m.Kind == pay.MovementPayment && m.Amount == d.payment.Amount && m.TradeNo == d.wallet.Trade.TradeNo:
			came++
		case m.Kind == pay.MovementRefund && m.Amount == r.Amount && !went[r.ID]:
			went[r.ID] = true
		default:
			d.wrong("%s: the money record has %+v", d.number, m)
		}
	}
	want := 0
	if d.wallet.paid() {
		want = 1
	}
	if came != want || moves != want || len(went) != len(d.returned) {
		d.wrong("%s: the wallet was paid (%d) and gave back %d times; here the money is %+v and the events are %+v",
			d.number, want, len(d.returned), lines, events)
	}
	if p, back := d.payment, d.sum(); p.Refunded != back || p.Reserved != back {
		d.wrong("%s: %d went back, and here it is %d, with %d reserved", d.number, back, p.Refunded, p.Reserved)
	}
}

// hearings is what the merchant must have been told, by the refund's id, "" for
// the payment. That late money went back is told, and not that it came.
func (d *dossier) hearings() map[string]hearing {
	h := map[string]hearing{}
	if d.wallet.paid() && !d.late() {
		h[""] = d.told
	}
	for _, r := range d.refunds {
		if _, ok := d.returned[r.id]; ok {
			h[r.id] = r.told
		}
	}
	return h
}

func (d *dossier) checkTold(t *testing.T) {
	t.Helper()
	deliveries, err := d.db.Deliveries(t.Context(), store.DeliveryFilter{MerchantID: "100002", PaymentID: d.id})
	if err != nil {
		t.Fatal(err)
	}
	told := d.hearings()
	if len(deliveries) != len(told) || len(told) == 0 && len(d.told.at) > 0 {
		d.wrong("%s has the notifications %+v, want %d", d.number, deliveries, len(told))
	}
	for _, x := range deliveries {
		h, ok := told[x.RefundID]
		if !ok || x.State != store.DeliveryDone || len(h.at) == 0 {
			d.wrong("%s: notification %+v was heard at %v", d.number, x, h.at)
			continue
		}
		d.checkAttempts(t, x)
		d.checkRepeats(h)
	}
}

// checkAttempts sees that what was written down as acknowledged was never sent
// again.
func (d *dossier) checkAttempts(t *testing.T, x store.Delivery) {
	t.Helper()
	attempts, err := d.db.Attempts(t.Context(), "100002", x.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range attempts {
		if last := i == len(attempts)-1; (a.Error == "") != last {
			d.wrong("%s: attempts %+v, want only the last acknowledged", d.number, attempts)
		} else if _, lossy := d.on.troubled(a.StartedAt.Add(-time.Second), a.StartedAt.Add(a.Took)); !last && !lossy {
			d.wrong("%s: attempt %+v failed, and everybody was there", d.number, a)
		}
	}
	if len(attempts) == 0 {
		d.wrong("%s: a notification was acknowledged, and never sent", d.number)
	}
}

// checkRepeats sees that nothing was told twice without need.
func (d *dossier) checkRepeats(h hearing) {
	for i := 1; i < len(h.at); i++ {
		before, again := h.at[i-1], h.at[i]
		// What a process had sent is read within a second of its end.
		switch was, lossy := d.on.troubled(before.Add(-time.Second), again); {
		case !was:
			d.wrong("%s: told at %s and again at %s, and there was no trouble between", d.number, before, again)
		case !lossy && again.Sub(before) < sendTimeout:
			d.wrong("%s: told again after %s, while the first attempt could have been under way", d.number, again.Sub(before))
		}
	}
}

// sale is what the wallet says of an order.
type sale struct {
	Status string `json:"status"`
	Trade  struct {
		TradeNo string    `json:"trade_no"`
		PaidAt  time.Time `json:"gmt_payment"`
		Refunds []struct {
			ID     string    `json:"out_return_no"`
			Amount minor     `json:"amount"`
			DoneAt time.Time `json:"done_at"`
		} `json:"refunds"`
	} `json:"trade"`
	Notices []struct {
		Answered time.Time `json:"answered_at"`
	} `json:"notifications"`
}

type minor struct {
	Minor int64 `json:"minor"`
}

func (x sale) paid() bool { return !x.Trade.PaidAt.IsZero() }

// answered reports whether an answer to a notification has reached the wallet.
func (x sale) answered() bool {
	for _, n := range x.Notices {
		if !n.Answered.IsZero() {
			return true
		}
	}
	return false
}

func (s *deployment) sale(t *testing.T, id string) sale {
	t.Helper()
	x, err := s.look(id)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (s *deployment) look(id string) (x sale, err error) {
	res, err := http.Get(s.Control + "/trades/" + id)
	if err != nil {
		return x, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNotFound { // the cashier was never opened
		return x, nil
	}
	if err := json.NewDecoder(res.Body).Decode(&x); err != nil || res.StatusCode != http.StatusOK {
		return x, fmt.Errorf("the wallet's order %s: %s %w", id, res.Status, err)
	}
	return x, nil
}
