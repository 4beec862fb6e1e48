package api

import (
	"net/http"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
)

// Overloaded answers a request over a connection that is one more than the server
// takes. Nothing was done about it, so everybody can come again: merchants get
// the usual body, wallets "fail".
func (a *API) Overloaded(w http.ResponseWriter, r *http.Request) {
	rec := &record{id: a.requestID()}
	w.Header().Set("X-Request-Id", rec.id)
	err := &pay.Error{Code: pay.Unavailable, Message: "the server has all the connections that it takes, and nothing of this was stored: send the same request again"}
	switch {
	case strings.HasPrefix(r.URL.Path, "/trade/"):
		a.refuse(err, "", rec).send(w)
	case strings.HasPrefix(r.URL.Path, "/callback/"):
		callbackFailed(err).send(w)
	default:
		answer{status: http.StatusServiceUnavailable, text: []byte("too many connections: come again\n"), err: err}.send(w)
	}
}
