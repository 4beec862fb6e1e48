package servicewindow

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wallet/wallettest"
	"github.com/sampanpay/sampan/internal/wire/alipay"
)

func TestNotices(t *testing.T) {
	w, o := newWire(t), order()
	c, _ := w.open(t, map[string]string{"seller_id": ourSeller}, nil)
	for _, x := range []struct {
		what   string
		change map[string]string
		want   wallet.Outcome // "" for refused
		refund string
	}{
		{"paid", nil, wallet.Paid, ""},
		{"finished", map[string]string{"trade_status": "TRADE_FINISHED"}, wallet.Paid, ""},
		{"closed unpaid", map[string]string{"trade_status": "TRADE_CLOSED", "gmt_payment": ""},
			wallet.Closed, ""},
		{"closed, all of it given back", map[string]string{"trade_status": "TRADE_CLOSED"}, wallet.Paid, ""},
		{"closed, with a refund, yet no time of a payment",
			map[string]string{"trade_status": "TRADE_CLOSED", "gmt_payment": "", "refund_fee": "12.34"},
			wallet.Unknown, ""},
		{"closed, with the time of a refund, yet none of a payment",
			map[string]string{"trade_status": "TRADE_CLOSED", "gmt_payment": "",
				"gmt_refund": "2026-01-02 11:05:04.123"}, wallet.Unknown, ""},
		{"closed, with a refund that cannot be read",
			map[string]string{"trade_status": "TRADE_CLOSED", "gmt_payment": "", "refund_fee": "x"},
			wallet.Unknown, ""},
		{"closed unpaid, with a refund of nothing", map[string]string{"trade_status": "TRADE_CLOSED",
			"gmt_payment": "", "refund_fee": "0.00"}, wallet.Closed, ""},
		{"waiting", map[string]string{"trade_status": "WAIT_BUYER_PAY", "gmt_payment": ""},
			wallet.Waiting, ""},
		{"waiting, with the time of a payment", map[string]string{"trade_status": "WAIT_BUYER_PAY"},
			wallet.Waiting, ""},
		{"of a status of tomorrow, with the time of a payment",
			map[string]string{"trade_status": "TRADE_PENDING"}, wallet.Unknown, ""},
		{"of no status", map[string]string{"trade_status": ""}, wallet.Unknown, ""},
		{"a refund", map[string]string{"out_biz_no": "R1", "gmt_refund": "2026-01-02 11:05:04.123",
			"refund_fee": "7.00"}, wallet.Succeeded, "R1"},
		{"paid, with a number but no time of a refund",
			map[string]string{"out_biz_no": "R1"}, wallet.Paid, ""},
		{"finished after a refund", map[string]string{"trade_status": "TRADE_FINISHED",
			"gmt_refund": "2026-01-02 11:05:04.123", "refund_fee": "7.00"}, wallet.Paid, ""},
		{"for an application that acts for ours",
			map[string]string{"app_id": "2021000000000007"}, wallet.Paid, ""},
		{"of ours, which acts for another", map[string]string{"auth_app_id": "2021000000000007"},
			wallet.Paid, ""},
		{"of ours, which acts for nobody", map[string]string{"auth_app_id": ""}, wallet.Paid, ""},
		{"with the number of Alipay's certificate",
			map[string]string{"alipay_cert_sn": "7513daaaa48aa3ba2e4018d84402479c"}, wallet.Paid, ""},
		{"another application's",
			map[string]string{"app_id": "2021000000000007", "auth_app_id": "2021000000000007"}, "", ""},
		{"no application's", map[string]string{"app_id": "", "auth_app_id": ""}, "", ""},
		{"another seller's", map[string]string{"seller_id": "2088000000000002"}, "", ""},
		{"no seller's", map[string]string{"seller_id": ""}, "", ""},
		{"of another kind", map[string]string{"notify_type": "dut_user_sign"}, "", ""},
		{"of no kind", map[string]string{"notify_type": ""}, "", ""},
		{"without a number of its own", map[string]string{"notify_id": ""}, "", ""},
		{"without the order's number", map[string]string{"out_trade_no": ""}, "", ""},
		{"waiting, without the trade's number",
			map[string]string{"trade_status": "WAIT_BUYER_PAY", "trade_no": ""}, "", ""},
		{"of nothing", map[string]string{"total_amount": "0.00"}, "", ""},
		{"without an amount", map[string]string{"total_amount": ""}, "", ""},
		{"of a tenth of a fen", map[string]string{"total_amount": "12.345"}, "", ""},
		{"of an amount with a sign", map[string]string{"total_amount": "+12.34"}, "", ""},
		{"which is a request", map[string]string{"method": "alipay.trade.create"}, "", ""},
		{"which asks for something", map[string]string{"biz_content": "{}"}, "", ""},
		{"with a separator", map[string]string{"subject": "x&trade_status=TRADE_SUCCESS"}, "", ""},
		{"with a separator in a name", map[string]string{"a&b": "1"}, "", ""},
		{"with an equals sign in a name", map[string]string{"a=b": "1"}, "", ""},
		{"of no end", map[string]string{"body": strings.Repeat("x", maxCallback)}, "", ""},
	} {
		t.Run(x.what, func(t *testing.T) {
			n, err := c.Callback(wallet.Callback{Body: w.notice(with(payment(o), x.change))})
			if back := x.want == wallet.Paid &&
				x.change["trade_status"] == "TRADE_CLOSED"; n.State.GivenBack != back {
				t.Errorf("given back: %v", n.State.GivenBack)
			}
			if n.State.Outcome != x.want || (err == nil) != (x.want != "") || n.RefundID != x.refund {
				t.Errorf("%+v, %v", n, err)
			}
			if err == nil && (n.Number != o.Number || string(n.Reply.Body) != "success" ||
				n.Confirm != nil) ||
				n.State.Outcome == wallet.Paid && n.State.Amount != o.Amount ||
				x.refund != "" && n.State.At.IsZero() {
				t.Errorf("%+v", n)
			}
			if n.State.Outcome != wallet.Paid && n.State.Amount != (pay.Amount{}) {
				t.Errorf("is of %s", n.State.Amount)
			}
		})
	}
	// If the account names no seller, any seller of the application is accepted.
	c, _ = w.open(t, nil, nil)
	if n, err := c.Callback(wallet.Callback{Body: w.notice(payment(o))}); err != nil ||
		n.State.Outcome != wallet.Paid {
		t.Errorf("no seller is set: %+v, %v", n, err)
	}
}

