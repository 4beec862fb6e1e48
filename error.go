package sampan

import (
	"errors"
	"fmt"
	"time"
)

// Code is a result code of the trade API (respcd).
type Code string

// The codes that a merchant's program may want to tell apart.
const (
	CodeSuccess        Code = "0000"
	CodeMaintenance    Code = "1100"
	CodeInProgress     Code = "1102" // the same request is being worked on: repeat it
	CodeBadRequest     Code = "1103"
	CodeBadParameter   Code = "1104" // Detail names it
	CodeBadSignature   Code = "1108" // or an unknown app code
	CodeNotFound       Code = "1136"
	CodeOrderClosed    Code = "1142" // state of a transaction: called off
	CodeNotPaidYet     Code = "1143" // state: the buyer may still pay
	CodeProcessing     Code = "1145" // state: the outcome is not known yet
	CodeExpired        Code = "1181"
	CodeForbidden      Code = "1250" // pay type or currency not enabled
	CodeSystemError    Code = "1252" // the order may exist: ask with a query
	CodeAlreadyPaid    Code = "1260"
	CodeAlreadyClosed  Code = "1264"
	CodeWalletSlow     Code = "1296"
	CodeWalletBusy     Code = "1297" // come again; with HTTP 429: too many requests, with 503: the gateway's own trouble
	CodeOutcomeUnknown Code = "1298" // the order may exist: ask with a query
	CodeNumberUsed     Code = "2011" // the order number stands for another order

	CodeAlreadyRefunded Code = "1125" // nothing is left to give back
	CodeRefundDenied    Code = "1155" // the wallet will not give this money back
	CodeNotPaid         Code = "1261" // only what was paid can be refunded
	CodeRefundTooLate   Code = "1265"
	CodeAmountDiffers   Code = "1266" // an order is closed with its own amount
	CodeFundsShort      Code = "1269" // the merchant's account at the wallet holds less than the refund
	CodeRefundTooLarge  Code = "1272" // refunds together would exceed the payment
)

// Pending reports whether the outcome is still to come: ask again later.
func (c Code) Pending() bool { return c == CodeNotPaidYet || c == CodeProcessing }

// Repeat reports whether err, which a call returned, leaves open what became of
// the call, or says that it can be made in a moment: send the same request again,
// above all under the same OrderNo, or ask with Query. After any other error the
// call has surely failed.
//
// Open are a broken connection, an answer that cannot be read or has no Code, a
// CodeSuccess under another status than 200, and
// the codes that Code.Pending, CodeSystemError, CodeOutcomeUnknown and
// CodeWalletSlow name. CodeMaintenance, CodeInProgress and CodeWalletBusy say to
// come again; a call that was tried several times may still have been carried out.
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

// unsentError is a call that cannot be made: nothing was sent.
type unsentError struct{ err error }

func unsent(format string, args ...any) error {
	return &unsentError{fmt.Errorf("sampan: "+format, args...)}
}

func (e *unsentError) Error() string { return e.err.Error() }
func (e *unsentError) Unwrap() error { return e.err }

// Error is an answer of the gateway that is not a success. Get at it with
// errors.As. Repeat tells whether it is final.
type Error struct {
	Code       Code          // "" if the answer did not come from the trade API, e.g. from a proxy
	Message    string        // resperr: for people
	Detail     string        // respmsg: for developers
	HTTPStatus int           //
	RetryAfter time.Duration // what the gateway asked for, if it did
}

// Error gives code, message and detail on one line.
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

// transportError is a failure below the API: no answer, or half of one.
type transportError struct{ err error }

func (e *transportError) Error() string { return "sampan: " + e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }
