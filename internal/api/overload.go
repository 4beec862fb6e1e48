package api

import (
	"net/http"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/web"
)

// Overloaded answers a request over one connection more than the server takes.
// Nothing was done about it, so every client can repeat it: merchants get the
// usual body, wallets "fail", all others web.Overloaded.
func (a *API) Overloaded(w http.ResponseWriter, r *http.Request) {
	entry := a.observer().Begin(w, r) // no line in the log: it could be flooded
	err := &pay.Error{Code: pay.Unavailable,
		Message: "the server has all the connections that it takes, and nothing of this was stored: " +
			"send the same request again"}
	switch {
	case strings.HasPrefix(r.URL.Path, "/trade/"):
		a.refuse(err, "", entry).send(w)
	case strings.HasPrefix(r.URL.Path, "/callback/"):
		callbackFailed(err).send(w)
	default:
		web.Overloaded(w, r)
	}
}
