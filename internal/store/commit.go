package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// job is a change that waits for SQLite's writer.
type job struct {
	ctx    context.Context
	fn     func(*Tx) error
	single bool // one statement, which undoes itself if it fails

	err      error
	panicked any
	done     chan struct{}
}

// do hands j to the writer and waits for the outcome. A caller whose context
// ends before its turn leaves no trace; in its turn it waits to the end, which
// is a matter of one commit.
func (e *sqliteEngine) do(ctx context.Context, j *job) error {
	j.ctx, j.done = ctx, make(chan struct{})
	if err := e.jobs.hand(ctx, j); err != nil {
		return err
	}
	<-j.done
	if j.panicked != nil {
		panic(j.panicked)
	}
	return j.err
}

// commit runs the jobs in one transaction. Each that fails undoes only itself;
// if the whole fails, each is run again in a transaction of its own.
func (e *sqliteEngine) commit(batch []*job) {
	err := e.together(batch)
	if errors.Is(err, errReplay) && len(batch) > 1 {
		for _, j := range batch {
			err := e.together([]*job{j})
			j.answer(err)
		}
		return
	}
	for _, j := range batch {
		j.answer(err)
	}
}

// answer tells the caller: err is of the transaction, j.err its own.
func (j *job) answer(err error) {
	if j.err == nil {
		j.err = err
	}
	close(j.done)
}

// errReplay: the transaction is gone, and with it what all of its jobs did.
var errReplay = errors.New("store: transaction failed")

// together runs the jobs in one transaction, leaving their own errors in them.
func (e *sqliteEngine) together(batch []*job) error {
	if err := e.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("store: begin: %w", err)
	}
	alone := len(batch) == 1
	for _, j := range batch {
		err := e.turn(j, alone)
		if err != nil {
			_ = e.exec("ROLLBACK") // SQLite may have done so itself
			return fmt.Errorf("%w: %w", errReplay, err)
		}
	}
	if alone && batch[0].err != nil {
		_ = e.exec("ROLLBACK")
		return nil
	}
	err := e.exec("COMMIT")
	if err == nil {
		e.checkpoint()
		return nil
	}
	_ = e.exec("ROLLBACK") // COMMIT may have left it open
	if errors.Is(err, ErrStopped) {
		return fmt.Errorf("store: commit: %w", err) // whose outcome is that of each job
	}
	if alone && !undone(err) {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return fmt.Errorf("%w: %w", errReplay, err)
}

// turn runs one job. Its error is of the transaction as a whole.
func (e *sqliteEngine) turn(j *job, alone bool) error {
	j.err, j.panicked = j.ctx.Err(), nil
	if j.err != nil {
		return nil
	}
	point := !alone && !j.single
	if point {
		if err := e.exec("SAVEPOINT job"); err != nil {
			return err
		}
	}
	e.call(j)
	switch {
	case j.err != nil && !refused(j.err) && !alone:
		return j.err
	case j.err != nil && point:
		if err := e.exec("ROLLBACK TO job"); err != nil {
			return err
		}
	}
	if point {
		return e.exec("RELEASE job")
	}
	return nil
}

// call runs the job's function; a panic is its caller's.
func (e *sqliteEngine) call(j *job) {
	defer func() {
		if p := recover(); p != nil {
			j.panicked, j.err = p, fmt.Errorf("store: panic: %v", p)
		}
	}()
	// Without the caller's context: SQLite would answer its end by undoing
	// everybody's work.
	j.err = j.fn(&Tx{ctx: context.WithoutCancel(j.ctx), db: e.write, q: queries.New(e.write), engine: e})
}

func (e *sqliteEngine) exec(text string) error {
	_, err := e.write.ExecContext(context.Background(), text)
	return err
}

// checkpointAfter is how many pages the log has before it is written into the
// database file. SQLite's own 1000, 4 MiB, would be more often than is good:
// each checkpoint is two more syncs, and writes pages that the next creations
// change again.
const checkpointAfter = 4000

// checkpoint writes the log into the database file once it is long enough. If
// readers are in the way the rest waits for the next one, and so it does if the
// disk is full. SQLite would do the same by itself, but say nothing of a sync
// that failed, and sync again: the second time with success.
func (e *sqliteEngine) checkpoint() {
	var busy, pages, done int
	const length, write = "PRAGMA wal_checkpoint(NOOP)", "PRAGMA wal_checkpoint(PASSIVE)"
	err := e.conn.QueryRowContext(context.Background(), length).Scan(&busy, &pages, &done)
	if err == nil && pages >= checkpointAfter {
		_ = e.conn.QueryRowContext(context.Background(), write).Scan(&busy, &pages, &done)
	}
}
