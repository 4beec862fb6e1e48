package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// answer is what the member of a group waits for.
type answer struct {
	hold hold
	yes  bool
	err  error
	done chan struct{}
}

func newAnswer() answer { return answer{done: make(chan struct{})} }

func (a *answer) begin() bool { return a.hold.begin() }

func (a *answer) give(err error) {
	a.err = err
	close(a.done)
}

// member is what a group is made of.
type member interface {
	begin() bool // reports false if it must not be begun
	give(error)
}

// put hands m to a group, and waits for its answer a to the deadline. What was
// not begun by then, or by the end of ctx, never is.
func put[T member](ctx context.Context, deadline time.Duration, g *group[T], m T, a *answer) (bool, error) {
	bound, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline)
	defer cancel()
	if err := g.hand(bound, m); err != nil {
		return false, unavailable(err)
	}
	select {
	case <-a.done:
		return a.yes, a.err
	case <-bound.Done():
		if a.hold.giveUp() {
			return false, tooLate(bound.Err())
		}
	}
	select {
	case <-a.done:
		return a.yes, a.err
	case <-whole.Done():
	}
	if a.hold.leave() == waiting {
		return false, tooLate(whole.Err())
	}
	return false, fmt.Errorf("%w: %w", ErrOutcomeUnknown, whole.Err())
}

// together commits a batch as one statement. If the server refuses it, each
// member is tried alone, so that a bad one fails by itself. All that together has
// one deadline: those who wait for the next group wait no longer.
func together[T member](e *postgresEngine, batch []T, commit func(context.Context, *sql.Conn, []T) error) {
	ctx, cancel := context.WithTimeout(context.Background(), e.deadline)
	defer cancel()
	try := func(some []T) error {
		return e.alone(ctx, func(conn *sql.Conn) error { return commit(ctx, conn, some) })
	}
	var begun []T
	err := e.alone(ctx, func(conn *sql.Conn) error {
		for _, m := range batch {
			if m.begin() {
				begun = append(begun, m)
			}
		}
		if len(begun) == 0 {
			return nil
		}
		return commit(ctx, conn, begun)
	})
	if len(begun) == 0 {
		begun = batch // none was: there is no connection, or nobody waits for an answer
	}
	alone := err != nil && len(begun) > 1 && refusedByServer(err)
	for _, m := range begun {
		if alone {
			err = try([]T{m})
		}
		m.give(err)
	}
}

// insertion is a payment that waits to be stored.
type insertion struct {
	row         queries.Payment
	orphansSeen int64
	answer
}

// fields are the payment's and what the statement needs beside them.
func (i *insertion) fields() []any { return append(paymentFields(&i.row), &i.orphansSeen) }

const insertionColumns = paymentColumns + ", orphans_seen"

func (e *postgresEngine) insertPayment(ctx context.Context, p queries.Payment, orphansSeen int64) (bool, error) {
	if err := checkText(paymentFields(&p)); err != nil {
		return false, err
	}
	i := &insertion{row: p, orphansSeen: orphansSeen, answer: newAnswer()}
	return put(ctx, e.deadline, e.payments, i, &i.answer)
}

// insertPayments stores those whose ids and order numbers are free, and whose
// accounts have no orphan that their callers have not seen.
func insertPayments(ctx context.Context, conn *sql.Conn, batch []*insertion) error {
	waiting := make(map[insertionKey]*insertion, len(batch))
	values := newRows(insertionColumns)
	var merchants []string
	for _, i := range batch {
		values.add(i.fields())
		waiting[insertionKey{i.row.MerchantID, i.row.ID, i.row.AppCode, i.row.StoreID, i.row.OrderNo}] = i
		merchants = append(merchants, i.row.MerchantID)
	}
	slices.Sort(merchants)
	var stored []insertionKey
	err := conn.Raw(func(driver any) (err error) {
		stored, err = sendPayments(ctx, driver.(*stdlib.Conn).Conn(), slices.Compact(merchants), values.argument())
		return err
	})
	if err != nil {
		return err
	}
	for _, key := range stored {
		waiting[key].yes = true
	}
	return nil
}

// sendPayments sends two statements at once, which are one transaction. The
// second must not see the database as it was before the first had its locks: a
// refund that has just taken one of the numbers would be missed.
func sendPayments(ctx context.Context, conn *pgx.Conn, merchants []string, payments string) ([]insertionKey, error) {
	var both pgx.Batch
	both.Queue(shareNumbersText, merchants)
	both.Queue(insertPaymentsText, payments)
	results := conn.SendBatch(ctx, &both)
	if _, err := results.Exec(); err != nil {
		return nil, errors.Join(err, results.Close())
	}
	rows, _ := results.Query() // its error is the rows' too
	stored, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k insertionKey, err error) {
		err = row.Scan(&k.merchantID, &k.id, &k.appCode, &k.storeID, &k.orderNo)
		return k, err
	})
	if closed := results.Close(); err == nil {
		err = closed // of the commit
	}
	return stored, err
}

