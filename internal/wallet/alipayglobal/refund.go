package alipayglobal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/mapi"
)

// refusedRefunds are the codes by which forex_refund and the refund query say that nothing was or
// will be refunded under a number. REPEATED_REFUNDMENT_REQUEST is not among them: then a refund of
// this number exists. (Alipay, forex_refund, error codes.)
var refusedRefunds = map[string]wallet.RejectionKind{
	"MERCHANT_BALANCE_NOT_ENOUGH":  wallet.RejectedFunds,
	"REFUNDMENT_VALID_DATE_EXCEED": wallet.RejectedWindow,
	"RETURN_AMOUNT_EXCEED":         wallet.RejectedAmount,

	"PURCHASE_TRADE_NOT_EXIST": wallet.RejectedOrder,
	"CURRENCY_NOT_SAME":        wallet.RejectedOrder,
	"TRADE_HAS_CLOSE":          wallet.RejectedOrder,
	"ILLEGAL_ARGUMENT":         wallet.RejectedOrder,
}

// Refund calls forex_refund for immediate processing, under the refund's own number, for which the
// wallet refunds once. The answers are unsigned: only TLS shows that they are the wallet's.
func (c *connector) Refund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	s, err := c.refund(ctx, r)
	if err != nil {
		return undecided(s), fmt.Errorf("alipayglobal: refund %s: %w", r.ID, err)
	}
	return s, nil
}

func (c *connector) refund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	doc, err := c.post(ctx, "forex_refund", mapi.Message{
		"out_return_no": r.ID,
		"out_trade_no":  r.Order.Number,
		"return_amount": r.Amount.Decimal(),
		"currency":      string(r.Amount.Currency),
		// Fourteen digits, as on one of the vendor's two pages and by the field's length.
		"gmt_return":   r.At.In(beijing).Format("20060102150405"),
		"reason":       cmp.Or(wallet.CleanText(r.Reason, 100), "refund"),
		"product_code": c.order["product_code"],
		"is_sync":      "Y",
	})
	if err != nil {
		return wallet.State{}, err
	}
	a, err := mapi.ParseAnswer(doc)
	switch kind, refused := refusedRefunds[a.Error]; {
	case err != nil:
		return wallet.State{}, fmt.Errorf("%w: %w", wallet.ErrUnknown, err)
	case a.Success:
		return wallet.State{Outcome: wallet.Succeeded, Amount: r.Amount, Code: "T"}, nil
	case a.Error == "REPEATED_REFUNDMENT_REQUEST":
		s, err := c.queryRefund(ctx, r)
		if err == nil && s.Outcome == wallet.NotFound {
			err = fmt.Errorf("%w: %s, but the query finds no refund", wallet.ErrUnknown, a.Error)
		}
		return s, err
	case refused:
		return wallet.State{}, &wallet.Rejection{Code: a.Error, Kind: kind}
	}
	return wallet.State{}, failure(a.Error)
}

// failure is an error of the gateway that says nothing about an order or a refund.
func failure(code string) error {
	if accountErrors[code] {
		return &wallet.Rejection{Code: code, Kind: wallet.RejectedAccount}
	}
	return fmt.Errorf("%w: error %.64q", wallet.ErrUnknown, code)
}

// QueryRefund calls alipay.acquire.refund.query. The answer has no amount: the number identifies
// it.
func (c *connector) QueryRefund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	s, err := c.queryRefund(ctx, r)
	if err != nil {
		return undecided(s), fmt.Errorf("alipayglobal: query refund %s: %w", r.ID, err)
	}
	return s, nil
}

