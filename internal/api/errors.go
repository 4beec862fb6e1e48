package api

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// success is the respcd of a call that was carried out.
const success = "0000"

// meaning is how an error is told to merchants: the trade API's code and the
// words for people.
type meaning struct{ respcd, text string }

// meanings is the one table from our codes to the trade API's (trade API,
// codes). docs/errors.md says the same with causes and cures.
var meanings = map[pay.Code]meaning{
	pay.Internal:        {"1252", "system error"},
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

// spellings are the trade API's names for the fields that inner rooms name.
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

// outcomeOf tells a merchant about err, nil included. Of an error without a
// code it tells nothing but the request's id, under which the log has the rest.
func outcomeOf(err error, requestID string) outcome {
	if err == nil {
		return outcome{success, "success", ""}
	}
	var coded *pay.Error
	if !errors.As(err, &coded) || coded.Code == pay.Internal {
		m := meanings[pay.Internal]
		return outcome{m.respcd, m.text, "an error of ours: ask its operator about request " + requestID}
	}
	m, ok := meanings[coded.Code]
	if !ok {
		m = meanings[pay.Internal]
	}
	detail, field := coded.Message, coded.Field
	if spelt, ok := spellings[field]; ok {
		field = spelt
	}
	if field != "" {
		detail = field + ": " + detail
	}
	return outcome{m.respcd, m.text, detail}
}

// statusOf is the HTTP status of an answer with err: 200 but for the few that
// the trade API's transport section names.
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
	}
	return http.StatusOK
}

// setRetryAfter writes the header for an error that says when to come again, in
// whole seconds, at least one.
func setRetryAfter(h http.Header, err error) {
	var after retryAfter
	if errors.As(err, &after) {
		seconds := math.Ceil(time.Duration(after).Seconds())
		h.Set("Retry-After", strconv.Itoa(max(1, int(seconds))))
	}
}
