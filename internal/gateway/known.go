package gateway

import (
	"context"
	"fmt"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// isKnown reports whether a message says nothing that is not recorded already:
// it repeats a line of the money record, the end of an order or of a refund, or
// what the payment was flagged for. It changes nothing, whether it is true or
// not, so the wallet need not be asked about it. Another amount, trade or state
// than the recorded one is never known.
//
// It mirrors what settle and settleRefund do with the same message.
func (g *Gateway) isKnown(ctx context.Context, m posted) (bool, error) {
	p, s := m.payment, m.State
	switch {
	case s.Outcome == wallet.Unknown:
		return g.Store.HasEvent(ctx, p.MerchantID, p.ID, "unlisted", unlistedStatus(m.RefundID, s))
	case m.RefundID != "":
		return g.isKnownRefund(ctx, m)
	case s.Outcome == wallet.Closed:
		return g.isKnownEnd(ctx, p, s)
	case s.Outcome == wallet.Paid:
		return g.isKnownMoney(ctx, m)
	}
	return true, nil // not final
}

func (g *Gateway) isKnownEnd(ctx context.Context, p pay.Payment, s wallet.State) (bool, error) {
	if back, err := g.isFlagged(ctx, p, "surplus", givenBackPastUs(s.TradeNo)); err != nil || back {
		return back, err
	}
	if closesPaid(p, s) {
		return g.isFlagged(ctx, p, "surplus", closedAfterPaid(s.TradeNo))
	}
	return !p.Status.Open(), nil
}

func (g *Gateway) isKnownMoney(ctx context.Context, m posted) (bool, error) {
	p, s := m.payment, m.State
	switch recorded := m.line.PaymentID != ""; {
	case !recorded, s.GivenBack && p.Reserved < p.Amount.Minor:
		return g.isFlagged(ctx, p, "surplus", givenBackPastUs(s.TradeNo))
	case s.Amount.Currency == "" || s.Amount == m.line.Amount:
		return true, nil
	}
	return g.isFlagged(ctx, p, "surplus", twoAmounts(s.TradeNo, m.line.Amount, s.Amount))
}

func (g *Gateway) isKnownRefund(ctx context.Context, m posted) (bool, error) {
	p, r, s := m.payment, m.refund, m.State
	switch {
	case s.Outcome != wallet.Succeeded && s.Outcome != wallet.Failed:
		return true, nil // not final
	case r.ID == "" && s.Outcome == wallet.Failed:
		return true, nil // nothing went back
	case r.ID == "":
		return g.isFlagged(ctx, p, "refund_foreign", givenBackAs(m.RefundID))
	}
	if why := contradiction(r, s); why != "" {
		return g.isFlagged(ctx, p, "refund_contradicted", why)
	}
	sameTrade := s.TradeNo == "" || s.TradeNo == p.TradeNo
	return sameTrade && (r.Status != pay.RefundPending || stays(r, s)), nil
}

// isFlagged reports whether a payment was flagged for the reason.
func (g *Gateway) isFlagged(ctx context.Context, p pay.Payment, kind, why string) (bool, error) {
	if !p.Flagged {
		return false, nil
	}
	return g.Store.HasEvent(ctx, p.MerchantID, p.ID, kind, why)
}

// The reasons that a payment is flagged for, as they stand among its events.

// givenBackPastUs is what is kept of a trade that was paid and given back before
// we knew of it.
func givenBackPastUs(tradeNo string) string {
	return "trade " + tradeNo + " was paid, and given back in full at the wallet itself"
}

// closesPaid reports whether a wallet's word that a trade is closed goes against
// its payment, of which not all was given back by us.
func closesPaid(p pay.Payment, s wallet.State) bool {
	return s.Outcome == wallet.Closed && p.Status == pay.Paid && s.TradeNo == p.TradeNo && p.Reserved < p.Amount.Minor
}

func closedAfterPaid(tradeNo string) string {
	return "trade " + tradeNo + " was paid, and is closed by the wallet's word"
}

func twoAmounts(tradeNo string, before, now pay.Amount) string {
	return fmt.Sprintf("trade %s was %s before, now %s", tradeNo, before, now)
}

func givenBackAs(refundID string) string { return "given back at the wallet itself, as " + refundID }

// contradiction is how a wallet's word on a refund goes against what is
// recorded; "" if it does not.
func contradiction(r pay.Refund, s wallet.State) string {
	switch {
	case s.Outcome == wallet.Succeeded && s.Amount.Currency != "" && s.Amount != r.Amount:
		return s.Amount.String() + " by the wallet's word: " + r.ID
	case s.Outcome == wallet.Succeeded && r.Status == pay.RefundFailed, s.Outcome == wallet.Failed && r.Status == pay.RefundSucceeded:
		return string(r.Status) + ", now " + string(s.Outcome) + ": " + r.ID
	}
	return ""
}

// unlistedStatus is what is kept of a status that the wallet's documents do not
// list.
func unlistedStatus(refundID string, s wallet.State) string {
	what := "the order"
	switch {
	case refundID != "":
		what = "refund " + refundID
	case s.TradeNo != "":
		what = "trade " + s.TradeNo
	}
	return fmt.Sprintf("%s is %.64q by the wallet's word, which no document of it lists", what, s.Code)
}

// ofAnotherTrade reports whether an unlisted status was another trade's.
func ofAnotherTrade(status, tradeNo string) bool {
	return strings.HasPrefix(status, "trade ") && !strings.HasPrefix(status, "trade "+tradeNo+" is ")
}
