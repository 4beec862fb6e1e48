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

// confirmTooSoon handles a callback within confirmGap after another about the same
// order. Either all that it says is recorded by now, or it is postponed to the end of
// the gap.
func (g *Gateway) confirmTooSoon(ctx context.Context, m recordedNotice) (recordedNotice, bool, error) {
	account := pay.WalletAccount{MerchantID: m.Payment.MerchantID, ID: m.Payment.AccountID}
	now, err := g.readNotice(ctx, account, m.Notice)
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
		Message: "the wallet was just asked about the order for another callback; " + inquiryFollows})
}

// inquiryFollows says what happens instead of settling a callback.
const inquiryFollows = "an inquiry of the order follows by itself"

// tooManyCallbacks returns the error for a callback for which no place is free.
func tooManyCallbacks(instead string) error {
	return &pay.Error{Code: pay.InProgress,
		Message: "too many callbacks of the account are being confirmed; " + instead}
}

// postpone brings the next inquiry of what a callback is about forward to the given
// time, and returns err. The inquiry asks about the pending refund, or else about the
// order. It cannot find other trades of the order, or refunds that were made at the
// wallet itself. Only the callback names those, so it is kept for the inquiry, in this
// process.
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

// settlePostponed settles the postponed callback about a payment, if there is one. If
// that fails, nothing is lost: the wallet repeats a callback that is not acknowledged.
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
		g.Log.WarnContext(ctx, "postponed callback is not settled",
			"syssn", p.ID, "notice", n.ID, "error", err)
	}
}

// maxPostponed is how many postponed callbacks are kept.
const maxPostponed = 256

// postponedNotices keeps one postponed callback for each payment, by merchant and
// payment. All callbacks about one payment have the same chance to be kept, so that
// nobody can displace a true one by many others.
type postponedNotices struct {
	mu   sync.Mutex
	kept map[[2]string]postponedNotice
}

type postponedNotice struct {
	notice wallet.Notice
	seen   int // callbacks about the payment so far
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
