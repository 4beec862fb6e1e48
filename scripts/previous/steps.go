package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/wire/mapi"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// step stops the story if err is not nil.
func (s *story) step(what string, err error) {
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("%s: %w", what, err)
	}
}

// place places an order at a deployment and returns its syssn.
func (s *story) place(at *release, number string) string {
	client := *s.tea
	client.BaseURL = at.gateway
	p, err := client.Pay(s.ctx, s.request(number))
	if err != nil {
		s.step(number, err)
		return ""
	}
	return p.ID
}

func (s *story) request(number string) sampan.PaymentRequest {
	return sampan.PaymentRequest{
		PayType: sampan.Alipay, Amount: 1230, Currency: "HKD", OrderNo: number, GoodsName: "Oolong 烏龍茶",
		NotifyURL: s.receiver,
	}
}

// order places an order. One that the wallet refuses, or whose outcome is not known, has a number
// all the same.
func (s *story) order(number string, changes ...func(*sampan.PaymentRequest)) {
	if s.err != nil {
		return
	}
	r := s.request(number)
	for _, change := range changes {
		change(&r)
	}
	client := s.tea
	if r.StoreID != "" {
		client = s.chain
	}
	p, err := client.Pay(s.ctx, r)
	if e := (*sampan.Error)(nil); errors.As(err, &e) {
		var found *sampan.QueryResult
		found, err = client.Query(s.ctx, sampan.QueryRequest{OrderNos: []string{number}, StoreID: r.StoreID})
		if err == nil && len(found.Transactions) == 1 {
			p = &sampan.Payment{ID: found.Transactions[0].ID}
		}
	}
	if err == nil && p == nil {
		err = errors.New("no such order")
	}
	if err != nil {
		s.step(number, err)
		return
	}
	s.orders[number] = p
	s.numbers = append(s.numbers, number)
}

func (s *story) id(number string) string {
	if p := s.orders[number]; p != nil {
		return p.ID
	}
	s.step(number, errors.New("no such order"))
	return ""
}

func (s *story) open(number string) {
	if s.err == nil {
		s.step("open "+number, open(s.orders[number].PayURL))
	}
}

// paid places an order that its own trade pays.
func (s *story) paid(number string) {
	s.order(number)
	s.notice(number, "T-"+number, "TRADE_FINISHED")
}

// trade sets what the wallet says of an order's trade.
func (s *story) trade(number, tradeNo, status string, more ...string) {
	fields := map[string]string{"trade_no": tradeNo, "trade_status": status, "total_fee": "12.30"}
	for i := 0; i+1 < len(more); i += 2 {
		fields[more[i]] = more[i+1]
	}
	s.wallet.says(s.id(number), func(o *order) { o.trade = fields })
}

func (s *story) keepSilent(number string, silent bool) { s.wallet.keepSilent(s.id(number), silent) }

// refuses has the wallet refuse an order's refunds.
func (s *story) refuses(number, code string) {
	s.wallet.says(s.id(number), func(o *order) { o.refund = code })
}

// appDefault has the wallet answer all new orders inside the app by a code.
func (s *story) appDefault(code string) {
	s.wallet.mu.Lock()
	defer s.wallet.mu.Unlock()
	s.wallet.newOrders = code
}

// notice posts the wallet's notice of a trade.
func (s *story) notice(number, tradeNo, status string, more ...string) {
	s.noticeOf("100001", "2088000000000001", s.id(number), tradeNo, status, more...)
}

func (s *story) noticeOf(merchant, partner, id, tradeNo, status string, more ...string) {
	m := mapi.Message{
		"notify_type": "trade_status_sync", "seller_id": partner, "out_trade_no": id, "trade_no": tradeNo,
		"trade_status": status,
		"total_fee":    "12.30", "currency": "HKD",
		"buyer_id": "2088000000000042", "gmt_payment": walletTime(),
	}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	s.post("/callback/"+merchant+"/main", s.global(m))
}

