package gateway

import (
	"fmt"
	"maps"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// LatePolicy says what happens to money that arrives for an order that has ended.
type LatePolicy string

// The policies. With both, the payment becomes paid and is marked late.
const (
	LateKeep   LatePolicy = "keep"   // the merchant gets the usual notification
	LateRefund LatePolicy = "refund" // it is refunded: the merchant gets the notification of the refund only
)

// DefaultLate is the policy by the state that the order was in. A merchant that has
// closed an order does not want it paid any more. The money of other orders would
// have been welcome a moment before.
var DefaultLate = map[pay.Status]LatePolicy{
	pay.Expired: LateKeep, pay.Failed: LateKeep, pay.Closed: LateRefund,
}

// CheckLate returns an error if Config.Late cannot have the value policies.
func CheckLate(policies map[pay.Status]LatePolicy) error {
	for status, policy := range policies {
		if _, ok := DefaultLate[status]; !ok {
			return fmt.Errorf("%q must be expired, failed or closed, the states in which money can come late",
				status)
		}
		if policy != LateKeep && policy != LateRefund {
			return fmt.Errorf("%s: %q must be %q or %q", status, policy, LateKeep, LateRefund)
		}
	}
	return nil
}

// latePolicies adds the defaults to Config.Late.
func latePolicies(configured map[pay.Status]LatePolicy) (map[pay.Status]LatePolicy, error) {
	if err := CheckLate(configured); err != nil {
		return nil, fmt.Errorf("gateway: late money: %w", err)
	}
	all := maps.Clone(DefaultLate)
	maps.Copy(all, configured)
	return all, nil
}

// addLateRefund adds a refund of the whole payment to the change that makes it paid
// late. Recover sends it. The refund's order number is its id, since no merchant gave
// it one. try counts the ids that were taken.
func (g *Gateway) addLateRefund(c *store.Change, try int) {
	p, now := &c.Payment, g.Now()
	id := g.numberUnder(*p, "late money", p.OrderNo, p.Fingerprint, try)
	refund := reserve(c, pay.Refund{ID: id, OrderNo: id, Amount: p.Amount, CreatedAt: now}, now, pay.ByPolicy)
	c.Refund = &refund
}
