package simulator

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/wire/alipay"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// noticeContentType is the header that Alipay sends. It is not a valid media type.
const noticeContentType = "application/x-www-form-urlencoded; text/html; charset=UTF-8"

const (
	noticeTimeout = 10 * time.Second
	answerLimit   = 1 << 10
)

// tradeNotices makes the notifications of a trade's state as of now, including those that faults
// add. It returns none if the order has no notify_url.
func (s *Simulator) tradeNotices(t *Trade, a *Attempt, fs faultSet, now time.Time) []*Notice {
	p := s.platform(t.Partner)
	fields := p.tradeNotice(t, a)
	if fs.has(Unlisted) && !t.PaidAt.IsZero() {
		fields["trade_status"] = p.unlistedStatus()
	}
	return s.withFaults(t, a.NotifyURL, fields, fs, now)
}

// laterFields are the fields that a notification about a waiting trade does not have.
var laterFields = []string{
	"gmt_payment", "receipt_amount", "invoice_amount", "buyer_pay_amount", "point_amount", "fund_bill_list",
	"gmt_close", "out_biz_no", "refund_fee", "gmt_refund",
}

// withFaults makes the notification with these fields, changed by the faults, and the notifications
// that faults add.
func (s *Simulator) withFaults(
	t *Trade, to string, fields mapi.Message, fs faultSet, now time.Time,
) []*Notice {
	if to == "" {
		return nil
	}
	fields["notify_id"] = s.newID() + fmt.Sprintf("%02x", s.cfg.Rand.Uint32()&0xff)
	if fs.has(UnknownField) {
		fields[unknownField] = unknownValue
	}
	if fs.has(NoticeGBK) {
		fields[s.platform(t.Partner).charsetField()] = string(alipay.GBK)
		fields["subject"], fields["body"] = s.attempts[t.Attempt].Terms.Subject, gbkText
	}
	plain := Notice{
		ID: s.newID(), NotifyID: fields["notify_id"], Partner: t.Partner, OutTradeNo: t.OutTradeNo,
		TradeNo: t.TradeNo, URL: to, Fields: fields, Shuffled: fs.has(Shuffled),
		DueAt: now.Add(fs.delay()),
	}
	if fs.has(Drop) {
		plain.DueAt = time.Time{}
	}
	var list []*Notice
	add := func(x Extra, due time.Time, change func(*Notice)) {
		n := plain
		n.ID, n.Extra, n.DueAt = s.newID(), x, due
		if change != nil {
			n.Fields = maps.Clone(fields)
			change(&n)
		}
		list = append(list, &n)
	}
	if fs.has(Forged) {
		add(ForgedSignature, now, func(n *Notice) {
			n.NotifyID = s.newID() + "00"
			n.Fields["notify_id"] = n.NotifyID
		})
		add(ForgedAmount, now, nil)
	}
	list = append(list, &plain)
	if fs.has(Duplicate) {
		add(Twin, plain.DueAt, nil)
	}
	if fs.has(Reordered) && fields["trade_status"] != "" {
		add(Stale, now.Add(fs.delay()+staleLag), func(n *Notice) {
			n.NotifyID = s.newID() + "01"
			n.Fields["notify_id"] = n.NotifyID
			n.Fields["trade_status"] = string(Waiting)
			for _, name := range laterFields {
				delete(n.Fields, name)
			}
			n.Time = t.CreatedAt
		})
	}
	return list
}

// send sends a notification once and records the result. An error means that nothing was sent, or
// that the result could not be recorded.
func (s *Simulator) send(ctx context.Context, id string, manual bool) (Send, error) {
	at := s.cfg.Now()
	n, err := s.beginSend(id, at, manual)
	if err != nil {
		return Send{}, err
	}
	k := len(n.Sends) - 1
	result := s.post(ctx, n.URL, n.Sends[k])
	result.OK = result.Error == "" && result.Status == http.StatusOK &&
		s.platform(n.Partner).acknowledges(result.Answer)
	result.TookMS = s.cfg.Now().Sub(at).Milliseconds()

	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.notices[id]
	next.Sends = slices.Clone(next.Sends)
	next.Sends[k] = result
	switch {
	case result.OK:
		next.Answered, next.DueAt = s.cfg.Now(), time.Time{}
	case ctx.Err() != nil && !manual:
		next.DueAt = at // our own shutdown cut it short: send again after the restart
	}
	s.cfg.Log.Info("simulator: notification", "out_trade_no", next.OutTradeNo, "notify_id", next.NotifyID,
		"extra", next.Extra, "send", k+1, "status", result.Status, "ok", result.OK, "error", result.Error)
	return result, s.commit(change{Notices: []*Notice{&next}})
}

// beginSend records, before anything is sent, that a send begins and when the next one follows if
// this one fails. notify_verify must know of the send, and a crash must not hurry the sequence.
func (s *Simulator) beginSend(id string, at time.Time, manual bool) (Notice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.notices[id]
	body, err := s.encodeNotice(&next, at)
	if err != nil {
		return Notice{}, err
	}
	if !manual {
		next.DueAt = s.nextSend(&next, at)
	}
	next.Sends = append(slices.Clone(next.Sends), Send{At: at, Body: body, Manual: manual})
	return next, s.commit(change{Notices: []*Notice{&next}})
}

// nextSend returns when the send after one at that time is due. Manual sends do not count in the
// vendor's sequence.
func (s *Simulator) nextSend(n *Notice, at time.Time) time.Time {
	done := 0
	for _, send := range n.Sends {
		if !send.Manual {
			done++
		}
	}
	gaps := s.platform(n.Partner).retryGaps()
	if n.Extra != "" || done >= len(gaps) {
		return time.Time{}
	}
	return at.Add(gaps[done])
}

// encodeNotice writes and signs one send. (Alipay, "Asynchronous notification": repeats have the
// same notify_id, and notify_time is the time of the send.)
func (s *Simulator) encodeNotice(n *Notice, at time.Time) (string, error) {
	p := s.platform(n.Partner)
	if !n.Time.IsZero() {
		at = n.Time
	}
	charset, err := alipay.ParseCharset(n.Fields[p.charsetField()])
	if err != nil {
		return "", err
	}
	m := n.Fields.In(charset)
	m["notify_time"] = at.In(beijing).Format(time.DateTime)
	if n.Extra == ForgedSignature {
		m["forged"] = "signed, then removed"
	}
	if err := p.sign(m); err != nil {
		return "", fmt.Errorf("sign for %s: %w", n.Partner, err)
	}
	delete(m, "forged")
	if n.Extra == ForgedAmount {
		m[p.amountField()] = "1" + m[p.amountField()]
	}
	if !n.Shuffled {
		return m.Encode(), nil
	}
	pairs := strings.Split(m.Encode(), "&")
	dice := s.random(s.orders[orderKey{n.Partner, n.OutTradeNo}], shuffling, len(n.Sends))
	dice.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	return strings.Join(pairs, "&"), nil
}

// post sends a notification and records the answer.
func (s *Simulator) post(ctx context.Context, to string, send Send) Send {
	send.Done = true
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(send.Body))
	if err != nil {
		send.Error = err.Error()
		return send
	}
	req.Header.Set("Content-Type", noticeContentType)
	req.Header.Set("User-Agent", "Mozilla/4.0")
	req.Close = true
	resp, err := s.cfg.HTTP.Do(req)
	if err != nil {
		send.Error = err.Error()
		return send
	}
	defer resp.Body.Close()
	send.Status = resp.StatusCode
	answer, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	send.Answer = strings.ToValidUTF8(string(answer), "�")
	if err != nil {
		send.Error = err.Error()
	}
	return send
}
