package servicewindow

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/sampanpay/sampan/internal/wallet"
	"github.com/sampanpay/sampan/internal/wire/openapi"
)

// settleTime is the time after a refund request in which "not found" proves nothing. (Alipay,
// alipay.trade.fastpay.refund.query: query ten seconds after the refund at the earliest.)
const settleTime = 15 * time.Second

// refusedRefunds are the codes by which alipay.trade.refund says that it refunded nothing.
// DISCORDANT_REPEAT_REQUEST is not among them: then a refund of this number exists.
var refusedRefunds = map[string]wallet.RejectionKind{
	"ACQ.SELLER_BALANCE_NOT_ENOUGH": wallet.RejectedFunds,
	"ACQ.TRADE_HAS_FINISHED":        wallet.RejectedWindow,

	"ACQ.REFUND_AMT_NOT_EQUAL_TOTAL":  wallet.RejectedAmount,
	"ACQ.REFUND_FEE_ERROR":            wallet.RejectedAmount,
	"ACQ.REASON_TRADE_REFUND_FEE_ERR": wallet.RejectedAmount,

	"ACQ.TRADE_NOT_ALLOW_REFUND":                wallet.RejectedOrder,
	"ACQ.NOT_ALLOW_PARTIAL_REFUND":              wallet.RejectedOrder,
	"ACQ.ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND": wallet.RejectedOrder,
	"ACQ.TRADE_STATUS_ERROR":                    wallet.RejectedOrder,
	"ACQ.REASON_TRADE_STATUS_INVALID":           wallet.RejectedOrder,
	"ACQ.REASON_TRADE_BEEN_FREEZEN":             wallet.RejectedOrder,
	"ACQ.TRADE_HAS_CLOSE":                       wallet.RejectedOrder,
	"ACQ.TRADE_NOT_EXIST":                       wallet.RejectedOrder,
	"ACQ.REFUND_ACCOUNT_NOT_EXIST":              wallet.RejectedOrder,
	"ACQ.BUYER_ERROR":                           wallet.RejectedOrder,
	"ACQ.USER_NOT_MATCH_ERR":                    wallet.RejectedOrder,
	"ACQ.CURRENCY_NOT_SUPPORT":                  wallet.RejectedOrder,
	"ACQ.CUSTOMER_VALIDATE_ERROR":               wallet.RejectedOrder,
	"ACQ.BUYER_ENABLE_STATUS_FORBID":            wallet.RejectedOrder,
	"ACQ.ERROR_BUYER_CERTIFY_LEVEL_LIMIT":       wallet.RejectedOrder,
	"ACQ.INVALID_PARAMETER":                     wallet.RejectedOrder,
	"ACQ.ILLEGAL_ARGUMENT":                      wallet.RejectedOrder,
}

// Refund calls alipay.trade.refund, under the refund's own number, for which the wallet refunds
// once. An answer that this call moved no money says nothing about earlier calls, so then Refund
// queries the refund itself.
func (c *connector) Refund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	a, err := c.trade(ctx, "alipay.trade.refund", r.Order, openapi.Message{}, map[string]any{
		"out_request_no": r.ID,
		"refund_amount":  r.Amount.Decimal(),
		"refund_reason":  cmp.Or(wallet.CleanText(r.Reason, 256), "refund"),
	})
	if err != nil {
		return wallet.State{Outcome: wallet.Unknown},
			fmt.Errorf("servicewindow: refund %s: %w", r.ID, sorted(err, refusedRefunds))
	}
	if a.Fields["fund_change"] != "Y" {
		return c.QueryRefund(ctx, r)
	}
	return wallet.State{
		Outcome: wallet.Succeeded, TradeNo: a.Fields["trade_no"], Amount: r.Amount,
		At: when(a.Fields, "gmt_refund_pay"), Code: "fund_change",
	}, nil
}

// QueryRefund calls alipay.trade.fastpay.refund.query. A successful call proves nothing: only the
// status does.
func (c *connector) QueryRefund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	s, err := c.queryRefund(ctx, r)
	if err != nil {
		return wallet.State{Outcome: wallet.Unknown, TradeNo: s.TradeNo, Code: s.Code},
			fmt.Errorf("servicewindow: query refund %s: %w", r.ID, err)
	}
	return s, nil
}

func (c *connector) queryRefund(ctx context.Context, r wallet.Refund) (wallet.State, error) {
	a, err := c.trade(ctx, "alipay.trade.fastpay.refund.query", r.Order, openapi.Message{}, map[string]any{
		"out_request_no": r.ID, "query_options": []string{"gmt_refund_pay"},
	})
	if err != nil {
		return wallet.State{}, sorted(err, nil)
	}
	switch status := a.Fields["refund_status"]; {
	case status == "" && c.now().Sub(r.At) < settleTime:
		return wallet.State{Outcome: wallet.Unknown}, nil
	case status == "":
		return wallet.State{Outcome: wallet.NotFound}, nil
	case status != "REFUND_SUCCESS":
		return wallet.State{TradeNo: a.Fields["trade_no"], Code: status},
			fmt.Errorf("%w: refund_status %.64q", wallet.ErrUnlisted, status)
	case a.Fields["out_request_no"] != r.ID:
		return wallet.State{}, fmt.Errorf("%w: the answer is about another refund", wallet.ErrUnknown)
	}
	amount, err := yuan(a.Fields["refund_amount"])
	if err != nil {
		return wallet.State{}, fmt.Errorf("%w: %w", wallet.ErrUnknown, err)
	}
	return wallet.State{
		Outcome: wallet.Succeeded, TradeNo: a.Fields["trade_no"], Amount: amount,
		At: when(a.Fields, "gmt_refund_pay"), Code: "REFUND_SUCCESS",
	}, nil
}
