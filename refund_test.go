package sampan_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sampanpay/sampan"
)

const refundAnswer = `{"syssn":"20260102000001000000000009","orig_syssn":"20260102000001123456789012",
	"txamt":"100","txcurrcd":"HKD","txdtm":"2026-01-02 03:04:05","sysdtm":"2026-01-02 03:04:06",
	"paydtm":"2026-01-02 03:04:09","out_trade_no":"R1","resperr":"x","respmsg":"","respcd":"`

var refund = sampan.RefundRequest{
	PaymentID: "20260102000001123456789012", OrderNo: "R1", Amount: 100, StoreID: "S1", DeviceID: "till 7",
	Time: time.Date(2026, 1, 1, 19, 4, 5, 0, time.UTC),
}

func TestRefundFormAndAnswer(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 1, 1, 19, 4, s, 0, time.UTC) }
	for code, done := range map[sampan.Code]bool{sampan.CodeSuccess: true, sampan.CodeProcessing: false,
		sampan.CodeNotPaidYet: false} {
		g := newGateway(t, cut, answer(200, refundAnswer+string(code)+`"}`))
		r, err := g.Refund(t.Context(), refund)
		if err != nil {
			t.Fatal(err)
		}
		if r.Code != code || !r.CreatedAt.Equal(at(6)) || r.DoneAt.Equal(at(9)) != done ||
			r.DoneAt.IsZero() == done {
			t.Errorf("got %+v", r)
		}
		r.CreatedAt, r.DoneAt = time.Time{}, time.Time{}
		want := sampan.Refund{
			ID: "20260102000001000000000009", PaymentID: refund.PaymentID, OrderNo: "R1",
			Amount: 100, Currency: "HKD", Code: code,
		}
		if *r != want {
			t.Errorf("got %+v", r)
		}
		form := "/trade/v1/refund mchid=S1&out_trade_no=R1&syssn=20260102000001123456789012&txamt=100" +
			"&txdtm=2026-01-02+03%3A04%3A05&udid=till+7"
		if sent := g.sent(); len(sent) != 2 || sent[0] != form || sent[1] != form {
			t.Errorf("sent %q", sent)
		}
	}
}

func TestRefusedRefundAndCloseAreErrors(t *testing.T) {
	for _, code := range []sampan.Code{sampan.CodeFundsShort, sampan.CodeRefundDenied,
		sampan.CodeAlreadyPaid} {
		g := newGateway(t, answer(200, refundAnswer+string(code)+`"}`))
		r, err := g.Refund(t.Context(), refund)
		var e *sampan.Error
		if r != nil || !errors.As(err, &e) || e.Code != code {
			t.Errorf("%s: %+v, %v", code, r, err)
		}
		c, err := g.Close(t.Context(), sampan.CloseRequest{PaymentID: "1", Amount: 100})
		if c != nil || !errors.As(err, &e) || e.Code != code {
			t.Errorf("%s: %+v, %v", code, c, err)
		}
	}
	// 1145 without a number does not mean that the gateway accepted the request.
	g := newGateway(t, answer(200, `{"respcd":"1145","resperr":"x","respmsg":""}`))
	if r, err := g.Refund(t.Context(), refund); r != nil || err == nil {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestCloseFormAndAnswer(t *testing.T) {
	for _, code := range []sampan.Code{sampan.CodeSuccess, sampan.CodeProcessing, sampan.CodeNotPaidYet} {
		g := newGateway(t, answer(200, refundAnswer+string(code)+`"}`))
		c, err := g.Close(t.Context(), sampan.CloseRequest{OrderNo: "R1", Amount: 100, Time: refund.Time})
		if err != nil {
			t.Fatal(err)
		}
		if !c.At.Equal(time.Date(2026, 1, 1, 19, 4, 6, 0, time.UTC)) {
			t.Errorf("at %v", c.At)
		}
		c.At = time.Time{}
		want := sampan.Closing{
			ID: "20260102000001000000000009", PaymentID: refund.PaymentID, OrderNo: "R1",
			Amount: 100, Currency: "HKD", Code: code,
		}
		if *c != want {
			t.Errorf("got %+v", c)
		}
		if want := "/trade/v1/close out_trade_no=R1&txamt=100" +
			"&txdtm=2026-01-02+03%3A04%3A05"; g.sent()[0] != want {
			t.Errorf("sent %q", g.sent())
		}
	}
}

func TestNoteSendsTheAppCode(t *testing.T) {
	g := newGateway(t, answer(200, `{"respcd":"0000","data":{"syssn":"1"}}`))
	if err := g.AddNote(t.Context(), "1", "茶"); err != nil ||
		g.sent()[0] != "/trade/v1/add_note code=APP1&note=%E8%8C%B6&syssn=1" {
		t.Errorf("%v, sent %q", err, g.sent())
	}
}
