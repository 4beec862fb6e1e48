package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// applying is a change that waits to be made.
type applying struct {
	*changeRows
	outcome string
	answer
}

// The outcomes of a change that the server did not refuse.
const (
	outcomeApplied = "applied"
	outcomeChanged = "changed"
	outcomeTaken   = "taken"
	outcomeBusy    = "busy" // another transaction has the payment locked, or has just changed it
)

func (e *postgresEngine) apply(ctx context.Context, c *changeRows) error {
	start := time.Now()
	a := &applying{changeRows: c, answer: newAnswer()}
	if _, err := submit(ctx, e.deadline, e.changes, a, &a.answer); err != nil {
		return refusedChange(err)
	}
	if a.outcome != outcomeBusy {
		return errorOf(a.outcome)
	}
	// A group does not wait for locks. This change does, alone.
	ctx, cancel := context.WithTimeout(ctx, e.deadline-time.Since(start))
	defer cancel()
	return repeated(func() error {
		return e.runOne(ctx, func(ctx context.Context, db queries.DBTX) error {
			return e.applyIn(ctx, db, c)
		})
	})
}

// applyChanges makes the changes of a batch whose payments nobody else has locked,
// and sets each one's outcome.
func applyChanges(ctx context.Context, conn *sql.Conn, batch []*applying) error {
	changes := make([]*changeRows, len(batch))
	for n, a := range batch {
		changes[n] = a.changeRows
	}
	outcomes, err := sendChanges(ctx, conn, applyGroupText, changes)
	for n, outcome := range outcomes {
		batch[n].outcome = outcome
	}
	return err
}

func (postgresDialect) applyIn(ctx context.Context, db queries.DBTX, c *changeRows) error {
	outcomes, err := sendChanges(ctx, db, applyOneText, []*changeRows{c})
	if err != nil {
		return refusedChange(err)
	}
	return errorOf(outcomes[0])
}

func errorOf(outcome string) error {
	switch outcome {
	case outcomeApplied:
		return nil
	case outcomeTaken:
		return ErrTradeTaken
	}
	return ErrChanged
}

// refusedChange names the violation of a unique key: another transaction committed
// after the statement had looked.
func refusedChange(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "23505" {
		return err
	}
	switch {
	case e.TableName == "movement" && e.ConstraintName != "movement_pkey":
		return fmt.Errorf("%w: %w", ErrTradeTaken, err)
	case e.TableName == "refund":
		return fmt.Errorf("%w: %w", ErrIDClash, err)
	}
	return err
}

// sendChanges runs a statement and returns the outcome of each change.
func sendChanges(ctx context.Context, db queries.DBTX, text string, changes []*changeRows) ([]string, error) {
	payment, movement, refund, newRefund, event, delivery := applyPaymentTable.rows(), movementTable.rows(),
		applyRefundTable.rows(), refundTable.rows(), eventTable.rows(), addDeliveryTable.rows()
	for n, c := range changes {
		payment.add(n, &c.payment)
		if c.movement != nil {
			movement.add(n, (*queries.Movement)(c.movement))
		}
		if c.refund != nil {
			refund.add(n, c.refund)
		}
		if c.newRefund != nil {
			newRefund.add(n, c.newRefund)
		}
		for i := range c.events {
			event.add(n, &c.events[i])
		}
		if c.delivery != nil {
			delivery.add(n, c.delivery)
		}
	}
	type result struct {
		n       int
		outcome string
	}
	found, err := db.QueryContext(ctx, text, payment.String(), movement.String(),
		refund.String(), newRefund.String(), event.String(), delivery.String())
	results, err := collect(found, err, func(r *result) []any { return []any{&r.n, &r.outcome} })
	if err != nil {
		return nil, err
	}
	outcomes := make([]string, len(changes))
	for _, r := range results {
		outcomes[r.n] = r.outcome
	}
	return outcomes, nil
}

var (
	applyPaymentTable = tableOf[queries.ApplyPaymentParams]()
	applyRefundTable  = tableOf[queries.ApplyRefundParams]()
	movementTable     = tableOf[queries.Movement]()
	eventTable        = tableOf[queries.Event]()
	addDeliveryTable  = tableOf[queries.AddDeliveryParams]()
)

