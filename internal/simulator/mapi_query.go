package simulator

import (
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// verifyWindow is how long after a send its notify_id can be checked.
const verifyWindow = time.Minute

// verifyNotice answers notify_verify: whether a notification with that id was
// sent to the partner within the last minute. (Alipay, notify_verify.)
func (s *Simulator) verifyNotice(w http.ResponseWriter, _ *http.Request, p Partner, m mapi.Message) error {
	id := m["notify_id"]
	answer := "invalid"
	if id != "" && len(id) <= 64 {
		answer = "false"
		if s.sentLately(p.ID, id) {
			answer = "true"
		}
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Cache-Control", "no-store")
	io.WriteString(w, answer)
	return nil
}

func (s *Simulator) sentLately(partner, notifyID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.sent[orderKey{partner, notifyID}]
	return ok && s.cfg.Now().Sub(last) <= verifyWindow
}

// query answers single_trade_query. trade_no wins if both numbers are given.
// (Alipay, single_trade_query.)
func (s *Simulator) query(w http.ResponseWriter, r *http.Request, p Partner, m mapi.Message) error {
	tradeNo, number := m["trade_no"], m["out_trade_no"]
	switch {
	case tradeNo == "" && number == "":
		return refuse("ILLEGAL_ARGUMENT", "neither trade_no nor out_trade_no is given")
	case tradeNo != "" && (len(tradeNo) < 16 || len(tradeNo) > 64):
		return refuse("ILLEGAL_ARGUMENT", "trade_no is not 16 to 64 characters long")
	case len(number) > 64:
		return refuse("ILLEGAL_ARGUMENT", "out_trade_no is longer than 64 characters")
	}
	fields, faults := s.lookUp(p, tradeNo, number)
	if faults.has(Query500) {
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
		return nil
	}
	if faults.has(QuerySlow) && !s.pause(r, slowAnswer) {
		return nil
	}
	if fields == nil {
		return refuse("TRADE_NOT_EXIST", "no trade of %q yet", tradeNo+number)
	}
	if faults.has(QueryUnknown) {
		fields["trade_status"] = "TRADE_SUSPENDED"
	}
	doc, err := xmlAnswer(m, "trade", fields, p.keys())
	if err != nil {
		return err
	}
	if faults.has(QueryGBK) {
		doc = strings.Replace(doc, `encoding="utf-8"`, `encoding="GBK"`, 1)
		if doc, err = encoding.ReplaceUnsupported(simplifiedchinese.GBK.NewEncoder()).String(doc); err != nil {
			return err
		}
	}
	if faults.has(QueryCut) {
		w.Header().Set("Content-Type", "text/xml")
		io.WriteString(w, doc[:len(doc)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // breaks the connection off
	}
	writeXML(w, http.StatusOK, doc)
	return nil
}

// pause waits, and reports whether it could wait to the end.
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

// lookUp finds a trade's fields, nil if the query must not see it, and the
// faults of its order that this answer has.
func (s *Simulator) lookUp(p Partner, tradeNo, number string) (mapi.Message, faultSet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.closeOverdue(now)
	var t *Trade
	o := s.orders[orderKey{p.ID, number}]
	if tradeNo != "" {
		if t = s.trades[tradeNo]; t == nil || t.Partner != p.ID {
			return nil, nil
		}
		o = s.orders[orderKey{p.ID, t.OutTradeNo}]
	} else if o != nil {
		t = o.trade()
	}
	if o == nil {
		return nil, nil
	}
	var fs faultSet
	for _, f := range s.faultsOf(o) {
		switch f {
		case Query500, QuerySlow, QueryCut, QueryUnknown:
			if o.badQueries < badQueryLimit {
				fs = append(fs, f)
			}
		case QueryGBK:
			fs = append(fs, f)
		}
	}
	o.badQueries++
	if t == nil || now.Before(t.HiddenTill) {
		return nil, fs
	}
	return s.tradeFields(p, t), fs
}

// tradeFields are the children of <trade>.
func (s *Simulator) tradeFields(p Partner, t *Trade) mapi.Message {
	terms := s.attempts[t.Attempt].Terms
	buyer, _ := pickBuyer(terms.Wallet, t.Buyer)
	stamp := func(at time.Time) string { return at.In(beijing).Format(wireTime) }
	total := t.Total.Decimal()
	m := mapi.Message{
		"buyer_email": buyer.Email, "buyer_id": buyer.BuyerID, "discount": "0.00", "flag_trade_locked": "0",
		"gmt_create": stamp(t.CreatedAt), "gmt_last_modified_time": stamp(t.CreatedAt), "is_total_fee_adjust": "F",
		"operator_role": "B", "out_trade_no": t.OutTradeNo, "payment_type": "100", "price": total, "quantity": "1",
		"seller_email": "seller@mail.example", "seller_id": p.ID, "subject": terms.Subject, "to_buyer_fee": "0.00",
		"to_seller_fee": total, "total_fee": total, "trade_no": t.TradeNo, "trade_status": string(t.Status), "use_coupon": "F",
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
	}
	return m
}
