package sampan

import (
	"context"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/sign"
)

// PaymentRequest is an order to be paid once. PayType, Amount, Currency and
// OrderNo are required.
type PaymentRequest struct {
	PayType   PayType
	Amount    int64         // minor units, above 0
	Currency  string        // ISO 4217
	OrderNo   string        // the merchant's own number, used for one order only, 128 characters at most
	GoodsName string        // shown to the buyer; 20 plain characters suit every wallet
	ReturnURL string        // where the buyer's browser goes in the end
	NotifyURL string        // where the notification goes, if not to the credential's address
	OpenID    string        // the buyer, for AlipayServiceWindow
	ExpiresIn time.Duration // whole minutes from 5 to 120; the gateway's 30 if 0
	NoCredit  bool          // no credit cards, for AlipayServiceWindow
	StoreID   string        // the client's if empty
	DeviceID  string        // echoed in answers
	Time      time.Time     // the merchant's time of the order; now if zero
}

// Payment is an order that the gateway accepted. It is not paid yet.
type Payment struct {
	ID        string // syssn: the gateway's number
	OrderNo   string
	PayType   PayType
	Amount    int64
	Currency  string
	PayURL    string    // send the buyer's browser here; for AlipayServiceWindow the hosted page
	TradeNo   string    // for AlipayServiceWindow: what tradePay takes in the app
	CreatedAt time.Time // by the gateway's clock
}

// Pay creates an order. Calling it again with the same request gives the same
// order, whatever Time says, so a call of whose outcome nothing is known (Repeat)
// is repeated unchanged; with the same OrderNo and anything else different the
// gateway answers CodeNumberUsed.
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

// date sets the merchant's time of a call. A gateway that looks at it takes it for UTC+8 without txzone.
func (c *Client) date(p sign.Params, t time.Time) {
	t = t.In(c.zone())
	p["txdtm"] = t.Format(clockTime)
	if zone := t.Format("-0700"); zone != "+0800" {
		p["txzone"] = zone
	}
}

// set leaves out what is empty: no parameter of the API differs between the two.
func set(p sign.Params, name, value string) {
	if value != "" {
		p[name] = value
	}
}

func (c *Client) store(of string) string {
	if of != "" {
		return of
	}
	return c.StoreID
}
