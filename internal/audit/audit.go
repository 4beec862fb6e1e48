// Package audit recomputes what is stored. Events and movements are written once
// and never changed; the state and the sums of each payment and refund, the
// notifications and the balances must follow from them. The package only reads.
//
// A store.Dossier holds all rows of one payment, as they stood at one moment. Its
// events are folded into a History, which check holds against the other rows.
//
// Read audit.go first, then history.go (what the events say), check.go (the rows of
// a payment and of its refunds), money.go (the money record), notifications.go, and
// books.go (the balances).
package audit

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// Audit is an audit to be run. It may run while the gateway serves.
type Audit struct {
	Store      *store.DB
	MerchantID string         // only this merchant's books; "" for all
	Zone       *time.Location // of the times in notifications

	// Asked and RefundAsked report whether a payment or a refund has the values
	// of the request whose fingerprint it has. syssn is a number that the refund's
	// payment has or had. If nil, fingerprints are not checked.
	Asked       func(pay.Payment) bool
	RefundAsked func(r pay.Refund, syssn string) bool

	Found    func(Difference) // is called for each difference, when it is found
	Progress func(Counts)     // is called after each payment; may be nil
}

// Difference is a value that is not stored as it should be.
type Difference struct {
	MerchantID string `json:"merchant"`
	PaymentID  string `json:"syssn,omitempty"`
	What       string `json:"what"`
	Stored     string `json:"stored"`
	Want       string `json:"want"`
}

// Counts is how many rows were checked, and how many differences were found.
type Counts struct {
	Merchants   int `json:"merchants"`
	Payments    int `json:"payments"`
	Refunds     int `json:"refunds"`
	Movements   int `json:"movements"`
	Events      int `json:"events"`
	Deliveries  int `json:"notifications"`
	Differences int `json:"differences"`
}

// Report is the result of an audit.
type Report struct {
	Counts
	Balances []Balance         // by merchant, account and currency
	Orphans  []store.OrphanSum // open ones. They are not in the money record, and do not count as differences
}

// Run runs the audit. It returns an error only if the database fails: differences
// go to Found.
func (a Audit) Run(ctx context.Context) (Report, error) {
	r := run{Audit: a, merchants: map[string]bool{}}
	merchants, err := a.Store.Merchants(ctx)
	if err != nil {
		return r.report, err
	}
	for _, m := range merchants {
		r.merchants[m.ID] = true
	}
	for id, err := range a.Store.MerchantIDs(ctx) {
		if err != nil {
			return r.report, err
		}
		if a.MerchantID != "" && id != a.MerchantID {
			continue
		}
		if err := r.merchant(ctx, id); err != nil {
			return r.report, err
		}
	}
	orphans, err := a.Store.OpenOrphanSums(ctx)
	for _, o := range orphans {
		if a.MerchantID == "" || a.MerchantID == o.MerchantID {
			r.report.Orphans = append(r.report.Orphans, o)
		}
	}
	return r.report, err
}

// run is an audit that is running.
type run struct {
	Audit
	report    Report
	merchants map[string]bool // the merchants that exist
	books     books           // of the merchant that is audited now
}

// merchant audits the books of one merchant.
func (r *run) merchant(ctx context.Context, id string) error {
	r.books = books{}
	seen := r.report.Payments
	for d, err := range r.Store.Dossiers(ctx, id) {
		if err != nil {
			return err
		}
		r.count(d)
		r.dossier(d)
		if r.Progress != nil {
			r.Progress(r.report.Counts)
		}
	}
	repeated, err := r.Store.RepeatedTrades(ctx, id)
	if err != nil {
		return err
	}
	for _, t := range repeated {
		r.differ(id, t.PaymentID, "trade "+t.TradeNo, "has brought money in more than once", "once")
	}
	for _, b := range r.books.balances(id) {
		r.report.Balances = append(r.report.Balances, b)
		if b.Recorded != b.Stated {
			r.differ(id, "", "balance of "+b.Account, b.Recorded.String()+" by the money record",
				b.Stated.String()+" by the payments' and refunds' states")
		}
	}
	if r.merchants[id] {
		r.report.Merchants++
	} else if r.report.Payments > seen {
		r.differ(id, "", "merchant", "none", "the merchant whose payments there are")
	}
	return nil
}

func (r *run) count(d store.Dossier) {
	if d.Payment != nil {
		r.report.Payments++
	}
	r.report.Refunds += len(d.Refunds)
	r.report.Movements += len(d.Movements)
	r.report.Events += len(d.Events)
	r.report.Deliveries += len(d.Deliveries)
}

func (r *run) differ(merchantID, paymentID, what, stored, want string) {
	r.report.Differences++
	r.Found(Difference{merchantID, paymentID, what, cmp.Or(stored, "empty"), cmp.Or(want, "empty")})
}

// dossier checks all rows of one payment, and adds them to the books.
func (r *run) dossier(d store.Dossier) {
	r.books.record(d.Movements)
	c := check{run: r, Dossier: d}
	if d.Payment == nil {
		c.wrong("payment",
			fmt.Sprintf("none, with %d movements, %d refunds, %d events and %d notifications of it",
				len(d.Movements), len(d.Refunds), len(d.Events), len(d.Deliveries)),
			"the payment that they are of")
		return
	}
	c.events()
	c.payment(*d.Payment)
	c.refunds(*d.Payment)
	c.money(*d.Payment)
	c.notifications(*d.Payment)
	r.books.state(*d.Payment, c.history)
}
