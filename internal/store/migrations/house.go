package migrations

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// HouseVersion is the step that House runs: goose must leave it out.
const HouseVersion = 9

// houseBatch is how many events are in memory at a time.
const houseBatch = 2000

// House returns step 9 for a database's kind: 00009_house.sql with the events'
// sentences read between its halves. It stops at the first sentence that it
// cannot read. Progress, if it is not nil, is called after each batch. The
// transaction is the caller's, and nothing is changed until that commits.
func House(postgres bool, progress func(done, all int64)) func(context.Context, *sql.Tx) error {
	h := house{rewrite: rewriteSQLite, lift: liftSQLite, restore: restoreSQLite, progress: progress}
	if postgres {
		h.rewrite, h.lift, h.restore = rewritePostgres, liftPostgres, restorePostgres
	}
	if h.progress == nil {
		h.progress = func(int64, int64) {}
	}
	return h.run
}

// house is what step 9 needs of a database's kind.
type house struct {
	lift, restore string // what stands in the way of an UPDATE of events
	rewrite       func(context.Context, *sql.Tx, []event) error
	progress      func(done, all int64)
}

const (
	liftSQLite    = `DROP TRIGGER IF EXISTS event_update`
	restoreSQLite = `CREATE TRIGGER event_update BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'rows of event are only ever added'); END`

	// A new version of a row would be entered into every index. And only plans that
	// go by the primary keys may be chosen: any other reads a whole table for each
	// batch. Without statistics PostgreSQL does not find them.
	liftPostgres = `DROP TRIGGER IF EXISTS append_only ON event;
DROP INDEX event_seq; DROP INDEX event_kind;
ANALYZE event; ANALYZE payment; ANALYZE refund;
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off;
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off`
	restorePostgres = `CREATE UNIQUE INDEX event_seq ON event (merchant_id, payment_id, seq);
CREATE INDEX event_kind ON event (merchant_id, payment_id, kind);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event
FOR EACH STATEMENT EXECUTE FUNCTION append_only()`
)

