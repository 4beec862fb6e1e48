package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// job is a change that waits for SQLite's writer.
type job struct {
	ctx    context.Context
	work   work
	single bool // its one statement undoes itself if it fails

	hold     hold
	err      error
	panicked any
	left     chan struct{} // closed when the function of a leaving caller has returned
	done     chan struct{}
}

// do hands a change to the writer and waits for the outcome. If the caller's
// context or the deadline ends before the job's turn, the job never runs. Once it
// runs, the caller waits until the deadline: a commit that is not answered by then
// is ErrOutcomeUnknown and is not tried again. The job's function is always waited
// for, since it writes what the caller reads; its next statement fails then.
func (e *sqliteEngine) do(ctx context.Context, single bool, w work) error {
	bound, cancel := context.WithTimeout(ctx, e.deadline)
	defer cancel()
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.deadline)
	defer cancel()
	j := &job{ctx: ctx, work: w, single: single, left: make(chan struct{}), done: make(chan struct{})}
	if err := e.jobs.hand(bound, j); err != nil {
		return unavailable(err)
	}
	select {
	case <-j.done:
		return j.outcome()
	case <-bound.Done():
		if j.hold.giveUp() {
			return tooLate(bound.Err())
		}
	}
	select {
	case <-j.done:
		return j.outcome()
	case <-whole.Done():
	}
	switch j.hold.leave() {
	case waiting:
		return tooLate(whole.Err())
	case running:
		<-j.left
		return j.outcome()
	}
	return fmt.Errorf("%w: %w", ErrOutcomeUnknown, whole.Err())
}

// tooLate is the error of a change that was abandoned before anything could be
// written.
func tooLate(err error) error {
	return fmt.Errorf("%w: its turn did not come: %w", ErrUnavailable, err)
}

// outcome is what the caller gets.
func (j *job) outcome() error {
	if j.panicked != nil {
		panic(j.panicked)
	}
	return unavailable(j.err)
}

// commit runs the jobs in one transaction. A job that fails undoes only itself. If
// the transaction fails, each job runs again in one of its own.
func (e *sqliteEngine) commit(batch []*job) {
	err := e.commitTogether(batch)
	if errors.Is(err, errReplay) && len(batch) > 1 {
		for _, j := range batch {
			err := e.commitTogether([]*job{j})
			j.answer(err)
		}
		return
	}
	for _, j := range batch {
		j.answer(err)
	}
}

// answer ends the caller's wait, if it still waits. err is the transaction's error,
// j.err the job's own.
func (j *job) answer(err error) {
	if j.hold.Load() == gone {
		return
	}
	if j.err == nil {
		j.err = err
	}
	close(j.done)
}

// errReplay: the transaction is undone, and with it everything that its jobs did.
var errReplay = errors.New("store: transaction failed")

// commitTogether runs the jobs in one transaction. Their own errors stay in them.
func (e *sqliteEngine) commitTogether(batch []*job) error {
	if err := e.exec("BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("store: begin: %w", err)
	}
	alone := len(batch) == 1
	for _, j := range batch {
		err := e.runJob(j, alone)
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
		return fmt.Errorf("store: commit: %w", err) // the outcome of every job
	}
	if alone && !undone(err) {
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
	return fmt.Errorf("%w: %w", errReplay, err)
}

// runJob runs one job. It returns errors of the transaction as a whole only.
func (e *sqliteEngine) runJob(j *job, alone bool) error {
	if j.hold.Load() == gone {
		return nil
	}
	if j.err, j.panicked = j.ctx.Err(), nil; j.err != nil {
		return nil
	}
	point := !alone && !j.single
	if point {
		if err := e.exec("SAVEPOINT job"); err != nil {
			return err
		}
	}
	if j.hold.begin() {
		e.call(j)
		if !j.hold.end() {
			j.letGo(point || alone)
		}
	}
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

// letGo lets a caller go that waits for the function only. What the function did is
// undone if that is possible without undoing the other jobs.
func (j *job) letGo(undo bool) {
	switch {
	case j.err != nil:
	case undo:
		j.err = errLeft
	default:
		j.err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, context.DeadlineExceeded)
	}
	j.hold.Store(gone)
	close(j.left)
}

// call runs the job's function. A panic is passed to its caller.
func (e *sqliteEngine) call(j *job) {
	defer func() {
		if p := recover(); p != nil {
			j.panicked, j.err = p, fmt.Errorf("store: panic: %v", p)
		}
	}()
	// The caller's context is left out: when it ends, SQLite would undo every job's
	// work.
	j.err = j.work(context.WithoutCancel(j.ctx), attended{e.write, &j.hold})
}

// attended runs a change's statements as long as its caller waits.
type attended struct {
	*prepared
	hold *hold
}

// errLeft: the caller's deadline has passed.
var errLeft = tooLate(context.DeadlineExceeded)

func (a attended) left() bool { return a.hold.Load() == leaving }

// ExecContext implements queries.DBTX.
func (a attended) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	if a.left() {
		return nil, errLeft
	}
	return a.prepared.ExecContext(ctx, text, args...)
}

// QueryContext implements queries.DBTX.
func (a attended) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	if a.left() {
		return nil, errLeft
	}
	return a.prepared.QueryContext(ctx, text, args...)
}

// QueryRowContext implements queries.DBTX.
func (a attended) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	if a.left() {
		return a.prepared.failed(ctx, errLeft, text, args...)
	}
	return a.prepared.QueryRowContext(ctx, text, args...)
}

func (e *sqliteEngine) exec(text string) error {
	_, err := e.write.ExecContext(context.Background(), text)
	return err
}

// checkpointAfter is how many pages the log has before it is written into the
// database file. SQLite's own 1000, 4 MiB, is too often: each checkpoint costs two
// more syncs and writes pages that the next creations change again.
const checkpointAfter = 4000

// checkpoint writes the log into the database file once it is long enough. Pages
// that readers still need, or that find the disk full, wait for the next
// checkpoint. SQLite would do this by itself, but it would not report a sync that
// failed, and would sync again, the second time with success.
func (e *sqliteEngine) checkpoint() {
	var busy, pages, done int
	const length, write = "PRAGMA wal_checkpoint(NOOP)", "PRAGMA wal_checkpoint(PASSIVE)"
	err := e.conn.QueryRowContext(context.Background(), length).Scan(&busy, &pages, &done)
	if err == nil && pages >= checkpointAfter {
		_ = e.conn.QueryRowContext(context.Background(), write).Scan(&busy, &pages, &done)
	}
}
