package gateway

import (
	"context"
	"errors"
	"net/http"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// Callback takes what a wallet posted for an account and returns what to answer
// once everything that follows from it is durable. With an error nothing has
// changed and the wallet must be answered so that it sends again: NotFound for
// an address that leads nowhere, BadSignature for a message that is refused,
// anything else for trouble of our own. (What is refused may flag the payment.)
func (g *Gateway) Callback(ctx context.Context, merchantID, accountID string, header http.Header, body []byte) (reply []byte, err error) {
	account, err := g.accountOf(ctx, merchantID, accountID)
	if err != nil {
		return nil, err
	}
	conn, err := g.connector(account)
	if err != nil {
		return nil, err
	}
	n, err := conn.Notification(header, body)
	if err != nil {
		return nil, refused("not a genuine notification", err)
	}
	p, err := g.paymentOf(ctx, merchantID, n.OrderID)
	if errors.Is(err, store.ErrNotFound) {
		if err := g.takeOrphan(ctx, account, conn, n, body); !errors.Is(err, errOrderIsThere) {
			return n.Reply, err
		}
		p, err = g.paymentOf(ctx, merchantID, n.OrderID)
	}
	if err != nil {
		return nil, err
	}
	if p.AccountID != accountID {
		return nil, refused("the order belongs to another wallet account", nil)
	}
	var r pay.Refund
	if n.RefundID != "" {
		r, err = g.Store.Refund(ctx, merchantID, n.RefundID)
		switch {
		case errors.Is(err, store.ErrNotFound): // r stays empty: the refund is none of ours
		case err != nil:
			return nil, err
		case r.PaymentID != p.ID:
			return nil, refused("the refund is another order's: "+n.RefundID, nil)
		}
	}
	if n.Confirm != nil && n.State.Outcome != wallet.Unknown {
		if err := g.confirm(ctx, n, p); err != nil {
			return nil, err
		}
	}
	switch {
	case n.RefundID == "":
		_, err = g.settle(ctx, merchantID, p.ID, n.State, "wallet")
	case r.ID == "":
		err = g.foreignRefund(ctx, p, n)
	default:
		_, err = g.settleRefund(ctx, r, n.State, "wallet")
	}
	switch {
	case errors.Is(err, errForeignTrade):
		return nil, refused("the trade number belongs to another payment", err)
	case errors.Is(err, errOtherAmount):
		return nil, refused("the amount is not the refund's", err)
	case err != nil:
		return nil, err
	}
	return n.Reply, nil
}

// foreignRefund takes the wallet's true word that money of p went back under a
// number that is none of p's refunds: somebody gave it back at the wallet itself.
// It is not ours to count; the payment is flagged for a person to look at.
func (g *Gateway) foreignRefund(ctx context.Context, p pay.Payment, n wallet.Notice) error {
	if n.State.Outcome != wallet.Succeeded {
		return nil
	}
	return g.needsLook(ctx, p, "refund_foreign", "wallet", "given back at the wallet itself, as "+n.RefundID)
}

// confirm asks the wallet whether it stands by a notice whose signature is not
// proof enough.
func (g *Gateway) confirm(ctx context.Context, n wallet.Notice, p pay.Payment) error {
	order, err := g.orderOf(ctx, p)
	if err != nil {
		return err
	}
	order.ID = n.OrderID // the wallet may know the payment by two
	ctx, cancel := context.WithTimeout(ctx, g.WalletTimeout)
	defer cancel()
	err = n.Confirm(ctx, order)
	var no *wallet.Rejection
	if errors.As(err, &no) {
		return refused("the wallet does not stand by the notification", err)
	}
	if err != nil {
		return walletError(err)
	}
	return nil
}

func refused(why string, err error) error {
	return &pay.Error{Code: pay.BadSignature, Message: why, Err: err}
}
