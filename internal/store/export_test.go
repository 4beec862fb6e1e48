package store

// Execute runs a statement within a transaction.
func Execute(tx *Tx, text string) error {
	_, err := tx.db.ExecContext(tx.ctx, text)
	return err
}
