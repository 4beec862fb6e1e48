package api

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/web"
)

// Bounds of a query.
const (
	maxNumbers      = 100 // syssn or out_trade_no in one query
	maxRange        = 92 * 24 * time.Hour
	defaultPageSize = 10
	maxPageSize     = 100
	maxPage         = 1_000_000
)

// states maps a payment's status to what merchants read of it.
var states = map[pay.Status]meaning{
	pay.Created: unknownYet,
	pay.Pending: {"1143", "waiting for the buyer"},
	pay.Paid:    {success, "success"},
	pay.Failed:  meanings[pay.WalletRejected],
	pay.Closed:  {"1142", "order closed"},
	pay.Expired: {"1181", "order expired"},
}

var unknownYet = meaning{"1145", "outcome not known yet"}

// stateOf returns what merchants read of a payment. One that is being closed is neither
// open nor closed.
func stateOf(p pay.Payment) meaning {
	if p.Status == pay.Pending && p.CloseID != "" {
		return unknownYet
	}
	return states[p.Status]
}

// refundStateOf returns what merchants read of a refund.
func refundStateOf(r pay.Refund) meaning {
	switch r.Status {
	case pay.RefundPending:
		return unknownYet
	case pay.RefundSucceeded:
		return states[pay.Paid]
	}
	if m, ok := meanings[r.Cause]; ok {
		return m
	}
	return meanings[pay.RefundDenied]
}

// queryAnswer is the body of a query that succeeded.
type queryAnswer struct {
	outcome
	Page     string        `json:"page"`
	PageSize string        `json:"page_size"`
	Data     []transaction `json:"data"`
}

// transaction is one element of Data. The order of the keys is the documented one.
type transaction struct {
	SysSn             string `json:"syssn"`
	OutTradeNo        string `json:"out_trade_no"`
	TxAmt             string `json:"txamt"`
	TxCurrCd          string `json:"txcurrcd"`
	PayType           string `json:"pay_type"`
	OrderType         string `json:"order_type"`
	RespCd            string `json:"respcd"`
	ErrMsg            string `json:"errmsg"`
	Cancel            string `json:"cancel"`
	TxDtm             string `json:"txdtm"`
	SysDtm            string `json:"sysdtm"`
	PayDtm            string `json:"paydtm"`
	ChnlSn            string `json:"chnlsn"`
	ChnlSn2           string `json:"chnlsn2"`
	GoodsName         string `json:"goods_name"`
	GoodsInfo         string `json:"goods_info"`
	UdID              string `json:"udid"`
	CashFee           string `json:"cash_fee"`
	CashFeeType       string `json:"cash_fee_type"`
	CashRefundFee     string `json:"cash_refund_fee"`
	CashRefundFeeType string `json:"cash_refund_fee_type"`
	ExchangeRate      string `json:"exchange_rate"`
	CardCd            string `json:"cardcd"`
	OrigSn            string `json:"origssn,omitempty"` // refunds only
}

// query serves /trade/v1/query.
func (a *API) query(ctx context.Context, c call, entry *web.Entry) answer {
	request, err := queryRequest(c, a.Now())
	if err != nil {
		return a.refuse(err, "", entry)
	}
	found, err := a.Gateway.Query(ctx, request)
	if err != nil {
		return a.refuse(err, "", entry)
	}
	limit := request.Filter.Limit
	body := queryAnswer{
		outcome:  outcomeOf(nil, entry.ID),
		Page:     strconv.Itoa(request.Filter.Offset/limit + 1),
		PageSize: strconv.Itoa(limit),
		Data:     []transaction{}, // never null
	}
	wanted := c.params["respcd"]
	for _, t := range found {
		line := a.transaction(t.Payment)
		if t.Refund != nil {
			line = a.refundTransaction(*t.Refund, t.Payment)
		}
		// Its state may have changed since it was read, because the wallet was asked.
		if wanted == "" || line.RespCd == wanted {
			body.Data = append(body.Data, line)
		}
	}
	return answer{status: http.StatusOK, json: body, respcd: body.RespCd}
}

// queryRequest checks the values of a query. A query without numbers asks for a range
// of time: the current month in txzone, unless one is given.
func queryRequest(c call, now time.Time) (gateway.QueryRequest, error) {
	v := values{params: c.params}
	r := gateway.QueryRequest{Credential: c.credential, StoreID: v.text("mchid", 16)}
	f := &r.Filter

	f.IDs = v.numbers("syssn")
	f.OrderNos = v.numbers("out_trade_no")
	for _, s := range v.list("pay_type", len(pay.PayTypes)) {
		t := pay.PayType(s)
		if !t.Known() {
			v.fail("pay_type", "must be one or several of %s", joined(pay.PayTypes))
		}
		f.PayTypes = append(f.PayTypes, t)
	}
	v.state("respcd", f)
	if len(f.IDs)+len(f.OrderNos) == 0 {
		f.From, f.To = v.timeRange(now)
	}
	f.Limit = defaultPageSize
	if size := v.number("page_size", 1, maxPageSize); size != 0 {
		f.Limit = int(size)
	}
	if page := v.number("page", 1, maxPage); page != 0 {
		f.Offset = (int(page) - 1) * f.Limit
	}
	return r, v.err
}

// numbers reads comma-separated transaction numbers. An order number may itself contain
// commas, so the whole value is looked for too.
func (v *values) numbers(name string) []string {
	numbers := v.list(name, maxNumbers)
	for _, n := range numbers {
		if utf8.RuneCountInString(n) > 128 || strings.ContainsFunc(n, unicode.IsControl) {
			v.fail(name, "each number must have at most 128 characters, none of them control characters")
		}
	}
	if len(numbers) > 1 {
		numbers = append(numbers, v.params[name])
	}
	return numbers
}

