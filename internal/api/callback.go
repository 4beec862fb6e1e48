package api

import (
	"cmp"
	"errors"
	"net/http"
	"regexp"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/web"
)

// callbackAddress matches addresses that can be ours: the merchant's six digits and the
// account's id. Others are not looked up.
var callbackAddress = regexp.MustCompile(`^[0-9]{6}/[0-9A-Za-z-]{1,32}$`)

// callback serves the address to which a wallet posts for an account. Only a callback
// that the gateway has made durable gets the answer that ends the wallet's repeats. Any
// other is answered "fail", or the wallet's own form of it, so that the wallet sends
// again later: with 4xx if the callback is refused, 5xx if the trouble is ours.
func (a *API) callback(w http.ResponseWriter, r *http.Request, entry *web.Entry) answer {
	if err := a.Store.Stopped(); err != nil {
		return callbackFailed(err)
	}
	merchant, account := r.PathValue("merchant"), r.PathValue("account")
	reply, err := a.takeCallback(w, r, merchant, account)
	if err == nil {
		return answer{status: cmp.Or(reply.Status, http.StatusOK), wallet: *reply}
	}
	ans := callbackFailed(err)
	if reply != nil {
		ans.status, ans.wallet = cmp.Or(reply.Status, ans.status), *reply
	}
	if errors.Is(err, gateway.ErrForeignLogged) {
		return ans
	}
	a.Log.WarnContext(r.Context(), "callback refused", "request", entry.ID, "status", ans.status,
		"merchant", web.Clip(merchant, 16), "account", web.Clip(account, 32),
		"from", a.source(r).String(), "reason", web.Clip(err.Error(), 500))
	return ans
}

// takeCallback hands a callback to the gateway. A request with another method, or to an
// address that cannot be ours, is refused before its body is read.
func (a *API) takeCallback(
	w http.ResponseWriter, r *http.Request, merchant, account string,
) (*gateway.Reply, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return nil, &pay.Error{Code: pay.BadRequest, Message: "the method must be POST", Err: errMethod}
	}
	if !callbackAddress.MatchString(merchant + "/" + account) {
		return nil, &pay.Error{Code: pay.NotFound, Message: "not an address of ours"}
	}
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	return a.Gateway.Callback(r.Context(), merchant, account, gateway.Callback{
		Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header, Body: body,
	})
}

// callbackFailed answers a callback that the wallet must send again.
func callbackFailed(err error) answer {
	status := statusOf(err)
	if status == http.StatusOK {
		switch pay.CodeOf(err) {
		case pay.NotFound:
			status = http.StatusNotFound
		case pay.BadSignature, pay.Forbidden:
			status = http.StatusForbidden
		case pay.BadRequest:
			status = http.StatusBadRequest
		default:
			status = http.StatusServiceUnavailable
		}
	}
	return answer{status: status, wallet: gateway.Reply{Body: []byte("fail")}, err: err}
}

func callbackBroken(err error, _ *web.Entry) answer { return callbackFailed(err) }
