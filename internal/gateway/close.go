package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// CloseRequest is a merchant's wish to call an order off before it is paid. The
// order is named by PaymentID or by OrderNo; by both if they agree.
type CloseRequest struct {
	Credential pay.Credential
	StoreID    string
	PaymentID  string
	OrderNo    string
	Minor      int64 // must be the order's
	ClientTime string
	DeviceID   string
	Barred     error // why nothing new may come of the request; a repeat gets its closing all the same
}

// Closing is an order that a merchant has called off, or has asked to.
type Closing struct {
	ID      string // 26 digits: the closing's own number (syssn)
	At      time.Time
	Payment pay.Payment
}

// Close calls an order off. The wallet is asked first: where the buyer was
// faster the order is paid and the error is AlreadyPaid; where the wallet does
// not answer the closing is remembered, Payment.Status is still open and Recover
// finishes it. Otherwise the order is closed. Closing again gives the same
// Closing, also when money has arrived since and was given back.
//
// Other errors are *pay.Error of NotFound, BadParameter, AmountMismatch,
// AlreadyExpired, WalletRejected (the order had failed), Unconfirmed and
// those of the store id; an error of the store's comes as it is where nothing of the closing
// is stored.
func (g *Gateway) Close(ctx context.Context, r CloseRequest) (Closing, error) {
	if _, err := g.standingOf(ctx, r.Credential, r.StoreID); err != nil {
		return Closing{}, err
	}
	p, err := g.orderToClose(ctx, r)
	if err != nil {
		return Closing{}, err
	}
	if r.Minor != p.Amount.Minor {
		return Closing{}, &pay.Error{Code: pay.AmountMismatch, Field: "amount", Message: "the order's is " + p.Amount.String()}
	}
	if r.Barred != nil && p.CloseID == "" {
		return Closing{}, r.Barred
	}
	// The merchant may hang up; what was begun goes on.
	ctx = context.WithoutCancel(ctx)
	p, isNew, err := g.markClosing(ctx, p)
	if err != nil {
		return Closing{}, maybeStored("closing", err)
	}
	if p.Status.Open() {
		by := pay.ByMerchant(p.AppCode)
		follow := func(ctx context.Context, p pay.Payment) (pay.Payment, error) { return g.ask(ctx, p, by) } // under Query's limits
		if isNew {
			follow = func(ctx context.Context, p pay.Payment) (pay.Payment, error) { return g.inquire(ctx, p, by) }
		}
		now, err := follow(ctx, p)
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

// orderToClose finds the order that is to be closed.
func (g *Gateway) orderToClose(ctx context.Context, r CloseRequest) (pay.Payment, error) {
	scope := pay.Scope{MerchantID: r.Credential.MerchantID, AppCode: r.Credential.AppCode, StoreID: r.StoreID}
	if r.PaymentID != "" {
		p, err := g.paymentInScope(ctx, scope, r.PaymentID)
		if err == nil && r.OrderNo != "" && r.OrderNo != p.OrderNo {
			return p, &pay.Error{Code: pay.BadParameter, Field: "order_no", Message: "is another order's than the syssn"}
		}
		return p, err
	}
	p, err := g.Store.PaymentByOrderNo(ctx, scope, r.OrderNo)
	if errors.Is(err, store.ErrNotFound) {
		return p, &pay.Error{Code: pay.NotFound, Message: "no such payment"}
	}
	return p, err
}

// markClosing remembers that a merchant wants an open order closed, and closes
// one that its wallet cannot know of. From then on its link is shut.
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

// closeAtWallet makes an open payment unpayable at its wallet, where the wallet can do
// that, and gives it up here once that is certain.
func (g *Gateway) closeAtWallet(ctx context.Context, conn limitedConnector, order wallet.Order, p pay.Payment, by pay.Actor, why pay.Reason, code string) (pay.Payment, error) {
	if conn.info.Supports(wallet.CanClose) {
		asked, cancel := context.WithTimeout(ctx, g.WalletTimeout)
		defer cancel()
		state, err := conn.Close(asked, order)
		if err == nil && state.Outcome == wallet.Paid { // the buyer was faster; only a query tells the rest
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

// closedToo are the reasons with which the wallet has closed an order as well.
var closedToo = map[pay.Reason]pay.Reason{
	pay.ReasonCalledOff: pay.ReasonCalledOffClosed,
	pay.ReasonUnpaid:    pay.ReasonUnpaidClosed,
}
