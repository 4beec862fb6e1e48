package api

import (
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/sign"
)

// placed is the payment that a request makes.
func placed(t *testing.T, params sign.Params) pay.Payment {
	t.Helper()
	r, err := paymentRequest(call{params: params})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	p := pay.Payment{
		Scope: pay.Scope{StoreID: r.StoreID}, OrderNo: r.OrderNo, Fingerprint: r.Fingerprint,
		PayType: r.PayType, Amount: r.Amount, Goods: r.Goods,
		DeviceID: r.DeviceID, ReturnURL: r.ReturnURL, NotifyURL: r.NotifyURL, OpenID: r.OpenID,
		NoCredit: r.NoCredit, CreatedAt: now, ExpiresAt: now.Add(r.Life),
	}
	if p.NotifyURL == "" {
		p.NotifyURL = "https://shop.example/by-default"
	}
	return p
}

func TestAPaymentHasTheValuesThatWereAskedFor(t *testing.T) {
	for name, params := range map[string]sign.Params{
		"plain":               order(),
		"told by default":     order("notify_url", ""),
		"with a life":         order("expired_time", "7"),
		"with the usual life": order("expired_time", "30"),
		"all of it": order("expired_time", "7", "mchid", "M1", "udid", "till", "pay_type", "800107",
			"openid", "o", "limit_pay", "no_credit"),
	} {
		p := placed(t, params)
		if !Asked(p) {
			t.Errorf("%s: is not what was asked for", name)
		}
		for what, change := range map[string]func(*pay.Payment){
			"amount":   func(p *pay.Payment) { p.Amount.Minor-- },
			"currency": func(p *pay.Payment) { p.Amount.Currency = "JPY" },
			"pay type": func(p *pay.Payment) { p.PayType = pay.AlipayHK },
			"number":   func(p *pay.Payment) { p.OrderNo += "x" },
			"goods":    func(p *pay.Payment) { p.Goods += "x" },
			"return":   func(p *pay.Payment) { p.ReturnURL += "x" },
			"buyer":    func(p *pay.Payment) { p.OpenID += "x" },
			"credit":   func(p *pay.Payment) { p.NoCredit = !p.NoCredit },
			"store":    func(p *pay.Payment) { p.StoreID += "x" },
			"device":   func(p *pay.Payment) { p.DeviceID += "x" },
			"minutes":  func(p *pay.Payment) { p.ExpiresAt = p.ExpiresAt.Add(time.Minute) },
			"life":     func(p *pay.Payment) { p.ExpiresAt = p.ExpiresAt.Add(time.Millisecond) },
			"print":    func(p *pay.Payment) { p.Fingerprint = "" },
		} {
			changed := p
			change(&changed)
			if Asked(changed) {
				t.Errorf("%s: another %s passes for what was asked for", name, what)
			}
		}
		p.NotifyURL += "x"
		if byDefault := params["notify_url"] == ""; Asked(p) != byDefault {
			t.Errorf("%s: that it is told elsewhere passes: %v", name, !byDefault)
		}
	}
}

func TestARefundHasTheValuesThatWereAskedFor(t *testing.T) {
	params := sign.Params{"syssn": "20260102100001123456789012", "out_trade_no": "R-1", "txamt": "30",
		"txdtm": "2026-01-02 03:04:05", "mchid": "M1", "udid": "till"}
	request, err := refundRequest(call{params: params})
	if err != nil {
		t.Fatal(err)
	}
	r := pay.Refund{
		Scope: pay.Scope{StoreID: request.StoreID}, PaymentID: request.PaymentID, OrderNo: request.OrderNo,
		Fingerprint: request.Fingerprint, Amount: pay.Amount{Minor: request.Minor, Currency: "HKD"},
		DeviceID: request.DeviceID,
	}
	if !RefundAsked(r, r.PaymentID) {
		t.Error("it is not what was asked for")
	}
	for what, change := range map[string]func(*pay.Refund){
		"payment": func(r *pay.Refund) { r.PaymentID += "x" },
		"number":  func(r *pay.Refund) { r.OrderNo += "x" },
		"amount":  func(r *pay.Refund) { r.Amount.Minor++ },
		"store":   func(r *pay.Refund) { r.StoreID = "" },
		"device":  func(r *pay.Refund) { r.DeviceID = "" },
	} {
		changed := r
		change(&changed)
		if RefundAsked(changed, changed.PaymentID) {
			t.Errorf("another %s passes for what was asked for", what)
		}
	}
}
