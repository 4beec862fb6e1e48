package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/web"
)

// reversalAnswer describes a refund or a closing. The order of the keys is the
// documented one.
type reversalAnswer struct {
	SysSn             string `json:"syssn"`
	OrigSysSn         string `json:"orig_syssn"`
	TxAmt             string `json:"txamt"`
	TxCurrCd          string `json:"txcurrcd"`
	TxDtm             string `json:"txdtm"`
	SysDtm            string `json:"sysdtm"`
	PayDtm            string `json:"paydtm"`
	UdID              string `json:"udid"`
	OutTradeNo        string `json:"out_trade_no"`
	RespCd            string `json:"respcd"`
	RespErr           string `json:"resperr"`
	RespMsg           string `json:"respmsg"`
	ChnlSn            string `json:"chnlsn"`
	CardCd            string `json:"cardcd"`
	CashFee           string `json:"cash_fee"`
	CashFeeType       string `json:"cash_fee_type"`
	CashRefundFee     string `json:"cash_refund_fee"`
	CashRefundFeeType string `json:"cash_refund_fee_type"`
}

// processing is the error for a refund or a closing that is stored and whose outcome is
// not known yet.
func processing(what string) error {
	return &pay.Error{
		Code: pay.Processing, Message: "the " + what + "'s outcome is not known yet: ask with a query",
	}
}

// refund serves /trade/v1/refund.
func (a *API) refund(ctx context.Context, c call, entry *web.Entry) answer {
	request, err := refundRequest(c)
	if err != nil {
		return a.refuse(err, "", entry)
	}
	r, p, err := a.Gateway.Refund(ctx, request)
	if r.ID == "" {
		return a.refuse(err, request.OrderNo, entry)
	}
	if err == nil && r.Status == pay.RefundPending {
		err = processing("refund")
	}
	result := outcomeOf(err, entry.ID)
	return answer{status: a.status(err), respcd: result.RespCd, syssn: r.ID, err: err, json: reversalAnswer{
		SysSn: r.ID, OrigSysSn: p.ID,
		TxAmt: strconv.FormatInt(r.Amount.Minor, 10), TxCurrCd: string(r.Amount.Currency),
		TxDtm: r.ClientTime, SysDtm: a.print(r.CreatedAt),
		PayDtm: a.doneAt(r), UdID: r.DeviceID, OutTradeNo: r.OrderNo,
		RespCd: result.RespCd, RespErr: result.RespErr, RespMsg: result.RespMsg,
		ChnlSn: p.TradeNo, CardCd: p.BuyerID, CashFee: "0", CashRefundFee: "0",
	}}
}

func refundRequest(c call) (gateway.RefundRequest, error) {
	v := values{params: c.params}
	r := gateway.RefundRequest{
		Credential:  c.credential,
		PaymentID:   v.required("syssn", 128),
		OrderNo:     v.required("out_trade_no", 128),
		Fingerprint: fingerprint(c.params, fingerprintedOfRefunds...),
	}
	v.required("txamt", 11)
	r.Minor = v.number("txamt", 1, 99_999_999_999)
	r.ClientTime = v.required("txdtm", 20)
	v.moment("txdtm", time.UTC)
	r.StoreID, r.DeviceID = v.text("mchid", 16), v.text("udid", 40)
	r.RefuseNew = v.age(c)
	return r, v.err
}

// close serves /trade/v1/close and /trade/v1/reversal.
func (a *API) close(ctx context.Context, c call, entry *web.Entry) answer {
	request, err := closeRequest(c)
	if err != nil {
		return a.refuse(err, "", entry)
	}
	closing, err := a.Gateway.Close(ctx, request)
	if closing.ID == "" {
		return a.refuse(err, request.OrderNo, entry)
	}
	p := closing.Payment
	if err == nil && p.Status.Open() {
		err = processing("closing")
	}
	result := outcomeOf(err, entry.ID)
	reversal := reversalAnswer{
		SysSn: closing.ID, OrigSysSn: p.ID,
		TxAmt: strconv.FormatInt(p.Amount.Minor, 10), TxCurrCd: string(p.Amount.Currency),
		TxDtm: request.ClientTime, SysDtm: a.print(closing.At), PayDtm: a.print(closing.At),
		UdID: request.DeviceID, OutTradeNo: p.OrderNo,
		RespCd: result.RespCd, RespErr: result.RespErr, RespMsg: result.RespMsg,
		ChnlSn: p.TradeNo, CardCd: p.BuyerID, CashFee: "0", CashRefundFee: "0",
	}
	return answer{
		status: a.status(err), respcd: result.RespCd, syssn: closing.ID, err: err, json: reversal,
	}
}

func closeRequest(c call) (gateway.CloseRequest, error) {
	v := values{params: c.params}
	r := gateway.CloseRequest{
		Credential: c.credential, PaymentID: v.text("syssn", 128), OrderNo: v.text("out_trade_no", 128),
	}
	if r.PaymentID == "" && r.OrderNo == "" {
		v.fail("syssn", "or out_trade_no is required")
	}
	v.required("txamt", 11)
	r.Minor = v.number("txamt", 1, 99_999_999_999)
	r.ClientTime = v.required("txdtm", 20)
	v.moment("txdtm", time.UTC)
	r.StoreID, r.DeviceID = v.text("mchid", 16), v.text("udid", 40)
	r.RefuseNew = v.age(c)
	return r, v.err
}

// noteAnswer is the body of an answer to a note.
type noteAnswer struct {
	outcome
	Data struct {
		SysSn string `json:"syssn"`
	} `json:"data"`
}

// addNote serves /trade/v1/add_note.
func (a *API) addNote(ctx context.Context, c call, entry *web.Entry) answer {
	v := values{params: c.params}
	code, id, note := v.required("code", 64), v.required("syssn", 128), v.required("note", 200)
	if code != c.credential.AppCode {
		v.fail("code", "must be the app code that signs")
	}
	if v.err == nil {
		v.err = a.Gateway.Note(ctx, c.credential, id, note)
	}
	if v.err != nil {
		return a.refuse(v.err, "", entry)
	}
	body := noteAnswer{outcome: outcomeOf(nil, entry.ID)}
	body.Data.SysSn = id
	return answer{status: http.StatusOK, json: body, respcd: body.RespCd, syssn: id}
}
