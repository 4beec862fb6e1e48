package demo

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// press presses an order's refund button.
func (h *harness) press(path string) (*http.Response, string) {
	h.t.Helper()
	return h.do(http.NewRequest("POST", h.shop.URL+path+"/refund", nil))
}

func TestRefundButtonAndNotification(t *testing.T) {
	h := newHarness(t)
	h.answer = `{"respcd": "0000", "syssn": "S1", "pay_url": "` + payURL + `"}`
	path := h.bought()
	if _, page := h.get(path); strings.Contains(page, `id="refund"`) {
		t.Error("an unpaid order offers a refund")
	}
	h.notify(notification(path), testKey)
	if _, page := h.get(path); !strings.Contains(page, `id="refund"`) {
		t.Error("a paid order offers no refund")
	}
	number := strings.TrimPrefix(path, "/orders/")
	h.answer = `{"respcd": "1145", "syssn": "S2", "orig_syssn": "S1", "txamt": "4800"}`
	for range 2 {
		if res, _ := h.press(path); res.StatusCode != http.StatusSeeOther ||
			res.Header.Get("Location") != path {
			t.Errorf("pressed: %d", res.StatusCode)
		}
		if h.order.Get("out_trade_no") != number+"-R" || h.order.Get("syssn") != "S1" ||
			h.order.Get("txamt") != "4800" {
			t.Errorf("requested %v", h.order)
		}
	}
	if h.state(path) != "refunding" {
		t.Errorf("the order is %s", h.state(path))
	}
	notice := notification(path, `"payment"`, `"refund"`, number, number+"-R", `"S1"`,
		`"S2", "orig_out_trade_no": "`+number+`"`)
	for range 2 {
		if status, answer := h.notify(notice, testKey); status != 200 || answer != "SUCCESS" {
			t.Errorf("answered %d %q", status, answer)
		}
		h.notify(notification(path), testKey) // arrives late
		if _, page := h.get(path); h.state(path) != "refunded" || strings.Contains(page, `id="refund"`) ||
			!strings.Contains(page, "orig_out_trade_no") {
			t.Errorf("then: %s", page)
		}
	}
}

func TestRefusedRefundChangesNothing(t *testing.T) {
	h := newHarness(t)
	path := h.bought()
	h.notify(notification(path), testKey)
	h.answer = `{"respcd": "1269", "resperr": "funds <short>"}`
	res, page := h.press(path)
	if res.StatusCode != http.StatusBadGateway || !strings.Contains(page, "1269 funds &lt;short&gt;") ||
		h.state(path) != "paid" {
		t.Errorf("%d, %s: %s", res.StatusCode, h.state(path), page)
	}
	if res, _ := h.press("/orders/TEA-NONE"); res.StatusCode != http.StatusNotFound {
		t.Errorf("of an unknown order: %d", res.StatusCode)
	}
	r, err := http.NewRequest("POST", h.shop.URL+path+"/refund", nil)
	r.Header.Set("Origin", "https://elsewhere.example")
	if res, _ := h.do(r, err); res.StatusCode != http.StatusForbidden {
		t.Errorf("from another page: %d", res.StatusCode)
	}
}

// authorized returns a buyer's return address, signed by the gateway as the documents say.
func authorized(state string) string {
	query := fmt.Sprintf("expires=%d&openid=2088102122524333&state=%s",
		time.Now().Add(time.Minute).Unix(), state)
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	return fmt.Sprintf("/alipay?item=milk&%s&sig=%x", query,
		mac(mac([]byte(testKey), "sampan-authorized-v1"), query))
}

