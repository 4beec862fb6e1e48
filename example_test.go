package sampan_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/sampanpay/sampan"
)

// serve stands for the gateway in the examples. It answers each path with a fixed text.
func serve(answers map[string]string) (url string, stop func()) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, answers[r.URL.Path])
	}))
	return server.URL, server.Close
}

func ExampleClient_Pay() {
	url, stop := serve(map[string]string{"/trade/v1/payment": `{"respcd": "0000", "resperr": "success",
		"syssn": "20260102000001123456789012", "out_trade_no": "TEA-1", "txamt": "4800", "txcurrcd": "HKD",
		"pay_url": "https://pay.example.com/pay/k3"}`})
	defer stop()

	client := &sampan.Client{BaseURL: url, AppCode: "YOUR_APP_CODE", ClientKey: "YOUR_CLIENT_KEY"}
	payment, err := client.Pay(context.Background(), sampan.PaymentRequest{
		PayType:   sampan.AlipayHK,
		Amount:    4800, // 48.00 dollars
		Currency:  "HKD",
		OrderNo:   "TEA-1",
		GoodsName: "Oolong tea",
		ReturnURL: "https://shop.example.com/orders/TEA-1",
		NotifyURL: "https://shop.example.com/notify",
		ExpiresIn: 15 * time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("store", payment.ID, "with the order, and send the browser to", payment.PayURL)
	// Output: store 20260102000001123456789012 with the order, and send the browser to https://pay.example.com/pay/k3
}

func ExampleClient_Query() {
	url, stop := serve(map[string]string{"/trade/v1/query": `{"respcd": "0000", "resperr": "success",
		"page": "1", "page_size": "10", "data": [
		{"out_trade_no": "TEA-1", "respcd": "0000", "txamt": "4800", "txcurrcd": "HKD", "order_type": "payment",
			"paydtm": "2026-01-02 11:30:00"},
		{"out_trade_no": "TEA-2", "respcd": "1143", "txamt": "4800", "txcurrcd": "HKD", "order_type": "payment"}]}`})
	defer stop()

	client := &sampan.Client{BaseURL: url, AppCode: "YOUR_APP_CODE", ClientKey: "YOUR_CLIENT_KEY"}
	result, err := client.Query(context.Background(), sampan.QueryRequest{
		OrderNos: []string{"TEA-1", "TEA-2", "TEA-3"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range result.Transactions {
		switch {
		case t.Paid():
			fmt.Println(t.OrderNo, "paid at", t.PaidAt.Format("15:04"))
		case t.Code.Pending():
			fmt.Println(t.OrderNo, "is not decided yet: ask again later")
		default:
			fmt.Println(t.OrderNo, "will not be paid:", t.Code)
		}
	}
	// Output:
	// TEA-1 paid at 11:30
	// TEA-2 is not decided yet: ask again later
}

func ExampleError() {
	url, stop := serve(map[string]string{
		"/trade/v1/payment": `{"respcd": "1260", "resperr": "already paid", "respmsg": ""}`,
	})
	defer stop()

	client := &sampan.Client{BaseURL: url, AppCode: "YOUR_APP_CODE", ClientKey: "YOUR_CLIENT_KEY"}
	_, err := client.Pay(context.Background(), sampan.PaymentRequest{
		PayType: sampan.Alipay, Amount: 4800, Currency: "HKD", OrderNo: "TEA-1",
	})
	var e *sampan.Error
	switch {
	case errors.As(err, &e) && e.Code == sampan.CodeAlreadyPaid:
		fmt.Println("nothing to do")
	case sampan.Repeat(err):
		fmt.Println("not known yet: call Pay again with the same request")
	case err != nil:
		fmt.Println("refused:", err)
	}
	// Output: nothing to do
}

func ExampleClient_NotificationHandler() {
	// In a shop these are tables, and the handler is a transaction on them. The shop stores an
	// order before it calls Pay, and a refund before it calls Refund.
	type order struct {
		amount   int64
		currency string
		paid     bool
	}
	type refund struct {
		order  string
		amount int64
		done   bool
	}
	orders := map[string]*order{"TEA-1": {amount: 4800, currency: "HKD"}}
	refunds := map[string]*refund{"TEA-1-R1": {order: "TEA-1", amount: 1000}}

	pay := func(n *sampan.Notification) error {
		o := orders[n.OrderNo]
		if o == nil || o.amount != n.Amount || o.currency != n.Currency {
			return fmt.Errorf("notification %s does not match an order", n.ID)
		}
		if o.paid {
			fmt.Println("already paid")
			return nil // a repeat: acknowledge it and do nothing
		}
		o.paid = true
		fmt.Println("send the tea of", n.OrderNo)
		return nil
	}
	markRefunded := func(n *sampan.Notification) error {
		o := orders[n.OriginalOrderNo]
		if o == nil || o.currency != n.Currency {
			return fmt.Errorf("notification %s does not match an order", n.ID)
		}
		r := refunds[n.OrderNo]
		if r == nil { // requested elsewhere, or made by the gateway because the money came too late
			r = &refund{order: n.OriginalOrderNo, amount: n.Amount}
		}
		if r.order != n.OriginalOrderNo || r.amount != n.Amount { // the amount may be a part of the order's
			return fmt.Errorf("notification %s does not match the refund %s", n.ID, n.OrderNo)
		}
		sum := n.Amount
		for number, other := range refunds {
			if other.order == r.order && other.done && number != n.OrderNo {
				sum += other.amount
			}
		}
		if sum > o.amount {
			return fmt.Errorf("the refunds of %s exceed the payment", r.order)
		}
		r.done, refunds[n.OrderNo] = true, r
		fmt.Println("refunded of", r.order+":", sum)
		return nil
	}
	var mu sync.Mutex
	client := &sampan.Client{ClientKey: "YOUR_CLIENT_KEY"}
	handler := client.NotificationHandler(func(ctx context.Context, n *sampan.Notification) error {
		mu.Lock() // the same notification may arrive twice at once
		defer mu.Unlock()
		if n.Refund {
			return markRefunded(n)
		}
		return pay(n)
	})

	// The gateway sends each notification twice:
	for _, sent := range []struct{ body, sign string }{
		{`{"status": "1", "txcurrcd": "HKD", "txamt": "4800", "out_trade_no": "TEA-1", "syssn": "1", ` +
			`"respcd": "0000", "notify_type": "payment"}`,
			"E524F185205BD63428C1E66863336441"},
		{`{"status": "1", "txcurrcd": "HKD", "txamt": "1000", "out_trade_no": "TEA-1-R1", ` +
			`"orig_out_trade_no": "TEA-1", "syssn": "2", "respcd": "0000", "notify_type": "refund"}`,
			"7DD78CD3CD695FFD6632D9CD9124F91E"},
	} {
		for range 2 {
			r := httptest.NewRequest("POST", "/notify", strings.NewReader(sent.body))
			r.Header.Set("X-QF-SIGN", sent.sign)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			fmt.Println(w.Code, w.Body)
		}
	}
	// Output:
	// send the tea of TEA-1
	// 200 SUCCESS
	// already paid
	// 200 SUCCESS
	// refunded of TEA-1: 1000
	// 200 SUCCESS
	// refunded of TEA-1: 1000
	// 200 SUCCESS
}

func ExampleClient_Refund() {
	url, stop := serve(map[string]string{"/trade/v1/refund": `{"respcd": "1145", "resperr": "outcome not known yet",
		"syssn": "20260102000001000000000009", "orig_syssn": "20260102000001123456789012",
		"out_trade_no": "TEA-1-R1", "txamt": "1200", "txcurrcd": "HKD"}`})
	defer stop()

	client := &sampan.Client{BaseURL: url, AppCode: "YOUR_APP_CODE", ClientKey: "YOUR_CLIENT_KEY"}
	refund, err := client.Refund(context.Background(), sampan.RefundRequest{
		PaymentID: "20260102000001123456789012",
		OrderNo:   "TEA-1-R1", // the refund's own number: a repeat is the same refund
		Amount:    1200,
	})
	switch {
	case err != nil:
		fmt.Println(err)
	case refund.Code.Pending():
		fmt.Println(refund.OrderNo, "is on its way: a notification follows when it is done")
	default:
		fmt.Println(refund.OrderNo, "is done")
	}
	// Output: TEA-1-R1 is on its way: a notification follows when it is done
}
