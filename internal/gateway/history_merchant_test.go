package gateway

import (
	"fmt"
	"slices"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// merchantsView is what the gateway's answers have promised the merchant.
type merchantsView struct {
	ids     map[int]string // of orders
	prints  map[int]string // the values of the request with the order's number
	refunds map[string]pay.Refund
	refused map[string]bool // refunds that have failed, as answered
	closed  map[int]bool    // orders that are closed, as answered
}

func newMerchantsView() merchantsView {
	return merchantsView{
		ids: map[int]string{}, prints: map[int]string{}, refunds: map[string]pay.Refund{},
		refused: map[string]bool{}, closed: map[int]bool{},
	}
}

const price = 1000

func credential() pay.Credential {
	return pay.Credential{MerchantID: "123456", AppCode: "APP", ClientKey: "KEY",
		PerSecond: 100, PerMinute: 400}
}

// place places an order. Its number says how its buyer gets to the wallet: 0 is
// wallet.Link, 1 wallet.InApp, 2 wallet.Redirect.
func (h *historyHarness) place(r *replica, st step) {
	request := PayRequest{
		Credential: credential(), OrderNo: fmt.Sprint("O", st.Order), Fingerprint: fmt.Sprint(st.Amount),
		PayType: pay.AlipayCrossBorder,
		Amount:  pay.Amount{Minor: price, Currency: "HKD"}, NotifyURL: "https://shop.example/notify",
		Life: 30 * time.Minute,
	}
	switch st.Order {
	case 1:
		request.PayType = pay.AlipayHK
	case 2:
		request.PayType = pay.AlipayServiceWindow
	}
	o, err := r.Pay(r.ctx, request)
	if r.gone { // the answer is lost
		return
	}
	known, print := h.merchant.ids[st.Order], h.merchant.prints[st.Order]
	switch {
	case err == nil && known != "" && known != o.ID:
		h.problem("order %d is %s and %s", st.Order, known, o.ID)
	case err == nil && known != "" && print != request.Fingerprint:
		h.problem("order %d was taken with other values", st.Order)
	case err == nil:
		h.merchant.ids[st.Order], h.merchant.prints[st.Order] = o.ID, request.Fingerprint
	}
}

// refund sends a refund of an order, or repeats one.
func (h *historyHarness) refund(r *replica, st step) {
	id := h.merchant.ids[st.Order]
	if id == "" {
		return
	}
	number := fmt.Sprintf("R%d-%d", st.Order, st.N)
	got, _, err := r.Refund(r.ctx, RefundRequest{
		Credential: credential(), PaymentID: id, OrderNo: number,
		Fingerprint: fmt.Sprint(st.Amount), Minor: st.Amount,
	})
	if r.gone || got.ID == "" {
		return
	}
	if known := h.merchant.refunds[number]; known.ID != "" &&
		(known.ID != got.ID || known.Amount != got.Amount) {
		h.problem("refund %s is %s and %s", number, known.ID, got.ID)
	}
	h.merchant.refunds[number] = got
	back := h.outside.given(got.ID)
	switch {
	case got.Status == pay.RefundSucceeded && back != got.Amount.Minor:
		h.problem("refund %s is said to be done", number)
	case got.Status == pay.RefundFailed && err == nil:
		h.problem("refund %s has failed and that is no error", number)
	case got.Status == pay.RefundFailed:
		h.merchant.refused[number] = true
	case h.merchant.refused[number]:
		h.problem("refund %s had failed and is %s", number, got.Status)
	}
}

// shut closes an order.
func (h *historyHarness) shut(r *replica, st step) {
	id := h.merchant.ids[st.Order]
	if id == "" {
		return
	}
	c, err := r.Close(r.ctx, CloseRequest{Credential: credential(), PaymentID: id, Minor: price})
	if r.gone {
		return
	}
	switch {
	case err == nil && !c.Payment.Status.Open():
		h.merchant.closed[st.Order] = true
	case pay.CodeOf(err) == pay.AlreadyPaid && len(h.paid(fmt.Sprint("O", st.Order), id)) == 0:
		h.problem("order %d is said to be paid", st.Order)
	case pay.CodeOf(err) == pay.AlreadyPaid && h.merchant.closed[st.Order] && !c.Payment.Flagged:
		h.problem("order %d was closed and is said to be paid", st.Order)
	}
}

// query queries an order and its refunds.
func (h *historyHarness) query(r *replica, st step) {
	found, err := r.Query(r.ctx,
		QueryRequest{Credential: credential(),
			Filter: store.Filter{OrderNos: []string{fmt.Sprint("O", st.Order)}}})
	if err != nil || r.gone {
		return
	}
	id := h.merchant.ids[st.Order]
	if id != "" && (len(found) != 1 || found[0].ID != id) {
		h.problem("order %d is not found: %v", st.Order, found)
	}
	for _, f := range found {
		if f.Status == pay.Paid && len(h.paid(f.OrderNo, f.ID)) == 0 {
			h.problem("order %d is listed as paid", st.Order)
		}
	}
}

// paid lists the trades that paid an order at the wallet, under all its numbers.
func (h *historyHarness) paid(orderNo, id string) (all []string) {
	ids := h.numbers[orderNo]
	if !slices.Contains(ids, id) {
		ids = append(slices.Clip(ids), id)
	}
	for _, id := range ids {
		if t := h.outside.trades[id]; t != nil {
			all = append(all, t.paid...)
		}
	}
	return all
}