// applyGroupText skips payments that another transaction has locked, so that a
// locked payment delays its own change only. applyOneText waits.
var applyGroupText, applyOneText = applyText("SKIP LOCKED"), applyText("")

// applyText returns the statement that makes numbered changes. It locks the
// payments in the order of their keys, and locks none that has changed since the
// statement's snapshot.
func applyText(waiting string) string {
	var set []string
	for _, column := range applyPaymentTable.columns {
		key := column == "merchant_id" || column == "id" || strings.HasPrefix(column, "was_")
		if !key && column != "reschedule" && column != "due_at" {
			set = append(set, column+" = c."+column)
		}
	}
	insert := func(into string, columns []string, from, more, values string) string {
		list := strings.Join(columns, ", ")
		return "INSERT INTO " + into + " (" + list + more + ") SELECT " + list + values + " FROM " + from +
			" JOIN moved USING (n)"
	}
	return `WITH c AS MATERIALIZED (SELECT * FROM ` + applyPaymentTable.recordset("c", 1) + `),
	m AS MATERIALIZED (SELECT * FROM ` + movementTable.recordset("m", 2) + `),
	r AS MATERIALIZED (SELECT * FROM ` + applyRefundTable.recordset("r", 3) + `),
	taken AS MATERIALIZED (
		SELECT m.n FROM m JOIN movement l ON l.merchant_id = m.merchant_id
			AND l.debit = m.debit AND l.trade_no = m.trade_no AND l.refund_id = m.refund_id),
	stale AS MATERIALIZED (
		SELECT r.n FROM r LEFT JOIN refund b ON b.merchant_id = r.merchant_id AND b.id = r.id
		WHERE b.status IS DISTINCT FROM r.was_status
		UNION ALL
		SELECT c.n FROM c LEFT JOIN payment p ON p.merchant_id = c.merchant_id AND p.id = c.id
		WHERE p.status IS DISTINCT FROM c.was_status OR p.events <> c.was_events
			OR p.opened_at <> c.was_opened_at),
	locked AS MATERIALIZED (
		SELECT c.n FROM c JOIN payment p ON p.merchant_id = c.merchant_id AND p.id = c.id
		WHERE p.status = c.was_status AND p.events = c.was_events AND p.opened_at = c.was_opened_at
		AND c.n NOT IN (SELECT n FROM stale) AND c.n NOT IN (SELECT n FROM taken)
		ORDER BY p.merchant_id, p.id FOR UPDATE OF p ` + waiting + `),
	moved AS (
		UPDATE payment p SET ` + strings.Join(set, ", ") + `,
			due_at = CASE c.reschedule WHEN 1 THEN c.due_at ELSE p.due_at END,
			claimable_at = CASE c.reschedule WHEN 1 THEN c.due_at ELSE p.claimable_at END,
			lease = CASE c.reschedule WHEN 1 THEN '' ELSE p.lease END
		FROM locked JOIN c USING (n) WHERE p.merchant_id = c.merchant_id AND p.id = c.id
		RETURNING c.n),
	refund_moved AS (
		UPDATE refund b SET status = r.status, failure = r.failure, cause = r.cause, done_at = r.done_at,
			due_at = r.due_at, claimable_at = r.due_at, lease = ''
		FROM moved JOIN r USING (n) WHERE b.merchant_id = r.merchant_id AND b.id = r.id),
	refund_added AS (` + insert("refund", refundTable.columns, refundTable.recordset("a", 4), "", "") + `),
	booked AS (` + insert("movement", movementTable.columns, "m", "", "") + `),
	happened AS (` + insert("event", eventTable.columns, eventTable.recordset("e", 5), "", "") + `),
	notified AS (` + insert("delivery", addDeliveryTable.columns, addDeliveryTable.recordset("d", 6),
		", state, attempts, manual, due_at, done_at, lease, claimable_at",
		", 'due', 0, 0, created_at, 0, '', created_at") + `)
	SELECT c.n, CASE WHEN c.n IN (SELECT n FROM moved) THEN '` + outcomeApplied + `'
		WHEN c.n IN (SELECT n FROM stale) THEN '` + outcomeChanged + `'
		WHEN c.n IN (SELECT n FROM taken) THEN '` + outcomeTaken + `' ELSE '` + outcomeBusy + `' END
	FROM c`
}
