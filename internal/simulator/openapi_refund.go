package simulator

import (
	"slices"
	"time"
)

// tradeRefund answers alipay.trade.refund. A repeat with the same out_request_no and amount refunds
// nothing and answers fund_change N.
func (s *Simulator) tradeRefund(c *call) (content, error) {
	amount, ok := parseYuan(c.biz["refund_amount"])
	if !ok {
		return nil, business("INVALID_PARAMETER", "refund_amount %q is not an amount", c.biz["refund_amount"])
	}
	if err := c.biz.checkLengths(map[string]int{"out_request_no": 64, "refund_reason": 256}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.closeOverdue(now)
	o, found, err := s.findTrade(c)
	if err != nil {
		return nil, err
	}
	c.answerFaults = s.faultsOn(o, OnRefund)
	t, number := *found, c.biz["out_request_no"]
	if number == "" { // allowed for the whole amount, once
		if number = t.OutTradeNo; amount != t.Total {
			return nil, business("INVALID_PARAMETER", "out_request_no is missing: a partial refund needs it")
		}
	}
	i := slices.IndexFunc(t.Refunds, func(r Refund) bool { return r.Number == number })
	switch {
	case i >= 0 && t.Refunds[i].Amount != amount:
		return nil, business("DISCORDANT_REPEAT_REQUEST", "%q is a refund of %s", number, t.Refunds[i].Amount)
	case i >= 0 && t.Refunds[i].Status != RefundFailed:
		return refundAnswer(&t, "N"), nil
	case t.PaidAt.IsZero() && t.Status == Closed:
		return nil, business("TRADE_HAS_CLOSE", "the trade was closed unpaid")
	case t.PaidAt.IsZero():
		return nil, business("TRADE_STATUS_ERROR", "the trade is %s", t.Status)
	case t.Status == Finished:
		return nil, business("TRADE_HAS_FINISHED", "paid at %s", stamp(t.PaidAt))
	case t.Status == Closed:
		return nil, business("TRADE_HAS_CLOSE", "the trade is refunded in full")
	case amount.Minor > t.refundable():
		return nil, business("REFUND_AMT_NOT_EQUAL_TOTAL", "only %d can be refunded", t.refundable())
	}
	r := Refund{
		Number: number, Partner: t.Partner, Amount: amount,
		Status: RefundDone, Reason: c.biz["refund_reason"],
		AskedAt: now, DoneAt: now, NotifyURL: s.attempts[t.Attempt].NotifyURL,
	}
	switch {
	case c.has(RefundShort):
		r.Status, r.Error, r.DoneAt = RefundFailed, "ACQ.SELLER_BALANCE_NOT_ENOUGH", time.Time{}
	case c.has(RefundPending):
		r.Status, r.DoneAt, r.DueAt = RefundProcessing, time.Time{}, now.Add(refundLag)
	}
	if t.Refunds = slices.Clone(t.Refunds); i < 0 {
		t.Refunds = append(t.Refunds, r)
	} else {
		t.Refunds[i] = r
	}
	t.closeIfRefunded(now)
	ch := change{Trades: []*Trade{&t}}
	if r.Status == RefundDone {
		ch.Notices = s.refundNotices(&t, r, slices.Concat(s.faultsOf(o), s.drawFault(o, OnNotice)), now)
	}
	if err := s.commit(ch); err != nil {
		return nil, err
	}
	s.cfg.Log.Info("simulator: refund", "out_trade_no", t.OutTradeNo, "out_request_no", number,
		"amount", amount.String(), "status", r.Status)
	switch r.Status {
	case RefundFailed:
		return nil, business("SELLER_BALANCE_NOT_ENOUGH", "fault %s", RefundShort)
	case RefundProcessing:
		return nil, business("SYSTEM_ERROR", "fault %s: the refund is done later", RefundPending)
	}
	return refundAnswer(&t, "Y"), nil
}

// refundAnswer reports the sum of all refunds so far.
func refundAnswer(t *Trade, changed string) content {
	answer := content{
		"trade_no": t.TradeNo, "out_trade_no": t.OutTradeNo, "buyer_logon_id": maskedLogin(t.Buyer),
		"fund_change": changed,
		"refund_fee":  t.refundedTotal().Decimal(),
	}
	putBuyer(answer, "buyer_user_id", t.Buyer)
	if last := t.lastRefund(); !last.IsZero() {
		answer["gmt_refund_pay"] = stamp(last)
	}
	return answer
}

// tradeRefundQuery answers alipay.trade.fastpay.refund.query. The answer has the refund's status
// only if it is done.
func (s *Simulator) tradeRefundQuery(c *call) (content, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.finishRefunds(now)
	o, t, err := s.findTrade(c)
	if err != nil {
		return nil, err
	}
	c.answerFaults = s.faultsOn(o, OnRefund)
	number := c.biz["out_request_no"]
	if number == "" {
		return nil, business("INVALID_PARAMETER", "out_request_no is missing")
	}
	i := slices.IndexFunc(t.Refunds, func(r Refund) bool {
		return r.Number == number && r.Status == RefundDone
	})
	if i < 0 {
		return content{}, nil
	}
	r := t.Refunds[i]
	answer := content{
		"trade_no": t.TradeNo, "out_trade_no": t.OutTradeNo, "out_request_no": r.Number,
		"total_amount":  t.Total.Decimal(),
		"refund_amount": r.Amount.Decimal(), "refund_status": "REFUND_SUCCESS",
		"gmt_refund_pay": stamp(r.DoneAt),
	}
	if r.Reason != "" {
		answer["refund_reason"] = r.Reason
	}
	return answer, nil
}
