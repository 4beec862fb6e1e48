package servicewindow

import (
	"cmp"
	"context"
	"fmt"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// Query calls alipay.trade.query.
func (c *connector) Query(ctx context.Context, o wallet.Order) (wallet.State, error) {
	s, err := c.query(ctx, o)
	if err != nil {
		return s, fmt.Errorf("servicewindow: query %s: %w", o.Number, err)
	}
	return s, nil
}

func (c *connector) query(ctx context.Context, o wallet.Order) (wallet.State, error) {
	a, err := c.trade(ctx, "alipay.trade.query", o, openapi.Message{}, map[string]any{})
	if failedWith(err, "ACQ.TRADE_NOT_EXIST") {
		return wallet.State{Outcome: wallet.NotFound, Code: "ACQ.TRADE_NOT_EXIST"}, nil
	}
	if err != nil {
		return wallet.State{Outcome: wallet.Unknown}, sorted(err, nil)
	}
	s, err := tradeState(a.Fields, "send_pay_date")
	if err != nil {
		return wallet.State{Outcome: wallet.Unknown, Code: s.Code},
			fmt.Errorf("%w: %w", wallet.ErrUnknown, err)
	}
	if s.Outcome == wallet.Unknown {
		return s, fmt.Errorf("%w: trade_status %.64q", wallet.ErrUnlisted, s.Code)
	}
	s.BuyerID = buyer(a.Fields)
	return s, nil
}

// tradeState reads a trade's state. paidAt names the field with the time of payment. A closed trade
// either expired unpaid, or was paid and refunded in full: then it has a time of payment, and
// counts as paid. A closed trade with a refund but without a time of payment is Unknown, like an
// unlisted status, without an error. The amount is in yuan unless the fields name another currency
// of the trade.
func tradeState(fields map[string]string, paidAt string) (wallet.State, error) {
	s := wallet.State{Outcome: wallet.Unknown, TradeNo: fields["trade_no"], Code: fields["trade_status"]}
	if err := wallet.Plain(fields, "trade_no", "trade_status"); err != nil {
		return wallet.State{Outcome: wallet.Unknown}, err
	}
	switch s.Code {
	case "WAIT_BUYER_PAY":
		s.Outcome = wallet.Waiting
	case "TRADE_SUCCESS", "TRADE_FINISHED":
		s.Outcome = wallet.Paid
	case "TRADE_CLOSED":
		refunded, err := yuan(fields["refund_fee"])
		switch {
		case fields[paidAt] != "":
			s.Outcome, s.GivenBack = wallet.Paid, true
		case fields["gmt_refund"] == "" && (fields["refund_fee"] == "" || err == nil && refunded.Minor == 0):
			s.Outcome = wallet.Closed
		}
	}
	if s.Outcome != wallet.Paid {
		return s, nil
	}
	if s.TradeNo == "" {
		return s, fmt.Errorf("paid without a trade_no")
	}
	amount, err := pay.ParseDecimal(fields["total_amount"],
		pay.Currency(cmp.Or(fields["trans_currency"], "CNY")))
	if err != nil {
		return s, fmt.Errorf("paid, but %w", err)
	}
	if amount.Minor == 0 {
		return s, fmt.Errorf("paid, but nothing")
	}
	s.Amount, s.At = amount, when(fields, paidAt)
	return s, nil
}

// buyer returns the buyer's masked account, or else the id with its middle masked.
func buyer(fields map[string]string) string {
	if id := wallet.CleanText(fields["buyer_logon_id"], 100); id != "" {
		return id
	}
	for _, name := range []string{"buyer_user_id", "buyer_id", "buyer_open_id"} {
		if id := wallet.MaskID(fields[name]); id != "" {
			return id
		}
	}
	return ""
}

// Close closes a trade that is not paid. If the wallet says that the trade's state does not allow
// it, Close returns that state.
func (c *connector) Close(ctx context.Context, o wallet.Order) (wallet.State, error) {
	_, err := c.trade(ctx, "alipay.trade.close", o, openapi.Message{}, map[string]any{})
	switch {
	case err == nil:
		return wallet.State{Outcome: wallet.Closed}, nil
	case failedWith(err, "ACQ.TRADE_NOT_EXIST"):
		return wallet.State{Outcome: wallet.NotFound, Code: "ACQ.TRADE_NOT_EXIST"}, nil
	case failedWith(err, "ACQ.TRADE_STATUS_ERROR",
		"ACQ.REASON_TRADE_STATUS_INVALID", "ACQ.REASON_ILLEGAL_STATUS"):
		s, err := c.Query(ctx, o)
		if s.Outcome == wallet.Waiting {
			s.Outcome = wallet.Unknown // the wallet contradicts itself
		}
		return s, err
	}
	return wallet.State{Outcome: wallet.Unknown}, fmt.Errorf("servicewindow: close %s: %w",
		o.Number, sorted(err, nil))
}