func TestANoticeTellsAllThatIsOnIt(t *testing.T) {
	w, o := newWire(t), order()
	c, _ := w.open(t, nil, nil)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) // 11:04:05 in China
	n, err := c.Callback(wallet.Callback{Body: w.notice(payment(o))})
	want := wallet.State{Outcome: wallet.Paid, TradeNo: wallettest.TradeNo, Amount: o.Amount,
		BuyerID: "2088***0009", Code: "TRADE_SUCCESS"}
	if !n.State.At.Equal(at) {
		t.Errorf("paid at %s, want %s", n.State.At, at)
	}
	if n.State.At = (time.Time{}); err != nil || n.State != want ||
		n.ID != "2026010200222110405000000000000001" {
		t.Errorf("%+v, %v", n, err)
	}
	refund := map[string]string{"out_biz_no": "R1", "gmt_refund": "2026-01-02 11:04:05.678",
		"refund_fee": "7.00", "trade_status": "TRADE_CLOSED"}
	n, err = c.Callback(wallet.Callback{Body: w.notice(with(payment(o), refund))})
	// The state has no amount: refund_fee is the sum of all refunds.
	want = wallet.State{Outcome: wallet.Succeeded, TradeNo: wallettest.TradeNo, Code: "TRADE_CLOSED"}
	if !n.State.At.Equal(at.Add(678 * time.Millisecond)) {
		t.Errorf("given back at %s", n.State.At)
	}
	if n.State.At = (time.Time{}); err != nil || n.State != want || n.RefundID != "R1" {
		t.Errorf("%+v, %v", n, err)
	}
	for _, x := range []struct{ field, value, want string }{
		{"buyer_logon_id", "138****0009", "138****0009"},
		{"buyer_id", ourBuyer, "2088***0009"},
		{"buyer_open_id", "074a1CcTG1LelxKe4xQC0zgNdId0nxi95b5", "074a***95b5"},
		{"buyer_open_id", "074a", ""},
	} {
		m := with(payment(o), map[string]string{"buyer_id": ""})
		m[x.field] = x.value
		if n, err := c.Callback(wallet.Callback{Body: w.notice(m)}); err != nil || n.State.BuyerID != x.want {
			t.Errorf("%s: %q, %v", x.field, n.State.BuyerID, err)
		}
	}
}

func FuzzCallbackNeitherPanicsNorBelieves(f *testing.F) {
	f.Add([]byte("app_id=" + ourApp +
		"&notify_type=trade_status_sync&trade_status=TRADE_SUCCESS&sign=AAAA&sign_type=RSA2"))
	w, o := knownWire(f), order()
	c := &connector{appID: ourApp, keys: w.ours}
	genuine, err := c.Callback(wallet.Callback{Body: w.notice(payment(o))})
	if err != nil {
		f.Fatal(err)
	}
	for _, change := range []map[string]string{nil, {"trade_status": "TRADE_CLOSED"},
		{"out_biz_no": "R1", "gmt_refund": "2026-01-02 11:05:04"}} {
		m := payment(o)
		f.Add(w.notice(m))
		maps.Copy(m, change)
		f.Add([]byte(m.Encode())) // signed as before it was changed
	}
	inGBK := with(payment(o), map[string]string{"charset": "GBK", "subject": gbk}).In(alipay.GBK)
	f.Add(w.notice(inGBK))
	f.Add([]byte(strings.Replace(string(w.notice(inGBK)), "=GBK", "=UTF-8", 1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := c.Callback(wallet.Callback{Body: body})
		if err != nil {
			if n.Number != "" || n.State != (wallet.State{}) {
				t.Errorf("refused and decoded: %+v", n)
			}
			return
		}
		if n.Number != genuine.Number || n.RefundID != "" || n.State != genuine.State {
			t.Errorf("believed without the key: %+v", n)
		}
	})
}
