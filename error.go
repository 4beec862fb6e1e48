package sampan

import (
	"errors"
	"fmt"
	"time"
)

// Code is a result code of the trade API (respcd).
type Code string

// The codes that a merchant's program may want to distinguish.
const (
	CodeSuccess        Code = "0000"
	CodeMaintenance    Code = "1100"
	CodeInProgress     Code = "1102" // the same request is in progress: repeat it
	CodeBadRequest     Code = "1103"
	CodeBadParameter   Code = "1104" // Detail names it
	CodeBadSignature   Code = "1108" // or the app code is unknown
	CodeNotFound       Code = "1136"
	CodeOrderClosed    Code = "1142" // state of a transaction: closed
	CodeNotPaidYet     Code = "1143" // state: the buyer may still pay
	CodeProcessing     Code = "1145" // state: the outcome is not known yet
	CodeExpired        Code = "1181"
	CodeForbidden      Code = "1250" // the pay type or currency is not enabled
	CodeSystemError    Code = "1252" // the order may exist: ask with a query
	CodeAlreadyPaid    Code = "1260"
	CodeAlreadyClosed  Code = "1264"
	CodeWalletSlow     Code = "1296"
	CodeWalletBusy     Code = "1297" // retry later: HTTP 429 is too many requests, 503 a fault of the gateway
	CodeOutcomeUnknown Code = "1298" // the order may exist: ask with a query
	CodeNumberUsed     Code = "2011" // the order number belongs to another order

	CodeAlreadyRefunded Code = "1125" // nothing is left to refund
	CodeRefundDenied    Code = "1155" // the wallet refuses the refund
	CodeNotPaid         Code = "1261" // an order that is not paid cannot be refunded
	CodeRefundTooLate   Code = "1265"
	CodeAmountDiffers   Code = "1266" // an order must be closed with its own amount
	CodeFundsShort      Code = "1269" // the merchant's account at the wallet holds less than the refund
	CodeRefundTooLarge  Code = "1272" // refunds together would exceed the payment
)

// Pending reports whether the outcome is not known yet: ask again later.
func (c Code) Pending() bool { return c == CodeNotPaidYet || c == CodeProcessing }

// Repeat reports whether a call that returned err may have been carried out, or can succeed in a
// moment. Then send the same request again, above all under the same OrderNo, or ask with Query.
// After any other error the call has certainly failed.
//
// The call may have been carried out after a broken connection, an answer that cannot be read or
// has no Code, a CodeSuccess under a status other than 200, and the codes that Code.Pending
// reports, CodeSystemError, CodeOutcomeUnknown and CodeWalletSlow. CodeMaintenance, CodeInProgress
// and CodeWalletBusy ask to retry; if the call was tried several times, one of the tries may still
// have been carried out.
func Repeat(err error) bool {
	if err == nil || errors.As(err, new(*unsentError)) {
		return false
	}
	var e *Error
	if !errors.As(err, &e) {
		return true
	}
	switch e.Code {
	case "", CodeSuccess, CodeSystemError, CodeOutcomeUnknown, CodeWalletSlow,
		CodeMaintenance, CodeInProgress, CodeWalletBusy:
		return true
	}
	return e.Code.Pending()
}

// unsentError is the error of a call that was not sent.
type unsentError struct{ err error }

func unsent(format string, args ...any) error {
	return &unsentError{fmt.Errorf("sampan: "+format, args...)}
}

func (e *unsentError) Error() string { return e.err.Error() }
func (e *unsentError) Unwrap() error { return e.err }

// Error is an answer of the gateway that is not a success. Use errors.As to get it. Repeat reports
// whether it is final.
type Error struct {
	Code       Code          // "" if the answer does not come from the trade API: a proxy's, for example
	Message    string        // resperr: for people
	Detail     string        // respmsg: for developers
	HTTPStatus int           // the answer's status
	RetryAfter time.Duration // the pause that the gateway asks for, or 0
}

// Error returns code, message and detail on one line.
func (e *Error) Error() string {
	s := "sampan: "
	if e.Code != "" {
		s += string(e.Code) + " "
	}
	s += e.Message
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.HTTPStatus != 200 {
		s += fmt.Sprintf(" (HTTP %d)", e.HTTPStatus)
	}
	return s
}

// transportError is a failure below the API: the answer is missing or incomplete.
type transportError struct{ err error }

func (e *transportError) Error() string { return "sampan: " + e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }
