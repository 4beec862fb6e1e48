package pay

// Status is the state of a payment.
type Status string

// The states of a payment. Partly refunded and refunded are not states: they
// follow from the refunds of a paid payment.
const (
	Created Status = "created" // stored; the wallet has not been asked or has not answered yet
	Pending Status = "pending" // the buyer can pay
	Paid    Status = "paid"    // the wallet says that it has the money
	Failed  Status = "failed"  // the wallet refused the order
	Closed  Status = "closed"  // called off by the merchant
	Expired Status = "expired" // not paid within its life
)

// legal holds every move that a payment may make. Money that arrives for an
// order that was given up is money all the same: it makes the order paid, and
// the payment is marked late.
var legal = map[Status][]Status{
	Created: {Pending, Paid, Failed, Closed, Expired},
	Pending: {Paid, Closed, Expired},
	Closed:  {Paid},
	Expired: {Paid},
	Failed:  {Paid},
}

// CanBecome reports whether a payment may move from s to next.
func (s Status) CanBecome(next Status) bool {
	for _, l := range legal[s] {
		if l == next {
			return true
		}
	}
	return false
}

// Open reports whether the payment's outcome is still to come.
func (s Status) Open() bool { return s == Created || s == Pending }

// GoesBack reports whether all of a payment's money goes back to the buyer, or
// has gone: it was refunded in full; or it came late, and all of it is set aside
// for a refund, as it is from the moment that unwanted money arrives.
func (p Payment) GoesBack() bool {
	return p.Status == Paid && (p.Refunded == p.Amount.Minor || p.Late && p.Refunded == 0 && p.Reserved == p.Amount.Minor)
}

// Known reports whether s is one of the states above.
func (s Status) Known() bool {
	switch s {
	case Created, Pending, Paid, Failed, Closed, Expired:
		return true
	}
	return false
}
