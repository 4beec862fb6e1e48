package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// Orphans lists orphans, newest first.
func (d *Deployment) Orphans(ctx context.Context, f store.OrphanFilter) ([]pay.Orphan, error) {
	return d.db.Orphans(ctx, f)
}

// OrphansOf lists the orphans of a number. A number that is not 26 digits has none.
func (d *Deployment) OrphansOf(ctx context.Context, number string) ([]pay.Orphan, error) {
	if !isSyssn(number) {
		return nil, nil
	}
	return d.db.OrphansOfNumber(ctx, merchantOf(number), number)
}

// OrphanMessage returns what the wallet sent about an orphan, or "" if that was
// dropped.
func (d *Deployment) OrphanMessage(ctx context.Context, o pay.Orphan) (string, error) {
	return d.db.OrphanMessage(ctx, o)
}

// SettleOrphans settles the open orphans of a number and a trade, after the operator
// has dealt with their money elsewhere. The note says how. trade may be "" if all
// are of one trade. It returns those that it has settled, also with an error.
func (a Acts) SettleOrphans(
	ctx context.Context, number, trade, note string,
) (settled []pay.Orphan, err error) {
	if strings.TrimSpace(note) == "" || len(note) > 1000 {
		return nil, &InputError{
			Field: "note", Err: errors.New("must say what was done about the money, in 1000 bytes at most"),
		}
	}
	found, err := a.OrphansOf(ctx, number)
	if err != nil {
		return nil, err
	}
	var open []pay.Orphan
	trades := map[[2]string]bool{}
	for _, o := range found {
		if o.State == pay.OrphanOpen && (trade == "" || trade == o.TradeNo) {
			open = append(open, o)
			trades[[2]string{o.AccountID, o.TradeNo}] = true
		}
	}
	switch {
	case len(open) == 0:
		return nil, fmt.Errorf("%s: no such orphan is open", number)
	case len(trades) > 1:
		return nil, &InputError{
			Field: "trade", Err: fmt.Errorf("missing: %s has open orphans of %d trades", number, len(trades)),
		}
	}
	for _, o := range open {
		if err := gateway.SettleElsewhere(ctx, a.db, o, a.Now(), a.by, note); err != nil {
			return settled, err
		}
		settled = append(settled, o)
	}
	return settled, nil
}
