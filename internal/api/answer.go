package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/web"
)

// answer is what is sent back, JSON to merchants and the wallet's own form to wallets,
// and what is logged of it.
type answer struct {
	status int
	json   any           // or
	wallet gateway.Reply // if json is nil; its Status is not read
	respcd string
	syssn  string
	err    error // what went wrong; nil for a success
}

// refusal is the body of an answer without an order.
type refusal struct {
	outcome
	OutTradeNo string `json:"out_trade_no,omitempty"` // once the request is known to be the merchant's
}

// refuse answers a merchant's request that has failed.
func (a *API) refuse(err error, outTradeNo string, entry *web.Entry) answer {
	o := outcomeOf(err, entry.ID)
	return answer{status: a.status(err), json: refusal{o, outTradeNo}, respcd: o.RespCd, err: err}
}

// send writes the answer. Only the connection can fail.
func (ans answer) send(w http.ResponseWriter) {
	body, contentType := ans.wallet.Body, cmp.Or(ans.wallet.ContentType, "text/plain; charset=utf-8")
	if ans.json != nil {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(ans.json); err != nil {
			panic(err) // a type of this package that has no JSON
		}
		body, contentType = b.Bytes(), "application/json; charset=utf-8"
	}
	h := w.Header()
	maps.Copy(h, ans.wallet.Header)
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	web.DataHeaders(h)
	setRetryAfter(h, ans.err)
	w.WriteHeader(ans.status)
	w.Write(body)
}

// layout is how the trade API writes a time.
const layout = "2006-01-02 15:04:05"

func (a *API) print(t time.Time) string { return t.In(a.Zone).Format(layout) }

// paidAt returns an order's paydtm: until it is paid, the time of its creation.
func (a *API) paidAt(p pay.Payment) string {
	if p.PaidAt.IsZero() {
		return a.print(p.CreatedAt)
	}
	return a.print(p.PaidAt)
}

// doneAt returns a refund's paydtm: until it is done, the time of its creation.
func (a *API) doneAt(r pay.Refund) string {
	if r.Status != pay.RefundSucceeded {
		return a.print(r.CreatedAt)
	}
	return a.print(r.DoneAt)
}