func (h house) run(ctx context.Context, tx *sql.Tx) error {
	text, err := fs.ReadFile(both, "00009_house.sql")
	if err != nil {
		return err
	}
	before, after, ok := strings.Cut(string(text), "-- Here house.go reads the sentences.")
	if !ok {
		return errors.New("migrations: 00009_house.sql does not say where the sentences are read")
	}
	for _, step := range []func() error{
		func() error { return execute(ctx, tx, before) },
		func() error { return execute(ctx, tx, h.lift) },
		func() error { return h.convert(ctx, tx) },
		func() error { return execute(ctx, tx, h.restore) },
		func() error { return execute(ctx, tx, after) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func execute(ctx context.Context, tx *sql.Tx, text string) error {
	_, err := tx.ExecContext(ctx, text)
	return err
}

// event is a row of the table, as it was and as it becomes.
type event struct {
	merchantID, paymentID, id    string
	seq                          int64
	kind, actor, detail, appCode string
	facts
}

// convert reads all events, in the order of their key, batch by batch.
func (h house) convert(ctx context.Context, tx *sql.Tx) error {
	var all, done int64
	if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM event").Scan(&all); err != nil {
		return err
	}
	for last := (event{}); ; {
		batch, err := nextEvents(ctx, tx, last)
		if err != nil || len(batch) == 0 {
			return err
		}
		for i := range batch {
			if err := batch[i].read(ctx, tx); err != nil {
				return err
			}
		}
		if err := h.rewrite(ctx, tx, batch); err != nil {
			return err
		}
		last = batch[len(batch)-1]
		done += int64(len(batch))
		h.progress(done, all)
	}
}

// nextEvents returns the events that follow the last one.
func nextEvents(ctx context.Context, tx *sql.Tx, last event) (batch []event, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT
		e.merchant_id, e.payment_id, e.id, e.seq, e.kind, e.actor, e.detail,
		COALESCE((SELECT p.app_code FROM payment p
			WHERE p.merchant_id = e.merchant_id AND p.id = e.payment_id), '')
		FROM event e WHERE (e.merchant_id, e.payment_id, e.id) > ($1, $2, $3)
		ORDER BY e.merchant_id, e.payment_id, e.id LIMIT $4`,
		last.merchantID, last.paymentID, last.id, houseBatch)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e event
		err := rows.Scan(&e.merchantID, &e.paymentID, &e.id, &e.seq, &e.kind, &e.actor, &e.detail, &e.appCode)
		if err != nil {
			return nil, err
		}
		batch = append(batch, e)
	}
	return batch, rows.Err()
}

// read reads the event's sentence. Its error names the row.
func (e *event) read(ctx context.Context, tx *sql.Tx) (err error) {
	e.facts, err = readEvent(e.kind, e.actor, e.detail, e.appCode)
	if err == nil && e.kind == "refund_failed" {
		const text = "SELECT amount, currency FROM refund " +
			"WHERE merchant_id = $1 AND id = $2 AND payment_id = $3"
		err = tx.QueryRowContext(ctx, text, e.merchantID, e.refundID, e.paymentID).Scan(&e.minor, &e.currency)
		if errors.Is(err, sql.ErrNoRows) {
			err = errors.New("the payment has no such refund")
		}
	}
	if err != nil {
		return fmt.Errorf("event %d of payment %s of merchant %s (id %s, kind %q, actor %q) "+
			"cannot be read: %q: %w",
			e.seq, e.paymentID, e.merchantID, e.id, e.kind, e.actor, e.detail, err)
	}
	return nil
}

// rewriteSQLite writes the facts row by row: a call is cheap there.
func rewriteSQLite(ctx context.Context, tx *sql.Tx, batch []event) (err error) {
	update, err := tx.PrepareContext(ctx, `UPDATE event
		SET kind = $4, actor = $5, actor_name = $6, amount = $7,
		currency = $8, trade_no = $9, refund_id = $10, number = $11, reason = $12, code = $13, note = $14
		WHERE merchant_id = $1 AND payment_id = $2 AND id = $3`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, update.Close()) }()
	for _, e := range batch {
		f := e.facts
		_, err := update.ExecContext(ctx, e.merchantID, e.paymentID, e.id,
			f.kind, f.actor, f.actorName, f.minor, f.currency, f.tradeNo,
			f.refundID, f.number, f.reason, f.code, f.note)
		if err != nil {
			return err
		}
	}
	return nil
}

// rewritePostgres writes the facts of a batch in one round trip.
func rewritePostgres(ctx context.Context, tx *sql.Tx, batch []event) error {
	minors := make([]int64, len(batch))
	texts := make([][]string, 13)
	for i, e := range batch {
		f := e.facts
		minors[i] = f.minor
		for n, s := range []string{
			e.merchantID, e.paymentID, e.id, f.kind, f.actor, f.actorName, f.currency,
			f.tradeNo, f.refundID, f.number, f.reason, f.code, f.note,
		} {
			texts[n] = append(texts[n], s)
		}
	}
	args := []any{minors}
	for _, t := range texts {
		args = append(args, t)
	}
	_, err := tx.ExecContext(ctx, `UPDATE event e
		SET kind = n.kind, actor = n.actor, actor_name = n.actor_name,
		amount = n.amount, currency = n.currency, trade_no = n.trade_no,
		refund_id = n.refund_id, number = n.number,
		reason = n.reason, code = n.code, note = n.note
		FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
			$8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[])
			AS n (amount, merchant_id, payment_id, id, kind, actor, actor_name, currency,
				trade_no, refund_id, number, reason, code, note)
		WHERE e.merchant_id = n.merchant_id AND e.payment_id = n.payment_id AND e.id = n.id`, args...)
	return err
}
