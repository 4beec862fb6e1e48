package api

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// success is the respcd of a call that succeeded.
const success = "0000"

// meaning is what merchants read of an error or a state: the trade API's code and the
// words for people.
type meaning struct{ respcd, text string }

// meanings maps our codes to the trade API's (trade API, codes). docs/errors.md says
// the same, with causes and cures.
var meanings = map[pay.Code]meaning{
	pay.Internal:        {"1252", "system error"},
	pay.Unavailable:     {"1297", "gateway not available"},
	pay.Unconfirmed:     {"1298", "outcome unknown"},
	pay.Maintenance:     {"1100", "under maintenance"},
	pay.BadRequest:      {"1103", "request format error"},
	pay.BadParameter:    {"1104", "parameter error"},
	pay.BadSignature:    {"1108", "signature error"},
	pay.RateLimited:     {"1297", "too many requests"},
	pay.StoreUnknown:    {"1241", "store unknown"},
	pay.StoreNotSetUp:   {"1242", "store not configured for this payment"},
	pay.StoreDisabled:   {"1243", "store disabled"},
	pay.Forbidden:       {"1250", "pay type or currency not enabled"},
	pay.InProgress:      {"1102", "the same request is in progress"},
	pay.NumberUsed:      {"2011", "transaction number used"},
	pay.AlreadyPaid:     {"1260", "order already paid"},
	pay.AlreadyClosed:   {"1264", "order closed"},
	pay.AlreadyExpired:  {"1181", "order expired"},
	pay.NotFound:        {"1136", "transaction does not exist"},
	pay.WalletRejected:  {"1205", "transaction failed"},
	pay.WalletTrouble:   {"1203", "merchant account error at the wallet"},
	pay.WalletBusy:      {"1297", "wallet busy"},
	pay.WalletSlow:      {"1296", "wallet slow"},
	pay.OutcomeUnknown:  {"1298", "outcome unknown"},
	pay.Processing:      {"1145", "processing"},
	pay.NotPaid:         {"1261", "order not paid"},
	pay.AlreadyRefunded: {"1125", "refunded already"},
	pay.RefundTooLarge:  {"1272", "refund above what is left"},
	pay.RefundTooLate:   {"1265", "cannot be refunded any more"},
	pay.RefundDenied:    {"1155", "refund denied"},
	pay.FundsShort:      {"1269", "funds for the refund insufficient"},
	pay.AmountMismatch:  {"1266", "amount wrong"},
}

// spellings are the trade API's names of the fields that errors of inner rooms name.
var spellings = map[string]string{
	"amount":   "txamt",
	"currency": "txcurrcd",
	"order_no": "out_trade_no",
	"store_id": "mchid",
}

// outcome is the part that every answer has.
type outcome struct {
	RespCd  string `json:"respcd"`
	RespErr string `json:"resperr"`
	RespMsg string `json:"respmsg"`
}

// outcomeOf returns what a merchant reads of err, which may be nil. Of an error without
// a code that is only the request's id, under which the log has the rest.
func outcomeOf(err error, requestID string) outcome {
	if err == nil {
		return outcome{success, "success", ""}
	}
	code := codeOf(err)
	m, ok := meanings[code]
	if !ok {
		m = meanings[pay.Internal]
	}
	var coded *pay.Error
	if !errors.As(err, &coded) || coded.Code != code || code == pay.Internal {
		return outcome{m.respcd, m.text, troubles[code] + requestID}
	}
	detail, field := coded.Message, coded.Field
	if ours(err) {
		detail += "; request " + requestID
	}
	if spelt, ok := spellings[field]; ok {
		field = spelt
	}
	if field != "" {
		detail = field + ": " + detail
	}
	return outcome{m.respcd, m.text, detail}
}

// codeOf is pay.CodeOf for errors that may be the store's own. Those come before a
// call's first durable step. Later errors have a code of the gateway's, which is never
// pay.Unavailable.
func codeOf(err error) pay.Code {
	code := pay.CodeOf(err)
	switch {
	case code != pay.Internal:
		return code
	case errors.Is(err, store.ErrOutcomeUnknown):
		return pay.Unconfirmed
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrClosed):
		return pay.Unavailable
	}
	return pay.Internal
}

// troubles are the details of trouble of our own; the request's id follows.
var troubles = map[pay.Code]string{
	pay.Internal: "an error of ours: ask its operator about request ",
	pay.Unavailable: "the gateway cannot store anything now, and nothing of this was stored: " +
		"send the same request again; request ",
	pay.Unconfirmed: "the gateway's database did not say whether this is stored: " +
		"send the same request again, or query; request ",
}

// ours reports whether err is trouble of our own: not the request's fault, nor a
// wallet's.
func ours(err error) bool {
	_, is := troubles[codeOf(err)]
	return is
}

// statusOf returns the HTTP status of an answer with err. Trouble of our own is 503:
// proxies replace every other 5xx by pages of their own. The trade API's transport
// section names a few more. Everything else is 200.
func statusOf(err error) int {
	switch {
	case errors.Is(err, errNoPath):
		return http.StatusNotFound
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed
	case errors.Is(err, errTooLarge):
		return http.StatusRequestEntityTooLarge
	case pay.CodeOf(err) == pay.RateLimited:
		return http.StatusTooManyRequests
	case ours(err):
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// status is statusOf for merchants. The configuration may name another status for
// trouble of our own, except for a database that is stopped until the gateway is
// restarted.
func (a *API) status(err error) int {
	if a.TroubleStatus != 0 && ours(err) && !errors.Is(err, store.ErrStopped) {
		return a.TroubleStatus
	}
	return statusOf(err)
}

// setRetryAfter writes the header, in whole seconds and at least one, for an error that
// says when to retry, and for trouble of our own.
func setRetryAfter(h http.Header, err error) {
	var after retryAfter
	if errors.As(err, &after) || ours(err) {
		seconds := math.Ceil(time.Duration(after).Seconds())
		h.Set("Retry-After", strconv.Itoa(max(1, int(seconds))))
	}
}
