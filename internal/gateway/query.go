package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// The limits of inquiries that a request causes. (Trade API, query.)
const (
	askGap    = 3 * time.Second         // between two inquiries of one order
	askWithin = 1800 * time.Millisecond // so that a merchant is answered within two seconds
	askAtOnce = 10                      // inquiries of one request that run at the same time
)

// QueryRequest selects the payments and refunds of Query.
type QueryRequest struct {
	Credential pay.Credential
	StoreID    string
	Filter     store.Filter // its Scope is set by Query
}

// Query lists a merchant's own payments and refunds, newest first. It asks the wallet
// about each open payment first, unless that was asked within the last three seconds.
// It returns within two seconds even if a wallet does not answer: then the payment is
// listed as it is stored. Refunds are listed as they are stored.
func (g *Gateway) Query(ctx context.Context, r QueryRequest) ([]store.Transaction, error) {
	if _, err := g.standingOf(ctx, r.Credential, r.StoreID); err != nil {
		return nil, err
	}
	r.Filter.Scope = pay.Scope{
		MerchantID: r.Credential.MerchantID, AppCode: r.Credential.AppCode, StoreID: r.StoreID,
	}
	found, err := g.Store.Transactions(ctx, r.Filter)
	if err != nil {
		return nil, err
	}
	payments := make([]pay.Payment, len(found))
	for i, t := range found {
		payments[i] = t.Payment
	}
	for i, p := range g.askAll(ctx, payments, pay.ByMerchant(r.Credential.AppCode)) {
		found[i].Payment = p
	}
	return found, nil
}

// askAll asks the wallets about the open ones of the payments. It returns all
// payments as they are known when the answers are there, or when askWithin ends.
func (g *Gateway) askAll(ctx context.Context, payments []pay.Payment, by pay.Actor) []pay.Payment {
	deadline := time.NewTimer(askWithin)
	defer deadline.Stop()
	// An inquiry that is sent goes on after askAll returns, so that its answer is stored.
	ctx = context.WithoutCancel(ctx)
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	answers := append([]pay.Payment(nil), payments...)
	slots := make(semaphore, askAtOnce)
	done := make(chan struct{})
	var asking sync.WaitGroup
	for i, p := range payments {
		if !p.Status.Open() {
			continue
		}
		asking.Add(1)
		g.background.Go(func() {
			defer asking.Done()
			if slots.acquire(waiting) != nil {
				return
			}
			defer slots.release()
			if now, err := g.ask(waiting, p, by); err != nil {
				g.Log.WarnContext(ctx, "wallet could not be asked", "syssn", p.ID, "error", err)
			} else {
				mu.Lock()
				answers[i] = now
				mu.Unlock()
			}
		})
	}
	g.background.Go(func() { asking.Wait(); close(done) })
	select {
	case <-done:
	case <-deadline.C:
	}
	mu.Lock()
	defer mu.Unlock()
	return append([]pay.Payment(nil), answers...)
}

// ask inquires about a payment, unless the wallet cannot know of it yet or was asked
// within askGap. It waits for a place among the account's calls until ctx ends, at
// most for askWithin, and returns the payment as it is if it gets none. Once begun,
// the inquiry goes on after ctx has ended.
func (g *Gateway) ask(ctx context.Context, p pay.Payment, by pay.Actor) (pay.Payment, error) {
	conn, err := g.connectorOf(ctx, p)
	if err != nil {
		return p, err
	}
	if g.unknownToWallet(p, conn.info) && g.Now().Before(p.ExpiresAt) {
		return p, nil
	}
	waiting, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	conn, leave, err := conn.enter(waiting)
	if err != nil {
		return p, nil
	}
	defer leave()
	ctx = context.WithoutCancel(ctx)
	mine, err := g.Store.MarkAsked(ctx, p.MerchantID, p.ID, g.Now(), askGap)
	if err != nil || !mine {
		return p, err
	}
	return g.inquireWith(ctx, conn, p, by)
}
