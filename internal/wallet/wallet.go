// Package wallet is the contract between the gateway and the connectors, each of
// which talks to one kind of wallet from a folder of its own below this one.
//
// A connector translates: our orders into the wallet's requests, the wallet's
// answers and callbacks into states. It keeps no state, retries nothing and
// decides nothing. Timeouts, repeats, idempotency and logging are the gateway's,
// once for all wallets.
//
// Read this file first, then flow.go (how a buyer gets to the wallet), order.go
// and state.go (what goes in and comes out), callback.go (what the wallet posts)
// and driver.go (what a wallet can do, and what its accounts are made of). call.go
// and settings.go are for connectors to use. wallettest is the suite that every
// connector passes.
package wallet

import (
	"context"
	"net/url"
	"time"
)

// Connector talks to one wallet account.
//
// Apart from what each method says, every error is one of these:
//
//   - *Rejection: the wallet said no, by a code that its documents list as a no.
//   - ErrNotSent: nothing left this machine, so the call can be repeated.
//   - ErrUnknown: it may have happened. The order stays as it is and is queried
//     again.
//   - ErrUnsupported: this wallet cannot do it at all.
//
// A status or a code that the wallet's documents do not list is ErrUnknown, never
// a failure and never a success. An unlisted status is ErrUnlisted as well.
type Connector interface {
	// Pay returns how the buyer gets to the wallet, by the wallet's Flow. It never
	// means that anything is paid.
	//
	// The gateway calls it again for the same order and number after silence, after
	// a crash and when the Checkout has ended, and two calls may be in flight at
	// once. A repeat must mean the same order to the wallet. Where the wallet cannot
	// rule out that two of its pages are paid, the second payment is booked as
	// surplus.
	Pay(ctx context.Context, o Order) (Checkout, error)

	// Query asks for the state of an order. An order that the wallet does not know
	// is Outcome NotFound, without an error.
	Query(ctx context.Context, o Order) (State, error)

	// Refund gives money back. The same Refund.ID is never paid out twice. The
	// state's outcome is Succeeded, Failed or Unknown.
	Refund(ctx context.Context, r Refund) (State, error)

	// QueryRefund asks for the state of a refund: Succeeded, Failed, or Unknown
	// while the wallet works on it. NotFound means that the wallet has not taken it,
	// and that the same refund is sent again under the same number.
	QueryRefund(ctx context.Context, r Refund) (State, error)

	// Close makes an unpaid order unpayable. The state's outcome is Closed if it is
	// unpayable now, Paid if the buyer was faster, NotFound if the wallet knows no
	// such order (yet), else Unknown.
	Close(ctx context.Context, o Order) (State, error)

	// Callback verifies and decodes what was posted to the account's callback
	// address. It has no effects and asks nobody. An error means that the message is
	// not the wallet's or cannot be read: nothing may follow from it.
	Callback(c Callback) (Notice, error)
}

// FailureReplier is implemented by connectors whose wallet wants an answer of its
// own form to a callback that was not taken: signed, for instance. Without it the
// answer is "fail" as plain text.
type FailureReplier interface {
	// CallbackFailed returns the answer to a callback that was refused, or that
	// could not be stored, because of err. It must make the wallet send again. A
	// Status of 0 is replaced by the one that says what is wrong: 4xx if the
	// message is refused, 503 if the trouble is ours. The callback may be anybody's.
	CallbackFailed(c Callback, err error) Reply
}

// Authorizer is implemented by connectors whose wallet needs the buyer's id before
// payment, and tells it to a page that the buyer authorises.
type Authorizer interface {
	// Authorize returns the wallet's address that sends the buyer on to redirectURL
	// with a code and the state. It needs no network.
	Authorize(redirectURL, state string) (string, error)

	// Identify exchanges what the buyer's browser brought back to redirectURL for
	// the buyer's id, which is an Order's OpenID. The code in it serves once. A
	// *Rejection means that the buyer said no, or that the code is not good any more.
	Identify(ctx context.Context, query url.Values) (openID string, err error)
}

// Paced is implemented by connectors whose wallet wants time between refunds.
type Paced interface {
	// RefundGap returns the least time between two refunds that are sent under the
	// same key. Accounts that share a contract share the key.
	RefundGap() (key string, gap time.Duration)
}
