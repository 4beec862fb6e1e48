package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// confirmGap is the least time between two questions to the wallet because of
// messages about one order, over all replicas.
const confirmGap = 3 * time.Second

// What a wallet posts and what it is answered, for rooms that know no wallets.
type (
	Callback = wallet.Callback
	Reply    = wallet.Reply
)

// Callback settles what a wallet posted for an account and returns the answer once
// everything that follows from it is durable. c.Path is the request's own: the
// path of the base URL is put before it.
//
// After an error the wallet must be answered so that it sends again. The reply is
// the wallet's own form of such an answer, or nil if it has none. The errors are
// NotFound for an address that leads nowhere, BadSignature for a callback that is
// refused, InProgress for one that came too soon after another, and anything else
// for trouble of our own. A refused callback may still have flagged the payment, or
// brought its next inquiry forward.
//
// A callback that says nothing new is acknowledged without a question to the wallet
// and without a change. Any other is settled once the wallet stands by it.
func (g *Gateway) Callback(ctx context.Context, merchantID, accountID string, c Callback) (*Reply, error) {
	account, err := g.accountOf(ctx, merchantID, accountID)
	if err != nil {
		return nil, err
	}
	conn, err := g.connector(account)
	if err != nil {
		return nil, err
	}
	c.Path = g.basePath + c.Path
	n, err := conn.Callback(c)
	if err != nil {
		err = refused("not a genuine callback", err)
	} else {
		err = g.takeNotice(ctx, account, conn, n, c.Body)
	}
	if err == nil {
		return &n.Reply, nil
	}
	if own, ok := conn.Connector.(wallet.FailureReplier); ok {
		reply := own.CallbackFailed(c, err)
		return &reply, err
	}
	return nil, err
}

// takeNotice makes what a genuine notice says true here, once the wallet stands by
// it, unless it is known.
func (g *Gateway) takeNotice(ctx context.Context, a pay.WalletAccount, conn opened, n wallet.Notice, body []byte) error {
	m, err := g.about(ctx, a, n)
	if errors.Is(err, store.ErrNotFound) {
		if err := g.takeOrphan(ctx, a, conn, n, body); !errors.Is(err, errOrderIsThere) {
			return err
		}
		m, err = g.about(ctx, a, n)
	}
	if err != nil {
		return err
	}
	known, err := g.isKnown(ctx, m)
	if err != nil || known {
		return err
	}
	if m, known, err = g.confirm(ctx, conn, m); err != nil || known {
		return err
	}
	return g.settleMessage(ctx, m)
}

// posted is a genuine notice and what it is about.
type posted struct {
	wallet.Notice
	payment pay.Payment
	line    pay.Movement // of the money record, if the notice is of a payment whose trade has one
	refund  pay.Refund   // without an ID if the notice is of a refund that is none of ours, or of none
}

// about finds what a notice is about: store.ErrNotFound if no payment has its
// number. It refuses what cannot be true, without a question to the wallet.
func (g *Gateway) about(ctx context.Context, a pay.WalletAccount, n wallet.Notice) (m posted, err error) {
	m = posted{Notice: n}
	m.payment, err = g.paymentOf(ctx, a.MerchantID, n.Number)
	switch {
	case err != nil:
		return m, err
	case m.payment.AccountID != a.ID:
		return m, refused("the order belongs to another wallet account", nil)
	}
	if n.RefundID != "" {
		m.refund, err = g.Store.Refund(ctx, a.MerchantID, n.RefundID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return m, nil
		case err != nil:
			return m, err
		case m.refund.PaymentID != m.payment.ID:
			return m, refused("the refund is another order's: "+n.RefundID, nil)
		}
		return m, nil
	}
	if n.State.Outcome == wallet.Paid {
		m.line, err = g.Store.Movement(ctx, a.MerchantID, m.payment.HeldBy(), n.State.TradeNo, "")
		switch {
		case errors.Is(err, store.ErrNotFound): // it is new
		case err != nil:
			return m, err
		case m.line.PaymentID != m.payment.ID:
			return m, refused("the trade number belongs to another payment", errForeignTrade)
		}
	}
	return m, nil
}

// confirm asks the wallet whether it stands by a message whose signature is not
// proof enough, and gives the message back with what the wallet says. Where the
// wallet may not be asked now, or does not answer, the next look at the order
// finds the truth instead. The message has become known if another one settled
// the same meanwhile.
func (g *Gateway) confirm(ctx context.Context, conn opened, m posted) (_ posted, known bool, err error) {
	if m.Confirm == nil {
		return m, false, nil
	}
	p := m.payment
	switch mine, err := g.Store.MarkConfirmed(ctx, p.MerchantID, p.ID, g.Now(), confirmGap); {
	case err != nil:
		return m, false, err
	case !mine:
		return g.tooSoon(ctx, m)
	}
	end := g.Now().Add(confirmGap)
	_, leave, free := conn.enterMessage()
	if !free {
		return m, false, g.putOff(ctx, m, end, messagesFull("the order is looked at by itself"))
	}
	defer leave()
	order, err := g.orderOf(ctx, p)
	if err != nil {
		return m, false, err
	}
	order.Number = m.Number // the wallet may know the payment by two
	asked, cancel := context.WithTimeout(ctx, g.WalletTimeout)
	defer cancel()
	confirmed, err := m.Confirm(asked, order)
	var no *wallet.Rejection
	switch {
	case errors.As(err, &no):
		return m, false, refused("the wallet does not stand by the notification", err)
	case err != nil:
		return m, false, g.putOff(context.WithoutCancel(ctx), m, end, walletError(err))
	}
	m.State = confirmed
	return m, false, nil
}

// settleMessage makes what a message says true here. A status that the wallet's
// documents do not list settles nothing: the payment is flagged, and the wallet
// is asked again soon.
func (g *Gateway) settleMessage(ctx context.Context, m posted) (err error) {
	p := m.payment
	switch {
	case m.State.Outcome == wallet.Unknown:
		if err = g.needsLook(ctx, p, unlisted(m.RefundID, m.State), pay.ByWallet); err == nil {
			err = g.putOff(ctx, m, g.Now().Add(confirmGap), nil)
		}
	case m.RefundID == "" && closesPaid(p, m.State):
		err = g.needsLookUnless(ctx, p, closedAfterPaid(m.State.TradeNo), pay.ByWallet, func(now pay.Payment) bool {
			return !closesPaid(now, m.State)
		})
	case m.RefundID == "":
		_, err = g.settle(ctx, p.MerchantID, p.ID, m.State, pay.ByWallet)
	case m.refund.ID == "":
		err = g.foreignRefund(ctx, m)
	default:
		_, err = g.settleRefund(ctx, m.refund, m.State, pay.ByWallet)
	}
	switch {
	case errors.Is(err, errForeignTrade):
		return refused("the trade number belongs to another payment", err)
	case errors.Is(err, errOtherAmount):
		return nil // the payment is flagged
	}
	return err
}

// foreignRefund takes the wallet's true word that money of an order went back
// under a number that is none of its refunds: somebody gave it back at the
// wallet itself. It is not ours to count; the payment is flagged for a person to
// look at.
func (g *Gateway) foreignRefund(ctx context.Context, m posted) error {
	if m.State.Outcome != wallet.Succeeded {
		return nil
	}
	return g.needsLook(ctx, m.payment, refundForeign(m.RefundID), pay.ByWallet)
}

func refused(why string, err error) error {
	return &pay.Error{Code: pay.BadSignature, Message: why, Err: err}
}
