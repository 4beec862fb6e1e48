package pay

import "errors"

// Code is the kind of an error. One table in the api package has the trade API's
// number of each.
type Code string

// The codes. An error without one is Internal to the outside.
const (
	Internal        Code = "internal"    // an unexpected fault of ours: the request may have taken effect
	Unavailable     Code = "unavailable" // a fault of ours, nothing was or will be stored: try again
	Unconfirmed     Code = "unconfirmed" // a fault of ours: it may be stored, or is stored but not finished
	Maintenance     Code = "maintenance"
	BadRequest      Code = "bad_request"      // the request cannot be read
	BadParameter    Code = "bad_parameter"    // a value is missing or malformed
	BadSignature    Code = "bad_signature"    // or an unknown app code: callers cannot tell which
	RateLimited     Code = "rate_limited"     //
	StoreUnknown    Code = "store_unknown"    //
	StoreNotSetUp   Code = "store_not_set_up" //
	StoreDisabled   Code = "store_disabled"   //
	Forbidden       Code = "forbidden"        // pay type or currency not enabled
	InProgress      Code = "in_progress"      // the same request is being processed
	NumberUsed      Code = "number_used"      // the order number stands for something else
	AlreadyPaid     Code = "already_paid"     //
	AlreadyClosed   Code = "already_closed"   //
	AlreadyExpired  Code = "already_expired"  //
	NotFound        Code = "not_found"        //
	WalletRejected  Code = "wallet_rejected"  // the wallet refused
	WalletTrouble   Code = "wallet_trouble"   // the wallet refuses the merchant's account
	WalletBusy      Code = "wallet_busy"      // nothing was sent, or the wallet asks to try later
	WalletSlow      Code = "wallet_slow"      //
	OutcomeUnknown  Code = "outcome_unknown"  // the wallet may have done it: ask with a query
	Processing      Code = "processing"       // accepted, the outcome follows
	NotPaid         Code = "not_paid"         //
	AlreadyRefunded Code = "already_refunded" //
	RefundTooLarge  Code = "refund_too_large" //
	RefundTooLate   Code = "refund_too_late"  //
	RefundDenied    Code = "refund_denied"    // the wallet refuses the refund
	FundsShort      Code = "funds_short"      // the merchant's funds at the wallet do not cover the refund
	AmountMismatch  Code = "amount_mismatch"  //
)

// Error is an error that has a code and a message that may be shown to the
// merchant. Err, if any, is for the log only.
type Error struct {
	Code    Code
	Field   string // the field of the request that is wrong, if it is one
	Message string
	Err     error
}

// Error returns the full text, for logs.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Field != "" {
		s += ": " + e.Field
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first Error in err's chain. It returns Internal
// for other errors, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
