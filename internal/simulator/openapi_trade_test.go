package simulator

import (
	"strings"
	"testing"
	"time"
)

// trade returns a shop's creation request.
func trade(number string) fields {
	return fields{"out_trade_no": number, "total_amount": "12.34", "subject": "Tea 茶", "buyer_id": mei}
}

// create creates a trade. pairs change the request.
func (h *harness) create(number string, pairs ...string) reply {
	h.t.Helper()
	return h.ask("alipay.trade.create", trade(number).with(pairs...), "notify_url", shopNotify)
}

func (h *harness) trade(number string) reply {
	h.t.Helper()
	return h.ask("alipay.trade.query", fields{"out_trade_no": number})
}

// pays lets the trade's buyer pay.
func (h *harness) pays(number string) {
	h.t.Helper()
	if code, got := h.control("POST", "/trades/"+number+"/pay", "", ""); code != 200 {
		h.t.Fatalf("pay %s: %d %v", number, code, got)
	}
}

func (h *harness) refund(number, id, amount string, pairs ...string) reply {
	h.t.Helper()
	refund := fields{"out_trade_no": number, "refund_amount": amount}.with("out_request_no", id)
	return h.ask("alipay.trade.refund", refund.with(pairs...))
}

func (h *harness) refunded(number, id string) reply {
	h.t.Helper()
	return h.ask("alipay.trade.fastpay.refund.query",
		fields{"out_trade_no": number}.with("out_request_no", id))
}

func (h *harness) closes(number string) reply {
	h.t.Helper()
	return h.ask("alipay.trade.close", fields{"out_trade_no": number})
}

func TestBadFieldIsAnInvalidParameter(t *testing.T) {
	h := newHarness(t, withApps)
	for what, x := range map[string]struct {
		method string
		biz    any
	}{
		"nothing at all":    {"alipay.trade.create", nil},
		"a list":            {"alipay.trade.create", []string{}},
		"a text":            {"alipay.trade.query", "x"},
		"null":              {"alipay.trade.query", (*int)(nil)},
		"query: no number":  {"alipay.trade.query", fields{}},
		"query: a bad one":  {"alipay.trade.query", fields{"out_trade_no": "T-1"}},
		"query: a list":     {"alipay.trade.query", map[string]any{"out_trade_no": []string{"T1"}}},
		"query: trade_no":   {"alipay.trade.query", fields{"trade_no": "T1"}},
		"close: no number":  {"alipay.trade.close", fields{"operator_id": "1"}},
		"refund: no number": {"alipay.trade.refund", fields{"refund_amount": "1.00"}},
		"refund: no amount": {"alipay.trade.refund", fields{"out_trade_no": "T1"}},
		"refund: a bad one": {"alipay.trade.refund", fields{"out_trade_no": "T1", "refund_amount": "1.001"}},
		"refund: nothing":   {"alipay.trade.refund", fields{"out_trade_no": "T1", "refund_amount": "0.00"}},
		"refund: a long id": {"alipay.trade.refund",
			fields{"out_trade_no": "T1", "refund_amount": "1.00", "out_request_no": strings.Repeat("x", 65)}},
		"refund: a reason": {"alipay.trade.refund",
			fields{"out_trade_no": "T1", "refund_amount": "1.00", "refund_reason": strings.Repeat("茶", 257)}},
		"refund query": {"alipay.trade.fastpay.refund.query", fields{"out_request_no": "R1"}},
	} {
		if r := h.ask(x.method, x.biz); r.says() != "ACQ.INVALID_PARAMETER" || r.fields["code"] != "40004" {
			t.Errorf("%s: %s", what, r.raw)
		}
	}
	for _, pairs := range [][]string{
		{"out_trade_no", ""}, {"out_trade_no", "T-1"}, {"out_trade_no", strings.Repeat("x", 65)},
		{"total_amount", ""}, {"total_amount", "0"}, {"total_amount", "0.00"}, {"total_amount", "1.234"},
		{"total_amount", "-1"}, {"total_amount", "01.00"}, {"total_amount", "1,00"},
		{"total_amount", "99999999999999999999.00"}, {"subject", ""}, {"subject", "a=b"}, {"subject", "a&b"},
		{"subject", "a/b"}, {"subject", strings.Repeat("茶", 257)},
		{"buyer_id", ""}, {"buyer_id", "2088"}, {"buyer_id", "2188000000000101"},
		{"body", strings.Repeat("x", 129)},
		{"passback_params", strings.Repeat("x", 513)},
		{"product_code", "QUICK"}, {"product_code", "JSAPI_PAY"}, {"timeout_express", "0m"},
		{"timeout_express", "1.5h"}, {"timeout_express", "16d"}, {"timeout_express", "90"},
		{"time_expire", "tomorrow"},
		{"enable_pay_channels", "balance", "disable_pay_channels", "credit_group"},
	} {
		if r := h.create("T1", pairs...); r.says() != "ACQ.INVALID_PARAMETER" || r.fields["code"] != "40004" {
			t.Errorf("%v: %s", pairs, r.raw)
		}
	}
	if r := h.trade("T1"); r.says() != "ACQ.TRADE_NOT_EXIST" || r.fields["buyer_pay_amount"] != "0.00" ||
		r.fields["receipt_amount"] != "0.00" || r.fields["out_trade_no"] != "T1" {
		t.Errorf("then there is a trade, or no zeros: %s", r.raw)
	}
}