func TestPaymentInAppAuthorisesFirst(t *testing.T) {
	h := newHarness(t)
	res, _ := h.buy("800107", "milk")
	link, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != http.StatusSeeOther ||
		link.Path != "/authorize/alipay" || h.order != nil {
		t.Fatalf("%d to %s", res.StatusCode, link)
	}
	state, cookies := link.Query().Get("state"), res.Cookies()
	if link.Query().Get("return_url") != h.shop.URL+"/alipay?item=milk" || len(cookies) != 1 ||
		cookies[0].Value != state || !cookies[0].HttpOnly {
		t.Errorf("to %s with %v", link, cookies)
	}
	comeBack := func(path, cookie string) (*http.Response, string) {
		r, err := http.NewRequest("GET", h.shop.URL+path, nil)
		if cookie != "" {
			r.AddCookie(&http.Cookie{Name: visit, Value: cookie})
		}
		return h.do(r, err)
	}
	for what, back := range map[string][2]string{
		"without a visit": {authorized(state), ""},
		"another's":       {authorized(state), "TEA-OTHER"},
		"unsigned":        {"/alipay?item=milk", state},
		"with another id": {strings.Replace(authorized(state), "2088102122524333", "2088102122524334", 1),
			state},
		"for an unknown tea": {strings.Replace(authorized(state), "item=milk", "item=coffee", 1), state},
	} {
		if res, _ := comeBack(back[0], back[1]); res.StatusCode != http.StatusBadRequest || h.order != nil {
			t.Errorf("%s: %d, %v", what, res.StatusCode, h.order)
		}
	}
	h.answer = `{"respcd": "0000", "syssn": "S1", "pay_params": {"tradeNO": "T", "url": "` + payURL + `"}}`
	for range 2 { // the second is a reload
		res, _ := comeBack(authorized(state), state)
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != payURL {
			t.Fatalf("authorised: %d to %s", res.StatusCode, res.Header.Get("Location"))
		}
		if h.order.Get("pay_type") != "800107" || h.order.Get("openid") != "2088102122524333" ||
			h.order.Get("txcurrcd") != "CNY" ||
			h.order.Get("txamt") != "2800" || h.order.Get("out_trade_no") != state {
			t.Errorf("ordered %v", h.order)
		}
	}
	path := "/orders/" + state
	if code, _ := h.notify(notification(path, "4800", "2800"), testKey); code != 500 ||
		h.state(path) != "waiting" {
		t.Errorf("paid in another currency: %d", code)
	}
	if code, _ := h.notify(notification(path, "4800", "2800", "HKD", "CNY"), testKey); code != 200 ||
		h.state(path) != "paid" {
		t.Errorf("paid: %d", code)
	}
}

// A refund with an unknown outcome must not be called refused: the shop would then pay the money
// back in another way too.
func TestUnknownRefundIsNotCalledRefused(t *testing.T) {
	h := newHarness(t)
	path := h.bought()
	h.notify(notification(path), testKey)
	for _, code := range []string{"1252", "1297", "1298"} {
		h.answer = `{"respcd": "` + code + `", "resperr": "outcome unknown"}`
		res, page := h.press(path)
		if res.StatusCode != http.StatusBadGateway || !strings.Contains(page, "not known yet") ||
			strings.Contains(page, "order is unchanged") {
			t.Errorf("%s: %d %s", code, res.StatusCode, page)
		}
	}
	number := h.order.Get("out_trade_no")
	h.answer = `{"respcd": "0000", "syssn": "S2", "orig_syssn": "S1", "txamt": "4800"}`
	if res, _ := h.press(path); res.StatusCode != http.StatusSeeOther ||
		h.order.Get("out_trade_no") != number || h.state(path) != "refunded" {
		t.Errorf("pressed again: %d, as %s, %s", res.StatusCode, h.order.Get("out_trade_no"), h.state(path))
	}
}

// A refund that failed for good has used up its number: the next try has another one.
func TestFailedRefundGetsANewNumber(t *testing.T) {
	h := newHarness(t)
	path := h.bought()
	h.notify(notification(path), testKey)
	number, numbers := strings.TrimPrefix(path, "/orders/"), []string{}
	for _, answer := range []string{
		`{"respcd": "1269", "resperr": "funds short"}`, `{"respcd": "1298", "resperr": "outcome unknown"}`,
		`{"respcd": "1243", "resperr": "disabled"}`,
		`{"respcd": "1269", "resperr": "funds short"}`,
		`{"respcd": "0000", "syssn": "S2", "orig_syssn": "S1", "txamt": "4800"}`,
	} {
		h.answer = answer
		h.press(path)
		numbers = append(numbers, strings.TrimPrefix(h.order.Get("out_trade_no"), number))
	}
	if got, want := strings.Join(numbers, " "), "-R -R-2 -R-2 -R-2 -R-3"; got != want ||
		h.state(path) != "refunded" {
		t.Errorf("requested as %s, want %s; the order is %s", got, want, h.state(path))
	}
}
