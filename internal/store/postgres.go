package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// DefaultConnections is Config.Connections if that is zero.
const DefaultConnections = 24

// overtakeAfter is how long a group holds up the next one.
const overtakeAfter = time.Second

// postgresEngine commits creations, changes and finished attempts in groups.
// Everything else runs in its caller's own transaction.
type postgresEngine struct {
	postgresDialect
	db        *sql.DB
	creations *group[*insertion]
	finishes  *group[*finishing]
	changes   *group[*applying]
	deadline  time.Duration // of Config
}

func openPostgres(ctx context.Context, c Config) (*postgresEngine, error) {
	db, err := postgresPool(c, true)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Deadline)
	defer cancel()
	if err := checkPooler(ctx, db); err != nil {
		return nil, errors.Join(
			fmt.Errorf("store: open %s: %w", placeOf(c.DSN), unavailable(err)), db.Close())
	}
	if err := need(ctx, db, goose.DialectPostgres, placeOf(c.DSN)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	e := &postgresEngine{db: db, deadline: c.Deadline}
	e.creations = newGroup(overtakeAfter, func(batch []*insertion) { commitGroup(e, batch, insertPayments) })
	e.finishes = newGroup(overtakeAfter, func(batch []*finishing) { commitGroup(e, batch, finishAttempts) })
	e.changes = newGroup(overtakeAfter, func(batch []*applying) { commitGroup(e, batch, applyChanges) })
	return e, nil
}

func (e *postgresEngine) reader() queries.DBTX { return e.db }
func (e *postgresEngine) pool() *sql.DB        { return e.db }

// A PostgreSQL server looks after its files itself.
func (e *postgresEngine) usable() error { return nil }

func (e *postgresEngine) close() error {
	e.creations.close()
	e.finishes.close()
	e.changes.close()
	return e.db.Close()
}

func (e *postgresEngine) run(ctx context.Context, w work) error {
	// The end of the caller's context may undo what was done. It must not interrupt
	// COMMIT, whose outcome would then be unknown.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.deadline)
	defer cancel()
	bound, cancel := context.WithTimeout(ctx, e.deadline)
	defer cancel()
	return unavailable(repeated(func() error { return e.try(bound, whole, w) }))
}

// repeated repeats a transaction that the server has undone for others' sake: a
// serialization failure or a deadlock.
func repeated(transaction func() error) error {
	const tries = 5
	for try := 1; ; try++ {
		err := transaction()
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "40001" && e.Code != "40P01" || try == tries {
			return err
		}
	}
}

func (e *postgresEngine) try(bound, whole context.Context, w work) error {
	conn, err := e.db.Conn(bound)
	if err != nil {
		return fmt.Errorf("store: connect: %w", err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(whole, nil)
	if err != nil {
		return fmt.Errorf("store: begin: %w", err)
	}
	defer tx.Rollback()
	if err := w(bound, tx); err != nil {
		return err
	}
	if err := whole.Err(); err != nil {
		return fmt.Errorf("store: before the commit: %w", err)
	}
	return unknown(tx.Commit())
}

func (e *postgresEngine) runOne(ctx context.Context, w work) error {
	bound, cancel := context.WithTimeout(ctx, e.deadline)
	defer cancel()
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.deadline)
	defer cancel()
	return e.alone(bound, func(conn *sql.Conn) error { return w(whole, conn) })
}

// alone runs a statement that is its own transaction. ctx bounds the wait for a
// connection; until there is one, nothing is in doubt.
func (e *postgresEngine) alone(ctx context.Context, statement func(*sql.Conn) error) error {
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return unavailable(fmt.Errorf("store: connect: %w", err))
	}
	defer conn.Close()
	return unavailable(unknown(statement(conn)))
}

// unknown marks the error of a COMMIT, or of a statement that is its own
// transaction, if the change may have been made. That is every error except the
// server's refusal and one of a statement that was never sent. A server that is
// shutting down may report that after the commit.
func unknown(err error) error {
	var server *pgconn.PgError
	var unsent pgx.ErrPreprocessingBatch // a batch is prepared as a whole before any of it is run
	switch {
	case err == nil, pgconn.SafeToRetry(err), errors.As(err, &unsent):
		return err
	case errors.As(err, &server):
		if server.SeverityUnlocalized != "FATAL" && server.SeverityUnlocalized != "PANIC" {
			return err
		}
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return err
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
}

// refusedByServer reports whether the server refused a statement and can be asked
// again.
func refusedByServer(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && !errors.Is(err, ErrOutcomeUnknown)
}

// isBadText reports whether PostgreSQL refused text because it is not UTF-8 or has
// a NUL.
func isBadText(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "22021"
}