func TestCreatedTradeBelongsToItsBuyer(t *testing.T) {
	h := newHarness(t, withApps)
	for what, x := range map[string]struct {
		pairs []string
		want  string
	}{
		"the least": {[]string{"out_trade_no", "A1", "total_amount", "0.01"}, "10000"},
		"the most":  {[]string{"out_trade_no", "A2", "total_amount", "100000000"}, "10000"},
		"more": {[]string{"out_trade_no", "A3", "total_amount", "100000000.01"},
			"ACQ.TOTAL_FEE_EXCEED"},
		"one decimal": {[]string{"out_trade_no", "A4", "total_amount", "1.5"}, "10000"},
		"any user":    {[]string{"out_trade_no", "A5", "buyer_id", somebody}, "10000"},
		"the seller":  {[]string{"out_trade_no", "A6", "buyer_id", seller}, "ACQ.BUYER_SELLER_EQUAL"},
		"its seller":  {[]string{"out_trade_no", "A7", "seller_id", seller}, "10000"},
		"another seller": {[]string{"out_trade_no", "A8", "seller_id", somebody},
			"ACQ.INVALID_RECEIVE_ACCOUNT"},
		"a bound program": {[]string{"out_trade_no", "A9", "product_code", "JSAPI_PAY", "op_app_id", mini},
			"10000"},
		"an unbound program": {[]string{"out_trade_no", "B1", "product_code", "JSAPI_PAY", "op_app_id",
			"2021000000000007"}, "ACQ.UNBOUND_APPLICATION"},
		"a face": {[]string{"out_trade_no", "B2", "product_code", "FACE_TO_FACE_PAYMENT"}, "10000"},
		"ends before it begins": {[]string{"out_trade_no", "B3", "time_expire", "2026-01-02 03:04:05"},
			"ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR"},
		"a limited way": {[]string{"out_trade_no", "B4", "disable_pay_channels", "credit_group"},
			"10000"},
		"the longest subject": {[]string{"out_trade_no", "B5", "subject", strings.Repeat("茶", 256)}, "10000"},
	} {
		if r := h.create("", x.pairs...); r.says() != x.want ||
			(r.fields["trade_no"] != "") != (x.want == "10000") {
			t.Errorf("%s: %s, want %s", what, r.raw, x.want)
		}
	}
	first := h.create("T1", "passback_params", "a%3D1", "body", "two cups")
	got := h.trade("T1")
	if got.fields["trade_status"] != "WAIT_BUYER_PAY" || got.fields["trade_no"] != first.fields["trade_no"] ||
		len(first.fields["trade_no"]) != 28 ||
		!strings.HasPrefix(first.fields["trade_no"], "20260102") || got.fields["total_amount"] != "12.34" ||
		got.fields["buyer_user_id"] != mei ||
		got.fields["buyer_pay_amount"] != "0.00" || got.fields["send_pay_date"] != "" {
		t.Errorf("%s", got.raw)
	}
	again := func(pairs ...string) string {
		return h.create("T1", append([]string{"passback_params", "a%3D1", "body", "two cups"}, pairs...)...).
			says()
	}
	repeat := h.create("T1", "passback_params", "a%3D1", "body", "two cups")
	if repeat.fields["trade_no"] != first.fields["trade_no"] {
		t.Error("the same again is another trade")
	}
	for what, pairs := range map[string][]string{
		"another amount": {"total_amount", "12.35"}, "another subject": {"subject", "Coffee"},
		"another end":  {"timeout_express", "1h"},
		"another text": {"body", ""}, "other ways": {"disable_pay_channels", "balance"},
	} {
		if got := again(pairs...); got != "ACQ.CONTEXT_INCONSISTENT" {
			t.Errorf("%s: %s", what, got)
		}
	}
	if got := again("buyer_id", bo); got != "ACQ.TRADE_BUYER_NOT_MATCH" {
		t.Errorf("another buyer: %s", got)
	}
	r := h.ask("alipay.trade.query", fields{"out_trade_no": "T1"}, "app_id", withIDs)
	if r.says() != "ACQ.TRADE_NOT_EXIST" {
		t.Errorf("another application sees it: %s", r.raw)
	}
	r = h.ask("alipay.trade.query", fields{"trade_no": first.fields["trade_no"], "out_trade_no": "A1"})
	if r.fields["out_trade_no"] != "T1" {
		t.Errorf("trade_no does not win: %s", r.raw)
	}
	h.pays("T1")
	got = h.trade("T1")
	if got.fields["trade_status"] != "TRADE_SUCCESS" ||
		got.fields["send_pay_date"] != "2026-01-02 03:04:05" || got.fields["buyer_pay_amount"] != "12.34" ||
		got.fields["fund_bill_list"] != `[{"amount":"12.34","fund_channel":"ALIPAYACCOUNT"}]` {
		t.Errorf("paid: %s", got.raw)
	}
	if got := again(); got != "ACQ.TRADE_HAS_SUCCESS" {
		t.Errorf("made again when it is paid: %s", got)
	}
	h.create("T2")
	if r := h.closes("T2"); r.says() != "10000" || r.fields["trade_no"] == "" ||
		r.fields["out_trade_no"] != "T2" {
		t.Errorf("close: %s", r.raw)
	}
	if got := h.create("T2").says(); got != "ACQ.TRADE_HAS_CLOSE" {
		t.Errorf("made again when it is closed: %s", got)
	}
	for number, want := range map[string]string{"T1": "ACQ.TRADE_STATUS_ERROR",
		"T2": "ACQ.TRADE_STATUS_ERROR", "T3": "ACQ.TRADE_NOT_EXIST"} {
		if got := h.closes(number).says(); got != want {
			t.Errorf("close %s: %s, want %s", number, got, want)
		}
	}
}

