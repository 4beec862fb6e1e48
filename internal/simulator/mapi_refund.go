package simulator

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// The services for refunds and closings.
const (
	forexRefund = "forex_refund"
	refundQuery = "alipay.acquire.refund.query"
	closeTrade  = "close_trade"
)

// refund answers forex_refund. With is_sync=Y the answer T means that the refund is done. Otherwise
// T means that it is accepted. (Alipay, forex_refund.)
func (s *Simulator) refund(w http.ResponseWriter, r *http.Request, p Partner, m mapi.Message) error {
	if err := checkRefund(m); err != nil {
		return err
	}
	t, err := s.acceptRefund(p, m)
	if s.delayOrFail(w, r, t) {
		return nil
	}
	if t.has(RefundCut) {
		w.Header().Set("Content-Type", "text/xml")
		writeHalf(w, xmlSuccess)
	}
	if err != nil {
		return err
	}
	writeXML(w, http.StatusOK, xmlSuccess)
	return nil
}

// checkRefund checks what does not need the trade. It accepts both forms of gmt_return that the
// vendor's pages show, and its absence, since one client library omits it.
func checkRefund(m mapi.Message) error {
	for name, most := range map[string]int{
		"out_return_no": 64, "out_trade_no": 64, "reason": 100, "product_code": 32,
	} {
		if m[name] == "" || len([]rune(m[name])) > most {
			return mapiErrorf("ILLEGAL_ARGUMENT", "%s is missing or longer than %d characters", name, most)
		}
	}
	if at := m["gmt_return"]; at != "" {
		_, digits := time.Parse("20060102150405", at)
		_, spaced := time.Parse(time.DateTime, at)
		if digits != nil && spaced != nil {
			return mapiErrorf("ILLEGAL_ARGUMENT", "gmt_return %q is not a time", at)
		}
	}
	if sync := m["is_sync"]; sync != "" && sync != "Y" && sync != "N" {
		return mapiErrorf("ILLEGAL_ARGUMENT", "is_sync %q is neither Y nor N", sync)
	}
	if (m["return_amount"] == "") == (m["return_rmb_amount"] == "") {
		return mapiErrorf("ILLEGAL_ARGUMENT",
			"exactly one of return_amount and return_rmb_amount must be given")
	}
	return nil
}

// acceptRefund accepts or refuses a refund, and returns the faults of the answer.
func (s *Simulator) acceptRefund(p Partner, m mapi.Message) (answerFaults, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.closeOverdue(now)
	if last, gap := s.refundAskedAt[p.ID], p.RefundGap; gap > 0 && now.Sub(last) < gap {
		return answerFaults{}, mapiErrorf("SYSTEM_ERROR",
			"only %s after the partner's last refund: the gap is %s",
			now.Sub(last), gap)
	}
	s.refundAskedAt[p.ID] = now
	o := s.orders[orderKey{p.ID, m["out_trade_no"]}]
	if o == nil || o.trade() == nil || o.trade().PaidAt.IsZero() {
		return answerFaults{}, mapiErrorf("PURCHASE_TRADE_NOT_EXIST",
			"nothing was paid for %q", m["out_trade_no"])
	}
	wrong := s.faultsOn(o, OnRefund)
	t, number := *o.trade(), m["out_return_no"]
	amount, err := s.refundAmount(&t, m)
	if err != nil {
		return wrong, err
	}
	t.Refunds = slices.Clone(t.Refunds)
	i := slices.IndexFunc(t.Refunds, func(r Refund) bool { return r.Number == number })
	switch {
	case i >= 0 && t.Refunds[i].Status != RefundFailed: // even with another amount
		return wrong, mapiErrorf("REPEATED_REFUNDMENT_REQUEST", "%q is %s", number, t.Refunds[i].Status)
	case now.After(t.PaidAt.Add(refundWindow)):
		return wrong, mapiErrorf("REFUNDMENT_VALID_DATE_EXCEED", "paid at %s", t.PaidAt)
	case t.Status == Closed:
		return wrong, mapiErrorf("TRADE_HAS_CLOSE", "the trade is refunded in full")
	case amount.Minor > t.refundable():
		return wrong, mapiErrorf("RETURN_AMOUNT_EXCEED", "only %d can be refunded", t.refundable())
	}
	r := Refund{Number: number, Amount: amount, Status: RefundDone, AskedAt: now, DoneAt: now, Partner: p.ID}
	switch {
	case m["is_sync"] != "Y":
		r.Status, r.DueAt, r.NotifyURL = RefundProcessing, now.Add(refundLag), m["notify_url"]
	case wrong.has(RefundShort):
		r.Status, r.Error = RefundFailed, "MERCHANT_BALANCE_NOT_ENOUGH"
	case wrong.has(RefundPending):
		r.Status, r.DueAt = RefundProcessing, now.Add(refundLag)
	}
	if r.Status != RefundDone {
		r.DoneAt = time.Time{}
	}
	if i < 0 {
		t.Refunds = append(t.Refunds, r)
	} else {
		t.Refunds[i] = r
	}
	t.closeIfRefunded(now)
	if err := s.commit(change{Trades: []*Trade{&t}}); err != nil {
		return wrong, err
	}
	s.cfg.Log.Info("simulator: refund", "out_trade_no", t.OutTradeNo, "out_return_no", number,
		"amount", amount.String(), "status", r.Status)
	switch {
	case r.Error != "":
		return wrong, mapiErrorf(r.Error, "fault %s", RefundShort)
	case wrong.has(RefundPending) && m["is_sync"] == "Y":
		return wrong, mapiErrorf("SYSTEM_ERROR", "fault %s: the refund is done later", RefundPending)
	}
	return wrong, nil
}

