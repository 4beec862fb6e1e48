package gateway

import (
	"fmt"
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

// latePolicies fills in the defaults of Config.Late.
func latePolicies(given map[pay.Status]LatePolicy) (map[pay.Status]LatePolicy, error) {
	all := map[pay.Status]LatePolicy{}
	for status, policy := range DefaultLate {
		all[status] = policy
	}
	for status, policy := range given {
		if _, ok := DefaultLate[status]; !ok {
			return nil, fmt.Errorf("gateway: no late money can arrive for a payment that is %q", status)
		}
		if policy != LateKeep && policy != LateRefund {
			return nil, fmt.Errorf("gateway: late money of a payment that is %s: %q is neither %q nor %q", status, policy, LateKeep, LateRefund)
		}
		all[status] = policy
	}
	return all, nil
}

// giveBack makes an automatic refund of all of a payment that has just become
// paid, late, for Recover to send. It goes under the number of its own id, since
// no merchant gave it one.
func (g *Gateway) giveBack(tx *store.Tx, p pay.Payment) error {
	now := g.Now()
	id, err := g.newPaymentID(p.MerchantID, now)
	if err != nil {
		return err
	}
	_, err = g.addRefund(tx, p, pay.Refund{ID: id, OrderNo: id, Amount: p.Amount, CreatedAt: now}, time.Time{}, "late")
	return err
}