// Statuses that nothing has, for a filter without results.
const (
	noStatus       pay.Status       = "none"
	noRefundStatus pay.RefundStatus = "none"
)

// state reads a filter by a transaction's respcd: it inverts stateOf and
// refundStateOf. Without a value nothing is filtered.
func (v *values) state(name string, f *store.Filter) {
	code := v.text(name, 4)
	if code == "" {
		return
	}
	f.Statuses, f.RefundStatuses = []pay.Status{noStatus}, []pay.RefundStatus{noRefundStatus}
	switch code {
	case success:
		f.Statuses, f.RefundStatuses = []pay.Status{pay.Paid}, []pay.RefundStatus{pay.RefundSucceeded}
	case unknownYet.respcd:
		f.Statuses, f.Closing = []pay.Status{pay.Created, pay.Pending}, store.ToBeClosed
		f.RefundStatuses = []pay.RefundStatus{pay.RefundPending}
	default:
		for status, m := range states {
			if m.respcd == code {
				f.Statuses, f.Closing = []pay.Status{status}, store.NotToBeClosed
			}
		}
		for cause, m := range meanings {
			if m.respcd == code {
				f.RefundStatuses = []pay.RefundStatus{pay.RefundFailed}
				f.RefundCauses = append(f.RefundCauses, cause)
			}
		}
	}
}

var zoneForm = regexp.MustCompile(`^[+-](0[0-9]|1[0-4])[0-5][0-9]$`)

// zone reads txzone; UTC+8 if absent.
func (v *values) zone() *time.Location {
	s := v.params["txzone"]
	if s == "" {
		s = "+0800"
	}
	if !zoneForm.MatchString(s) {
		v.fail("txzone", "must be a difference from UTC as +0800")
		return time.UTC
	}
	minutes, _ := strconv.Atoi(s[3:])
	hours, _ := strconv.Atoi(s[:3])
	if s[0] == '-' {
		minutes = -minutes
	}
	return time.FixedZone(s, (hours*60+minutes)*60)
}

// timeRange reads start_time and end_time, both inclusive. An absent one is the
// beginning or the end of the current month, if the result is a range.
func (v *values) timeRange(now time.Time) (from, to time.Time) {
	zone := v.zone()
	start, end := v.moment("start_time", zone), v.moment("end_time", zone)
	year, month, _ := now.In(zone).Date()
	from, to = time.Date(year, month, 1, 0, 0, 0, 0, zone), time.Date(year, month+1, 1, 0, 0, -1, 0, zone)
	switch {
	case !start.IsZero() && end.IsZero() && (start.Before(from) || start.After(to)):
		v.fail("end_time", "is required for a range that is not within the current month")
	case start.IsZero() && !end.IsZero() && (end.Before(from) || end.After(to)):
		v.fail("start_time", "is required for a range that is not within the current month")
	}
	if !start.IsZero() {
		from = start
	}
	if !end.IsZero() {
		to = end
	}
	switch {
	case to.Before(from):
		v.fail("end_time", "must not be before start_time")
	case to.Sub(from) > maxRange:
		v.fail("end_time", "must be within 92 days of start_time")
	}
	// Times have whole seconds, so the last second is included to its end.
	return from, to.Add(time.Second - time.Millisecond)
}

// transaction describes a payment. The wallets do not say what the buyer paid in their
// own currency.
func (a *API) transaction(p pay.Payment) transaction {
	state := stateOf(p)
	return transaction{
		SysSn:         p.ID,
		OutTradeNo:    p.OrderNo,
		TxAmt:         strconv.FormatInt(p.Amount.Minor, 10),
		TxCurrCd:      string(p.Amount.Currency),
		PayType:       string(p.PayType),
		OrderType:     "payment",
		RespCd:        state.respcd,
		ErrMsg:        state.text,
		Cancel:        cancelled(p),
		TxDtm:         p.ClientTime,
		SysDtm:        a.print(p.CreatedAt),
		PayDtm:        a.paidAt(p),
		ChnlSn:        p.TradeNo,
		GoodsName:     p.Goods,
		UdID:          p.DeviceID,
		CashFee:       "0",
		CashRefundFee: "0",
		CardCd:        p.BuyerID,
	}
}

// refundTransaction describes a refund of p.
func (a *API) refundTransaction(r pay.Refund, p pay.Payment) transaction {
	state := refundStateOf(r)
	t := a.transaction(p)
	t.SysSn, t.OutTradeNo, t.OrigSn, t.OrderType = r.ID, r.OrderNo, p.ID, "refund"
	t.TxAmt, t.Cancel = strconv.FormatInt(r.Amount.Minor, 10), "0"
	t.RespCd, t.ErrMsg = state.respcd, state.text
	t.TxDtm, t.SysDtm, t.PayDtm, t.UdID = r.ClientTime, a.print(r.CreatedAt), a.doneAt(r), r.DeviceID
	return t
}

// cancelled returns the flag that says whether an order is still valid. Late money that
// goes back by itself counts as given back from the start, so that nobody takes the
// order for a paid one meanwhile.
func cancelled(p pay.Payment) string {
	switch {
	case p.Status == pay.Closed:
		return "2"
	case p.GoesBack():
		return "3"
	case p.Refunded == 0:
		return "0"
	}
	return "5"
}
