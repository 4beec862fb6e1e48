package gateway

import (
	"fmt"
	"maps"

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

// addLateRefund adds to the change that makes a payment paid, late, a refund of all of
// it, for Recover to send. The refund has no order number but its own id, since no
// merchant gave it one; try counts the ids that were taken.
func (g *Gateway) addLateRefund(c *store.Change, try int) {
	p, now := &c.Payment, g.Now()
	id := g.numberUnder(*p, "late money", p.OrderNo, p.Fingerprint, try)
	c.Refund = &pay.Refund{
		Scope: p.Scope, ID: id, OrderNo: id, PaymentID: p.ID, AccountID: p.AccountID, Amount: p.Amount,
		Status: pay.RefundPending, CreatedAt: now, DueAt: now,
	}
	p.Reserved = p.Amount.Minor
	c.Events = append(c.Events, pay.Event{Kind: pay.EventRefundAsked, By: pay.ByPolicy, At: now, Amount: p.Amount, RefundID: id})
}
