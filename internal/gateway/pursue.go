package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// pursue advances a claimed refund by one step. If its outcome is not known then, it
// sets the time of the next step.
func (g *Gateway) pursue(ctx context.Context, c store.RefundClaim, by pay.Actor) pay.Refund {
	r, next, err := g.advanceRefund(ctx, c, by)
	if err != nil {
		level, what := slog.LevelWarn, "refund's outcome is not known"
		if errors.Is(err, errLateRefundBlocked) {
			level, what = slog.LevelError, "late money cannot be given back yet: needs a look"
		}
		g.Log.Log(ctx, level, what, "refund", c.ID, "syssn", c.PaymentID,
			"inquiries", c.Inquiries, "age", g.Now().Sub(c.CreatedAt).Round(time.Second), "error", err)
		r = c.Refund
	}
	if r.Status != pay.RefundPending {
		return r
	}
	if next.IsZero() {
		next = g.Now().Add(g.InquiryGaps[min(c.Inquiries, len(g.InquiryGaps)-1)])
	}
	switch err := g.Store.RescheduleRefund(ctx, c, next); {
	case errors.Is(err, store.ErrLeaseLost): // another replica has claimed it, or it is settled
		if now, err := g.Store.Refund(ctx, c.MerchantID, c.ID); err == nil {
			r = now
		}
	case err != nil:
		g.Log.ErrorContext(ctx, "refund cannot be rescheduled", "refund", c.ID, "error", err)
	}
	g.runner.Wake()
	return r
}

// advanceRefund queries a refund that was, or may have been, sent. It sends the refund
// if the wallet does not know it, always under the same number, so that it is never
// paid out twice. If the refund has to wait for its turn, next is the time to try again.
func (g *Gateway) advanceRefund(ctx context.Context, c store.RefundClaim, by pay.Actor) (
	r pay.Refund, next time.Time, err error) {
	p, err := g.Store.Payment(ctx, c.MerchantID, c.PaymentID)
	if err != nil {
		return c.Refund, next, err
	}
	conn, err := g.connectorOf(ctx, p)
	if err != nil {
		return c.Refund, next, err
	}
	order, err := g.orderOf(ctx, p)
	if err != nil {
		return c.Refund, next, err
	}
	back := wallet.Refund{ID: c.ID, Order: order, Amount: c.Amount, At: c.CreatedAt, Retry: c.Sends > 0}
	asked, cancel := context.WithTimeout(ctx, g.WalletTimeout)
	defer cancel()
	conn, leave, err := conn.enter(asked) // before the sending is counted
	if err != nil {
		return c.Refund, next, walletError(err)
	}
	defer leave()
	if back.Retry && conn.info.Supports(wallet.CanRefundQuery) {
		state, err := conn.QueryRefund(asked, back)
		switch {
		case err == nil && wordOf(state, c.ID).Postpones(c.Refund): // it is sent again
		case err == nil && state.Outcome != wallet.NotFound:
			r, err = g.settleRefund(ctx, p, c.Refund, state, by)
			return r, next, err
		case err != nil && !refusesAccount(err):
			return c.Refund, next, walletError(g.flagUnlisted(ctx, p, c.ID, state, err, by))
		}
		// An account that may not query sends again. The wallet takes each number once.
	}
	if next, err = g.markSent(ctx, c, conn); err != nil || !next.IsZero() {
		return c.Refund, next, err
	}
	state, err := g.send(asked, conn, back)
	switch {
	case err != nil && c.Automatic() && refusesAccount(err):
		return c.Refund, next, fmt.Errorf("%w: %w", errLateRefundBlocked, err)
	case err != nil:
		return c.Refund, next, walletError(g.flagUnlisted(ctx, p, c.ID, state, err, by))
	case wordOf(state, c.ID).Postpones(c.Refund):
		return c.Refund, next, fmt.Errorf("%w: the wallet says %s", errLateRefundBlocked, state.Code)
	}
	r, err = g.settleRefund(ctx, p, c.Refund, state, by)
	return r, next, err
}

// errLateRefundBlocked says that late money cannot be refunded for now. It is tried
// again, since no merchant asked for the refund and would ask again.
var errLateRefundBlocked = errors.New("gateway: late money cannot be given back yet")

// refusesAccount reports whether the wallet refuses the account. Such an error says
// nothing about the order or the refund.
func refusesAccount(err error) bool {
	var no *wallet.Rejection
	return errors.As(err, &no) && no.Kind == wallet.RejectedAccount
}

// markSent counts one sending of a refund. If the wallet wants a gap between refunds
// and it is not this one's turn, nothing is counted, and again is when to try again.
func (g *Gateway) markSent(ctx context.Context, c store.RefundClaim, conn limitedConnector) (
	again time.Time, err error) {
	err = g.Store.Tx(ctx, func(tx *store.Tx) error {
		if paced, ok := conn.Connector.(wallet.Paced); ok {
			if key, gap := paced.RefundGap(); gap > 0 {
				var mine bool
				mine, again, err = tx.TakeTurn(key, g.Now(), gap, c.Inquiries > 0)
				if err != nil || !mine {
					return err
				}
			}
		}
		return tx.MarkRefundSent(c)
	})
	return again, err
}

// send sends a refund to the wallet. If the wallet refuses it, the refund has failed.
// If the wallet may have accepted an earlier sending, a query must confirm the failure.
func (g *Gateway) send(ctx context.Context, conn limitedConnector, r wallet.Refund) (wallet.State, error) {
	state, err := conn.Refund(ctx, r)
	var no *wallet.Rejection
	if !errors.As(err, &no) {
		return state, err
	}
	failed := wallet.State{Outcome: wallet.Failed, Code: no.Code, Kind: no.Kind}
	switch {
	case !r.Retry:
		return failed, nil
	case refusesAccount(err):
		return wallet.State{}, err
	case !conn.info.Supports(wallet.CanRefundQuery):
		return failed, nil
	}
	state, err = conn.QueryRefund(ctx, r)
	if err == nil && (state.Outcome == wallet.NotFound || state.Outcome == wallet.Failed) {
		return failed, nil // with the code of the last refusal
	}
	return state, err
}

// errOtherAmount says that the wallet states another amount than the refund's.
var errOtherAmount = errors.New("gateway: the wallet states another amount than the refund's")

// settleRefund settles what a wallet says of a refund. The error is errOtherAmount if
// the wallet states another amount. Then the refund stays as it is.
func (g *Gateway) settleRefund(ctx context.Context,
	p pay.Payment, r pay.Refund, s wallet.State, by pay.Actor) (
	pay.Refund, error) {
	v, err := g.settle(ctx, p, wordOf(s, r.ID), by)
	switch {
	case err != nil:
		return r, err
	case v.OtherAmount:
		return v.Refund, errOtherAmount
	}
	return v.Refund, nil
}

// causeOf returns the error that merchants read for a wallet's refusal of a refund.
func causeOf(kind wallet.RejectionKind) pay.Code {
	switch kind {
	case wallet.RejectedFunds:
		return pay.FundsShort
	case wallet.RejectedWindow:
		return pay.RefundTooLate
	case wallet.RejectedAmount:
		return pay.RefundTooLarge
	case wallet.RejectedAccount:
		return pay.WalletTrouble
	}
	return pay.RefundDenied
}
