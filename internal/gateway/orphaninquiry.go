package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/wallet"
)

// The callbacks of orphans are stored for the person who settles them.
const (
	orphanMessageKept = 90 * 24 * time.Hour // after the orphan is settled
	orphanTidyGap     = time.Hour           // between two deletions of old ones
)

const allGivenBack = "the wallet says that all of it was given back"

// inquireOrphan looks for an orphan's order again. If no order fits, it asks the wallet
// whether all of the money went back. It waits for the account's turn: thousands may be
// due at once, and must not overload the wallet or the database.
func (g *Gateway) inquireOrphan(ctx context.Context, o pay.Orphan) {
	err := g.inquireOrphanInTurn(ctx, o)
	if err != nil {
		g.Log.WarnContext(ctx, "orphan's outcome is not known",
			"syssn", o.Number, "trade_no", o.TradeNo, "error", err)
	}
	g.runner.Wake()
}

func (g *Gateway) inquireOrphanInTurn(ctx context.Context, o pay.Orphan) error {
	mine, err := g.takeOrphanTurn(ctx, o.MerchantID, o.AccountID)
	if err != nil {
		return err
	}
	if !mine { // each orphan gets a second of its own
		gaps := 2 + o.Seq%1000
		return g.Store.RescheduleOrphan(ctx, o, g.Now().Add(time.Duration(gaps)*orphanGap))
	}
	if open, err := g.matchOrphan(ctx, o, pay.ByRecover); err != nil || !open {
		return err
	}
	return g.queryOrphan(ctx, o)
}

// queryOrphan asks the wallet about an open orphan's number. If the trade was refunded
// in full, all its orphans become returned.
func (g *Gateway) queryOrphan(ctx context.Context, o pay.Orphan) error {
	a, err := g.accountOf(ctx, o.MerchantID, o.AccountID)
	if err != nil {
		return err
	}
	conn, err := g.connector(a)
	if err != nil {
		return err
	}
	asked, cancel := context.WithTimeout(ctx, g.WalletTimeout)
	defer cancel()
	s, err := conn.Query(asked, wallet.Order{Number: o.Number})
	if err != nil {
		return walletError(err)
	}
	if s.Outcome != wallet.Paid || !s.GivenBack || s.TradeNo != o.TradeNo {
		return nil
	}
	returned := 0
	err = g.Store.Tx(ctx, func(tx *store.Tx) error {
		returned = 0
		all, err := tx.OrphansOfTrade(o.MerchantID, o.AccountID, o.TradeNo)
		if err != nil {
			return err
		}
		for _, each := range all {
			if each.State != pay.OrphanOpen {
				continue
			}
			if err := moveOrphan(tx, each, pay.OrphanReturned,
				g.Now(), "", pay.ByRecover, allGivenBack); err != nil {
				return err
			}
			returned++
		}
		return nil
	})
	if errors.Is(err, errNotOpen) {
		return nil
	}
	if err == nil && returned > 0 {
		g.Log.InfoContext(ctx, "orphan returned", "syssn", o.Number, "trade_no", o.TradeNo)
	}
	return err
}

// tidyOrphans deletes the callbacks of orphans that were settled long ago, at most once
// in orphanTidyGap.
func (g *Gateway) tidyOrphans(ctx context.Context) {
	now := g.Now()
	if !g.throttle.allow("tidy orphans", now, orphanTidyGap) {
		return
	}
	if n, err := g.Store.DropOrphanMessages(ctx, now.Add(-orphanMessageKept)); err != nil &&
		ctx.Err() == nil {
		g.Log.ErrorContext(ctx, "callbacks of settled orphans cannot be deleted", "error", err)
	} else if n > 0 {
		g.Log.InfoContext(ctx, "callbacks of settled orphans are deleted", "orphans", n)
	}
}
