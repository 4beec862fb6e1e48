package gateway

import (
	"errors"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// When the database fails, money may move twice if the merchant reads the wrong
// error: a merchant that reads "nothing was stored" for an order that was stored may
// pay or refund it once more. So each use case knows its first durable step. An error
// of the store before that step is returned as it is.

// maybeStored returns the error of the first durable step: pay.Unconfirmed if the
// store does not know whether the step was done.
func maybeStored(what string, err error) error {
	if !errors.Is(err, store.ErrOutcomeUnknown) {
		return err
	}
	return &pay.Error{Code: pay.Unconfirmed, Err: err,
		Message: "the " + what + " may be stored: send the same request again, or query"}
}

// alreadyStored returns the error of a step after the first durable one. A failure of
// the store is pay.Unconfirmed then, whether or not the later step was done. Errors
// of a wallet or a rule are returned as they are.
func alreadyStored(what string, err error) error {
	if pay.CodeOf(err) != pay.Internal {
		return err
	}
	for _, failure := range []error{store.ErrUnavailable, store.ErrOutcomeUnknown, store.ErrClosed} {
		if errors.Is(err, failure) {
			return &pay.Error{Code: pay.Unconfirmed, Err: err,
				Message: "the " + what + " is stored, but the gateway could not go on with it: " +
					"send the same request again, or query"}
		}
	}
	return err
}
