package crash_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/store/storetest"
	"github.com/sampanpay/sampan/test/harness"
)

// counts is what a check has found.
type counts struct {
	orders, paid, refunds, notifications, repeats int
	wrong                                         int64
}

// settle waits until the gateway has no refund to make and no notification to deliver.
func (l *ledger) settle(t *testing.T) {
	t.Helper()
	db := storetest.Open(t, l.at.dsn)
	settled := retry(t, "every refund to be made and every notification to be acknowledged", func() bool {
		at, err := storetest.Soonest(db.NextRefunds(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		// Read after the refunds: a refund that is done leaves a notification.
		due, err := db.Deliveries(t.Context(), store.DeliveryFilter{State: store.DeliveryDue, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		return len(due) == 0 && at.IsZero() && l.allNotified()
	})
	if !settled {
		t.FailNow()
	}
}

// allNotified reports whether a notification has come for every order that a buyer pays: of the
// payment, or of one of its refunds.
func (l *ledger) allNotified() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.orders {
		received := len(o.received.at)
		for _, r := range o.refunds {
			received += len(r.received.at)
		}
		if o.paying && received == 0 {
			return false
		}
	}
	return true
}

// comparison is one order, with what everybody knows of it.
type comparison struct {
	*order
	*ledger
	number  string
	wallet  trade
	answers map[string]sampan.Transaction // the gateway's, to queries of all orders and refunds, by number
	db      *store.DB
	payment pay.Payment
	done    map[string]pay.Refund // the refunds in the database that have succeeded, by id
}

// check compares what the merchant and the wallet know with what the gateway answers and with what
// is in its database:
//   - every acknowledged order exists, under its id;
//   - an order is paid if and only if the wallet says so, and its money came in once;
//   - every acknowledged refund exists, and the wallet has made the same refunds as we have, once each and
//     never more than was paid;
//   - what was closed is not paid, or its money went back;
//   - the merchant was notified of each payment and refund, with the same body, and again only if the
//     acknowledgement could get lost;
//   - sampan audit finds the books in order.
func (l *ledger) check(t *testing.T) counts {
	t.Helper()
	db := storetest.Open(t, l.at.dsn)
	l.mu.Lock()
	defer l.mu.Unlock()
	answers := l.queryAll(t)
	var n counts
	for number, o := range l.orders {
		if o.id == "" {
			l.wrong("%s was never acknowledged", number)
			continue
		}
		c := &comparison{order: o, ledger: l, number: number, wallet: l.at.trade(t, o.id),
			answers: answers, db: db}
		var err error
		if c.payment, err = db.Payment(t.Context(), "100002", o.id); err != nil {
			l.wrong("%s: %v", number, err)
			continue
		}
		c.checkRefunds(t)
		c.checkState()
		c.checkMoney(t)
		c.checkNotifications(t)
		n.orders++
		if c.wallet.paid() {
			n.paid++
		}
		n.refunds += len(c.done)
		for _, r := range c.expectedReceipts() {
			n.notifications += len(r.at)
			n.repeats += max(0, len(r.at)-1)
		}
	}
	if printed, inOrder := harness.Audit(t, l.at.Config); !inOrder {
		l.wrong("the audit says\n%s", printed)
	}
	n.wrong = l.wrongCount.Load()
	return n
}

// queryAll queries every order and every refund, by number.
func (l *ledger) queryAll(t *testing.T) map[string]sampan.Transaction {
	t.Helper()
	answers := map[string]sampan.Transaction{}
	numbers := slices.AppendSeq(slices.Collect(maps.Keys(l.orders)), maps.Keys(l.refunds))
	for some := range slices.Chunk(numbers, 50) {
		result, err := l.Query(t.Context(), sampan.QueryRequest{OrderNos: some, PageSize: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range result.Transactions {
			if _, twice := answers[x.OrderNo]; twice {
				l.wrong("%s is there twice", x.OrderNo)
			}
			answers[x.OrderNo] = x
		}
	}
	return answers
}

// late reports whether the money came after the order was closed.
func (c *comparison) late() bool { return c.wallet.paid() && c.closing && c.payment.Late }

// checkState compares the order's state.
func (c *comparison) checkState() {
	paid := c.wallet.paid()
	if paid != c.paying {
		c.wrong("%s: the buyer pays: %t, and the wallet says %q", c.number, c.paying, c.wallet.Status)
	}
	want := sampan.Transaction{ID: c.id, Amount: c.request.Amount, Code: sampan.CodeNotPaidYet, Cancel: "0"}
	switch {
	case paid:
		want.Code, want.WalletNo, want.Cancel = sampan.CodeSuccess, c.wallet.Trade.TradeNo, c.cancelState()
	case c.closing:
		want.Code, want.Cancel = sampan.CodeOrderClosed, "2"
	}
	x := c.answers[c.number]
	got := sampan.Transaction{ID: x.ID, Amount: x.Amount, Code: x.Code,
		WalletNo: x.WalletNo, Cancel: x.Cancel}
	if diff := cmp.Diff(want, got); diff != "" {
		c.wrong("the gateway's answer about %s (-want +got):\n%s", c.number, diff)
	}
	back := c.refundedSum()
	if paid && c.closed && (!c.payment.Late || back != c.request.Amount) {
		c.wrong("%s was closed and is paid (late: %t), and %d of %d went back",
			c.number, c.payment.Late, back, c.request.Amount)
	}
	if c.payment.Late && !c.closing || c.payment.Flagged {
		c.wrong("%s is late (%t) or flagged (%t)", c.number, c.payment.Late, c.payment.Flagged)
	}
}

// cancelState is what a query says of refunded money: nothing, everything or a part is refunded.
func (c *comparison) cancelState() string {
	switch c.refundedSum() {
	case 0:
		return "0"
	case c.request.Amount:
		return "3"
	}
	return "5"
}

func (c *comparison) refundedSum() (minor int64) {
	for _, r := range c.done {
		minor += r.Amount.Minor
	}
	return minor
}

// checkRefunds compares the refunds, and finds those that are done.
func (c *comparison) checkRefunds(t *testing.T) {
	t.Helper()
	stored, err := c.db.RefundsOf(t.Context(), "100002", c.id)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]*refund{}
	for _, r := range c.order.refunds {
		if r.id == "" && !r.refused {
			c.wrong("refund %s was never acknowledged", r.request.OrderNo)
		}
		known[r.request.OrderNo] = r
	}
	c.done = map[string]pay.Refund{}
	for _, r := range stored {
		c.checkRefund(r, known[r.OrderNo])
		delete(known, r.OrderNo)
	}
	for number, r := range known {
		if r.id != "" {
			c.wrong("refund %s was acknowledged as %s, and does not exist", number, r.id)
		}
	}
	for _, r := range c.order.refunds {
		if r.refused && !c.noisy && c.refundedSum()+r.request.Amount <= c.request.Amount {
			c.wrong("refund %s was refused, and %d of %d went back",
				r.request.OrderNo, c.refundedSum(), c.request.Amount)
		}
	}
	atWallet := map[string]int64{}
	for _, r := range c.wallet.Trade.Refunds {
		if !r.DoneAt.IsZero() {
			atWallet[r.ID] += r.Amount.Minor
		}
	}
	here := map[string]int64{}
	for id, r := range c.done {
		here[id] = r.Amount.Minor
	}
	if diff := cmp.Diff(atWallet, here); diff != "" || c.refundedSum() > c.request.Amount {
		c.wrong("%s: the refunds of %d (-at the wallet +here):\n%s", c.number, c.request.Amount, diff)
	}
}

// checkRefund compares a stored refund with what its merchant knows. known is nil if the merchant
// did not ask for it.
func (c *comparison) checkRefund(r pay.Refund, known *refund) {
	switch {
	case known == nil && !(r.Automatic() && c.closing):
		c.wrong("%s: a refund that was not asked for: %+v", c.number, r)
	case r.Status == pay.RefundSucceeded:
		c.done[r.ID] = r
		want := sampan.Transaction{ID: r.ID, OriginalID: c.id, Amount: r.Amount.Minor,
			Code: sampan.CodeSuccess}
		x := c.answers[r.OrderNo]
		got := sampan.Transaction{ID: x.ID, OriginalID: x.OriginalID, Amount: x.Amount, Code: x.Code}
		if diff := cmp.Diff(want, got); diff != "" {
			c.wrong("the gateway's answer about refund %s (-want +got):\n%s", r.OrderNo, diff)
		}
		if known != nil && (known.refused || known.id != r.ID || known.request.Amount != r.Amount.Minor) {
			c.wrong("refund %s is %+v, and the merchant knows it as %+v", r.OrderNo, r, known)
		}
	case r.Status != pay.RefundFailed || !c.noisy:
		c.wrong("refund %s is %s (%s)", r.OrderNo, r.Status, r.Failure)
	}
}

// checkMoney compares the movements, and the events, each of which happens once.
func (c *comparison) checkMoney(t *testing.T) {
	t.Helper()
	movements, err := c.db.Movements(t.Context(), "100002", c.id)
	if err != nil {
		t.Fatal(err)
	}
	events, err := c.db.Events(t.Context(), "100002", c.id)
	if err != nil {
		t.Fatal(err)
	}
	paidEvents := 0
	for _, e := range events {
		if e.Kind == "paid" || e.Kind == "paid_late" {
			paidEvents++
		}
	}
	in, out := 0, map[string]bool{}
	for _, m := range movements {
		switch r := c.done[m.RefundID]; {
		case m.Kind == pay.MovementPayment && m.Amount == c.payment.Amount &&
			m.TradeNo == c.wallet.Trade.TradeNo:
			in++
		case m.Kind == pay.MovementRefund && m.Amount == r.Amount && !out[r.ID]:
			out[r.ID] = true
		default:
			c.wrong("%s: a wrong movement: %+v", c.number, m)
		}
	}
	want := 0
	if c.wallet.paid() {
		want = 1
	}
	if in != want || paidEvents != want || len(out) != len(c.done) {
		c.wrong("%s: the wallet was paid %d times and refunded %d times; the movements are "+
			"%+v and the events are %+v",
			c.number, want, len(c.done), movements, events)
	}
	if p, back := c.payment, c.refundedSum(); p.Refunded != back || p.Reserved != back {
		c.wrong("%s: %d went back, and the payment has %d refunded and %d reserved",
			c.number, back, p.Refunded, p.Reserved)
	}
}

// expectedReceipts are the receipts of what the merchant must be notified of, by the refund's id,
// or "" for the payment. If late money went back, the merchant is notified of the refund only.
func (c *comparison) expectedReceipts() map[string]receipts {
	all := map[string]receipts{}
	if c.wallet.paid() && !c.late() {
		all[""] = c.received
	}
	for _, r := range c.order.refunds {
		if _, ok := c.done[r.id]; ok {
			all[r.id] = r.received
		}
	}
	return all
}

func (c *comparison) checkNotifications(t *testing.T) {
	t.Helper()
	deliveries, err := c.db.Deliveries(t.Context(),
		store.DeliveryFilter{MerchantID: "100002", PaymentID: c.id})
	if err != nil {
		t.Fatal(err)
	}
	expected := c.expectedReceipts()
	if len(deliveries) != len(expected) || len(expected) == 0 && len(c.received.at) > 0 {
		c.wrong("%s has the notifications %+v, want %d", c.number, deliveries, len(expected))
	}
	for _, x := range deliveries {
		received, ok := expected[x.RefundID]
		if !ok || x.State != store.DeliveryDone || len(received.at) == 0 {
			c.wrong("%s: notification %+v came at %v", c.number, x, received.at)
			continue
		}
		c.checkAttempts(t, x)
		c.checkRepeats(received)
	}
}

// checkAttempts checks that a notification was never sent again after its acknowledgement was
// stored.
func (c *comparison) checkAttempts(t *testing.T, x store.Delivery) {
	t.Helper()
	attempts, err := c.db.Attempts(t.Context(), "100002", x.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range attempts {
		last := i == len(attempts)-1
		if (a.Error == "") != last {
			c.wrong("%s: attempts %+v, want only the last acknowledged", c.number, attempts)
			continue
		}
		_, lossy := c.at.outageBetween(a.StartedAt.Add(-time.Second), a.StartedAt.Add(a.Took))
		if !last && !lossy {
			c.wrong("%s: attempt %+v failed, and the receiver was up", c.number, a)
		}
	}
	if len(attempts) == 0 {
		c.wrong("%s: a notification was acknowledged, and never sent", c.number)
	}
}

// checkRepeats checks that no notification was repeated without need.
func (c *comparison) checkRepeats(r receipts) {
	for i := 1; i < len(r.at); i++ {
		before, again := r.at[i-1], r.at[i]
		// A notification that a process had sent is read within a second of the end of that
		// process.
		switch outage, lossy := c.at.outageBetween(before.Add(-time.Second), again); {
		case !outage:
			c.wrong("%s: notified at %s and again at %s, without an outage between", c.number, before, again)
		case !lossy && again.Sub(before) < sendTimeout:
			c.wrong("%s: notified again after %s, while the first attempt could still be running",
				c.number, again.Sub(before))
		}
	}
}

// trade is what the wallet says of an order.
type trade struct {
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
	Callbacks []struct {
		Answered time.Time `json:"answered_at"`
	} `json:"notifications"`
}

type minor struct {
	Minor int64 `json:"minor"`
}

func (x trade) paid() bool { return !x.Trade.PaidAt.IsZero() }

// answered reports whether the wallet has received an answer to a callback.
func (x trade) answered() bool {
	for _, n := range x.Callbacks {
		if !n.Answered.IsZero() {
			return true
		}
	}
	return false
}

// trade returns what the wallet says of an order.
func (d *deployment) trade(t *testing.T, id string) trade {
	t.Helper()
	x, err := d.findTrade(id)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (d *deployment) findTrade(id string) (x trade, err error) {
	res, err := http.Get(d.Control + "/trades/" + id)
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
