package simulator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// refundOf returns a merchant's refund request. pairs replace fields, or remove them with "".
func refundOf(number, returnNo, amount string, pairs ...string) mapi.Message {
	m := mapi.Message{
		"service": forexRefund, "partner": testPartner, "_input_charset": "UTF-8", "out_trade_no": number,
		"out_return_no": returnNo,
		"return_amount": amount, "currency": "USD", "gmt_return": "20260102030405", "reason": "return",
		"product_code": "NEW_WAP_OVERSEAS_SELLER", "is_sync": "Y",
	}
	for i := 0; i < len(pairs); i += 2 {
		if m[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
			delete(m, pairs[i])
		}
	}
	return m
}

// says returns the gist of an answer: T, the error's code, or the status.
func (h *harness) says(m mapi.Message) string {
	h.t.Helper()
	doc, whole := h.try(m)
	if !whole {
		return "cut" // or status 500
	}
	a, err := mapi.ParseAnswer([]byte(doc))
	switch {
	case err != nil:
		return doc
	case !a.Success:
		return a.Error
	case a.Kind == "":
		return "T"
	}
	if err := a.Verify(testKeys); err != nil {
		h.t.Error(err)
	}
	return strings.TrimSpace(a.Fields["response_code"] + " " + a.Fields["refund_result_code"] + " " +
		a.Fields["refund_error_code"])
}

func (h *harness) refundState(number, returnNo string) string {
	return h.says(mapi.Message{"service": refundQuery, "partner": testPartner, "_input_charset": "UTF-8",
		"out_trade_no": number, "out_return_no": returnNo})
}

// sold makes an order of 12.34 USD that mei has paid.
func (h *harness) sold(number string) {
	h.t.Helper()
	h.does(h.open(orderFor(number)), Pay, "mei")
}

