package gateway

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// LatePolicy says what becomes of money that arrives for an order that was given
// up.
type LatePolicy string

// The policies. The payment is paid, and marked late, under either.
const (
	LateKeep   LatePolicy = "keep"   // the merchant is told, as of any other
	LateRefund LatePolicy = "refund" // it is given back, and the merchant is told of the refund only
)

// DefaultLate is what happens to late money by the state that the order was in:
// who called an order off does not want it paid any more, while the others
// would have been welcome a moment before.
var DefaultLate = map[pay.Status]LatePolicy{pay.Expired: LateKeep, pay.Failed: LateKeep, pay.Closed: LateRefund}

// CheckLate reports what is wrong with policies as Config.Late takes them.
func CheckLate(policies map[pay.Status]LatePolicy) error {
	for status, policy := range policies {
		if _, ok := DefaultLate[status]; !ok {
			return fmt.Errorf("%q is none of expired, failed and closed, the states in which money can come late", status)
		}
		if policy != LateKeep && policy != LateRefund {
			return fmt.Errorf("%s: %q is neither %q nor %q", status, policy, LateKeep, LateRefund)
		}
	}
	return nil
}

// latePolicies fills in the defaults of Config.Late.
func latePolicies(given map[pay.Status]LatePolicy) (map[pay.Status]LatePolicy, error) {
	if err := CheckLate(given); err != nil {
		return nil, fmt.Errorf("gateway: late money: %w", err)
	}
	all := maps.Clone(DefaultLate)
	maps.Copy(all, given)
	return all, nil
}

// giveBack makes an automatic refund of all of a payment that has just become
// paid, late, for Recover to send. It goes under the number of its own id, since
// no merchant gave it one.
func (g *Gateway) giveBack(tx *store.Tx, p pay.Payment) error {
	now := g.Now()
	id, err := g.freeNumber(tx, p)
	if err != nil {
		return err
	}
	_, err = g.addRefund(tx, p, pay.Refund{ID: id, OrderNo: id, Amount: p.Amount, CreatedAt: now}, time.Time{}, pay.ByPolicy)
	return err
}

// freeNumber is the first of the numbers under which a payment's late money may
// go back that no other refund has.
func (g *Gateway) freeNumber(tx *store.Tx, p pay.Payment) (string, error) {
	for try := range numberTries {
		id := g.numberUnder(p, "late money", p.OrderNo, p.Fingerprint, try)
		switch _, err := tx.Refund(p.MerchantID, id); {
		case errors.Is(err, store.ErrNotFound):
			return id, nil
		case err != nil:
			return "", err
		}
	}
	return "", fmt.Errorf("gateway: every number for giving back %s is taken", p.ID)
}
