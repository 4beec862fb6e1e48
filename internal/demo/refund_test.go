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
func (s *street) press(path string) (*http.Response, string) {
	s.t.Helper()
	return s.do(http.NewRequest("POST", s.shop.URL+path+"/refund", nil))
}

func TestRefundButtonAndNotification(t *testing.T) {
	s := newStreet(t)
	s.answer = `{"respcd": "0000", "syssn": "S1", "pay_url": "` + payURL + `"}`
	path := s.bought()
	if _, page := s.get(path); strings.Contains(page, `id="refund"`) {
		t.Error("an unpaid order offers a refund")
	}
	s.notify(notification(path), testKey)
	if _, page := s.get(path); !strings.Contains(page, `id="refund"`) {
		t.Error("a paid order offers no refund")
	}
	number := strings.TrimPrefix(path, "/orders/")
	s.answer = `{"respcd": "1145", "syssn": "S2", "orig_syssn": "S1", "txamt": "4800"}`
	for range 2 {
		if res, _ := s.press(path); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != path {
			t.Errorf("pressed: %d", res.StatusCode)
		}
		if s.order.Get("out_trade_no") != number+"-R" || s.order.Get("syssn") != "S1" ||
			s.order.Get("txamt") != "4800" {
			t.Errorf("requested %v", s.order)
		}
	}
	if s.state(path) != "refunding" {
		t.Errorf("the order is %s", s.state(path))
	}
	notice := notification(path, `"payment"`, `"refund"`, number, number+"-R", `"S1"`,
		`"S2", "orig_out_trade_no": "`+number+`"`)
	for range 2 {
		if status, answer := s.notify(notice, testKey); status != 200 || answer != "SUCCESS" {
			t.Errorf("answered %d %q", status, answer)
		}
		s.notify(notification(path), testKey) // arrives late
		if _, page := s.get(path); s.state(path) != "refunded" || strings.Contains(page, `id="refund"`) ||
			!strings.Contains(page, "orig_out_trade_no") {
			t.Errorf("then: %s", page)
		}
	}
}

func TestRefusedRefundChangesNothing(t *testing.T) {
	s := newStreet(t)
	path := s.bought()
	s.notify(notification(path), testKey)
	s.answer = `{"respcd": "1269", "resperr": "funds <short>"}`
	res, page := s.press(path)
	if res.StatusCode != http.StatusBadGateway || !strings.Contains(page, "1269 funds &lt;short&gt;") ||
		s.state(path) != "paid" {
		t.Errorf("%d, %s: %s", res.StatusCode, s.state(path), page)
	}
	if res, _ := s.press("/orders/TEA-NONE"); res.StatusCode != http.StatusNotFound {
		t.Errorf("of an unknown order: %d", res.StatusCode)
	}
	r, err := http.NewRequest("POST", s.shop.URL+path+"/refund", nil)
	r.Header.Set("Origin", "https://elsewhere.example")
	if res, _ := s.do(r, err); res.StatusCode != http.StatusForbidden {
		t.Errorf("from another page: %d", res.StatusCode)
	}
}

// authorized returns a buyer's return address, signed by the gateway as the documents say.
func authorized(state string) string {
	query := fmt.Sprintf("expires=%d&openid=2088102122524333&state=%s", time.Now().Add(time.Minute).Unix(), state)
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	return fmt.Sprintf("/alipay?item=milk&%s&sig=%x", query, mac(mac([]byte(testKey), "sampan-authorized-v1"), query))
}

