package audit

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// Audit recomputes, from what was written once and never changed (movements and
// events), what is kept beside it: each payment's and refund's state and sums,
// and the balances. It changes nothing, and may run while others write: each
// payment is judged as it stood at one moment.
type Audit struct {
	Store      *store.DB
	MerchantID string // only this one's; "" for all

	Zone *time.Location // of the times in the merchants' notifications

	// Asked and RefundAsked report whether a payment or a refund has the values
	// of the request whose fingerprint it has, a refund with this number of its
	// payment; nil if that is not known.
	Asked       func(pay.Payment) bool
	RefundAsked func(r pay.Refund, syssn string) bool

	Found    func(Difference) // is called for each difference, as it is found
	Progress func(Counts)     // is called for each payment, if it is not nil
}

// Difference is something that is not stored as it should be.
type Difference struct {
	MerchantID string `json:"merchant"`
	PaymentID  string `json:"syssn,omitempty"`
	What       string `json:"what"`
	Stored     string `json:"stored"`
	Want       string `json:"want"`
}

// Counts is how much was looked at.
type Counts struct {
	Merchants   int `json:"merchants"`
	Payments    int `json:"payments"`
	Refunds     int `json:"refunds"`
	Movements   int `json:"movements"`
	Events      int `json:"events"`
	Deliveries  int `json:"notifications"`
	Differences int `json:"differences"`
}

// Balance is what an account of the money record holds in one currency.
type Balance struct {
	MerchantID string
	Account    string
	Lines      int        // of the money record
	Recorded   pay.Amount // by the money record: what the wallet owes us, or what we owe
	Stated     pay.Amount // by the states of payments and refunds
}

// Report is what an audit has seen.
type Report struct {
	Counts
	Balances []Balance         // by merchant, account and currency
	Orphans  []store.OrphanSum // open ones: no difference, since the money record has no line of them
}

// auditor is an audit that is under way.
type auditor struct {
	Audit
	report    Report
	merchants map[string]bool // that there are
	books     books           // of the merchant in hand
}

// Run audits. Its errors are the database's: differences are none.
func (a Audit) Run(ctx context.Context) (Report, error) {
	w := auditor{Audit: a, merchants: map[string]bool{}}
	merchants, err := a.Store.Merchants(ctx)
	if err != nil {
		return w.report, err
	}
	for _, m := range merchants {
		w.merchants[m.ID] = true
	}
	for id, err := range a.Store.MerchantIDs(ctx) {
		if err != nil {
			return w.report, err
		}
		if a.MerchantID != "" && id != a.MerchantID {
			continue
		}
		if err := w.merchant(ctx, id); err != nil {
			return w.report, err
		}
	}
	orphans, err := a.Store.OpenOrphanSums(ctx)
	for _, o := range orphans {
		if a.MerchantID == "" || a.MerchantID == o.MerchantID {
			w.report.Orphans = append(w.report.Orphans, o)
		}
	}
	return w.report, err
}

// merchant judges all that is a merchant's.
func (w *auditor) merchant(ctx context.Context, id string) error {
	w.books = books{}
	seen := w.report.Payments
	for d, err := range w.Store.Dossiers(ctx, id) {
		if err != nil {
			return err
		}
		w.count(d)
		w.judge(d)
		if w.Progress != nil {
			w.Progress(w.report.Counts)
		}
	}
	repeated, err := w.Store.RepeatedTrades(ctx, id)
	if err != nil {
		return err
	}
	for _, r := range repeated {
		w.differ(id, r.PaymentID, "trade "+r.TradeNo, "has brought money in more than once", "once")
	}
	for _, b := range w.books.balances(id) {
		w.report.Balances = append(w.report.Balances, b)
		if b.Recorded != b.Stated {
			w.differ(id, "", "balance of "+b.Account, b.Recorded.String()+" by the money record", b.Stated.String()+" by the payments' and refunds' states")
		}
	}
	if w.merchants[id] {
		w.report.Merchants++
	} else if w.report.Payments > seen {
		w.differ(id, "", "merchant", "none", "the merchant whose payments there are")
	}
	return nil
}

