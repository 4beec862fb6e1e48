package store

import "database/sql"

// Execute runs a statement within a transaction.
func Execute(tx *Tx, text string) error {
	_, err := tx.db.ExecContext(tx.ctx, text)
	return err
}

// Pool is what the database reads through.
func Pool(db *DB) *sql.DB { return db.engine.pool() }
