package gateway

import (
	"errors"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// What a merchant reads of trouble with the store decides whether money moves twice: who takes "come again, nothing
// was stored" for a refusal pays or gives back once more. So each use case says which of its steps was the first
// durable one. An error of the store's that comes before it leaves the gateway as it is.

// maybeStored is the error of the first durable step itself: pay.Unconfirmed if the store does not know whether the
// step was done.
func maybeStored(what string, err error) error {
	if !errors.Is(err, store.ErrOutcomeUnknown) {
		return err
	}
	return &pay.Error{Code: pay.Unconfirmed, Err: err,
		Message: "the " + what + " may be stored: send the same request again, or query"}
}

// alreadyStored is an error that comes behind the first durable step: trouble with the store is pay.Unconfirmed then,
// whatever became of the later step. What a wallet or a rule says stays as it is.
func alreadyStored(what string, err error) error {
	if pay.CodeOf(err) != pay.Internal {
		return err
	}
	for _, trouble := range []error{store.ErrUnavailable, store.ErrOutcomeUnknown, store.ErrClosed} {
		if errors.Is(err, trouble) {
			return &pay.Error{Code: pay.Unconfirmed, Err: err,
				Message: "the " + what + " is stored, but the gateway could not go on with it: send the same request again, or query"}
		}
	}
	return err
}
