package store

import "database/sql"

// Execute runs a statement within a transaction.
func Execute(tx *Tx, text string) error {
	_, err := tx.db.ExecContext(tx.ctx, text)
	return err
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
