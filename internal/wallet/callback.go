package wallet

import (
	"context"
	"net/http"
)

// Callback is a request that somebody posted to the callback address of an
// account. A wallet's message is called a callback; what a merchant is sent is a
// notification.
type Callback struct {
	Method string
	Path   string // with the query, as the wallet addressed it: base_url's path and ours
	Header http.Header
	Body   []byte
}

// Reply is the answer to a callback. It goes out as it is.
type Reply struct {
	Status      int         // 200 if 0
	Header      http.Header // beside ContentType and what every answer of ours has
	ContentType string      // "text/plain; charset=utf-8" if empty
	Body        []byte
}

// Notice is a verified callback.
type Notice struct {
	Number   string // our order's
	RefundID string // our refund's, if the notice is about one
	ID       string // the wallet's number of the notice, for the log
	State    State
	Reply    Reply // makes the wallet stop repeating it

	// Confirm is nil where the signature alone proves the notice. Otherwise the
	// notice settles nothing until Confirm has asked the wallet itself. It returns
	// the notice's State, with GivenBack if the wallet says that of it now.
	// *Rejection: the wallet does not stand by the notice; any other error: not known.
	Confirm func(ctx context.Context, o Order) (State, error)
}
