// Package store keeps payments, refunds, the money record, events, notifications,
// orphans, merchants and their accounts in SQL. It decides nothing about money: the
// rules are in pay and gateway. One schema, and one text per query where possible,
// serve SQLite and PostgreSQL; every test runs on both.
//
// # What flows through
//
// A new order is DB.CreatePayment: one durable insert, which does nothing if the
// order number is taken.
//
// A settlement is DB.Recorded, which reads everything that a wallet's word is judged
// by, then pay.Judge, then DB.Apply with a Change: the payment, refund, movement,
// events and notification as they become, written as a whole if nothing has changed
// since. What must be read under a lock runs in DB.Tx.
//
// Workers claim due rows with a Claim, work on them under a lease, and reschedule or
// finish them. Creations, changes and finished deliveries of concurrent callers are
// committed together, and each fails alone.
//
// Every error is one of three: ErrUnavailable (nothing was written, retry),
// ErrOutcomeUnknown (the commit was sent and not answered), or an answer about the
// rows, such as ErrNotFound or ErrChanged.
//
// # In which order to read
//
//   - store.go opens a database; engine.go is what the two engines have in common.
//   - migrations holds the schema; sql holds the queries, one noun a file, from which
//     sqlc generates queries (make generate).
//   - payment.go, refund.go, delivery.go, event.go, orphan.go, merchant.go and so on:
//     one noun a file, with the conversions between pay's types and rows. table.go
//     lists a row's columns for the statements that are composed in Go.
//   - change.go and recorded.go: the two ends of a settlement.
//   - claim.go: due rows of any table. tx.go: what runs within a larger transaction.
//   - sqlite.go, then sqlite_commit.go: one writer that commits in groups. The other
//     sqlite_… files keep the file trustworthy: backups, checks, stopping.
//   - postgres.go, then postgres_group.go and postgres_apply.go: grouped commits, each
//     in one round trip. postgres_pool.go keeps the connections trustworthy.
//   - look.go: databases that are opened for reading only.
//   - outage.go, deadline.go, ready.go: what an error means, how long a call waits,
//     and whether the database takes changes.
package store
