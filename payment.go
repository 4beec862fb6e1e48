package sampan

import (
	"context"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/sign"
)

// PaymentRequest is an order that can be paid once. PayType, Amount, Currency and OrderNo are
// required.
type PaymentRequest struct {
	PayType   PayType
	Amount    int64         // minor units, above 0
	Currency  string        // ISO 4217
	OrderNo   string        // the merchant's own number of this order, at most 128 characters
	GoodsName string        // shown to the buyer; 20 plain characters suit every wallet
	ReturnURL string        // where the buyer's browser returns at the end
	NotifyURL string        // where the notification goes; default: the credential's address
	OpenID    string        // the buyer, for AlipayServiceWindow
	ExpiresIn time.Duration // whole minutes from 5 to 120; 30 if 0
	NoCredit  bool          // refuses credit cards, for AlipayServiceWindow
	StoreID   string        // default: the client's
	DeviceID  string        // repeated in answers
	Time      time.Time     // the merchant's time of the order; default: now
}

// Payment is an order that the gateway has accepted. It is not paid yet.
type Payment struct {
	ID        string // syssn: the gateway's number
	OrderNo   string
	PayType   PayType
	Amount    int64
	Currency  string
	PayURL    string    // send the buyer's browser here; for AlipayServiceWindow this is the hosted page
	TradeNo   string    // for AlipayServiceWindow: the tradeNO for tradePay in the app
	CreatedAt time.Time // by the gateway's clock
}

// Pay creates an order. Calling it again with the same request returns the same order, whatever
// Time is. So after an error that Repeat reports, repeat the request unchanged. If anything else
// differs under the same OrderNo, the gateway answers CodeNumberUsed.
func (c *Client) Pay(ctx context.Context, r PaymentRequest) (*Payment, error) {
	if r.ExpiresIn%time.Minute != 0 {
		return nil, unsent("ExpiresIn is not a whole number of minutes")
	}
	if r.Time.IsZero() {
		r.Time = c.now()
	}
	p := sign.Params{
		"pay_type":     string(r.PayType),
		"txamt":        strconv.FormatInt(r.Amount, 10),
		"txcurrcd":     r.Currency,
		"out_trade_no": r.OrderNo,
	}
	c.date(p, r.Time)
	set(p, "goods_name", r.GoodsName)
	set(p, "return_url", r.ReturnURL)
	set(p, "notify_url", r.NotifyURL)
	set(p, "openid", r.OpenID)
	set(p, "udid", r.DeviceID)
	set(p, "mchid", c.store(r.StoreID))
	if r.ExpiresIn != 0 {
		p["expired_time"] = strconv.FormatInt(int64(r.ExpiresIn/time.Minute), 10)
	}
	if r.NoCredit {
		p["limit_pay"] = "no_credit"
	}
	a, err := c.call(ctx, "/trade/v1/payment", p)
	if err != nil {
		return nil, err
	}
	payment := &Payment{
		ID:        a.text("syssn"),
		OrderNo:   a.text("out_trade_no"),
		PayType:   PayType(a.text("pay_type")),
		Amount:    a.minor("txamt"),
		Currency:  a.text("txcurrcd"),
		PayURL:    a.text("pay_url"),
		CreatedAt: a.time("sysdtm"),
	}
	if inApp := a.object("pay_params"); inApp != nil {
		payment.TradeNo, payment.PayURL = inApp.text("tradeNO"), inApp.text("url")
	}
	if a.err != nil {
		return nil, a.err
	}
	return payment, nil
}

// date sets the merchant's time of a call. Without txzone the gateway reads txdtm as UTC+8.
func (c *Client) date(p sign.Params, t time.Time) {
	t = t.In(c.zone())
	p["txdtm"] = t.Format(time.DateTime)
	if zone := t.Format("-0700"); zone != "+0800" {
		p["txzone"] = zone
	}
}

// set adds a parameter unless it is empty. To the API, an empty parameter and a missing one are the
// same.
func set(p sign.Params, name, value string) {
	if value != "" {
		p[name] = value
	}
}

func (c *Client) store(id string) string {
	if id != "" {
		return id
	}
	return c.StoreID
}
