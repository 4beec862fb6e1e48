package pay

import "errors"

// Code says what kind of thing went wrong. The trade API's numbers for them
// are in the api package, one table.
type Code string

// The codes. An error without one is Internal to the outside.
const (
	Internal        Code = "internal"    // trouble of our own that nobody understands: it may have happened
	Unavailable     Code = "unavailable" // trouble of our own, and nothing was or will be stored: come again
	Unconfirmed     Code = "unconfirmed" // trouble of our own: it may be stored, or is and what follows is not done
	Maintenance     Code = "maintenance"
	BadRequest      Code = "bad_request"      // the request cannot be read
	BadParameter    Code = "bad_parameter"    // a value is missing or malformed
	BadSignature    Code = "bad_signature"    // or an unknown app code: the two are never told apart
	RateLimited     Code = "rate_limited"     //
	StoreUnknown    Code = "store_unknown"    //
	StoreNotSetUp   Code = "store_not_set_up" //
	StoreDisabled   Code = "store_disabled"   //
	Forbidden       Code = "forbidden"        // pay type or currency not enabled
	InProgress      Code = "in_progress"      // the same request is being worked on
	NumberUsed      Code = "number_used"      // the order number stands for something else
	AlreadyPaid     Code = "already_paid"     //
	AlreadyClosed   Code = "already_closed"   //
	AlreadyExpired  Code = "already_expired"  //
	NotFound        Code = "not_found"        //
	WalletRejected  Code = "wallet_rejected"  // the wallet said no
	WalletTrouble   Code = "wallet_trouble"   // the merchant's contract with the wallet is in trouble
	WalletBusy      Code = "wallet_busy"      // nothing was sent, or the wallet asks to come again
	WalletSlow      Code = "wallet_slow"      //
	OutcomeUnknown  Code = "outcome_unknown"  // the wallet may have done it: ask with a query
	Processing      Code = "processing"       // it was taken on and its outcome will be known
	NotPaid         Code = "not_paid"         //
	AlreadyRefunded Code = "already_refunded" //
	RefundTooLarge  Code = "refund_too_large" //
	RefundTooLate   Code = "refund_too_late"  //
	RefundDenied    Code = "refund_denied"    // the wallet will not give this money back
	FundsShort      Code = "funds_short"      // the merchant's funds at the wallet do not cover the refund
	AmountMismatch  Code = "amount_mismatch"  //
)

// Error is an error that has a code and a message that may be shown to the
// merchant. Err, if any, is for the log only.
type Error struct {
	Code    Code
	Field   string // the request's field that is at fault, if one is
	Message string
	Err     error
}

// Error gives the full text, for logs.
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

// CodeOf returns the code of the first Error in err's chain, Internal if there
// is none, and "" for nil.
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
