package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// CloseRequest is a merchant's request to close an order before it is paid. It names
// the order by PaymentID or OrderNo, or by both.
type CloseRequest struct {
	Credential pay.Credential
	StoreID    string
	PaymentID  string
	OrderNo    string
	Minor      int64 // must be the order's
	ClientTime string
	DeviceID   string
	RefuseNew  error // if not nil, refuses a new closing; a repeat gets its closing all the same
}

// Closing is an order that a merchant has closed, or has asked to close.
type Closing struct {
	ID      string // 26 digits: the closing's own number (syssn)
	At      time.Time
	Payment pay.Payment
}

// Close closes an order, and asks the wallet first. If the buyer was faster, the order
// is paid and the error is AlreadyPaid. If the wallet does not answer, the closing is
// stored, the payment stays open and Recover finishes it. Otherwise the order is
// closed. Closing it again returns the same Closing, also if money has arrived since
// and is refunded.
//
// Other errors are *pay.Error of NotFound, BadParameter, AmountMismatch,
// AlreadyExpired, WalletRejected (the order had failed), Unconfirmed and those of the
// store id. An error of the store is returned as it is if nothing of the closing is
// stored.
func (g *Gateway) Close(ctx context.Context, r CloseRequest) (Closing, error) {
	if _, err := g.standingOf(ctx, r.Credential, r.StoreID); err != nil {
		return Closing{}, err
	}
	p, err := g.orderToClose(ctx, r)
	if err != nil {
		return Closing{}, err
	}
	if r.Minor != p.Amount.Minor {
		return Closing{}, &pay.Error{Code: pay.AmountMismatch, Field: "amount",
			Message: "the order's is " + p.Amount.String()}
	}
	if r.RefuseNew != nil && p.CloseID == "" {
		return Closing{}, r.RefuseNew
	}
	// A closing that has begun goes on if the merchant closes the connection.
	ctx = context.WithoutCancel(ctx)
	p, isNew, err := g.markClosing(ctx, p)
	if err != nil {
		return Closing{}, maybeStored("closing", err)
	}
	if p.Status.Open() {
		by := pay.ByMerchant(p.AppCode)
		inquire := g.ask // under Query's limits
		if isNew {
			inquire = g.inquire
		}
		now, err := inquire(ctx, p, by)
		if err != nil {
			g.Log.WarnContext(ctx, "order cannot be closed yet", "syssn", p.ID, "error", err)
		} else {
			p = now
		}
	}
	c := Closing{ID: p.CloseID, At: p.CloseAskedAt, Payment: p}
	if p.Status.Open() || p.Status == pay.Closed || p.CloseID != "" && p.Late && p.GoesBack() {
		return c, nil
	}
	return c, g.endedError(p)
}

// orderToClose finds the order that the request names.
func (g *Gateway) orderToClose(ctx context.Context, r CloseRequest) (pay.Payment, error) {
	scope := pay.Scope{MerchantID: r.Credential.MerchantID, AppCode: r.Credential.AppCode, StoreID: r.StoreID}
	if r.PaymentID != "" {
		p, err := g.paymentInScope(ctx, scope, r.PaymentID)
		if err == nil && r.OrderNo != "" && r.OrderNo != p.OrderNo {
			return p, &pay.Error{Code: pay.BadParameter, Field: "order_no",
				Message: "is another order's than the syssn"}
		}
		return p, err
	}
	p, err := g.Store.PaymentByOrderNo(ctx, scope, r.OrderNo)
	if errors.Is(err, store.ErrNotFound) {
		return p, &pay.Error{Code: pay.NotFound, Message: "no such payment"}
	}
	return p, err
}

// markClosing stores that a merchant wants an open order closed, and closes it if its
// wallet cannot know of it. From then on its link cannot be paid.
func (g *Gateway) markClosing(ctx context.Context, p pay.Payment) (_ pay.Payment, isNew bool, err error) {
	conn, err := g.connectorOf(ctx, p)
	if err != nil {
		return p, false, err
	}
	by := pay.ByMerchant(p.AppCode)
	v, err := g.act(ctx, p, func(r pay.Recorded) (pay.Verdict, error) {
		p, now := r.Payment, g.Now()
		if !p.Status.Open() || p.CloseID != "" {
			return pay.Nothing(r), nil
		}
		p.CloseID = g.numberUnder(p, "closing", p.OrderNo, p.Fingerprint, 0)
		p.CloseAskedAt, p.DueAt = now, now.Add(g.InquiryGaps[0])
		if g.unknownToWallet(p, conn.info) {
			return pay.End(pay.Recorded{Payment: p}, pay.ReasonNeverOpened, "", by, now), nil
		}
		return pay.Act(r, p, pay.Event{Kind: pay.EventCloseAsked, Number: p.CloseID}, by, now), nil
	})
	return v.Payment, v.Changes(), err
}

// closeAtWallet closes an open payment at its wallet, if the wallet supports that, and
// ends it here once it cannot be paid there any more.
func (g *Gateway) closeAtWallet(ctx context.Context, conn limitedConnector, order wallet.Order, p pay.Payment,
	by pay.Actor, why pay.Reason, code string) (pay.Payment, error) {
	if conn.info.Supports(wallet.CanClose) {
		asked, cancel := context.WithTimeout(ctx, g.WalletTimeout)
		defer cancel()
		state, err := conn.Close(asked, order)
		if err == nil && state.Outcome == wallet.Paid { // the buyer was faster; a query returns the trade
			if state, err = conn.Query(asked, order); err == nil {
				v, err := g.settle(ctx, p, wordOf(state, ""), by)
				return v.Payment, err
			}
		}
		switch {
		case err != nil:
			return p, walletError(g.flagUnlisted(ctx, p, "", state, err, by))
		case state.Outcome != wallet.Closed && state.Outcome != wallet.NotFound:
			return p, walletError(wallet.ErrUnknown)
		}
		why = closedToo[why]
	}
	return g.giveUp(ctx, p, by, why, code)
}

// closedToo maps a reason to the one that says that the wallet has closed the order too.
var closedToo = map[pay.Reason]pay.Reason{
	pay.ReasonCalledOff: pay.ReasonCalledOffClosed,
	pay.ReasonUnpaid:    pay.ReasonUnpaidClosed,
}