func TestTradeEndsByItsTerms(t *testing.T) {
	for what, x := range map[string]struct {
		pairs []string
		life  time.Duration // from 03:04:05
	}{
		"by itself":   {nil, 3 * time.Hour},
		"in minutes":  {[]string{"timeout_express", "90m"}, 90 * time.Minute},
		"in days":     {[]string{"timeout_express", "15d"}, 15 * 24 * time.Hour},
		"at midnight": {[]string{"timeout_express", "1c"}, 20*time.Hour + 55*time.Minute + 55*time.Second},
		"at a time":   {[]string{"time_expire", "2026-01-02 03:05:00"}, 55 * time.Second},
		"time wins": {[]string{"time_expire", "2026-01-02 03:05:00", "timeout_express", "1d"},
			55 * time.Second},
		"closed first": {nil, 0},
	} {
		h := newHarness(t, withApps)
		h.create("T1", x.pairs...)
		if x.life == 0 {
			h.closes("T1")
		} else {
			h.now = h.now.Add(x.life - time.Second)
			if r := h.trade("T1"); r.fields["trade_status"] != "WAIT_BUYER_PAY" {
				t.Errorf("%s: a second before: %s", what, r.raw)
			}
			h.now = h.now.Add(time.Second)
		}
		if r := h.trade("T1"); r.fields["trade_status"] != "TRADE_CLOSED" || r.fields["send_pay_date"] != "" {
			t.Errorf("%s: %s", what, r.raw)
		}
		if code, _ := h.control("POST", "/trades/T1/pay", "", ""); code != 409 {
			t.Errorf("%s: and it can be paid", what)
		}
		if r := h.refund("T1", "R1", "1.00"); r.says() != "ACQ.TRADE_HAS_CLOSE" {
			t.Errorf("%s: and given back: %s", what, r.raw)
		}
	}
}

