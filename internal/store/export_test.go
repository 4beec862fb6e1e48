package store

import (
	"database/sql"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// Execute runs a statement within a transaction.
func Execute(tx *Tx, text string) error {
	_, err := tx.db.ExecContext(tx.ctx, text)
	return err
}

// AddEvent adds an event under the payment's next Seq, whether or not there is such
// a payment.
func (tx *Tx) AddEvent(e pay.Event) error {
	row := fromEvent(e)
	const next = "SELECT COALESCE(MAX(seq), 0) + 1 FROM event WHERE merchant_id = $1 AND payment_id = $2"
	if err := tx.db.QueryRowContext(tx.ctx, next, e.MerchantID, e.PaymentID).Scan(&row.Seq); err != nil {
		return wrap("number an event", err)
	}
	return wrap("add an event", tx.q.PutEvent(tx.ctx, queries.PutEventParams(row)))
}

// AddMovement adds a line to the money record, whether or not there is such a
// payment, and reports whether it is new.
func (tx *Tx) AddMovement(m pay.Movement) (bool, error) {
	n, err := tx.q.AddMovement(tx.ctx, fromMovement(m))
	return n > 0, wrap("add a movement", err)
}

// Pool is what the database reads through.
func Pool(db *DB) *sql.DB { return db.engine.pool() }

// Grouped are PostgreSQL's statements for many rows, and how many arguments each
// has.
func Grouped() map[string]int {
	return map[string]int{insertManyText: 1, finishManyText: 1, applyGroupText: 6, applyOneText: 6}
}

// PaymentColumns are the columns of the table payment.
func PaymentColumns() []string { return paymentTable.columns }

// StartChild starts this test's program again, told by a setting of the environment
// what to do, and returns what it prints. The caller kills it.
func StartChild(t *testing.T, setting string, args ...string) (*exec.Cmd, io.Reader) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], args...)
	child.Env = append(os.Environ(), setting)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return child, out
}