func (w *auditor) count(d store.Dossier) {
	if d.Payment != nil {
		w.report.Payments++
	}
	w.report.Refunds += len(d.Refunds)
	w.report.Movements += len(d.Movements)
	w.report.Events += len(d.Events)
	w.report.Deliveries += len(d.Deliveries)
}

func (w *auditor) differ(merchantID, paymentID, what, stored, want string) {
	w.report.Differences++
	w.Found(Difference{merchantID, paymentID, what, cmp.Or(stored, "empty"), cmp.Or(want, "empty")})
}

// judge compares all that is stored of a payment with what its events say.
func (w *auditor) judge(d store.Dossier) {
	w.books.record(d.Movements)
	v := verdict{auditor: w, Dossier: d}
	if d.Payment == nil {
		v.wrong("payment", fmt.Sprintf("none, with %d movements, %d refunds, %d events and %d notifications of it",
			len(d.Movements), len(d.Refunds), len(d.Events), len(d.Deliveries)), "the payment that they are of")
		return
	}
	v.tale = v.retell()
	v.payment(*d.Payment)
	v.refunds(*d.Payment)
	v.money(*d.Payment)
	v.told(*d.Payment)
	w.books.state(*d.Payment, v.tale)
}

// verdict is the judgement of one payment.
type verdict struct {
	*auditor
	store.Dossier
	tale tale
}

func (v *verdict) wrong(what, stored, want string) {
	v.differ(v.Dossier.MerchantID, v.PaymentID, what, stored, want)
}

// same reports a difference unless stored is what it should be.
func (v *verdict) same(what string, stored, want any) {
	if stored != want {
		v.wrong(what, fmt.Sprint(stored), fmt.Sprint(want))
	}
}

// entry names an account of the money record in one currency.
type entry struct {
	account  string
	currency pay.Currency
}

// books are one merchant's balances.
type books map[entry]*Balance

// add adds to an account: recorded by the money record, stated by a state.
func (b books) add(account string, currency pay.Currency, recorded, stated int64) *Balance {
	e := entry{account, currency}
	if b[e] == nil {
		b[e] = &Balance{Account: account, Recorded: pay.Amount{Currency: currency}, Stated: pay.Amount{Currency: currency}}
	}
	b[e].Recorded.Minor += recorded
	b[e].Stated.Minor += stated
	return b[e]
}

// record counts lines of the money record. Each is both halves of a double
// entry: what one account receives another gives.
func (b books) record(lines []pay.Movement) {
	for _, l := range lines {
		b.add(l.Debit, l.Amount.Currency, balanceOf(l.Debit, l.Amount.Minor), 0).Lines++
		b.add(l.Credit, l.Amount.Currency, -balanceOf(l.Credit, l.Amount.Minor), 0).Lines++
	}
}

// balanceOf is how an amount received changes what an account is said to hold:
// a wallet owes us what it has received, while we owe the others what they have given.
func balanceOf(account string, received int64) int64 {
	if strings.HasPrefix(account, pay.HeldBy("")) {
		return received
	}
	return -received
}

// state counts what a payment's state, and those of its refunds, come to.
func (b books) state(p pay.Payment, t tale) {
	if p.Status == pay.Paid {
		b.add(p.HeldBy(), p.Amount.Currency, 0, p.Amount.Minor-p.Refunded)
		b.add(pay.OwedToMerchant, p.Amount.Currency, 0, p.Amount.Minor-p.Refunded)
	}
	for _, s := range t.surplus {
		b.add(p.HeldBy(), s.amount.Currency, 0, s.amount.Minor)
		b.add(pay.OwedToSomebody, s.amount.Currency, 0, s.amount.Minor)
	}
}

func (b books) balances(merchantID string) (all []Balance) {
	for _, e := range slices.SortedFunc(maps.Keys(b), func(x, y entry) int {
		return cmp.Or(cmp.Compare(x.account, y.account), cmp.Compare(x.currency, y.currency))
	}) {
		balance := *b[e]
		balance.MerchantID = merchantID
		all = append(all, balance)
	}
	return all
}
