package alipayglobal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// maxCallback limits a callback's body. Genuine ones have less than a kilobyte.
const maxCallback = 64 << 10

// Callback reads a notice of a payment or of a refund. It ignores the header, whose Content-Type is
// malformed.
func (c *connector) Callback(posted wallet.Callback) (wallet.Notice, error) {
	n, err := c.notice(posted.Body)
	if err != nil {
		return wallet.Notice{}, fmt.Errorf("alipayglobal: callback: %w", err)
	}
	return n, nil
}

func (c *connector) notice(body []byte) (wallet.Notice, error) {
	if len(body) > maxCallback {
		return wallet.Notice{}, fmt.Errorf("more than %d bytes", maxCallback)
	}
	m, err := mapi.ReadNotification(body, c.keys)
	if err != nil {
		return wallet.Notice{}, err
	}
	if err := c.isNotice(m); err != nil {
		return wallet.Notice{}, err
	}
	n := wallet.Notice{
		Number: m["out_trade_no"],
		ID:     m["notify_id"],
		Reply:  wallet.Reply{Body: []byte("success")},
	}
	// The notify_type of refund notices is not documented, but these two fields are.
	if m["out_return_no"] != "" && m["refund_status"] != "" {
		n.RefundID = m["out_return_no"]
		n.State = refundState(m)
	} else if n.State, err = paymentState(m); err != nil {
		return wallet.Notice{}, err
	}
	if c.confirm {
		n.Confirm = func(ctx context.Context, o wallet.Order) (wallet.State, error) {
			s, err := c.confirmNotice(ctx, n, o)
			if err != nil {
				return wallet.State{Outcome: wallet.Unknown},
					fmt.Errorf("alipayglobal: confirm notice about %s: %w", o.Number, err)
			}
			return s, nil
		}
	}
	return n, nil
}

// isNotice refuses correctly signed messages that are not notices. With MD5 our own requests have
// the same key, and with every sign type Alipay's returns and answers have it. The deciding fields
// must be plain ASCII, whatever the charset.
func (c *connector) isNotice(m mapi.Message) error {
	if err := wallet.Plain(m, "notify_id", "notify_type",
		"seller_id", "out_trade_no", "trade_no", "trade_status",
		"total_fee", "currency", "out_return_no", "return_amount",
		"refund_status", "error_code"); err != nil {
		return err
	}
	for _, name := range []string{"service", "partner", "notify_url"} {
		if _, there := m[name]; there {
			return fmt.Errorf("it has %s: this is a request", name)
		}
	}
	for _, name := range []string{"notify_id", "notify_type", "out_trade_no"} {
		if m[name] == "" {
			return fmt.Errorf("it has no %s", name)
		}
	}
	if id := m["seller_id"]; id != "" && id != c.partner {
		return errors.New("it is about another seller")
	}
	return nil
}

func paymentState(m mapi.Message) (wallet.State, error) {
	if m["notify_type"] != "trade_status_sync" {
		return wallet.State{}, fmt.Errorf("unlisted notify_type %.64q", m["notify_type"])
	}
	for _, name := range []string{"trade_no", "trade_status"} {
		if m[name] == "" {
			return wallet.State{}, fmt.Errorf("it has no %s", name)
		}
	}
	s := wallet.State{
		Outcome: wallet.Unknown,
		TradeNo: m["trade_no"],
		BuyerID: buyer(m),
		At:      when(m, "gmt_payment", "gmt_close", "notify_time"),
		Code:    m["trade_status"],
	}
	if outcome, listed := outcomes[m["trade_status"]]; listed {
		s.Outcome = outcome
	}
	amount, err := pay.ParseDecimal(m["total_fee"], pay.Currency(m["currency"]))
	switch {
	case err == nil && amount.Minor == 0 && s.Outcome == wallet.Paid:
		return wallet.State{}, errors.New("paid, but nothing")
	case err == nil:
		s.Amount = amount
	case s.Outcome == wallet.Paid:
		return wallet.State{}, fmt.Errorf("paid, but %w", err)
	}
	return s, nil
}

