package store

import "context"

// Slots are a PostgreSQL server's connections.
type Slots struct {
	Server   int // what the server gives to all; 0 for SQLite, which has none
	Reserved int // of these, for superusers and for roles that are named
}

// Slots asks how many connections there are. A pooler in between has its own
// bounds, which are not seen.
func (db *DB) Slots(ctx context.Context) (Slots, error) {
	var s Slots
	err := db.pool().QueryRowContext(ctx, db.slots()).Scan(&s.Server, &s.Reserved)
	return s, wrap("ask for the server's connections", err)
}