func TestRefundsAddUp(t *testing.T) {
	h := newHarness(t, withApps)
	h.create("T1")
	if r := h.refund("T1", "R1", "1.00"); r.says() != "ACQ.TRADE_STATUS_ERROR" {
		t.Errorf("of what is not paid: %s", r.raw)
	}
	h.pays("T1")
	for _, x := range []struct{ what, id, amount, want, change, sum string }{
		{"a part", "R1", "2.34", "10000", "Y", "2.34"},
		{"the same again", "R1", "2.34", "10000", "N", "2.34"},
		{"the same, spelt otherwise", "R1", "2.340", "ACQ.INVALID_PARAMETER", "", ""},
		{"its number for another amount", "R1", "2.35", "ACQ.DISCORDANT_REPEAT_REQUEST", "", ""},
		{"without a number", "", "1.00", "ACQ.INVALID_PARAMETER", "", ""},
		{"more than is left", "R2", "10.01", "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "", ""},
		{"another part", "R2", "4", "10000", "Y", "6.34"},
		{"the rest", "R3", "6.00", "10000", "Y", "12.34"},
		{"the first again", "R1", "2.34", "10000", "N", "12.34"},
		{"what is not there", "R4", "0.01", "ACQ.TRADE_HAS_CLOSE", "", ""},
	} {
		status := h.trade("T1").fields["trade_status"]
		want := "TRADE_SUCCESS"
		if x.id == "R4" || x.what == "the first again" {
			want = "TRADE_CLOSED"
		}
		if status != want {
			t.Errorf("before %s it is %s", x.what, status)
		}
		r := h.refund("T1", x.id, x.amount, "refund_reason", "cold")
		if r.says() != x.want || r.fields["fund_change"] != x.change || r.fields["refund_fee"] != x.sum {
			t.Errorf("%s: %s", x.what, r.raw)
		}
		if x.want == "10000" && (r.fields["gmt_refund_pay"] == "" || r.fields["buyer_user_id"] != mei ||
			r.fields["trade_no"] == "") {
			t.Errorf("%s: %s", x.what, r.raw)
		}
	}
	if r := h.refunded("T1", "R2"); r.fields["refund_status"] != "REFUND_SUCCESS" ||
		r.fields["refund_amount"] != "4.00" || r.fields["total_amount"] != "12.34" ||
		r.fields["out_request_no"] != "R2" || r.fields["refund_reason"] != "cold" ||
		r.fields["gmt_refund_pay"] == "" {
		t.Errorf("%s", r.raw)
	}
	if r := h.refunded("T1", "R9"); r.says() != "10000" || r.fields["refund_status"] != "" {
		t.Errorf("one that nobody asked for: %s", r.raw)
	}
	for what, got := range map[string]string{"refund": h.refund("T9", "R1", "1.00").says(),
		"query": h.refunded("T9", "R1").says()} {
		if got != "ACQ.TRADE_NOT_EXIST" {
			t.Errorf("%s of no trade: %s", what, got)
		}
	}
	h.create("T2")
	h.pays("T2")
	if r := h.refund("T2", "", "12.34"); r.fields["fund_change"] != "Y" {
		t.Errorf("all of it, without a number: %s", r.raw)
	}
	if r := h.refunded("T2", "T2"); r.fields["refund_status"] != "REFUND_SUCCESS" {
		t.Errorf("which is the trade's then: %s", r.raw)
	}
}

func TestPaidTradeIsFinishedAfterThreeMonths(t *testing.T) {
	for _, restart := range []bool{false, true} {
		dir := t.TempDir()
		h := newHarness(t, func(c *Config) { withApps(c); c.Dir = dir })
		h.create("T1")
		h.pays("T1")
		h.refund("T1", "R1", "2.34")
		if restart {
			h.sim.Close()
			h.start()
		}
		h.now = h.now.Add(finishAfter - time.Second)
		if got := h.trade("T1").fields["trade_status"]; got != "TRADE_SUCCESS" {
			t.Errorf("a second before: %s", got)
		}
		h.now = h.now.Add(time.Second)
		if got := h.trade("T1").fields["trade_status"]; got != "TRADE_FINISHED" {
			t.Errorf("then: %s", got)
		}
		for what, x := range map[string]struct{ got, want string }{
			"a refund":       {h.refund("T1", "R2", "1.00").says(), "ACQ.TRADE_HAS_FINISHED"},
			"an old one":     {h.refund("T1", "R1", "2.34").fields["fund_change"], "N"},
			"a closing":      {h.closes("T1").says(), "ACQ.TRADE_STATUS_ERROR"},
			"the same again": {h.create("T1").says(), "ACQ.TRADE_HAS_SUCCESS"},
		} {
			if x.got != x.want {
				t.Errorf("%s: %s, want %s", what, x.got, x.want)
			}
		}
	}
}
