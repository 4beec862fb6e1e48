package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/wallet"
)

// confirmTooSoon is for a message within the gap after another about the same order:
// it is known by now, or the look at the end of the gap must find it out.
func (g *Gateway) confirmTooSoon(ctx context.Context, m recordedNotice) (recordedNotice, bool, error) {
	now, err := g.readNotice(ctx, pay.WalletAccount{MerchantID: m.Payment.MerchantID, ID: m.Payment.AccountID}, m.Notice)
	if err != nil {
		return m, false, err
	}
	if g.isKnown(now) {
		return now, true, nil
	}
	end := now.Payment.ConfirmedAt.Add(confirmGap)
	if latest := g.Now().Add(confirmGap); end.After(latest) {
		end = latest // another replica's clock is ahead
	}
	return now, false, g.postpone(ctx, now, end, &pay.Error{Code: pay.InProgress,
		Message: "the wallet was just asked about the order because of another message; the order is looked at by itself"})
}

// tooManyCallbacks refuses a message for which no place is free.
func tooManyCallbacks(instead string) error {
	return &pay.Error{Code: pay.InProgress, Message: "as many messages of the account are being confirmed as may be at once; " + instead}
}

// postpone has what a message is about looked at when the given time comes, and
// gives err back. The look asks about the order, or about the refund that is
// pending. Of its other trades and of refunds that were made elsewhere only the
// message itself tells, so it is kept for the look as well, in this process.
func (g *Gateway) postpone(ctx context.Context, m recordedNotice, until time.Time, err error) error {
	hasten, id := g.Store.HastenPayment, m.Payment.ID
	if m.Refund.Status == pay.RefundPending {
		hasten, id = g.Store.HastenRefund, m.Refund.ID
	} else {
		g.postponed.keep(m)
	}
	switch sooner, failed := hasten(ctx, m.Payment.MerchantID, id, until, g.Now()); {
	case failed != nil:
		return errors.Join(err, failed)
	case sooner:
		g.runner.Wake()
	}
	return err
}

// settlePostponed takes the message about a payment that was put off, if there is one.
// A wallet repeats what it was not acknowledged for, so nothing is lost if this
// does not work.
func (g *Gateway) settlePostponed(ctx context.Context, p pay.Payment) {
	n, ok := g.postponed.take(p)
	if !ok {
		return
	}
	account, err := g.accountOf(ctx, p.MerchantID, p.AccountID)
	if err != nil {
		return
	}
	conn, err := g.connector(account)
	if err != nil {
		return
	}
	if err := g.settleNotice(ctx, account, conn, n, nil); err != nil {
		g.Log.WarnContext(ctx, "message that was put off is not taken", "syssn", p.ID, "notice", n.ID, "error", err)
	}
}

// maxPostponed is how many messages are kept that were put off: one of an order.
const maxPostponed = 256

// postponedNotices keeps messages that were put off, by merchant and payment. Of several
// about one order each has the same chance, whoever posts how many.
type postponedNotices struct {
	mu   sync.Mutex
	kept map[[2]string]postponedNotice
}

type postponedNotice struct {
	notice wallet.Notice
	seen   int
}

func (a *postponedNotices) keep(m recordedNotice) {
	key := [2]string{m.Payment.MerchantID, m.Payment.ID}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil {
		a.kept = map[[2]string]postponedNotice{}
	}
	one, there := a.kept[key]
	if !there && len(a.kept) >= maxPostponed {
		return
	}
	if one.seen++; rand.IntN(one.seen) == 0 {
		one.notice = m.Notice
	}
	a.kept[key] = one
}

func (a *postponedNotices) take(p pay.Payment) (wallet.Notice, bool) {
	key := [2]string{p.MerchantID, p.ID}
	a.mu.Lock()
	defer a.mu.Unlock()
	one, ok := a.kept[key]
	delete(a.kept, key)
	return one.notice, ok
}
