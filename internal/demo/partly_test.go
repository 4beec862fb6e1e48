package demo

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// refundOf returns the gateway's notification of a refund.
func refundOf(path, number, id string, amount int) string {
	return notification(path, `"payment"`, `"refund"`, strings.TrimPrefix(path, "/orders/"), number,
		`"S1"`, fmt.Sprintf(`%q, "orig_syssn": "S1", "orig_out_trade_no": %q`, id,
			strings.TrimPrefix(path, "/orders/")), "4800", fmt.Sprint(amount))
}

// Refunds that were made elsewhere, by the merchant's own program or by hand, add up in any order.
func TestPartialRefundsAddUp(t *testing.T) {
	h := newHarness(t)
	h.answer = `{"respcd": "0000", "syssn": "S1", "pay_url": "` + payURL + `"}`
	path := h.bought()
	h.notify(notification(path), testKey)
	for _, x := range []struct {
		body   string
		status int
		state  string
		gone   string
	}{
		{refundOf(path, "R-1", "S2", 1000), 200, "partly", "HK$10.00"},
		{refundOf(path, "R-1", "S2", 1000), 200, "partly", "HK$10.00"}, // a repeat
		{refundOf(path, "R-1", "S2", 2000), 500, "partly", "HK$10.00"}, // the same refund with another amount
		{notification(path), 200, "partly", "HK$10.00"},                // arrives late
		{refundOf(path, "R-9", "S9", 3801), 500, "partly", "HK$10.00"}, // more than is left
		{refundOf(path, "R-8", "S8", 0), 500, "partly", "HK$10.00"},
		{strings.Replace(refundOf(path, "R-7", "S7", 100), "HKD", "JPY", 1), 500, "partly", "HK$10.00"},
		{refundOf(path, "R-2", "S3", 1000), 200, "partly", "HK$20.00"}, // a second refund of the same amount
		{refundOf(path, "R-3", "S4", 2800), 200, "refunded", "HK$48.00"},
		{refundOf(path, "R-2", "S3", 1000), 200, "refunded", "HK$48.00"},
		{refundOf(path, "R-5", "S5", 1), 500, "refunded", "HK$48.00"},
	} {
		if status, answer := h.notify(x.body, testKey); status != x.status ||
			status == 200 && answer != "SUCCESS" {
			t.Errorf("%s: answered %d %q, want %d", x.body, status, answer, x.status)
		}
		_, page := h.get(path)
		if h.state(path) != x.state || !strings.Contains(page, `<dd id="returned">`+x.gone+`</dd>`) ||
			strings.Contains(page, `id="refund"`) != (x.state == "partly") {
			t.Errorf("after %s: %s\n%s", x.body, h.state(path), page)
		}
	}
}

// The button refunds what is left, under a number of its own. The notification must have the
// requested amount.
func TestRefundButtonRefundsTheRest(t *testing.T) {
	h := newHarness(t)
	h.answer = `{"respcd": "0000", "syssn": "S1", "pay_url": "` + payURL + `"}`
	path := h.bought()
	number := strings.TrimPrefix(path, "/orders/")
	h.notify(notification(path), testKey)
	h.notify(refundOf(path, "R-1", "S2", 1000), testKey)
	h.answer = `{"respcd": "1145", "syssn": "S3", "orig_syssn": "S1", "txamt": "3800"}`
	for range 2 {
		h.press(path)
		if h.order.Get("txamt") != "3800" || h.order.Get("out_trade_no") != number+"-R1000" ||
			h.state(path) != "refunding" {
			t.Errorf("requested %v, the order is %s", h.order, h.state(path))
		}
	}
	if status, _ := h.notify(refundOf(path, number+"-R1000", "S3", 3700), testKey); status != 500 ||
		h.state(path) != "refunding" {
		t.Errorf("another amount than requested: %d, %s", status, h.state(path))
	}
	if status, _ := h.notify(refundOf(path, number+"-R1000", "S3", 3800), testKey); status != 200 ||
		h.state(path) != "refunded" {
		t.Errorf("the rest: %d, %s", status, h.state(path))
	}
	h.order = nil
	if res, _ := h.press(path); res.StatusCode != http.StatusSeeOther || h.order != nil {
		t.Errorf("nothing is left, but %v was requested", h.order)
	}
}

// A refund that is done at once counts once, although it is notified too.
func TestImmediateRefundCountsOnce(t *testing.T) {
	for _, first := range []string{"the answer", "the notification"} {
		h := newHarness(t)
		h.answer = `{"respcd": "0000", "syssn": "S1", "pay_url": "` + payURL + `"}`
		path := h.bought()
		number := strings.TrimPrefix(path, "/orders/")
		h.notify(notification(path), testKey)
		notice := refundOf(path, number+"-R", "S2", 4800)
		h.answer = `{"respcd": "0000", "syssn": "S2", "orig_syssn": "S1", "txamt": "4800"}`
		if first == "the notification" {
			h.before = sync.OnceFunc(func() {
				if status, _ := h.notify(notice, testKey); status != 200 {
					t.Errorf("notified during the call: %d", status)
				}
			})
		}
		h.press(path)
		if status, _ := h.notify(notice, testKey); status != 200 || h.state(path) != "refunded" {
			t.Errorf("%s first: %d, %s", first, status, h.state(path))
		}
		if _, page := h.get(path); !strings.Contains(page, "orig_out_trade_no") ||
			!strings.Contains(page, "HK$48.00</dd>") {
			t.Errorf("%s first: %s", first, page)
		}
	}
}

// An order that was closed and then paid late is only notified of its refund.
func TestRefundOfAnOrderNeverNotifiedAsPaid(t *testing.T) {
	h := newHarness(t)
	path := h.bought()
	if status, _ := h.notify(refundOf(path, "S2", "S2", 4800), testKey); status != 200 ||
		h.state(path) != "refunded" {
		t.Errorf("%d, %s", status, h.state(path))
	}
	if _, page := h.get(path); strings.Contains(page, "http-equiv") || strings.Contains(page, `id="refund"`) {
		t.Errorf("the page still waits: %s", page)
	}
}

func TestPartialRefundInEveryLanguage(t *testing.T) {
	h := newHarness(t)
	path := h.bought()
	h.notify(notification(path), testKey)
	h.notify(refundOf(path, "R-1", "S2", 1234), testKey)
	for accept, want := range map[string]words{"en": english, "zh-HK": traditional, "zh-CN": simplified} {
		r, err := http.NewRequest("GET", h.shop.URL+path, nil)
		r.Header.Set("Accept-Language", accept)
		_, page := h.do(r, err)
		for _, text := range []string{want.Partly, want.PartlyWhy, want.RefundedSum,
			want.RefundRest, "HK$12.34"} {
			if text == "" || !strings.Contains(page, text) {
				t.Errorf("%s: no %q", accept, text)
			}
		}
	}
}
