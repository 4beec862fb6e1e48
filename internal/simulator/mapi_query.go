package simulator

import (
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// verifyWindow is how long after a send its notify_id can be verified.
const verifyWindow = time.Minute

// verifyNotice answers notify_verify: whether a notification with that id was sent to the partner
// within the last minute. (Alipay, notify_verify.)
func (s *Simulator) verifyNotice(w http.ResponseWriter, r *http.Request, p Partner, m mapi.Message) error {
	id := m["notify_id"]
	answer := "invalid"
	var t answerFaults
	if id != "" && len(id) <= 64 {
		var lately bool
		lately, t = s.sentRecently(p.ID, id)
		answer = strconv.FormatBool(lately)
	}
	if s.delayOrFail(w, r, t) {
		return nil
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Cache-Control", "no-store")
	if t.has(QueryCut) {
		writeHalf(w, answer)
	}
	io.WriteString(w, answer)
	return nil
}

// sentRecently reports whether a notification was sent within verifyWindow. It also returns the
// faults of the answer.
func (s *Simulator) sentRecently(partner, notifyID string) (bool, answerFaults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.sent[orderKey{partner, notifyID}]
	if !ok {
		return false, answerFaults{}
	}
	wrong := answerFaults{faultSet: s.drawFault(last.order, OnVerify), slow: drawnSlow}
	return s.cfg.Now().Sub(last.at) <= verifyWindow, wrong
}

// answerFaults are the faults that strike one answer.
type answerFaults struct {
	faultSet
	slow   time.Duration // the delay of QuerySlow, RefundSlow and CallLost
	random *rand.Rand    // for Shuffled
}

// delayOrFail delays an answer that is to be slow. It reports true if it answered with status 500
// instead.
func (s *Simulator) delayOrFail(w http.ResponseWriter, r *http.Request, t answerFaults) bool {
	if t.has(Query500) || t.has(Refund500) || (t.has(QuerySlow) || t.has(RefundSlow)) && !s.pause(r, t.slow) {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return true
	}
	return false
}

// writeHalf writes half of an answer and cuts the connection.
func writeHalf(w http.ResponseWriter, doc string) {
	io.WriteString(w, doc[:len(doc)/2])
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// query answers single_trade_query. trade_no takes precedence. (Alipay, single_trade_query.)
func (s *Simulator) query(w http.ResponseWriter, r *http.Request, p Partner, m mapi.Message) error {
	tradeNo, number := m["trade_no"], m["out_trade_no"]
	switch {
	case tradeNo == "" && number == "":
		return mapiErrorf("ILLEGAL_ARGUMENT", "neither trade_no nor out_trade_no is given")
	case tradeNo != "" && (len(tradeNo) < 16 || len(tradeNo) > 64):
		return mapiErrorf("ILLEGAL_ARGUMENT", "trade_no is not 16 to 64 characters long")
	case len(number) > 64:
		return mapiErrorf("ILLEGAL_ARGUMENT", "out_trade_no is longer than 64 characters")
	}
	fields, t := s.tradeForQuery(p, tradeNo, number)
	if s.delayOrFail(w, r, t) {
		return nil
	}
	if fields == nil {
		return mapiErrorf("TRADE_NOT_EXIST", "%q has no trade yet", tradeNo+number)
	}
	if t.has(QueryUnknown) {
		fields["trade_status"] = "TRADE_SUSPENDED"
	}
	if t.has(Unlisted) && fields["gmt_payment"] != "" {
		fields["trade_status"] = s.platform(p.ID).unlistedStatus()
	}
	if t.has(UnknownField) {
		fields[unknownField] = unknownValue
	}
	charset := alipay.UTF8
	if t.has(QueryGBK) {
		charset, fields["body"] = alipay.GBK, gbkText
	}
	names := slices.Sorted(maps.Keys(fields))
	if t.has(Shuffled) {
		t.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	}
	doc, err := xmlAnswer(m, "trade", fields, names, p.keys(), charset)
	if err != nil {
		return err
	}
	if t.has(QueryCut) {
		w.Header().Set("Content-Type", "text/xml")
		writeHalf(w, doc)
	}
	writeXML(w, http.StatusOK, doc)
	return nil
}

// pause waits, and reports whether it waited to the end.
func (s *Simulator) pause(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
	case <-s.stop:
	}
	return false
}

// tradeForQuery returns a trade's fields, or nil if the query must not see it, and the faults of
// this answer.
func (s *Simulator) tradeForQuery(p Partner, tradeNo, number string) (mapi.Message, answerFaults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.closeOverdue(now)
	var t *Trade
	o := s.orders[orderKey{p.ID, number}]
	if tradeNo != "" {
		if t = s.trades[tradeNo]; t == nil || t.Partner != p.ID {
			return nil, answerFaults{}
		}
		o = s.orders[orderKey{p.ID, t.OutTradeNo}]
	} else if o != nil {
		t = o.trade()
	}
	if o == nil {
		return nil, answerFaults{}
	}
	wrong := s.faultsOn(o, OnQuery)
	if t == nil || now.Before(t.HiddenTill) {
		return nil, wrong
	}
	return s.tradeFields(p, t), wrong
}

// faultsOn returns the faults of an order's next answer on an occasion: those that were set and the
// one that is drawn.
func (s *Simulator) faultsOn(o *order, on Occasion) answerFaults {
	t := answerFaults{faultSet: s.drawFault(o, on), slow: drawnSlow}
	nth := o.occasions[on]
	t.random = s.random(o, shuffling, nth)
	set := s.faultsOf(o)
	for _, f := range Faults {
		if !set.has(f.Fault) || !slices.Contains(f.On, on) ||
			limitedFaults.has(f.Fault) && nth > badQueryLimit {
			continue
		}
		t.faultSet = append(t.faultSet, f.Fault)
		switch f.Fault {
		case QuerySlow, RefundSlow, CallLost:
			t.slow = slowAnswer
		}
	}
	return t
}

// tradeFields returns the children of <trade>.
func (s *Simulator) tradeFields(p Partner, t *Trade) mapi.Message {
	terms := s.attempts[t.Attempt].Terms
	buyer, _ := pickBuyer(terms.Wallet, t.Buyer)
	stamp := func(at time.Time) string { return at.In(beijing).Format(time.DateTime) }
	total := t.Total.Decimal()
	m := mapi.Message{
		"buyer_email": buyer.Email, "buyer_id": buyer.BuyerID, "discount": "0.00", "flag_trade_locked": "0",
		"gmt_create":             stamp(t.CreatedAt),
		"gmt_last_modified_time": stamp(t.CreatedAt), "is_total_fee_adjust": "F",
		"operator_role": "B", "out_trade_no": t.OutTradeNo,
		"payment_type": "100", "price": total, "quantity": "1",
		"seller_email": "seller@mail.example", "seller_id": p.ID,
		"subject": terms.Subject, "to_buyer_fee": "0.00",
		"to_seller_fee": total, "total_fee": total, "trade_no": t.TradeNo, "trade_status": string(t.Status),
		"use_coupon": "F",
	}
	if terms.Body != "" {
		m["body"] = terms.Body
	}
	if !t.PaidAt.IsZero() {
		m["gmt_payment"], m["gmt_last_modified_time"] = stamp(t.PaidAt), stamp(t.PaidAt)
	}
	if !t.ClosedAt.IsZero() {
		m["gmt_close"], m["gmt_last_modified_time"] = stamp(t.ClosedAt), stamp(t.ClosedAt)
		m["additional_trade_status"] = "DAEMON_CONFIRM_CLOSE"
		if !t.PaidAt.IsZero() { // closed by a full refund
			delete(m, "additional_trade_status")
		}
	}
	return m
}