// refundState leaves the amount zero if the notice has none. Whether it has one is not documented.
func refundState(m mapi.Message) wallet.State {
	s := wallet.State{
		Outcome: wallet.Unknown,
		TradeNo: m["trade_no"],
		At:      when(m, "notify_time"),
		Code:    cmp.Or(m["error_code"], m["refund_status"]),
	}
	switch m["refund_status"] {
	case "REFUND_SUCCESS":
		s.Outcome = wallet.Succeeded
	case "REFUND_FAIL":
		s.Outcome, s.Kind = wallet.Failed, refusedRefunds[m["error_code"]]
	}
	if amount, err := pay.ParseDecimal(m["return_amount"], pay.Currency(m["currency"])); err == nil {
		s.Amount = amount
	}
	return s
}

// confirmNotice asks the wallet to confirm the notice. Its signature alone does not prove enough.
//
// Alipay signs for all its partners with the same RSA key, and a notice does not name its partner:
// another partner's genuine notice about an order of the same number verifies too. So notify_verify
// is asked whether the notice's id is one of ours; only Alipay can put an id into a signed notice.
// Its answer is right only for about a minute, so after any answer but "true" the order itself is
// queried.
//
// An MD5 key is shared with Alipay: somebody who has it, or who gets us to sign, could put the id
// of a genuine notice into a false one. notify_verify knows ids but not contents, so with MD5 the
// order is queried at once, and only the same outcome of the same trade confirms the notice. If the
// query gives another trade, as when the buyer has paid twice, the notice's own trade is queried
// too. With any key, a closed trade is confirmed by the order alone: another of its trades may be
// paid.
func (c *connector) confirmNotice(
	ctx context.Context, n wallet.Notice, o wallet.Order,
) (wallet.State, error) {
	if n.Number != o.Number {
		return n.State, &wallet.Rejection{Code: "out_trade_no", Text: "the notice is about another order",
			Kind: wallet.RejectedOrder}
	}
	closed := n.State.Outcome == wallet.Closed
	if c.keys.Type != mapi.MD5 && !closed {
		body, err := c.post(ctx, "notify_verify", mapi.Message{"notify_id": n.ID})
		if err == nil && string(bytes.TrimSpace(body)) == "true" {
			return n.State, nil
		}
	}
	if n.RefundID != "" {
		return n.State, c.confirmRefund(ctx, n, o)
	}
	s, fee, err := c.query(ctx, o)
	if s.TradeNo != "" && s.TradeNo != n.State.TradeNo && !closed {
		s, fee, err = c.queryBy(ctx, o, mapi.Message{"trade_no": n.State.TradeNo})
	}
	if err == nil && closed && s.GivenBack && s.TradeNo == n.State.TradeNo { // closed by a full refund
		s.Amount = n.State.Amount
		return s, nil
	}
	same := s.Outcome == n.State.Outcome && s.TradeNo == n.State.TradeNo
	switch {
	case same && errors.Is(err, wallet.ErrUnlisted) && s.Code == n.State.Code:
		return n.State, nil
	case err != nil:
		return n.State, notAccount(err)
	case !same:
		return n.State, &wallet.Rejection{Code: s.Code, Text: "the wallet does not know of it",
			Kind: wallet.RejectedOrder}
	case otherAmount(n, o, fee):
		return n.State, &wallet.Rejection{Code: s.Code,
			Text: "the wallet names the order's amount, the notice another",
			Kind: wallet.RejectedOrder}
	}
	confirmed := n.State
	confirmed.GivenBack = s.GivenBack
	return confirmed, nil
}

// otherAmount reports whether a notice has another amount than the order while the wallet's query
// has the order's. The query's number has no currency and may be in yuan, so another number proves
// nothing.
func otherAmount(n wallet.Notice, o wallet.Order, fee string) bool {
	named, err := pay.ParseDecimal(fee, o.Amount.Currency)
	return err == nil && named == o.Amount && n.State.Amount != o.Amount && n.State.Amount.Currency != ""
}

// notAccount turns a refusal of the account, which says nothing about a notice, into an unknown
// outcome.
func notAccount(err error) error {
	var rejected *wallet.Rejection
	if errors.As(err, &rejected) {
		return fmt.Errorf("%w: %s", wallet.ErrUnknown, err.Error())
	}
	return err
}
