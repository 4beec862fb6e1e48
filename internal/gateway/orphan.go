package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// The limits of orphans, for each account.
const (
	maxOpenOrphans = 10_000
	orphanGap      = time.Second // between two calls to the wallet, over all replicas
)

// ErrForeignLogged says that a callback is about an order of another deployment, and
// that the log has a line about such a callback from the last hour.
var ErrForeignLogged = errors.New("gateway: not the first within the hour")

// recordOrphan handles a genuine notice about a number that no payment has. Money of
// which it speaks is an orphan. It is stored once the wallet, asked under this account,
// has confirmed it, and only then may the callback be acknowledged. After an error
// nothing is stored.
func (g *Gateway) recordOrphan(ctx context.Context, a pay.WalletAccount, conn limitedConnector,
	n wallet.Notice, body []byte) error {
	if !pay.IsNumber(a.MerchantID, n.Number) {
		return g.foreign.count(a, n.Number, g.Now())
	}
	switch {
	case n.State.Outcome == wallet.Paid && n.RefundID == "",
		n.State.Outcome == wallet.Succeeded && n.RefundID != "":
	case n.State.Outcome == wallet.Closed && n.RefundID == "", n.State.Outcome == wallet.Failed:
		return g.hastenOrphan(ctx, a, n.State.TradeNo) // there is nothing to store
	default:
		return &pay.Error{Code: pay.Forbidden,
			Message: "the order is unknown here, and the wallet does not say that money moved: " + n.Number}
	}
	if n.State.TradeNo == "" {
		return badCallback("money moved, without a trade number: "+n.Number, nil)
	}
	o := pay.Orphan{
		MerchantID: a.MerchantID, AccountID: a.ID, Number: n.Number,
		TradeNo: n.State.TradeNo, RefundID: n.RefundID,
		Amount: n.State.Amount, BuyerID: n.State.BuyerID, At: n.State.At,
	}
	switch known, err := g.Store.Orphan(ctx, o.MerchantID, o.AccountID, o.TradeNo, o.RefundID); {
	case err == nil && known.Number == o.Number && (known.Amount == o.Amount || o.Amount.Currency == ""):
		if n.State.GivenBack {
			return g.hastenOrphan(ctx, a, o.TradeNo)
		}
		return nil // a repeat
	case err == nil:
		return badCallback(fmt.Sprintf("trade %s was %s for %s before, now %s for %s",
			o.TradeNo, known.Amount, known.Number, o.Amount, o.Number), nil)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if err := g.admitOrphan(ctx, a); err != nil {
		return err
	}
	confirmed, err := g.confirmOrphan(ctx, conn, n)
	if err != nil {
		return err
	}
	if o.Amount.Currency == "" {
		o.Amount = confirmed.Amount
	}
	if o.Amount.Minor <= 0 && !o.IsRefund() {
		return badCallback("money came in, without an amount: "+o.Number, nil)
	}
	return g.storeOrphan(ctx, o, confirmed.GivenBack, body)
}

// admitOrphan takes the account's turn to ask its wallet about an orphan. The error is
// InProgress if it is not free, or the account has no room for another orphan.
func (g *Gateway) admitOrphan(ctx context.Context, a pay.WalletAccount) error {
	open, err := g.Store.CountOpenOrphans(ctx, a.MerchantID, a.ID, maxOpenOrphans)
	if err != nil {
		return err
	}
	if open >= maxOpenOrphans {
		return g.orphansFull(ctx, a)
	}
	name := "orphans " + a.MerchantID + "/" + a.ID
	if !g.throttle.ready(name, g.Now()) { // saves a write to the database
		return tooManyOrphans()
	}
	switch mine, err := g.takeOrphanTurn(ctx, a.MerchantID, a.ID); {
	case err != nil:
		return err
	case !mine:
		return tooManyOrphans()
	}
	return nil
}

// takeOrphanTurn takes an account's turn to ask its wallet about an orphan, and reports
// whether it was free. There is one turn in orphanGap, over all replicas.
func (g *Gateway) takeOrphanTurn(ctx context.Context, merchantID, accountID string) (mine bool, err error) {
	name := "orphans " + merchantID + "/" + accountID
	err = g.Store.Tx(ctx, func(tx *store.Tx) (err error) {
		mine, _, err = tx.TakeTurn(name, g.Now(), orphanGap, true)
		return err
	})
	if err == nil && mine {
		g.throttle.mark(name, g.Now())
	}
	return mine && err == nil, err
}

func tooManyOrphans() error {
	return &pay.Error{Code: pay.InProgress,
		Message: "the wallet was just asked about another order that is unknown here; " + walletRepeats}
}

// walletRepeats says what happens instead of storing an orphan.
const walletRepeats = "the wallet must repeat the callback"

// orphansFull returns the error for an orphan for which the account has no room, and
// logs that once a minute.
func (g *Gateway) orphansFull(ctx context.Context, a pay.WalletAccount) error {
	if g.throttle.allow("full of orphans "+a.MerchantID+"/"+a.ID, g.Now(), time.Minute) {
		g.Log.ErrorContext(ctx, "orphans are refused: needs a look", "reason", "orphans_full",
			"merchant", a.MerchantID, "account", a.ID, "open", maxOpenOrphans)
	}
	return &pay.Error{Code: pay.InProgress, Err: store.ErrOrphansFull,
		Message: fmt.Sprintf("the account has %d open orphans: settle some first", maxOpenOrphans)}
}

// confirmOrphan asks the wallet to confirm a notice about a number that is unknown
// here, and returns its answer. The signature alone is never enough, since nothing is
// known of the order but what the notice says.
func (g *Gateway) confirmOrphan(ctx context.Context, conn limitedConnector, n wallet.Notice) (
	s wallet.State, err error) {
	order := wallet.Order{Number: n.Number, Amount: n.State.Amount}
	conn, leave, free := conn.enterCallback()
	if !free {
		return s, tooManyCallbacks(walletRepeats)
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, g.WalletTimeout)
	defer cancel()
	switch {
	case n.Confirm != nil:
		s, err = n.Confirm(ctx, order)
	case n.RefundID != "":
		s, err = conn.QueryRefund(ctx, wallet.Refund{ID: n.RefundID, Order: order, Amount: n.State.Amount})
	default:
		s, err = conn.Query(ctx, order)
	}
	var no *wallet.Rejection
	switch {
	case errors.As(err, &no) && no.Kind != wallet.RejectedAccount:
		return s, badCallback("the order is unknown here, and the wallet does not confirm the callback", err)
	case err != nil:
		return s, walletError(err)
	case s.Outcome != n.State.Outcome,
		s.TradeNo != n.State.TradeNo && (s.TradeNo != "" || n.RefundID == ""),
		s.Amount.Currency != "" && n.State.Amount.Currency != "" && s.Amount != n.State.Amount:
		return s, badCallback(fmt.Sprintf("the order is unknown here, and the wallet says otherwise: "+
			"%s, %s, trade %q",
			s.Outcome, s.Amount, s.TradeNo), nil)
	}
	return s, nil
}

// storeOrphan stores a confirmed orphan and looks for the order that it belongs to. If
// the wallet has given all of it back already, it is stored as returned. The error is
// errOrderStored if its order was stored meanwhile.
func (g *Gateway) storeOrphan(ctx context.Context, o pay.Orphan, givenBack bool, body []byte) error {
	// What the wallet has confirmed must be stored even if it closes the connection.
	ctx = context.WithoutCancel(ctx)
	o.NoticedAt, o.State = g.Now(), pay.OrphanOpen
	o.DueAt = o.NoticedAt.Add(g.Lease) // in case this process ends before it has looked for the order
	var isNew bool
	err := g.Store.Tx(ctx, func(tx *store.Tx) error {
		if err := tx.LockNumbers(o.MerchantID); err != nil {
			return err
		}
		switch _, err := tx.Payment(o.MerchantID, o.Number); {
		case err == nil:
			return errOrderStored
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		var err error
		if isNew, err = tx.AddOrphan(o, body, maxOpenOrphans); err == nil && isNew && givenBack {
			err = moveOrphan(tx, o, pay.OrphanReturned, o.NoticedAt, "", pay.ByWallet, allGivenBack)
		}
		return err
	})
	switch {
	case errors.Is(err, store.ErrOrphansFull):
		return g.orphansFull(ctx, pay.WalletAccount{MerchantID: o.MerchantID, ID: o.AccountID})
	case err != nil || !isNew:
		return err
	case givenBack:
		g.Log.InfoContext(ctx, "orphan returned", "syssn", o.Number, "trade_no", o.TradeNo)
		return nil
	}
	g.Log.ErrorContext(ctx, "orphan: needs a look", "reason", "orphan", "syssn", o.Number,
		"merchant", o.MerchantID, "account", o.AccountID,
		"trade_no", o.TradeNo, "refund", o.RefundID, "amount", o.Amount.String())
	open, err := g.matchOrphan(ctx, o, pay.ByWallet)
	if err == nil && open && o.IsRefund() {
		err = g.hastenOrphan(ctx, pay.WalletAccount{MerchantID: o.MerchantID, ID: o.AccountID}, o.TradeNo)
	}
	if err != nil {
		g.Log.WarnContext(ctx, "orphan cannot be matched yet",
			"syssn", o.Number, "trade_no", o.TradeNo, "error", err)
		g.runner.Wake()
	}
	return nil
}

// errOrderStored says that the order of a notice was unknown, and is stored now.
var errOrderStored = errors.New("gateway: the order is stored now")

// hastenOrphan brings the next inquiry of a trade's orphan forward to the account's
// next turn, since a notice says that its money may have gone back.
func (g *Gateway) hastenOrphan(ctx context.Context, a pay.WalletAccount, tradeNo string) error {
	soon := g.Now().Add(orphanGap)
	o, err := g.Store.Orphan(ctx, a.MerchantID, a.ID, tradeNo, "")
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && (o.State != pay.OrphanOpen || !o.DueAt.After(soon)):
		return nil
	case err != nil:
		return err
	}
	if err := g.Store.RescheduleOrphan(ctx, o, soon); err != nil {
		return err
	}
	g.runner.Wake()
	return nil
}

// throttle limits how often things happen, by name, in this process.
type throttle struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// allow reports whether the last time is a gap ago. If so, the last time is now.
func (o *throttle) allow(name string, now time.Time, gap time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.elapsed(name, now, gap) {
		return false
	}
	o.set(name, now)
	return true
}

// elapsed reports whether the last time is a gap ago. It also is if the clock was set
// back, which must not prolong the gap.
func (o *throttle) elapsed(name string, now time.Time, gap time.Duration) bool {
	last, ok := o.last[name]
	return !ok || now.Sub(last) >= gap || now.Before(last)
}

func (o *throttle) set(name string, now time.Time) {
	if o.last == nil {
		o.last = map[string]time.Time{}
	}
	o.last[name] = now
}

// ready reports whether no turn was taken within orphanGap by this process.
func (o *throttle) ready(name string, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.elapsed(name, now, orphanGap)
}

func (o *throttle) mark(name string, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.set(name, now)
}

// foreignCounter counts genuine callbacks about orders of other deployments, by
// account.
type foreignCounter struct {
	mu     sync.Mutex
	counts map[[2]string]int // since the last line in the log
	logged throttle
}

// count counts a callback and returns the error for it. All but one an hour are
// ErrForeignLogged.
func (f *foreignCounter) count(a pay.WalletAccount, number string, now time.Time) error {
	key := [2]string{a.MerchantID, a.ID}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts = map[[2]string]int{}
	}
	f.counts[key]++
	e := &pay.Error{Code: pay.Forbidden, Message: fmt.Sprintf(
		"the order is unknown here: %.64q is not of this deployment's form; "+
			"%d such callbacks for the account since the last line about them", number, f.counts[key])}
	if !f.logged.allow(a.MerchantID+"/"+a.ID, now, time.Hour) {
		e.Err = ErrForeignLogged
		return e
	}
	f.counts[key] = 0
	return e
}
