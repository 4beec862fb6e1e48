package gateway

import (
	"fmt"
	"slices"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// merchantsView is what the gateway has promised the merchant, by its answers.
type merchantsView struct {
	ids     map[int]string // of orders
	prints  map[int]string // what was asked for under the order's number
	refunds map[string]pay.Refund
	refused map[string]bool // refunds that are said to have failed
	closed  map[int]bool    // orders that are said to be closed
}

func newMerchantsView() merchantsView {
	return merchantsView{
		ids: map[int]string{}, prints: map[int]string{}, refunds: map[string]pay.Refund{}, refused: map[string]bool{}, closed: map[int]bool{},
	}
}

const price = 1000

func credential() pay.Credential {
	return pay.Credential{MerchantID: "123456", AppCode: "APP", ClientKey: "KEY", PerSecond: 100, PerMinute: 400}
}

// place places an order, whose number says what wallet it is for: even ones are
// for the one that is not called to begin with, odd ones for the other.
func (s *site) place(r *replica, st step) {
	request := PayRequest{
		Credential: credential(), OrderNo: fmt.Sprint("O", st.Order), Fingerprint: fmt.Sprint(st.Amount), PayType: pay.AlipayCrossBorder,
		Amount: pay.Amount{Minor: price, Currency: "HKD"}, NotifyURL: "https://shop.example/notify", Life: 30 * time.Minute,
	}
	if st.Order%2 == 1 {
		request.PayType = pay.AlipayHK
	}
	o, err := r.Pay(r.ctx, request)
	if r.gone { // nobody hears the answer
		return
	}
	known, print := s.merchant.ids[st.Order], s.merchant.prints[st.Order]
	switch {
	case err == nil && known != "" && known != o.ID:
		s.problem("order %d is %s and %s", st.Order, known, o.ID)
	case err == nil && known != "" && print != request.Fingerprint:
		s.problem("order %d was taken with other values", st.Order)
	case err == nil:
		s.merchant.ids[st.Order], s.merchant.prints[st.Order] = o.ID, request.Fingerprint
	}
}

// refund asks for a refund of an order, or again for one.
func (s *site) refund(r *replica, st step) {
	id := s.merchant.ids[st.Order]
	if id == "" {
		return
	}
	number := fmt.Sprintf("R%d-%d", st.Order, st.N)
	got, _, err := r.Refund(r.ctx, RefundRequest{
		Credential: credential(), PaymentID: id, OrderNo: number, Fingerprint: fmt.Sprint(st.Amount), Minor: st.Amount,
	})
	if r.gone || got.ID == "" {
		return
	}
	if known := s.merchant.refunds[number]; known.ID != "" && (known.ID != got.ID || known.Amount != got.Amount) {
		s.problem("refund %s is %s and %s", number, known.ID, got.ID)
	}
	s.merchant.refunds[number] = got
	back := s.world.given(got.ID)
	switch {
	case got.Status == pay.RefundSucceeded && back != got.Amount.Minor:
		s.problem("refund %s is said to be done", number)
	case got.Status == pay.RefundFailed && err == nil:
		s.problem("refund %s has failed and that is no error", number)
	case got.Status == pay.RefundFailed:
		s.merchant.refused[number] = true
	case s.merchant.refused[number]:
		s.problem("refund %s had failed and is %s", number, got.Status)
	}
}

// shut calls an order off.
func (s *site) shut(r *replica, st step) {
	id := s.merchant.ids[st.Order]
	if id == "" {
		return
	}
	c, err := r.Close(r.ctx, CloseRequest{Credential: credential(), PaymentID: id, Minor: price})
	if r.gone {
		return
	}
	switch {
	case err == nil && !c.Payment.Status.Open():
		s.merchant.closed[st.Order] = true
	case pay.CodeOf(err) == pay.AlreadyPaid && len(s.paid(fmt.Sprint("O", st.Order), id)) == 0:
		s.problem("order %d is said to be paid", st.Order)
	case pay.CodeOf(err) == pay.AlreadyPaid && s.merchant.closed[st.Order] && !c.Payment.Flagged:
		s.problem("order %d was closed and is said to be paid", st.Order)
	}
}

// query asks for an order and its refunds.
func (s *site) query(r *replica, st step) {
	found, err := r.Query(r.ctx, QueryRequest{Credential: credential(), Filter: store.Filter{OrderNos: []string{fmt.Sprint("O", st.Order)}}})
	if err != nil || r.gone {
		return
	}
	id := s.merchant.ids[st.Order]
	if id != "" && (len(found) != 1 || found[0].ID != id) {
		s.problem("order %d is not found: %v", st.Order, found)
	}
	for _, f := range found {
		if f.Status == pay.Paid && len(s.paid(f.OrderNo, f.ID)) == 0 {
			s.problem("order %d is listed as paid", st.Order)
		}
	}
}

// paid lists the trades that paid an order at the wallet, under whichever number
// it has had.
func (s *site) paid(orderNo, id string) (all []string) {
	ids := s.numbers[orderNo]
	if !slices.Contains(ids, id) {
		ids = append(slices.Clip(ids), id)
	}
	for _, id := range ids {
		if t := s.world.trades[id]; t != nil {
			all = append(all, t.paid...)
		}
	}
	return all
}
