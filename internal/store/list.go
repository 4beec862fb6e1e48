package store

import (
	"context"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// Filter selects payments and refunds. Zero fields select everything, but all three
// fields of Scope always apply. A filter with statuses of payments only selects no
// refunds, and the reverse.
type Filter struct {
	pay.Scope
	IDs, OrderNos  []string // a transaction matches if it is in either
	PayTypes       []pay.PayType
	Statuses       []pay.Status
	RefundStatuses []pay.RefundStatus
	Closing        Closing    // which of the payments that are pending
	RefundCauses   []pay.Code // which of the refunds that have failed
	From, To       time.Time  // on CreatedAt, both included
	Limit, Offset  int
}

// Closing tells payments that a merchant has asked to close from others.
type Closing string

// The values of a filter's Closing; "" selects both.
const (
	ToBeClosed    Closing = "yes"
	NotToBeClosed Closing = "no"
)

// Transaction is a payment or, if Refund is not nil, a refund of it.
type Transaction struct {
	pay.Payment
	Refund *pay.Refund
}

// Payments lists payments, newest first.
func (db *DB) Payments(ctx context.Context, f Filter) ([]pay.Payment, error) {
	var w where
	restrict(&w, f, "", "pay_type", f.Statuses)
	text := "SELECT " + paymentTable.list("") + " FROM payment" +
		w.page("created_at DESC, id DESC", f.Limit, f.Offset)
	rows, err := db.pool().QueryContext(ctx, text, w.args...)
	return list(toPayment)(collect(rows, err, paymentTable.fields))
}

// Transactions lists payments and refunds together, newest first.
func (db *DB) Transactions(ctx context.Context, f Filter) ([]Transaction, error) {
	type key struct{ id, paymentID string }
	byStatus := len(f.Statuses)+len(f.RefundStatuses) > 0
	var arms []string
	var w where
	// Each kind is limited to what the page can hold of it, so that the indexes are
	// used.
	arm := func(name, columns, order string) {
		most := 0
		if f.Limit > 0 {
			most = f.Offset + f.Limit
		}
		text := w.page(order, most, 0)
		w.text.Reset()
		arms = append(arms, "SELECT * FROM (SELECT "+columns+text+") AS "+name)
	}
	if !byStatus || len(f.Statuses) > 0 {
		restrict(&w, f, "", "pay_type", f.Statuses)
		switch f.Closing {
		case ToBeClosed:
			w.and("(status <> ? OR close_id <> '')", string(pay.Pending))
		case NotToBeClosed:
			w.and("(status <> ? OR close_id = '')", string(pay.Pending))
		}
		arm("payments", "id, id AS payment_id, created_at FROM payment", "created_at DESC, id DESC")
	}
	if !byStatus || len(f.RefundStatuses) > 0 {
		restrict(&w, f, "r.", "p.pay_type", f.RefundStatuses)
		if len(f.RefundCauses) > 0 {
			w.and("(r.status <> ? OR "+in("r.cause", f.RefundCauses)+")",
				append([]any{string(pay.RefundFailed)}, anys(f.RefundCauses)...)...)
		}
		arm("refunds", "r.id, r.payment_id, r.created_at FROM refund r "+
			"JOIN payment p ON p.merchant_id = r.merchant_id AND p.id = r.payment_id",
			"r.created_at DESC, r.id DESC")
	}
	text := "SELECT id, payment_id FROM (" + strings.Join(arms, " UNION ALL ") + ") AS transactions" +
		w.page("created_at DESC, id DESC", f.Limit, f.Offset)
	rows, err := db.pool().QueryContext(ctx, text, w.args...)
	keys, err := collect(rows, err, func(k *key) []any { return []any{&k.id, &k.paymentID} })
	if keys, err = list(func(k key) key { return k })(keys, err); err != nil {
		return nil, err
	}
	var all []Transaction
	for _, k := range keys {
		p, err := db.Payment(ctx, f.MerchantID, k.paymentID)
		if err != nil {
			return nil, err
		}
		t := Transaction{Payment: p}
		if k.id != k.paymentID {
			r, err := db.Refund(ctx, f.MerchantID, k.id)
			if err != nil {
				return nil, err
			}
			t.Refund = &r
		}
		all = append(all, t)
	}
	return all, nil
}

// restrict adds the filter's conditions for a table whose columns have a prefix.
func restrict[S ~string](w *where, f Filter, prefix, payType string, statuses []S) {
	w.and(prefix+"merchant_id = ? AND "+prefix+"app_code = ? AND "+prefix+"store_id = ?",
		f.MerchantID, f.AppCode,
		f.StoreID)
	id, orderNo := prefix+"id", prefix+"order_no"
	switch {
	case len(f.IDs) > 0 && len(f.OrderNos) > 0:
		w.and("("+in(id, f.IDs)+" OR "+in(orderNo, f.OrderNos)+")", anys(f.IDs, f.OrderNos)...)
	case len(f.IDs) > 0:
		w.and(in(id, f.IDs), anys(f.IDs)...)
	case len(f.OrderNos) > 0:
		w.and(in(orderNo, f.OrderNos), anys(f.OrderNos)...)
	}
	if len(f.PayTypes) > 0 {
		w.and(in(payType, f.PayTypes), anys(f.PayTypes)...)
	}
	if len(statuses) > 0 {
		w.and(in(prefix+"status", statuses), anys(statuses)...)
	}
	if !f.From.IsZero() {
		w.and(prefix+"created_at >= ?", ms(f.From))
	}
	if !f.To.IsZero() {
		w.and(prefix+"created_at <= ?", ms(f.To))
	}
}