func TestRefundIsIdempotentAndBounded(t *testing.T) {
	h := newHarness(t, nil)
	h.sold("T-1")
	for _, c := range []struct {
		what string
		m    mapi.Message
		want string
	}{
		{"a part", refundOf("T-1", "R-1", "2.34"), "T"},
		{"the same again", refundOf("T-1", "R-1", "2.34"), "REPEATED_REFUNDMENT_REQUEST"},
		{"its number for another amount", refundOf("T-1", "R-1", "1.00"), "REPEATED_REFUNDMENT_REQUEST"},
		{"more than is left", refundOf("T-1", "R-2", "10.01"), "RETURN_AMOUNT_EXCEED"},
		{"another currency", refundOf("T-1", "R-2", "1.00", "currency", "EUR"), "CURRENCY_NOT_SAME"},
		{"the other form of the time",
			refundOf("T-1", "R-3", "1.00", "gmt_return", "2026-01-02 03:04:05"), "T"},
		{"no time", refundOf("T-1", "R-4", "1.00", "gmt_return", ""), "T"},
		{"in yuan", refundOf("T-1", "R-5", "", "return_rmb_amount", "7.10"), "T"}, // 1.00 USD
		{"in both", refundOf("T-1", "R-6", "1.00", "return_rmb_amount", "7.10"), "ILLEGAL_ARGUMENT"},
		{"in neither", refundOf("T-1", "R-6", ""), "ILLEGAL_ARGUMENT"},
		{"no number", refundOf("T-1", "", "1.00"), "ILLEGAL_ARGUMENT"},
		{"no reason", refundOf("T-1", "R-6", "1.00", "reason", ""), "ILLEGAL_ARGUMENT"},
		{"three decimals", refundOf("T-1", "R-6", "1.001"), "ILLEGAL_ARGUMENT"},
		{"nothing", refundOf("T-1", "R-6", "0.00"), "ILLEGAL_ARGUMENT"},
		{"no time of day", refundOf("T-1", "R-6", "1.00", "gmt_return", "yesterday"), "ILLEGAL_ARGUMENT"},
		{"neither now nor later", refundOf("T-1", "R-6", "1.00", "is_sync", "y"), "ILLEGAL_ARGUMENT"},
		{"of nothing", refundOf("T-9", "R-6", "1.00"), "PURCHASE_TRADE_NOT_EXIST"},
	} {
		if got := h.says(c.m); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
	if got := h.status("T-1"); got != "TRADE_FINISHED" {
		t.Errorf("after a partial refund the trade is %s", got)
	}
	if got := h.says(refundOf("T-1", "R-7", "7.00")); got != "T" {
		t.Errorf("the rest: %s", got)
	}
	if got := h.status("T-1"); got != "TRADE_CLOSED" {
		t.Errorf("after a full refund the trade is %s", got)
	}
	if got := h.says(refundOf("T-1", "R-8", "0.01")); got != "TRADE_HAS_CLOSE" {
		t.Errorf("a refund beyond the total: %s", got)
	}
	for number, want := range map[string]string{"R-1": "SUCCESS SUCCESS", "R-7": "SUCCESS SUCCESS",
		"R-8": "NOT_FOUND"} {
		if got := h.refundState("T-1", number); got != want {
			t.Errorf("%s: %s, want %s", number, got, want)
		}
	}
	if got := h.refundState("T-9", "R-1"); got != "TRADE_NOT_EXIST" {
		t.Errorf("without a trade: %s", got)
	}
	h.open(orderFor("T-2"))
	if got := h.says(refundOf("T-2", "R-9", "1.00")); got != "PURCHASE_TRADE_NOT_EXIST" {
		t.Errorf("of an unpaid trade: %s", got)
	}
}

func TestRefundWindowAndGap(t *testing.T) {
	h := newHarness(t, func(c *Config) { c.Partners[0].RefundGap = 3 * time.Second })
	h.sold("T-1")
	if got := h.says(refundOf("T-1", "R-1", "1.00")); got != "T" {
		t.Error(got)
	}
	h.now = h.now.Add(2999 * time.Millisecond)
	if got := h.says(refundOf("T-1", "R-2", "1.00")); got != "SYSTEM_ERROR" ||
		h.refundState("T-1", "R-2") != "NOT_FOUND" {
		t.Errorf("too soon: %s", got)
	}
	h.now = h.now.Add(3 * time.Second)
	if got := h.says(refundOf("T-1", "R-2", "1.00")); got != "T" {
		t.Errorf("in time: %s", got)
	}
	h.now = h.now.Add(366 * 24 * time.Hour)
	if got := h.says(refundOf("T-1", "R-3", "1.00")); got != "REFUNDMENT_VALID_DATE_EXCEED" {
		t.Errorf("a year later: %s", got)
	}
}

func TestAcceptedRefundIsDoneAndNotifiedLater(t *testing.T) {
	for _, restart := range []bool{false, true} {
		h := newHarness(t, func(c *Config) { c.Dir = t.TempDir() })
		h.sold("T-1")
		got := h.says(refundOf("T-1", "R-1", "2.34", "is_sync", "", "notify_url", shopNotify))
		if got != "T" {
			t.Error(got)
		}
		if got := h.refundState("T-1", "R-1"); got != "SUCCESS PROCESSING" {
			t.Errorf("at once: %s", got)
		}
		if restart {
			h.sim.Close()
			h.start()
		}
		h.now = h.now.Add(refundLag)
		h.sim.popDue()
		if got := h.refundState("T-1", "R-1"); got != "SUCCESS SUCCESS" {
			t.Errorf("then: %s", got)
		}
		_, after := h.control("GET", "/trades/T-1", "", "")
		told := after["notifications"].([]any)
		fields := told[len(told)-1].(map[string]any)["fields"].(map[string]any)
		if len(told) != 2 || fields["out_return_no"] != "R-1" ||
			fields["refund_status"] != "REFUND_SUCCESS" || fields["return_amount"] != "2.34" ||
			fields["out_trade_no"] != "T-1" {
			t.Errorf("notified %v", told)
		}
		if refunds := after["trade"].(map[string]any)["refunds"].([]any); len(refunds) != 1 {
			t.Errorf("shown %v", refunds)
		}
	}
}

func TestRefundFaults(t *testing.T) {
	for _, c := range []struct {
		fault       Fault
		first, then string // the answer, and the query's answer after the fault has ended
	}{
		{Refund500, "cut", "SUCCESS SUCCESS"},
		{RefundCut, "cut", "SUCCESS SUCCESS"},
		{RefundPending, "SYSTEM_ERROR", "SUCCESS SUCCESS"},
		{RefundShort, "MERCHANT_BALANCE_NOT_ENOUGH", "SUCCESS FAILED MERCHANT_BALANCE_NOT_ENOUGH"},
	} {
		h := newHarness(t, nil)
		h.sold("T-1")
		h.control("POST", "/faults?out_trade_no=T-1&fault="+string(c.fault), "", "")
		if got := h.says(refundOf("T-1", "R-1", "1.00")); got != c.first {
			t.Errorf("%s: %q", c.fault, got)
		}
		if got := h.refundState("T-1", "R-1"); c.fault == RefundPending && got != "SUCCESS PROCESSING" {
			t.Errorf("%s: in between %q", c.fault, got)
		}
		h.now = h.now.Add(time.Minute)
		h.sim.popDue()
		got := ""
		for range badQueryLimit {
			got = h.refundState("T-1", "R-1")
		}
		if got != c.then {
			t.Errorf("%s: %q", c.fault, got)
		}
	}
	// With funds, the same refund is done.
	h := newHarness(t, nil)
	h.sold("T-1")
	h.control("POST", "/faults?out_trade_no=T-1&fault=refund-short", "", "")
	h.says(refundOf("T-1", "R-1", "12.34"))
	h.control("DELETE", "/faults", "", "")
	if got := h.says(refundOf("T-1", "R-1", "12.34")); got != "T" || h.status("T-1") != "TRADE_CLOSED" {
		t.Errorf("with funds: %s", got)
	}
}

func TestCloseTradeNeedsAContractThatNamesIt(t *testing.T) {
	request := func(number string) mapi.Message {
		return mapi.Message{"service": closeTrade, "partner": testPartner, "_input_charset": "UTF-8",
			"out_order_no": number}
	}
	if got := newHarness(t, nil).says(request("T-1")); got != "ILLEGAL_PARTNER_EXTERFACE" {
		t.Errorf("with the usual contract: %s", got)
	}
	h := newHarness(t, func(c *Config) {
		c.Partners[0].Services = []string{createWAP, singleQuery, closeTrade}
	})
	if got := h.says(request("T-1")); got != "TRADE_NOT_EXIST" {
		t.Errorf("of nothing: %s", got)
	}
	h.does(h.open(orderFor("T-1")), InsufficientFunds, "mei")
	for _, want := range []string{"T", "TRADE_STATUS_NOT_AVAILD"} {
		if got := h.says(request("T-1")); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := h.status("T-1"); got != "TRADE_CLOSED" {
		t.Errorf("then the trade is %s", got)
	}
	if got := h.says(request("")); got != "ILLEGAL_ARGUMENT" {
		t.Errorf("without a number: %s", got)
	}
}

func TestLatePayment(t *testing.T) {
	h := newHarness(t, nil)
	path := h.open(orderFor("T-1", "timeout_rule", "5m"))
	h.does(path, InsufficientFunds, "bo")
	h.now = h.now.Add(time.Hour)
	if got := h.status("T-1"); got != "TRADE_CLOSED" {
		t.Fatal(got)
	}
	if code, _ := h.control("POST", "/trades/T-1/pay", "", ""); code != 409 {
		t.Errorf("paid as usual: %d", code)
	}
	code, got := h.control("POST", "/trades/T-1/late-pay", "", "")
	if code != 200 || got["status"] != "TRADE_FINISHED" || len(got["notifications"].([]any)) != 2 ||
		h.status("T-1") != "TRADE_FINISHED" {
		t.Errorf("paid late: %d %v", code, got)
	}
	for target, want := range map[string]int{"/trades/T-1/late-pay": 409, "/trades/T-9/late-pay": 404} {
		if code, got := h.control("POST", target, "", ""); code != want || got["error"] == nil {
			t.Errorf("%s: %d %v", target, code, got)
		}
	}
	h.open(orderFor("T-2")) // nobody has logged in yet
	h.now = h.now.Add(30 * 24 * time.Hour)
	if code, got := h.control("POST", "/trades/T-2/late-pay?buyer=nobody", "", ""); code != 400 {
		t.Errorf("by nobody: %d %v", code, got)
	}
	if code, got := h.control("POST", "/trades/T-2/late-pay?buyer=mei", "", ""); code != 200 ||
		fmt.Sprint(got["status"]) != "TRADE_FINISHED" {
		t.Errorf("without a trade: %d %v", code, got)
	}
}
