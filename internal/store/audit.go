package store

import (
	"context"
	"iter"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// Dossier is everything that is stored of one payment, as of one moment.
type Dossier struct {
	MerchantID string
	PaymentID  string
	Payment    *pay.Payment // nil if it does not exist and only the other rows name it
	Refunds    []pay.Refund
	Movements  []pay.Movement
	Events     []pay.Event // in the order in which they were written
	Deliveries []Delivery

	// Acknowledged holds the ids of the Done deliveries that a merchant has
	// acknowledged.
	Acknowledged map[string]bool
}

// dossiersAtOnce is how many payments are read in one transaction: few, so that it
// is short and takes little memory.
const dossiersAtOnce = 200

// MerchantIDs iterates over the ids of all merchants that any row names, in the
// database's order. The first is always "".
func (db *DB) MerchantIDs(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for id := ""; yield(id, nil); {
			next, err := db.read.NextMerchant(ctx, id)
			if err != nil {
				yield("", wrap("read the merchants", err))
				return
			}
			if id = next; id == "" {
				return
			}
		}
	}
}

// Dossiers iterates over a merchant's payments in the database's order, and over
// rows that name a payment that does not exist. Each dossier is as of one moment,
// even while others write: a page is read in one transaction that sees only what
// was committed when it began. The iteration ends at the first error.
func (db *DB) Dossiers(ctx context.Context, merchantID string) iter.Seq2[Dossier, error] {
	return func(yield func(Dossier, error) bool) {
		// Rows that name no payment at all come before the first page.
		page, err := db.dossiers(ctx, merchantID, func(*queries.Queries) ([]string, error) {
			return []string{""}, nil
		})
		for first := true; ; first = false {
			if err != nil {
				yield(Dossier{}, wrap("read the payments of merchant "+merchantID, err))
				return
			}
			for _, d := range page {
				if d.empty() {
					continue
				}
				if !yield(d, nil) {
					return
				}
			}
			if !first && len(page) < dossiersAtOnce {
				return
			}
			after := page[len(page)-1].PaymentID
			page, err = db.dossiers(ctx, merchantID, func(q *queries.Queries) ([]string, error) {
				return q.PageOfPayments(ctx, queries.PageOfPaymentsParams{
					MerchantID: merchantID, After: after, Most: dossiersAtOnce,
				})
			})
		}
	}
}

func (d Dossier) empty() bool {
	return d.Payment == nil && len(d.Refunds)+len(d.Movements)+len(d.Events)+len(d.Deliveries) == 0
}

// dossiers reads one page: the payments that choose returns, in order.
func (db *DB) dossiers(ctx context.Context, merchantID string,
	choose func(*queries.Queries) ([]string, error)) (page []Dossier, err error) {
	tx, err := db.engine.pool().BeginTx(ctx, db.snapshot())
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // nothing was changed
	q := queries.New(tx)
	ids, err := choose(q)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	index := map[string]int{}
	for i, id := range ids {
		index[id] = i
		page = append(page, Dossier{MerchantID: merchantID, PaymentID: id, Acknowledged: map[string]bool{}})
	}
	// Only the page's ids lie in its range, since they were read in the same
	// transaction and in the same order.
	of := func(id string) *Dossier { return &page[index[id]] }
	span := queries.PaymentsFromToParams{MerchantID: merchantID, Low: ids[0], High: ids[len(ids)-1]}

	payments, err := q.PaymentsFromTo(ctx, span)
	for _, row := range payments {
		p := toPayment(row)
		of(row.ID).Payment = &p
	}
	if err != nil {
		return nil, err
	}
	refunds, err := q.RefundsFromTo(ctx, queries.RefundsFromToParams(span))
	for _, row := range refunds {
		d := of(row.PaymentID)
		d.Refunds = append(d.Refunds, toRefund(row))
	}
	if err != nil {
		return nil, err
	}
	movements, err := q.MovementsFromTo(ctx, queries.MovementsFromToParams(span))
	for _, row := range movements {
		d := of(row.PaymentID)
		d.Movements = append(d.Movements, toMovement(row))
	}
	if err != nil {
		return nil, err
	}
	events, err := q.EventsFromTo(ctx, queries.EventsFromToParams(span))
	for _, row := range events {
		d := of(row.PaymentID)
		d.Events = append(d.Events, toEvent(row))
	}
	if err != nil {
		return nil, err
	}
	deliveries, err := q.DeliveriesFromTo(ctx, queries.DeliveriesFromToParams(span))
	if err != nil {
		return nil, err
	}
	acknowledged, err := q.AcknowledgedFromTo(ctx, queries.AcknowledgedFromToParams(span))
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, id := range acknowledged {
		known[id] = true
	}
	for _, row := range deliveries {
		d := of(row.PaymentID)
		d.Deliveries = append(d.Deliveries, toDelivery(row))
		if known[row.ID] {
			d.Acknowledged[row.ID] = true
		}
	}
	return page, nil
}

// RepeatedTrade is a wallet's trade that brought money in more than once.
type RepeatedTrade struct {
	PaymentID string
	TradeNo   string
}

// RepeatedTrades lists, by trade, the payments whose trade number has also brought
// money in elsewhere for the same merchant. That can only be through another wallet
// account, since the money record allows a trade once per account. It reads the
// whole record; only ctx bounds it.
func (db *DB) RepeatedTrades(ctx context.Context, merchantID string) ([]RepeatedTrade, error) {
	q := queries.New(db.engine.reader()) // without the deadline
	return list(func(r queries.RepeatedTradesRow) RepeatedTrade { return RepeatedTrade(r) })(
		q.RepeatedTrades(ctx, merchantID))
}