func (s *story) refundNotice(number, refundID, status string, more ...string) {
	m := mapi.Message{
		"notify_type": "refund_sync", "seller_id": "2088000000000001", "out_trade_no": s.id(number),
		"trade_no":      "T-" + number,
		"out_return_no": refundID, "refund_status": status,
	}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	s.post("/callback/100001/main", s.global(m))
}

// global signs a notice of the global gateway.
func (s *story) global(m mapi.Message) string {
	s.notices++
	m["notify_id"], m["notify_time"] = fmt.Sprintf("n%06d", s.notices), walletTime()
	s.step("sign", m.Sign(s.wallet.shared))
	return m.Encode()
}

// appNotice posts the open platform's notice of a trade.
func (s *story) appNotice(number, tradeNo, status string) {
	s.notices++
	m := openapi.Message{
		"notify_type": "trade_status_sync",
		"notify_id":   fmt.Sprintf("n%06d", s.notices), "notify_time": walletTime(),
		"app_id":      appID,
		"auth_app_id": appID, "out_trade_no": s.id(number), "trade_no": tradeNo, "trade_status": status,
		"total_amount": "12.30",
		"gmt_payment":  walletTime(), "buyer_id": "2088000000000042",
	}
	s.step("sign", m.SignNotification(s.wallet.window))
	s.post("/callback/100001/window", m.Encode())
}

// post posts a notice, which must be acknowledged. One that says what only the next inquiry can
// tell is refused: the story looks at the outcome, not at that.
func (s *story) post(path, body string) {
	if s.err != nil {
		return
	}
	res, err := http.Post(s.main.gateway+path, "application/x-www-form-urlencoded",
		strings.NewReader(body))
	if err != nil {
		s.step(path, err)
		return
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || string(text) != "success") {
		err = fmt.Errorf("%s %q to %s", res.Status, text, body)
	}
	s.step(path, err)
}

// orphan posts a notice about a number that no order has, which the wallet confirms: with the given
// status, or the notice's.
func (s *story) orphan(number, tradeNo, status string, confirmed ...string) {
	says := append(confirmed, status)[0]
	s.wallet.says(number, func(o *order) {
		o.trade = map[string]string{"trade_no": tradeNo, "trade_status": says, "total_fee": "12.30",
			"gmt_payment": walletTime()}
	})
	s.orphans = append(s.orphans, number)
	s.noticeOf("100001", "2088000000000001", number, tradeNo, status)
	time.Sleep(1200 * time.Millisecond) // an account's questions about orphans have a gap
}

// refund asks for a refund that the wallet answers with code, and returns its number.
func (s *story) refund(number, refundNo string, minor int64, code string) string {
	if s.err != nil {
		return ""
	}
	s.refuses(number, code)
	r := sampan.RefundRequest{PaymentID: s.id(number), OrderNo: refundNo, Amount: minor}
	done, err := s.tea.Refund(s.ctx, r)
	if e := (*sampan.Error)(nil); errors.As(err, &e) {
		found, queried := s.tea.Query(s.ctx, sampan.QueryRequest{OrderNos: []string{refundNo}})
		if err = queried; err == nil && len(found.Transactions) == 1 {
			return found.Transactions[0].ID
		}
	}
	if err != nil || done == nil {
		s.step(refundNo, fmt.Errorf("no such refund: %w", err))
		return ""
	}
	return done.ID
}

// close closes an order. Any outcome is accepted, since it is recorded.
func (s *story) close(number string) {
	if s.err != nil {
		return
	}
	amount := int64(1230)
	_, err := s.tea.Close(s.ctx, sampan.CloseRequest{PaymentID: s.id(number), Amount: amount})
	if e := (*sampan.Error)(nil); err != nil && !errors.As(err, &e) {
		s.step("close "+number, err)
	}
}

func (s *story) query(number string) {
	_, err := s.tea.Query(s.ctx, sampan.QueryRequest{OrderNos: []string{number}})
	s.step("query", err)
}

// sortedOrphans returns the numbers of orphans once each.
func (s *story) sortedOrphans() []string {
	numbers := map[string]bool{}
	for _, n := range s.orphans {
		numbers[n] = true
	}
	return slices.Sorted(maps.Keys(numbers))
}
