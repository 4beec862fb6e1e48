package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/store"
)

// backlog looks for work that is overdue, and for work that needs a person.
func (d *checkup) backlog(db *store.DB) {
	const what = "backlog"
	ctx, cancel := d.within()
	defer cancel()
	now := d.now()
	b, err := db.Backlog(ctx, now)
	if errors.Is(err, context.DeadlineExceeded) {
		d.warn(what, "could not be counted in "+checkWithin.String(), "")
		return
	}
	if err != nil {
		d.wrong(what, err.Error(), "")
		return
	}
	since := func(t time.Time) string { return now.Sub(t).Round(time.Second).String() }
	const idle = "is serve running? does it log errors?"
	late := 2 * time.Minute
	waits := false
	if b.Deliveries > 0 && now.Sub(b.DeliverDue) > late {
		waits = true
		d.warn(what, fmt.Sprintf("%d notifications are overdue, the oldest for %s",
			b.Deliveries, since(b.DeliverDue)),
			idle)
	}
	if b.Payments > 0 && now.Sub(b.PaymentDue) > late {
		waits = true
		d.warn(what,
			fmt.Sprintf("%d orders were to be asked about at the wallet, the oldest %s ago", b.Payments,
				since(b.PaymentDue)), idle)
	}
	if b.Dead > 0 {
		waits = true
		d.warn(what, fmt.Sprintf("%d notifications were given up", b.Dead),
			"sampan delivery list --state dead; then sampan delivery resend")
	}
	if b.Flagged > 0 {
		waits = true
		d.warn(what,
			fmt.Sprintf("%d orders need a look: money that is not their own, or that contradicts itself",
				b.Flagged), "sampan payment show tells why; the log has their syssn: payment needs a look")
	}
	if !waits {
		d.good(what, "nothing waits")
	}
}

// orphans finds money that no order has. A person must settle it.
func (d *checkup) orphans(db *store.DB) {
	const what = "orphans"
	ctx, cancel := d.within()
	defer cancel()
	open, err := db.OpenOrphanSums(ctx)
	if err != nil {
		d.wrong(what, err.Error(), "")
		return
	}
	for _, s := range open {
		d.wrong(what, fmt.Sprintf("%s/%s: %s", s.MerchantID, s.AccountID, operator.OrphanSum(s)),
			"sampan orphan list; if the database was restored, have the merchant send its orders again")
	}
}
