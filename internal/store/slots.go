package store

import "context"

// Slots are a PostgreSQL server's connections.
type Slots struct {
	Server   int // how many the server accepts; 0 for SQLite, which has none
	Reserved int // how many of them are for superusers and named roles
}

// Slots returns how many connections the server has. It does not see the limits of
// a pooler in between.
func (db *DB) Slots(ctx context.Context) (Slots, error) {
	var s Slots
	err := db.pool().QueryRowContext(ctx, db.slots()).Scan(&s.Server, &s.Reserved)
	return s, wrap("ask for the server's connections", err)
}