func (c *connector) queryRefund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	doc, err := c.post(ctx, "alipay.acquire.refund.query",
		mapi.Message{"out_trade_no": r.Order.Number, "out_return_no": r.ID})
	if err != nil {
		return wallet.State{}, err
	}
	a, err := mapi.ParseAnswer(doc)
	if err != nil {
		return wallet.State{}, fmt.Errorf("%w: %w", wallet.ErrUnknown, err)
	}
	if !a.Success { // the gateway does not sign errors
		return wallet.State{}, failure(a.Error)
	}
	if err := a.Verify(c.keys); err != nil {
		return wallet.State{}, fmt.Errorf("%w: %w", wallet.ErrUnknown, err)
	}
	if a.Kind != "alipay" {
		return wallet.State{}, fmt.Errorf("%w: the answer is about something else", wallet.ErrUnknown)
	}
	switch code := a.Fields["response_code"]; code {
	case "SUCCESS":
		return refundResult(a.Fields, r)
	case "NOT_FOUND", "TRADE_NOT_EXIST":
		return wallet.State{Outcome: wallet.NotFound, Code: code}, nil
	case "ACCESS_FORBIDDEN":
		return wallet.State{}, &wallet.Rejection{Code: code, Kind: wallet.RejectedAccount}
	default:
		return wallet.State{}, fmt.Errorf("%w: response_code %.64q", wallet.ErrUnknown, code)
	}
}

// refundResult reads the state of an existing refund from the query's answer.
func refundResult(m mapi.Message, r wallet.Refund) (wallet.State, error) {
	if m["out_return_no"] != r.ID || m["out_trade_no"] != r.Order.Number {
		return wallet.State{}, fmt.Errorf("%w: the answer is about another refund", wallet.ErrUnknown)
	}
	if err := wallet.Plain(m, "trade_no", "refund_result_code", "refund_error_code"); err != nil {
		return wallet.State{}, fmt.Errorf("%w: %w", wallet.ErrUnknown, err)
	}
	result := m["refund_result_code"]
	s := wallet.State{TradeNo: m["trade_no"], Code: cmp.Or(m["refund_error_code"], result)}
	switch result {
	case "SUCCESS":
		s.Outcome = wallet.Succeeded
	case "FAILED", "CANCELED":
		s.Outcome, s.Kind = wallet.Failed, refusedRefunds[s.Code]
	case "PROCESSING":
		s.Outcome = wallet.Unknown
	default:
		return wallet.State{Outcome: wallet.Unknown, TradeNo: s.TradeNo, Code: result},
			fmt.Errorf("%w: refund_result_code %.64q", wallet.ErrUnlisted, result)
	}
	return s, nil
}

// RefundGap is the time that the wallet requires between two refunds of one partner. (Alipay,
// forex_refund.)
func (c *connector) RefundGap() (string, time.Duration) {
	return "alipayglobal " + c.partner, c.refundGap
}

// Close is not supported by the wallet: an order ends by its timeout_rule.
func (c *connector) Close(context.Context, wallet.Order) (wallet.State, error) {
	return wallet.State{}, wallet.ErrUnsupported
}

// confirmRefund asks the wallet to confirm a notice about a refund. A notice with an unlisted
// status is confirmed as long as the wallet's answer is not final.
func (c *connector) confirmRefund(ctx context.Context, n wallet.Notice, o wallet.Order) error {
	s, err := c.queryRefund(ctx, wallet.Refund{ID: n.RefundID, Order: o})
	sameTrade := n.State.TradeNo == "" || s.TradeNo == "" || s.TradeNo == n.State.TradeNo
	same := s.Outcome == n.State.Outcome && sameTrade
	switch {
	case same && errors.Is(err, wallet.ErrUnlisted):
		return nil
	case err != nil:
		return notAccount(err)
	case !same:
		return &wallet.Rejection{
			Code: s.Code, Text: "the wallet does not know of it", Kind: wallet.RejectedOrder,
		}
	}
	return nil
}

// undecided returns what is known of a state that came with an error.
func undecided(s wallet.State) wallet.State {
	return wallet.State{Outcome: wallet.Unknown, TradeNo: s.TradeNo, Code: s.Code}
}
