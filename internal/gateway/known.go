package gateway

import (
	"context"

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
		return g.Store.HasEvent(ctx, g.event(p, pay.ByWallet, unlisted(m.RefundID, s)))
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
	if back, err := g.isFlagged(ctx, p, givenBack(s.TradeNo)); err != nil || back {
		return back, err
	}
	if closesPaid(p, s) {
		return g.isFlagged(ctx, p, closedAfterPaid(s.TradeNo))
	}
	return !p.Status.Open(), nil
}

func (g *Gateway) isKnownMoney(ctx context.Context, m posted) (bool, error) {
	p, s := m.payment, m.State
	switch recorded := m.line.PaymentID != ""; {
	case !recorded, s.GivenBack && p.Reserved < p.Amount.Minor:
		return g.isFlagged(ctx, p, givenBack(s.TradeNo))
	case s.Amount.Currency == "" || s.Amount == m.line.Amount:
		return true, nil
	}
	return g.isFlagged(ctx, p, amountsDiffer(s))
}

func (g *Gateway) isKnownRefund(ctx context.Context, m posted) (bool, error) {
	p, r, s := m.payment, m.refund, m.State
	switch {
	case s.Outcome != wallet.Succeeded && s.Outcome != wallet.Failed:
		return true, nil // not final
	case r.ID == "" && s.Outcome == wallet.Failed:
		return true, nil // nothing went back
	case r.ID == "":
		return g.isFlagged(ctx, p, refundForeign(m.RefundID))
	}
	if why, ok := contradiction(r, s); ok {
		return g.isFlagged(ctx, p, why)
	}
	sameTrade := s.TradeNo == "" || s.TradeNo == p.TradeNo
	return sameTrade && (r.Status != pay.RefundPending || stays(r, s)), nil
}

// isFlagged reports whether a payment was flagged for the reason.
func (g *Gateway) isFlagged(ctx context.Context, p pay.Payment, why pay.Event) (bool, error) {
	if !p.Flagged {
		return false, nil
	}
	return g.Store.HasEvent(ctx, g.event(p, pay.ByWallet, why))
}

// closesPaid reports whether a wallet's word that a trade is closed goes against
// its payment, of which not all was given back by us.
func closesPaid(p pay.Payment, s wallet.State) bool {
	return s.Outcome == wallet.Closed && p.Status == pay.Paid && s.TradeNo == p.TradeNo && p.Reserved < p.Amount.Minor
}

// The facts that a payment is flagged for. Each is written once.

// givenBack says that a trade was paid, and given back in full at the wallet
// itself before we knew of it.
func givenBack(tradeNo string) pay.Event {
	return pay.Event{Kind: pay.EventGivenBack, TradeNo: tradeNo}
}

func closedAfterPaid(tradeNo string) pay.Event {
	return pay.Event{Kind: pay.EventClosedAfterPaid, TradeNo: tradeNo}
}

func foreignTrade(tradeNo string) pay.Event {
	return pay.Event{Kind: pay.EventForeignTrade, TradeNo: tradeNo}
}

// amountsDiffer says that the wallet names another amount of a recorded trade.
func amountsDiffer(s wallet.State) pay.Event {
	return pay.Event{Kind: pay.EventAmountsDiffer, TradeNo: s.TradeNo, Amount: s.Amount}
}

func refundForeign(refundID string) pay.Event {
	return pay.Event{Kind: pay.EventRefundForeign, RefundID: refundID}
}

// contradiction returns how a wallet's word on a refund goes against what is
// recorded, if it does.
func contradiction(r pay.Refund, s wallet.State) (why pay.Event, ok bool) {
	why = pay.Event{Kind: pay.EventRefundContradicted, RefundID: r.ID}
	switch {
	case s.Outcome == wallet.Succeeded && s.Amount.Currency != "" && s.Amount != r.Amount:
		why.Amount = s.Amount
	case s.Outcome == wallet.Succeeded && r.Status == pay.RefundFailed:
		why.Reason = pay.ReasonSaidSucceeded
	case s.Outcome == wallet.Failed && r.Status == pay.RefundSucceeded:
		why.Reason = pay.ReasonSaidFailed
	default:
		return pay.Event{}, false
	}
	return why, true
}

// codeKept is how many runes are kept of a status that is not listed.
const codeKept = 64

// unlisted says that the wallet's documents do not list a status: of a refund if
// there is one, else of the trade, else of the order.
func unlisted(refundID string, s wallet.State) pay.Event {
	e := pay.Event{Kind: pay.EventUnlisted, Code: s.Code, RefundID: refundID}
	runes := 0
	for i := range s.Code {
		if runes == codeKept {
			e.Code = s.Code[:i]
			break
		}
		runes++
	}
	if refundID == "" {
		e.TradeNo = s.TradeNo
	}
	return e
}

// ofAnotherTrade reports whether an unlisted status was another trade's.
func ofAnotherTrade(e pay.Event, tradeNo string) bool {
	return e.TradeNo != "" && e.TradeNo != tradeNo
}
