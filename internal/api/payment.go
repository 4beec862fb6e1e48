package api

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/web"
)

// defaultLife is how long an order without expired_time can be paid.
const defaultLife = 30 * time.Minute

// pay serves /trade/v1/payment.
func (a *API) pay(ctx context.Context, c call, entry *web.Entry) answer {
	request, err := paymentRequest(c)
	if err != nil {
		return a.refuse(err, "", entry)
	}
	order, err := a.Gateway.Pay(ctx, request)
	if order.ID == "" {
		return a.refuse(err, request.OrderNo, entry)
	}
	result := outcomeOf(err, entry.ID)
	return answer{
		status: a.status(err), json: a.paymentAnswer(order, result),
		respcd: result.RespCd, syssn: order.ID, err: err,
	}
}

// paymentRequest checks the values of an order, in the documented order. It knows no
// merchant's settings: what this merchant may order, the currencies of a pay type
// included, is the gateway's business.
func paymentRequest(c call) (gateway.PayRequest, error) {
	v := values{params: c.params}
	r := gateway.PayRequest{Credential: c.credential, Fingerprint: fingerprint(c.params, fingerprinted...)}

	v.required("txamt", 11)
	r.Amount.Minor = v.number("txamt", 1, 99_999_999_999)
	r.Amount.Currency = pay.Currency(v.required("txcurrcd", 3))
	if !r.Amount.Currency.Known() {
		v.fail("txcurrcd", "must be one of %s", joined(pay.Currencies))
	}
	r.PayType = pay.PayType(v.required("pay_type", 6))
	if !r.PayType.Known() {
		v.fail("pay_type", "must be one of %s", joined(pay.PayTypes))
	}
	r.OrderNo = v.required("out_trade_no", 128)
	r.ClientTime = v.required("txdtm", 20)
	v.moment("txdtm", time.UTC)
	r.Goods = v.text("goods_name", 64)
	r.ReturnURL = v.address("return_url", 512)
	r.NotifyURL = v.address("notify_url", 256)
	r.OpenID = v.text("openid", 64)
	switch {
	case !r.PayType.NeedsOpenID():
	case r.OpenID == "":
		v.fail("openid", "is required for pay_type %s", r.PayType)
	case !pay.ValidOpenID(r.OpenID):
		v.fail("openid", "must be 2088 and twelve digits, or an open id of letters, digits, - and _")
	}
	r.Life = time.Duration(v.number("expired_time", 5, 120)) * time.Minute
	if r.Life == 0 {
		r.Life = defaultLife
	}
	switch limit := v.text("limit_pay", 32); {
	case limit == "":
	case limit != "no_credit":
		v.fail("limit_pay", "must be no_credit")
	case !r.PayType.ExcludesCredit():
		v.fail("limit_pay",
			"cannot be asked for with pay_type %s, since the wallet does not know it", r.PayType)
	default:
		r.NoCredit = true
	}
	r.StoreID = v.text("mchid", 16)
	r.DeviceID = v.text("udid", 40)
	r.RefuseNew = v.age(c)
	return r, v.err
}

func joined[S ~string](all []S) string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// paymentAnswer is the body that describes an order. The order of the keys is the
// documented one.
type paymentAnswer struct {
	SysDtm     string     `json:"sysdtm"`
	PayDtm     string     `json:"paydtm"`
	TxCurrCd   string     `json:"txcurrcd"`
	RespMsg    string     `json:"respmsg"`
	PayType    string     `json:"pay_type"`
	CardCd     string     `json:"cardcd"`
	UdID       string     `json:"udid"`
	TxDtm      string     `json:"txdtm"`
	TxAmt      string     `json:"txamt"`
	RespErr    string     `json:"resperr"`
	OutTradeNo string     `json:"out_trade_no"`
	SysSn      string     `json:"syssn"`
	RespCd     string     `json:"respcd"`
	PayURL     *string    `json:"pay_url,omitempty"`
	PayParams  *payParams `json:"pay_params,omitempty"`
	ChnlSn     string     `json:"chnlsn"`
}

// payParams replace pay_url if the buyer pays within the wallet's app.
type payParams struct {
	TradeNo string `json:"tradeNO"`
	URL     string `json:"url"`
}

func (a *API) paymentAnswer(o gateway.Order, result outcome) paymentAnswer {
	ans := paymentAnswer{
		SysDtm:     a.print(o.CreatedAt),
		PayDtm:     a.paidAt(o.Payment),
		TxCurrCd:   string(o.Amount.Currency),
		RespMsg:    result.RespMsg,
		PayType:    string(o.PayType),
		CardCd:     o.BuyerID,
		UdID:       o.DeviceID,
		TxDtm:      o.ClientTime,
		TxAmt:      strconv.FormatInt(o.Amount.Minor, 10),
		RespErr:    result.RespErr,
		OutTradeNo: o.OrderNo,
		SysSn:      o.ID,
		RespCd:     result.RespCd,
		PayURL:     &o.PayURL,
		ChnlSn:     o.TradeNo,
	}
	if o.InApp {
		ans.PayURL, ans.PayParams = nil, &payParams{TradeNo: o.Checkout, URL: o.PayURL}
	}
	return ans
}