// insertionKey tells the members of a batch apart, clashing ids included.
type insertionKey struct{ merchantID, id, appCode, storeID, orderNo string }

// shareNumbersText lets others create payments of the same merchants, and neither
// refunds nor orphans: see lockNumbers.
const shareNumbersText = "SELECT pg_advisory_xact_lock_shared(" + numbers + ", hashtext(m)) FROM unnest($1::text[]) AS m"

var insertPaymentsText = fmt.Sprintf(`INSERT INTO payment (%s)
	SELECT %[1]s FROM %s
	WHERE NOT EXISTS (SELECT 1 FROM refund r
		WHERE r.merchant_id = p.merchant_id AND r.app_code = p.app_code AND r.store_id = p.store_id AND r.order_no = p.order_no)
	AND NOT EXISTS (SELECT 1 FROM orphan o
		WHERE o.merchant_id = p.merchant_id AND o.account_id = p.account_id AND o.state = 'open' AND o.seq > p.orphans_seen)
	ON CONFLICT DO NOTHING RETURNING merchant_id, id, app_code, store_id, order_no`,
	paymentColumns, recordset("p", insertionColumns, (&insertion{}).fields()))

// finishing is a finished attempt that waits to be stored.
type finishing struct {
	finish
	answer
}

func (e *postgresEngine) finishAttempt(ctx context.Context, f finish) (bool, error) {
	w := &finishing{finish: f, answer: newAnswer()}
	return put(ctx, e.deadline, e.finishes, w, &w.answer)
}

// finishAttempts stores all the attempts, and ends the leases that are ours.
func finishAttempts(ctx context.Context, conn *sql.Conn, batch []*finishing) error {
	waiting := make(map[queries.DeliveryStateParams]*finishing, len(batch))
	values := newRows(finishColumns)
	for _, f := range batch {
		values.add(finishFields(&f.finish))
		waiting[queries.DeliveryStateParams{MerchantID: f.delivery.MerchantID, ID: f.delivery.ID}] = f
	}
	found, err := conn.QueryContext(ctx, finishAttemptsText, values.argument())
	ended, err := collect(found, err, func(d *queries.DeliveryStateParams) []any { return []any{&d.MerchantID, &d.ID} })
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

var finishAttemptsText = fmt.Sprintf(`WITH f AS (SELECT * FROM %s),
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
	recordset("f", finishColumns, finishFields(&finish{})))

// rows is a statement's only argument: JSON that json_to_recordset turns into
// rows. Of the ways to hand over many rows this is the cheapest for the server:
// arrays, one for each column, cost it three times as much for a single row.
type rows struct {
	names []string
	text  []byte
}

// newRows makes no rows of these columns.
func newRows(columns string) *rows {
	names := strings.Split(columns, ",")
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
	}
	return &rows{names: names, text: []byte{'['}}
}

// add appends a row. Text must be UTF-8.
func (r *rows) add(fields []any) {
	if len(r.text) > 1 {
		r.text = append(r.text, ',')
	}
	for i, f := range fields {
		before := byte(',')
		if i == 0 {
			before = '{'
		}
		r.text = append(append(append(r.text, before, '"'), r.names[i]...), '"', ':')
		switch f := f.(type) {
		case *string:
			quoted, _ := json.Marshal(*f) // of a string: cannot fail
			r.text = append(r.text, quoted...)
		case *int64:
			r.text = strconv.AppendInt(r.text, *f, 10)
		}
	}
	r.text = append(r.text, '}')
}

// argument is the rows as the statement takes them.
func (r *rows) argument() string { return string(r.text) + "]" }

// recordset is the statement's source of rows, named alias, whose columns have
// the types of such fields.
func recordset(alias, columns string, fields []any) string {
	typed := newRows(columns).names
	for i, f := range fields {
		kind := " text"
		if _, ok := f.(*int64); ok {
			kind = " bigint"
		}
		typed[i] += kind
	}
	return "json_to_recordset($1::json) AS " + alias + " (" + strings.Join(typed, ", ") + ")"
}

// errBadText: PostgreSQL can hold neither what is not UTF-8 nor NUL.
var errBadText = errors.New("store: text is not UTF-8 or has a NUL")

func checkText(fields []any) error {
	for _, f := range fields {
		if s, ok := f.(*string); ok && clean(*s) != *s {
			return errBadText
		}
	}
	return nil
}
