package store

import (
	"context"
	"database/sql"
)

// finishing is a finished attempt that waits to be stored.
type finishing struct {
	finish
	answer
}

func (e *postgresEngine) finishAttempt(ctx context.Context, f finish) (bool, error) {
	w := &finishing{finish: f, answer: newAnswer()}
	return submit(ctx, e.deadline, e.finishes, w, &w.answer)
}

// finishAttempts stores every attempt, and ends the leases that their callers still
// have.
func finishAttempts(ctx context.Context, conn *sql.Conn, batch []*finishing) error {
	rows := finishTable.rows()
	for n, f := range batch {
		rows.add(n, &f.finish)
	}
	found, err := conn.QueryContext(ctx, finishManyText, rows.String())
	ended, err := collect(found, err, func(n *int) []any { return []any{n} })
	if err != nil {
		return err
	}
	for _, n := range ended {
		batch[n].yes = true
	}
	return nil
}

var finishManyText = `WITH f AS (SELECT * FROM ` + finishTable.recordset("f", 1) + `),
	tried AS (
		INSERT INTO delivery_attempt
			(merchant_id, delivery_id, number, started_at, took, status, answer, error, manual)
		SELECT f.merchant_id, f.id, 1 + COALESCE((SELECT MAX(a.number) FROM delivery_attempt a
			WHERE a.merchant_id = f.merchant_id AND a.delivery_id = f.id), 0),
			f.started_at, f.took, f.status, f.answer, f.error, f.manual
		FROM f)
	UPDATE delivery d SET state = f.state, attempts = f.attempts, manual = 0,
		due_at = f.due_at, done_at = f.done_at, claimable_at = f.claimable_at, lease = ''
	FROM f WHERE d.merchant_id = f.merchant_id AND d.id = f.id AND d.lease = f.lease AND d.lease <> ''
	RETURNING f.n`