// refundAmount reads the amount of a refund, in the payment's currency.
func (s *Simulator) refundAmount(t *Trade, m mapi.Message) (Money, error) {
	if m["currency"] != t.Total.Currency {
		return Money{}, mapiErrorf("CURRENCY_NOT_SAME",
			"%q differs from the payment's %s", m["currency"], t.Total.Currency)
	}
	name, currency := "return_amount", t.Total.Currency
	if m[name] == "" {
		name, currency = "return_rmb_amount", "CNY"
	}
	amount, ok := parseFee(m[name], currency)
	if !ok {
		return Money{}, mapiErrorf("ILLEGAL_ARGUMENT",
			"%s %q is not an amount of %s", name, m[name], currency)
	}
	if currency != t.Total.Currency {
		amount = amount.in(t.Total.Currency)
	}
	return amount, nil
}

// finishRefunds completes the pending refunds that are due, and notifies the merchant. Refunds that
// the merchant's funds do not cover are tried again later. The caller holds s.mu.
func (s *Simulator) finishRefunds(now time.Time) {
	for _, no := range s.refunds.popDue(now) {
		t := *s.trades[no]
		o := s.orders[orderKey{t.Partner, t.OutTradeNo}]
		short := s.faultsOf(o).has(RefundShort)
		t.Refunds = slices.Clone(t.Refunds)
		c := change{Trades: []*Trade{&t}}
		for i := range t.Refunds {
			r := &t.Refunds[i]
			switch {
			case r.DueAt.IsZero() || r.DueAt.After(now):
			case short:
				r.Error, r.DueAt = "MERCHANT_BALANCE_NOT_ENOUGH", now.Add(shortRetry)
			default:
				r.Status, r.Error, r.DoneAt, r.DueAt = RefundDone, "", now, time.Time{}
				fs := slices.Concat(s.faultsOf(o), s.drawFault(o, OnNotice))
				c.Notices = append(c.Notices, s.refundNotices(&t, *r, fs, now)...)
			}
		}
		t.closeIfRefunded(now)
		if s.commit(c) == nil {
			s.cfg.Log.Info("simulator: refunds done", "out_trade_no", t.OutTradeNo)
		}
	}
}

// refundNotices makes the notifications of a refund that is done.
func (s *Simulator) refundNotices(t *Trade, r Refund, fs faultSet, now time.Time) []*Notice {
	fields := s.platform(t.Partner).refundNotice(t, s.attempts[t.Attempt], r)
	return s.withFaults(t, r.NotifyURL, fields, fs, now)
}

// queryRefund answers alipay.acquire.refund.query.
func (s *Simulator) queryRefund(w http.ResponseWriter, r *http.Request, p Partner, m mapi.Message) error {
	for _, name := range []string{"out_trade_no", "out_return_no"} {
		if m[name] == "" {
			return mapiErrorf("ILLEGAL_ARGUMENT", "%s is missing", name)
		}
	}
	fields, t := s.refundForQuery(p, m["out_trade_no"], m["out_return_no"])
	if s.delayOrFail(w, r, t) {
		return nil
	}
	doc, err := xmlAnswer(m, "alipay", fields, slices.Sorted(maps.Keys(fields)), p.keys(), alipay.UTF8)
	if err != nil {
		return err
	}
	if t.has(RefundCut) {
		w.Header().Set("Content-Type", "text/xml")
		writeHalf(w, doc)
	}
	writeXML(w, http.StatusOK, doc)
	return nil
}

func (s *Simulator) refundForQuery(p Partner, number, returnNo string) (mapi.Message, answerFaults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finishRefunds(s.cfg.Now())
	o := s.orders[orderKey{p.ID, number}]
	if o == nil || o.trade() == nil {
		return mapi.Message{"response_code": "TRADE_NOT_EXIST"}, answerFaults{}
	}
	wrong := s.faultsOn(o, OnRefund)
	for _, r := range o.trade().Refunds {
		if r.Number != returnNo {
			continue
		}
		m := mapi.Message{
			"response_code": "SUCCESS", "refund_result_code": string(r.Status),
			"out_return_no": r.Number, "out_trade_no": number,
			"trade_no": o.trade().TradeNo, "gmt_create": r.AskedAt.In(beijing).Format(time.DateTime),
		}
		if r.Error != "" {
			m["refund_error_code"] = r.Error
		}
		return m, wrong
	}
	return mapi.Message{"response_code": "NOT_FOUND"}, wrong
}

// close answers close_trade, which only a contract that names it has. It spells the order's number
// out_order_no. (Alipay, close_trade.)
func (s *Simulator) close(w http.ResponseWriter, _ *http.Request, p Partner, m mapi.Message) error {
	if m["trade_no"] == "" && m["out_order_no"] == "" {
		return mapiErrorf("ILLEGAL_ARGUMENT", "neither trade_no nor out_order_no is given")
	}
	if err := s.closeUnpaid(p, m["trade_no"], m["out_order_no"]); err != nil {
		return err
	}
	writeXML(w, http.StatusOK, xmlSuccess)
	return nil
}

func (s *Simulator) closeUnpaid(p Partner, tradeNo, number string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.closeOverdue(now)
	found := s.trades[tradeNo]
	if o := s.orders[orderKey{p.ID, number}]; tradeNo == "" && o != nil {
		found = o.trade()
	}
	switch {
	case found == nil || found.Partner != p.ID:
		return mapiErrorf("TRADE_NOT_EXIST", "%q has no trade", tradeNo+number)
	case found.Status != Waiting:
		return mapiErrorf("TRADE_STATUS_NOT_AVAILD", "the trade is %s", found.Status)
	}
	t := *found
	t.Status, t.ClosedAt, t.CloseAt = Closed, now, time.Time{}
	return s.commit(change{Trades: []*Trade{&t}})
}
