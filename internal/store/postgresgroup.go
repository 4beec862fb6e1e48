package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// answer is what the member of a group waits for.
type answer struct {
	yes  bool
	err  error
	done chan struct{}
}

func (a *answer) give(err error) {
	a.err = err
	close(a.done)
}

// together commits a batch as one statement. If the server refuses it, each
// member is tried alone, so that a bad one fails by itself.
func together[T interface{ give(error) }](e *postgresEngine, batch []T, commit func(context.Context, *sql.Conn, []T) error) {
	try := func(batch []T) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		return e.alone(ctx, func(conn *sql.Conn) error { return commit(ctx, conn, batch) })
	}
	err := try(batch)
	alone := err != nil && len(batch) > 1 && refusedByServer(err)
	for _, t := range batch {
		if alone {
			err = try([]T{t})
		}
		t.give(err)
	}
}

// insertion is a payment that waits to be stored.
type insertion struct {
	row queries.Payment
	answer
}

func (e *postgresEngine) insertPayment(ctx context.Context, p queries.Payment) (bool, error) {
	i := &insertion{row: p, answer: answer{done: make(chan struct{})}}
	if err := e.payments.hand(ctx, i); err != nil {
		return false, err
	}
	<-i.done
	return i.yes, i.err
}

// insertPayments stores those whose ids and order numbers are free.
func insertPayments(ctx context.Context, conn *sql.Conn, batch []*insertion) error {
	waiting := make(map[insertionKey]*insertion, len(batch))
	columns := newColumns(paymentFields(&queries.Payment{}))
	for _, i := range batch {
		columns.add(paymentFields(&i.row))
		waiting[insertionKey{i.row.MerchantID, i.row.ID, i.row.AppCode, i.row.StoreID, i.row.OrderNo}] = i
	}
	rows, err := conn.QueryContext(ctx, insertPaymentsText, columns.arrays()...)
	stored, err := collect(rows, err, func(k *insertionKey) []any {
		return []any{&k.merchantID, &k.id, &k.appCode, &k.storeID, &k.orderNo}
	})
	if err != nil {
		return err
	}
	for _, key := range stored {
		waiting[key].yes = true
	}
	return nil
}

// insertionKey tells the members of a batch apart, clashing ids included.
type insertionKey struct{ merchantID, id, appCode, storeID, orderNo string }

var insertPaymentsText = fmt.Sprintf(`INSERT INTO payment (%s)
	SELECT %[1]s FROM %s AS p (%[1]s)
	WHERE NOT EXISTS (SELECT 1 FROM refund r
		WHERE r.merchant_id = p.merchant_id AND r.app_code = p.app_code AND r.store_id = p.store_id AND r.order_no = p.order_no)
	ON CONFLICT DO NOTHING RETURNING merchant_id, id, app_code, store_id, order_no`,
	paymentColumns, newColumns(paymentFields(&queries.Payment{})).unnest())

// finishing is a finished attempt that waits to be stored.
type finishing struct {
	finish
	answer
}

func (e *postgresEngine) finishAttempt(ctx context.Context, f finish) (bool, error) {
	w := &finishing{finish: f, answer: answer{done: make(chan struct{})}}
	if err := e.finishes.hand(ctx, w); err != nil {
		return false, err
	}
	<-w.done
	return w.yes, w.err
}

// finishAttempts stores all the attempts, and ends the leases that are ours.
func finishAttempts(ctx context.Context, conn *sql.Conn, batch []*finishing) error {
	waiting := make(map[queries.DeliveryStateParams]*finishing, len(batch))
	columns := newColumns(finishFields(&finish{}))
	for _, f := range batch {
		columns.add(finishFields(&f.finish))
		waiting[queries.DeliveryStateParams{MerchantID: f.delivery.MerchantID, ID: f.delivery.ID}] = f
	}
	rows, err := conn.QueryContext(ctx, finishAttemptsText, columns.arrays()...)
	ended, err := collect(rows, err, func(d *queries.DeliveryStateParams) []any { return []any{&d.MerchantID, &d.ID} })
	if err != nil {
		return err
	}
	for _, key := range ended {
		waiting[key].yes = true
	}
	return nil
}

const finishColumns = `merchant_id, id, lease, state, attempts, due_at, done_at, claimable_at,
	started_at, took, status, answer, error, manual`

func finishFields(f *finish) []any {
	d, a := &f.delivery, &f.attempt
	return []any{
		&d.MerchantID, &d.ID, &d.Lease, &d.State, &d.Attempts, &d.DueAt, &d.DoneAt, &d.ClaimableAt,
		&a.StartedAt, &a.Took, &a.Status, &a.Answer, &a.Error, &a.Manual,
	}
}

var finishAttemptsText = fmt.Sprintf(`WITH f AS (SELECT * FROM %s AS f (%s)),
	tried AS (
		INSERT INTO delivery_attempt (merchant_id, delivery_id, number, started_at, took, status, answer, error, manual)
		SELECT f.merchant_id, f.id, 1 + COALESCE((SELECT MAX(a.number) FROM delivery_attempt a
			WHERE a.merchant_id = f.merchant_id AND a.delivery_id = f.id), 0),
			f.started_at, f.took, f.status, f.answer, f.error, f.manual
		FROM f)
	UPDATE delivery d SET state = f.state, attempts = f.attempts, manual = 0, due_at = f.due_at, done_at = f.done_at,
		claimable_at = f.claimable_at, lease = ''
	FROM f WHERE d.merchant_id = f.merchant_id AND d.id = f.id AND d.lease = f.lease AND d.lease <> ''
	RETURNING d.merchant_id, d.id`,
	newColumns(finishFields(&finish{})).unnest(), finishColumns)

// columns turns rows into one array for each column, as unnest takes them.
type columns []any // *[]string or *[]int64

// newColumns makes empty arrays for fields like these.
func newColumns(fields []any) columns {
	c := make(columns, len(fields))
	for i, f := range fields {
		switch f.(type) {
		case *string:
			c[i] = new([]string)
		case *int64:
			c[i] = new([]int64)
		}
	}
	return c
}

func (c columns) add(fields []any) {
	for i, f := range fields {
		switch f := f.(type) {
		case *string:
			list := c[i].(*[]string)
			*list = append(*list, *f)
		case *int64:
			list := c[i].(*[]int64)
			*list = append(*list, *f)
		}
	}
}

// arrays are the arguments.
func (c columns) arrays() []any {
	args := make([]any, len(c))
	for i, list := range c {
		switch list := list.(type) {
		case *[]string:
			args[i] = *list
		case *[]int64:
			args[i] = *list
		}
	}
	return args
}

// unnest is the call that has the arguments as parameters.
func (c columns) unnest() string {
	params := make([]string, len(c))
	for i, list := range c {
		kind := "text"
		if _, ok := list.(*[]int64); ok {
			kind = "bigint"
		}
		params[i] = fmt.Sprintf("$%d::%s[]", i+1, kind)
	}
	return "unnest(" + strings.Join(params, ", ") + ")"
}
