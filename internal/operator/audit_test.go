package operator

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sampanpay/sampan/internal/audit"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

func TestAuditGoesToFoundAndCounts(t *testing.T) {
	each(t, func(t *testing.T, d *Deployment, c pay.Credential) {
		// Paid, but without a line of the money record.
		p, _ := paid(t, d, pay.Scope{MerchantID: "100001", AppCode: c.AppCode}, 1, "TEA-1")
		var found []audit.Difference
		var last audit.Counts
		report, err := d.Audit(t.Context(), "100001", func(f audit.Difference) { found = append(found, f) },
			func(c audit.Counts) { last = c })
		check(t, err)
		if len(found) == 0 || found[0].PaymentID != p.ID || report.Differences != len(found) ||
			last.Payments != 1 {
			t.Errorf("found %+v, report %+v, progress %+v", found, report, last)
		}
		records := AuditRecords(report)
		text, err := json.Marshal(records[len(records)-1])
		check(t, err)
		if !strings.HasPrefix(string(text), `{"audited":{`) {
			t.Errorf("the last record is %s", text)
		}
		if _, err := d.Audit(t.Context(), "999999", nil, nil); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an unknown merchant: %v", err)
		}
	})
}
