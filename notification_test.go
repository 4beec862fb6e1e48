package sampan_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan"
)

const paidBody = `{"status": "1", "pay_type": "801107", "sysdtm": "2026-01-02 03:04:06", ` +
	`"paydtm": "2026-01-02 03:05:07", "goods_name": "\u8336", "txcurrcd": "HKD", "txdtm": "2026-01-02 03:04:05", ` +
	`"mchid": "S1", "txamt": "300", "exchange_rate": "", "chnlsn2": "", "out_trade_no": "T1", ` +
	`"syssn": "20260102000001123456789012", "cash_fee_type": "", "cancel": "0", "respcd": "0000", ` +
	`"goods_info": "", "cash_fee": "0", "notify_type": "payment", "chnlsn": "W1", "cardcd": "2088***", ` +
	`"brand_new": {"a": [1]}}`

func TestVerifyNotification(t *testing.T) {
	n, err := sampan.VerifyNotification(signed(paidBody, testKey), testKey)
	if err != nil {
		t.Fatal(err)
	}
	if n.ID != "20260102000001123456789012" || n.OrderNo != "T1" || n.Amount != 300 || n.Currency != "HKD" ||
		n.GoodsName != "茶" ||
		n.StoreID != "S1" || n.PayType != sampan.Alipay || n.BuyerID != "2088***" || !n.Paid() ||
		string(n.Raw) != paidBody {
		t.Errorf("got %+v", n)
	}
	if !n.PaidAt.Equal(time.Date(2026, 1, 1, 19, 5, 7, 0, time.UTC)) {
		t.Errorf("paid at %v", n.PaidAt)
	}
}

func TestVerifyNotificationOfARefund(t *testing.T) {
	body := `{"status":"1","respcd":"0000","notify_type":"refund","txamt":"100","out_trade_no":"R1","syssn":"2",` +
		`"orig_syssn":"1","orig_out_trade_no":"T1"}`
	n, err := sampan.VerifyNotification(signed(body, testKey), testKey)
	if err != nil || !n.Refund || n.Paid() || n.OriginalID != "1" || n.OriginalOrderNo != "T1" {
		t.Errorf("got %+v, %v", n, err)
	}
}

func TestNotificationTimesAreInTheClientsZone(t *testing.T) {
	c := sampan.Client{ClientKey: testKey, Zone: time.UTC}
	n, err := c.VerifyNotification(signed(paidBody, testKey))
	if err != nil || !n.PaidAt.Equal(time.Date(2026, 1, 2, 3, 5, 7, 0, time.UTC)) {
		t.Errorf("got %+v, %v", n, err)
	}
}

// VerifyNotification refuses each of them. The handler answers with the status and does not call
// the merchant.
func TestRefusedNotifications(t *testing.T) {
	altered := func(old, new string) string { return strings.Replace(paidBody, old, new, 1) }
	resigned := func(signature string) *http.Request {
		r := signed(paidBody, testKey)
		r.Header.Set("X-QF-SIGN", signature)
		return r
	}
	alteredAfter := signed(altered(`"300"`, `"301"`), testKey)
	alteredAfter.Header.Set("X-QF-SIGN", signed(paidBody, testKey).Header.Get("X-QF-SIGN"))
	for name, c := range map[string]struct {
		r      *http.Request
		key    string
		status int
	}{
		"another key":           {signed(paidBody, "other"), testKey, 401},
		"altered after signing": {alteredAfter, testKey, 401},
		"no signature":          {resigned(""), testKey, 401},
		"not hex":               {resigned(strings.Repeat("Z", 32)), testKey, 401},
		"no key":                {signed(paidBody, ""), "", 500},
		"too large":             {signed(paidBody+strings.Repeat(" ", 64<<10), testKey), testKey, 413},
		"not JSON":              {signed("status=1", testKey), testKey, 400},
		"not an object":         {signed(`"1"`, testKey), testKey, 400},
		"null":                  {signed("null", testKey), testKey, 400},
		"of unknown type":       {signed(altered(`"payment"`, `"chargeback"`), testKey), testKey, 400},
		"of a failure": {signed(altered(`"respcd": "0000"`, `"respcd": "1143"`), testKey),
			testKey, 400},
		"of another status":       {signed(altered(`"status": "1"`, `"status": "0"`), testKey), testKey, 400},
		"of an amount in dollars": {signed(altered(`"300"`, `"3.00"`), testKey), testKey, 400},
		"of a negative amount":    {signed(altered(`"300"`, `"-300"`), testKey), testKey, 400},
		"of an enormous amount": {signed(altered(`"300"`, `"99999999999999999999"`), testKey),
			testKey, 400},
		"sent by GET": {httptest.NewRequest("GET", "/notify", nil), testKey, 405},
	} {
		t.Run(name, func(t *testing.T) {
			client := sampan.Client{ClientKey: c.key}
			w := httptest.NewRecorder()
			client.NotificationHandler(func(context.Context, *sampan.Notification) error {
				t.Error("the merchant was called")
				return nil
			}).ServeHTTP(w, c.r)
			if w.Code != c.status || strings.Contains(w.Body.String(), "SUCCESS") {
				t.Errorf("answered %d %q, want %d", w.Code, w.Body, c.status)
			}
		})
	}
}

func TestForgedNotificationIsErrBadSignature(t *testing.T) {
	_, err := sampan.VerifyNotification(signed(paidBody, "other"), testKey)
	if !errors.Is(err, sampan.ErrBadSignature) {
		t.Errorf("got %v", err)
	}
}

func TestHandlerAnswersAfterTheMerchant(t *testing.T) {
	w := httptest.NewRecorder()
	var handle func(context.Context, *sampan.Notification) error
	client := sampan.Client{ClientKey: testKey}
	handler := client.NotificationHandler(func(ctx context.Context, n *sampan.Notification) error {
		return handle(ctx,
			n)
	})

	handle = func(context.Context, *sampan.Notification) error {
		return errors.New("database: secret detail")
	}
	handler.ServeHTTP(w, signed(paidBody, testKey))
	if w.Code != 500 || strings.Contains(w.Body.String(), "SUCCESS") ||
		strings.Contains(w.Body.String(), "secret") {
		t.Errorf("after an error: %d %q", w.Code, w.Body)
	}

	w = httptest.NewRecorder()
	handle = func(_ context.Context, n *sampan.Notification) error {
		if w.Body.Len() > 0 || n.OrderNo != "T1" {
			t.Errorf("answered before the merchant, or with a wrong notification: %+v", n)
		}
		return nil
	}
	handler.ServeHTTP(w, signed(paidBody, testKey))
	if w.Code != 200 || w.Body.String() != "SUCCESS" {
		t.Errorf("after nil: %d %q", w.Code, w.Body)
	}

	w = httptest.NewRecorder()
	handle = func(context.Context, *sampan.Notification) error { panic("merchant's bug") }
	defer func() {
		if recover() == nil || w.Body.Len() > 0 {
			t.Errorf("a panic was recovered, or answered with %q", w.Body)
		}
	}()
	handler.ServeHTTP(w, signed(paidBody, testKey))
}
