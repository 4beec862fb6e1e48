package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/api"
	"github.com/sampanpay/sampan/internal/audit"
	"github.com/sampanpay/sampan/internal/store"
)

// ErrNoVerdict means that an audit has no result, since the database was not read as
// it stood at one time. Close returns what happened.
var ErrNoVerdict = errors.New("operator: the database was not read as it stood at one time")

// Audit audits the books of one merchant, or of all if merchantID is "". The gateway
// may be serving. Each difference goes to found as it is found, and progress, if
// not nil, is called for each payment. The error is store.ErrNotFound for an unknown
// merchant.
func (d *Deployment) Audit(ctx context.Context, merchantID string, found func(audit.Difference),
	progress func(audit.Counts),
) (audit.Report, error) {
	report, err := audit.Audit{
		Store: d.db, MerchantID: merchantID, Zone: d.Location, Asked: api.Asked, RefundAsked: api.RefundAsked,
		Found: found, Progress: progress,
	}.Run(ctx)
	empty := report.Merchants == 0 && report.Differences == 0
	switch {
	case err != nil:
		return report, err
	case d.db.Unchanged() != nil:
		return report, ErrNoVerdict
	case empty && merchantID != "":
		return report, fmt.Errorf("merchant %s: %w", merchantID, store.ErrNotFound)
	case empty:
		return report, errors.New("there are no books to look at: no merchant is in this database; is its " +
			"address right?")
	}
	return report, nil
}

// AuditRecords returns a report as objects for machines: each has one member,
// "balance", "orphans" or, at the end, "audited".
func AuditRecords(r audit.Report) (records []map[string]any) {
	for _, b := range r.Balances {
		records = append(records, map[string]any{"balance": map[string]any{
			"merchant": b.MerchantID, "account": b.Account, "currency": b.Recorded.Currency,
			"movements": b.Lines, "recorded": b.Recorded.Minor, "stated": b.Stated.Minor,
		}})
	}
	for _, s := range r.Orphans {
		records = append(records, map[string]any{"orphans": map[string]any{
			"merchant": s.MerchantID, "account": s.AccountID, "went_back": s.Back, "open": s.Orphans,
			"currency": s.Amount.Currency, "amount": s.Amount.Minor,
		}})
	}
	return append(records, map[string]any{"audited": r.Counts})
}
