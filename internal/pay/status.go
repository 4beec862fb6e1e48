package pay

// Status is the state of a payment.
type Status string

// The states of a payment. A refunded payment stays paid: how much was refunded
// follows from its refunds.
const (
	Created Status = "created" // stored; the wallet has not been asked or has not answered yet
	Pending Status = "pending" // the buyer can pay
	Paid    Status = "paid"    // the wallet has the money
	Failed  Status = "failed"  // the wallet refused the order
	Closed  Status = "closed"  // closed at the merchant's request
	Expired Status = "expired" // not paid in time
)

// legal lists the moves that a payment may make. Money that arrives for a closed,
// expired or failed order makes it paid, and marks it late.
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

// Open reports whether the payment has no outcome yet.
func (s Status) Open() bool { return s == Created || s == Pending }

// GoesBack reports whether all of a payment's money goes, or went, back to the
// buyer. The payment was refunded in full, or it came late and all of it is reserved
// by the refund that was made with it.
func (p Payment) GoesBack() bool {
	if p.Status != Paid {
		return false
	}
	return p.Refunded == p.Amount.Minor || p.Late && p.Refunded == 0 && p.Reserved == p.Amount.Minor
}

// Known reports whether s is one of the states above.
func (s Status) Known() bool {
	switch s {
	case Created, Pending, Paid, Failed, Closed, Expired:
		return true
	}
	return false
}
