package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"syscall"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sampanpay/sampan/internal/store/queries"
)

// sqliteReaders is how many queries run concurrently.
const sqliteReaders = 8

// sqliteEngine is one file with one writer, which commits in groups, and a pool of
// readers.
type sqliteEngine struct {
	sqliteDialect
	writers, readers *sql.DB // writers has a single connection
	conn             *sql.Conn
	write            *prepared
	read             *prepared
	jobs             *group[*job]
	stop             *stopper
	watch            sync.WaitGroup // for the files that are watched
	unwatch          context.CancelFunc
	deadline         time.Duration // of Config
	use              *use
}

func openSQLite(ctx context.Context, c Config) (_ *sqliteEngine, err error) {
	// Checked first, so that another program's file is left untouched.
	was, err := withLook(ctx, c, func(l *look) (Schema, error) { return l.schema(ctx) })
	if err == nil {
		err = was.Check()
	}
	if err != nil {
		return nil, err
	}
	path := was.Place
	unlock, err := lockFile(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("store: lock %s: %w", path, err)
	}
	defer unlock()

	sync := "synchronous(FULL)"
	if c.NoSync {
		sync = "synchronous(OFF)"
	}
	address := func(pragmas ...string) string {
		q := url.Values{
			"mode":    {"rw"}, // never creates a file
			"_txlock": {"immediate"},
			"_pragma": append([]string{"busy_timeout(10000)", "foreign_keys(1)", sync}, pragmas...),
		}
		return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
	}
	e := &sqliteEngine{stop: &stopper{log: c.Log}, deadline: c.Deadline}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	if e.use, err = useChecked(ctx, path); err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	// SQLite's own checkpoints hide their errors: see checkpoint. The cache has
	// room for the leaves of the indexes, which random ids touch all over.
	writer := address("journal_mode(WAL)", "wal_autocheckpoint(0)", "cache_size(-6000)")
	if e.writers, err = openGuarded(writer, e.stop); err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	e.writers.SetMaxOpenConns(1)
	if e.conn, err = e.writers.Conn(ctx); err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	if e.readers, err = openGuarded(address("query_only(1)"), e.stop); err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	e.readers.SetMaxOpenConns(sqliteReaders)
	e.readers.SetMaxIdleConns(sqliteReaders)
	e.write, e.read = newPrepared(e.conn, c.Before), newPrepared(e.readers, c.Before)
	var version int64 // not used: SQLite creates its log at the first read
	err = e.conn.QueryRowContext(ctx, "PRAGMA schema_version").Scan(&version)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	files, err := statFiles(path)
	if err != nil {
		return nil, fmt.Errorf("store: open %s: %w", path, err)
	}
	var watching context.Context
	watching, e.unwatch = context.WithCancel(context.WithoutCancel(ctx))
	e.watch.Go(func() { files.watch(watching, e.stop, cmp.Or(c.LookEvery, lookEvery)) })
	e.jobs = newGroup(0, e.commit)
	return e, nil
}

// lockFile waits until no other process is opening the database.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := openBeside(path, ".lock")
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil // which unlocks it
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (e *sqliteEngine) reader() queries.DBTX { return e.read }
func (e *sqliteEngine) pool() *sql.DB        { return e.readers }

// close also closes an engine that was only partly opened.
func (e *sqliteEngine) close() error {
	if e.jobs != nil {
		e.jobs.close()
	}
	if e.unwatch != nil {
		e.unwatch()
		e.watch.Wait()
	}
	var errs []error
	if e.conn != nil {
		errs = append(errs, e.write.close(), e.conn.Close())
	}
	for _, pool := range []*sql.DB{e.readers, e.writers} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	if e.use != nil && e.stop.err() == nil {
		errs = append(errs, e.use.end(len(errs) == 0 || errors.Join(errs...) == nil))
	}
	return errors.Join(errs...)
}

func (e *sqliteEngine) usable() error { return e.stop.err() }

func (e *sqliteEngine) run(ctx context.Context, w work) error { return e.do(ctx, false, w) }

func (e *sqliteEngine) runOne(ctx context.Context, w work) error { return e.do(ctx, true, w) }

func (e *sqliteEngine) insertPayment(ctx context.Context, c creation) (bool, error) {
	var n int64
	err := e.runOne(ctx, func(ctx context.Context, db queries.DBTX) error {
		done, err := db.ExecContext(ctx, insertOneText, creationTable.fields(&c)...)
		if err == nil {
			n, err = done.RowsAffected()
		}
		return err
	})
	return n > 0, err
}

var insertOneText = insertPaymentText("", "")

func (e *sqliteEngine) recorded(ctx context.Context, k recordedKey) (recordedRows, error) {
	p, err := queries.New(e.read).Payment(ctx, queries.PaymentParams{
		MerchantID: k.merchantID, ID: k.paymentID,
	})
	if err != nil {
		return recordedRows{}, err
	}
	return readRecorded(ctx, e.read, p, k)
}

func (e *sqliteEngine) finishAttempt(ctx context.Context, f finish) (bool, error) {
	var n int64
	err := e.run(ctx, func(ctx context.Context, db queries.DBTX) (err error) {
		q := queries.New(db)
		n, err = q.FinishDelivery(ctx, queries.FinishDeliveryParams{
			MerchantID: f.MerchantID, ID: f.ID, Lease: f.Lease,
			State: f.State, Attempts: f.Attempts, DueAt: f.DueAt,
			DoneAt: f.DoneAt, ClaimableAt: f.ClaimableAt,
		})
		if err != nil {
			return err
		}
		return q.AddAttempt(ctx, queries.AddAttemptParams{
			MerchantID: f.MerchantID, DeliveryID: f.ID, StartedAt: f.StartedAt, Took: f.Took,
			Status: f.Status, Answer: f.Answer, Error: f.Error, Manual: f.Manual,
		})
	})
	return n > 0, err
}

// refused reports whether err is a statement's own failure, a constraint, which
// leaves the transaction usable. Other errors may have ended the transaction.
func refused(err error) bool {
	var e *sqlite.Error
	return !errors.As(err, &e) || e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}

// undone reports whether err, from COMMIT, means that nothing was written.
func undone(err error) bool {
	if errors.Is(err, ErrUnavailable) {
		return true // it was not sent
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return false
	}
	code := e.Code() & 0xff
	return code == sqlite3.SQLITE_FULL || code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_CONSTRAINT
}
