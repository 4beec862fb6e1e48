package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// confirmGap is the least time between two calls to the wallet that confirm callbacks
// about one order, over all replicas.
const confirmGap = 3 * time.Second

// The callback and its answer, for rooms that know no wallets.
type (
	// Callback is what a wallet posts.
	Callback = wallet.Callback
	// Reply is what it is answered.
	Reply = wallet.Reply
)

// Callback settles what a wallet posted for an account and returns the answer once
// everything that follows from it is durable. c.Path is the request's own: the
// path of the base URL is put before it.
//
// After an error the wallet must be answered so that it sends the callback again. The
// reply is the wallet's own form of such an answer, or nil if it has none. The errors
// are NotFound for the address of no account, BadSignature for a callback that is
// refused, InProgress for one that came too soon after another, Forbidden for one about
// an unknown order, and others for failures of our own. A refused callback may still
// have flagged the payment, or brought its next inquiry forward.
//
// A callback that says nothing new is acknowledged without a call to the wallet and
// without a change. Any other is settled once the wallet has confirmed it.
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
		err = badCallback("not a genuine callback", err)
	} else {
		err = g.settleNotice(ctx, account, conn, n, c.Body)
	}
	if err == nil {
		return &n.Reply, nil
	}
	if replier, ok := conn.Connector.(wallet.FailureReplier); ok {
		reply := replier.CallbackFailed(c, err)
		return &reply, err
	}
	return nil, err
}

// settleNotice settles what a genuine notice says, once the wallet has confirmed it. A
// notice that says nothing new needs neither.
func (g *Gateway) settleNotice(ctx context.Context, a pay.WalletAccount, conn limitedConnector,
	n wallet.Notice, body []byte) error {
	m, err := g.readNotice(ctx, a, n)
	if errors.Is(err, store.ErrNotFound) {
		if err := g.recordOrphan(ctx, a, conn, n, body); !errors.Is(err, errOrderStored) {
			return err
		}
		m, err = g.readNotice(ctx, a, n)
	}
	if err != nil {
		return err
	}
	if g.isKnown(m) {
		return nil
	}
	m, known, err := g.confirm(ctx, conn, m)
	if err != nil || known {
		return err
	}
	return g.settleConfirmed(ctx, m)
}

// recordedNotice is a genuine notice, and what is recorded of its payment.
type recordedNotice struct {
	wallet.Notice
	pay.Recorded
}

// word converts the notice for pay.Judge. Unlike an answer's, an Unknown outcome is a
// status that the wallet's documents do not list.
func (m recordedNotice) word() pay.Word {
	w := wordOf(m.State, m.RefundID)
	if m.State.Outcome == wallet.Unknown {
		w.Outcome = pay.WordUnknown
	}
	return w
}

// readNotice reads what is recorded of a notice's payment. The error is
// store.ErrNotFound if no payment has its number, and BadSignature if what the notice
// says cannot be true.
func (g *Gateway) readNotice(
	ctx context.Context, a pay.WalletAccount, n wallet.Notice,
) (m recordedNotice, err error) {
	m = recordedNotice{Notice: n}
	w := m.word()
	m.Recorded, err = g.Store.Recorded(ctx, a.MerchantID, n.Number, pay.HeldBy(a.ID), w.TradeNo, w.RefundID)
	if errors.Is(err, store.ErrNotFound) { // it may be the payment's number before a restore
		var p pay.Payment
		if p, err = g.paymentByNumber(ctx, a.MerchantID, n.Number); err == nil {
			m.Recorded, err = g.recorded(ctx, p, w)
		}
	}
	p := m.Payment
	switch {
	case err != nil:
		return m, err
	case p.AccountID != a.ID:
		return m, badCallback("the order belongs to another wallet account", nil)
	case m.Refund.ID != "" && m.Refund.PaymentID != p.ID:
		return m, badCallback("the refund is another order's: "+n.RefundID, nil)
	case w.Outcome == pay.WordPaid && m.Movement.ID != "" && m.Movement.PaymentID != p.ID:
		return m, badCallback("the trade number belongs to another payment", errForeignTrade)
	}
	return m, nil
}

// isKnown reports whether all that a notice says is recorded. Such a notice changes
// nothing, whether it is true or not, so the wallet is not asked about it. Another
// amount, trade or state than the recorded one is never known.
func (g *Gateway) isKnown(m recordedNotice) bool {
	w := m.word()
	v := pay.Judge(m.Recorded, w, pay.ByWallet, g.Now())
	switch {
	case w.Outcome == pay.WordClosed && w.RefundID == "":
		// what a wallet also says of money that it has given back
		givenBack := pay.Event{Kind: pay.EventGivenBack, TradeNo: w.TradeNo}
		back := pay.Flag(m.Recorded, givenBack, pay.ByWallet, g.Now())
		return !back.Changes() || !v.Changes()
	case m.Refund.ID != "" && w.TradeNo != "" && w.TradeNo != m.Payment.TradeNo:
		return v.Kind == pay.VerdictNothing
	}
	return !v.Changes()
}

// confirm asks the wallet to confirm a notice whose signature is not proof enough, and
// returns the notice with the wallet's answer. If the wallet may not be asked now, or
// does not answer, the notice is postponed. known is true if all that it says was
// recorded meanwhile.
func (g *Gateway) confirm(ctx context.Context, conn limitedConnector, m recordedNotice) (
	_ recordedNotice, known bool, err error) {
	if m.Confirm == nil {
		return m, false, nil
	}
	p := m.Payment
	switch mine, err := g.Store.MarkConfirmed(ctx, p.MerchantID, p.ID, g.Now(), confirmGap); {
	case err != nil:
		return m, false, err
	case !mine:
		return g.confirmTooSoon(ctx, m)
	}
	end := g.Now().Add(confirmGap)
	_, leave, free := conn.enterCallback()
	if !free {
		return m, false, g.postpone(ctx, m, end, tooManyCallbacks(inquiryFollows))
	}
	defer leave()
	order, err := g.orderOf(ctx, p)
	if err != nil {
		return m, false, err
	}
	order.Number = m.Number // the wallet may know the payment by two numbers
	asked, cancel := context.WithTimeout(ctx, g.WalletTimeout)
	defer cancel()
	confirmed, err := m.Confirm(asked, order)
	var no *wallet.Rejection
	switch {
	case errors.As(err, &no):
		return m, false, badCallback("the wallet does not confirm the callback", err)
	case err != nil:
		return m, false, g.postpone(context.WithoutCancel(ctx), m, end, walletError(err))
	}
	tradeNo := m.State.TradeNo
	m.State = confirmed
	if m.State.TradeNo != tradeNo {
		m.Recorded, err = g.recorded(ctx, p, m.word())
	}
	return m, false, err
}

// settleConfirmed settles what a confirmed notice says. A status that the wallet's
// documents do not list settles nothing: the payment is flagged, and the wallet is
// asked again soon.
func (g *Gateway) settleConfirmed(ctx context.Context, m recordedNotice) error {
	w := m.word()
	_, err := g.settleRecorded(ctx, m.Recorded, w, pay.ByWallet)
	switch {
	case errors.Is(err, errForeignTrade):
		return badCallback("the trade number belongs to another payment", err)
	case err == nil && w.Outcome == pay.WordUnknown:
		return g.postpone(ctx, m, g.Now().Add(confirmGap), nil)
	}
	return err
}

// badCallback returns the error for a callback that is refused.
func badCallback(why string, err error) error {
	return &pay.Error{Code: pay.BadSignature, Message: why, Err: err}
}