func TestPaymentInAppAuthorisesFirst(t *testing.T) {
	s := newStreet(t)
	res, _ := s.buy("800107", "milk")
	link, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != http.StatusSeeOther || link.Path != "/authorize/alipay" || s.order != nil {
		t.Fatalf("%d to %s", res.StatusCode, link)
	}
	state, cookies := link.Query().Get("state"), res.Cookies()
	if link.Query().Get("return_url") != s.shop.URL+"/alipay?item=milk" || len(cookies) != 1 ||
		cookies[0].Value != state || !cookies[0].HttpOnly {
		t.Errorf("to %s with %v", link, cookies)
	}
	comeBack := func(path, cookie string) (*http.Response, string) {
		r, err := http.NewRequest("GET", s.shop.URL+path, nil)
		if cookie != "" {
			r.AddCookie(&http.Cookie{Name: visit, Value: cookie})
		}
		return s.do(r, err)
	}
	for what, back := range map[string][2]string{
		"without a visit":    {authorized(state), ""},
		"another's":          {authorized(state), "TEA-OTHER"},
		"unsigned":           {"/alipay?item=milk", state},
		"with another id":    {strings.Replace(authorized(state), "2088102122524333", "2088102122524334", 1), state},
		"for an unknown tea": {strings.Replace(authorized(state), "item=milk", "item=coffee", 1), state},
	} {
		if res, _ := comeBack(back[0], back[1]); res.StatusCode != http.StatusBadRequest || s.order != nil {
			t.Errorf("%s: %d, %v", what, res.StatusCode, s.order)
		}
	}
	s.answer = `{"respcd": "0000", "syssn": "S1", "pay_params": {"tradeNO": "T", "url": "` + payURL + `"}}`
	for range 2 { // the second is a reload
		res, _ := comeBack(authorized(state), state)
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != payURL {
			t.Fatalf("authorised: %d to %s", res.StatusCode, res.Header.Get("Location"))
		}
		if s.order.Get("pay_type") != "800107" || s.order.Get("openid") != "2088102122524333" ||
			s.order.Get("txcurrcd") != "CNY" ||
			s.order.Get("txamt") != "2800" || s.order.Get("out_trade_no") != state {
			t.Errorf("ordered %v", s.order)
		}
	}
	path := "/orders/" + state
	if code, _ := s.notify(notification(path, "4800", "2800"), testKey); code != 500 || s.state(path) != "waiting" {
		t.Errorf("paid in another currency: %d", code)
	}
	if code, _ := s.notify(notification(path, "4800", "2800", "HKD", "CNY"), testKey); code != 200 ||
		s.state(path) != "paid" {
		t.Errorf("paid: %d", code)
	}
}

// A refund with an unknown outcome must not be called refused: the shop would then pay the money
// back in another way too.
func TestUnknownRefundIsNotCalledRefused(t *testing.T) {
	s := newStreet(t)
	path := s.bought()
	s.notify(notification(path), testKey)
	for _, code := range []string{"1252", "1297", "1298"} {
		s.answer = `{"respcd": "` + code + `", "resperr": "outcome unknown"}`
		res, page := s.press(path)
		if res.StatusCode != http.StatusBadGateway || !strings.Contains(page, "not known yet") ||
			strings.Contains(page, "order is unchanged") {
			t.Errorf("%s: %d %s", code, res.StatusCode, page)
		}
	}
	number := s.order.Get("out_trade_no")
	s.answer = `{"respcd": "0000", "syssn": "S2", "orig_syssn": "S1", "txamt": "4800"}`
	if res, _ := s.press(path); res.StatusCode != http.StatusSeeOther || s.order.Get("out_trade_no") != number ||
		s.state(path) != "refunded" {
		t.Errorf("pressed again: %d, as %s, %s", res.StatusCode, s.order.Get("out_trade_no"), s.state(path))
	}
}

// A refund that failed for good has used up its number: the next try has another one.
func TestFailedRefundGetsANewNumber(t *testing.T) {
	s := newStreet(t)
	path := s.bought()
	s.notify(notification(path), testKey)
	number, numbers := strings.TrimPrefix(path, "/orders/"), []string{}
	for _, answer := range []string{
		`{"respcd": "1269", "resperr": "funds short"}`, `{"respcd": "1298", "resperr": "outcome unknown"}`,
		`{"respcd": "1243", "resperr": "disabled"}`,
		`{"respcd": "1269", "resperr": "funds short"}`,
		`{"respcd": "0000", "syssn": "S2", "orig_syssn": "S1", "txamt": "4800"}`,
	} {
		s.answer = answer
		s.press(path)
		numbers = append(numbers, strings.TrimPrefix(s.order.Get("out_trade_no"), number))
	}
	if got, want := strings.Join(numbers, " "), "-R -R-2 -R-2 -R-2 -R-3"; got != want || s.state(path) != "refunded" {
		t.Errorf("requested as %s, want %s; the order is %s", got, want, s.state(path))
	}
}
