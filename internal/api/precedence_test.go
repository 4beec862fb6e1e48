package api

import (
	"strings"
	"testing"
)

// A request that breaks every rule is mended one rule at a time, in the order in
// which the rules must be checked: each answer names the first one that is still
// broken. Merchants' programs are written to this order, and openid is refused
// before it is known which wallet account takes the order.
func TestPaymentChecksKeepTheirOrder(t *testing.T) {
	h := newHarness(t)
	rules := []struct{ field, broken, mended, respcd, says string }{
		{"txamt", "0", "1200", "1104", "txamt: must be a whole number"},
		{"txcurrcd", "GBP", "HKD", "1104", "txcurrcd: must be one of"},
		{"pay_type", "800101", "800107", "1104", "pay_type: must be one of"},
		{"out_trade_no", "", "A-1", "1104", "out_trade_no: is required"},
		{"txdtm", "now", "2026-01-02 03:04:05", "1104", "txdtm: must be a date"},
		{"goods_name", "a\tb", "Oolong", "1104", "goods_name: must not hold"},
		{"return_url", "/back", "https://shop.example/back", "1104", "return_url: must begin"},
		{"notify_url", "/told", "https://shop.example/told", "1104", "notify_url: must begin"},
		{"openid", "", "1234", "1104", "openid: is required for pay_type 800107"},
		{"openid", "1234", "2088102122524333", "1104", "openid: must be 2088"},
		{"expired_time", "4", "7", "1104", "expired_time: must be"},
		{"limit_pay", "no_cash", "no_credit", "1104", "limit_pay: must be no_credit"},
		{"mchid", strings.Repeat("M", 17), "M1", "1104", "mchid: must have at most"},
		{"udid", "u\x01", "till", "1104", "udid: must not hold"},
		{"mchid", "M1", "", "1241", "mchid"},                // the app code has no stores
		{"txcurrcd", "HKD", "CNY", "1250", "txcurrcd: HKD"}, // no account settles in it
	}
	request := order()
	for i := len(rules) - 1; i >= 0; i-- {
		request[rules[i].field] = rules[i].broken
	}
	for _, rule := range rules {
		wantCode(t, h.send(t, "/trade/v1/payment", "plain", request), 200, rule.respcd, rule.says)
		request[rule.field] = rule.mended
	}
	if n := h.stored(t); n != 0 || len(h.window.orders()) != 0 {
		t.Errorf("refused, yet %d orders are stored and the wallet was asked %d times", n,
			len(h.window.orders()))
	}
	wantCode(t, h.send(t, "/trade/v1/payment", "plain", request), 200, "0000", "")
}

// A stored order is found by its number before anything else of a repeat is
// judged against the merchant's accounts.
func TestARepeatIsFoundBeforeAccountsAreChosen(t *testing.T) {
	h := newHarness(t)
	wantCode(t, h.pay(t), 200, "0000", "")
	wantCode(t, h.pay(t, "txcurrcd", "USD"), 200, "2011", "")
	wantCode(t, h.pay(t, "pay_type", "800107", "txcurrcd", "CNY"), 200, "1104", "openid: is required")
	wantCode(t, h.pay(t, "out_trade_no", "A-2", "txcurrcd", "USD"), 200, "1250", "txcurrcd: USD")
}
