package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store/queries"
)

// Snapshot describes a copy of a SQLite database.
type Snapshot struct {
	Path     string
	Bytes    int64
	Schema   int64
	Payments int64
	Newest   time.Time // of its rows; zero if it has none
	Kept     string    // by Restore: where the replaced file is now, if any
}

// Backup copies the SQLite database of a DSN into a new file while servers use it.
// The copy is the database as of one moment. It is checked to be whole and to open
// with the master key, and it is on the disk when Backup returns. An existing file
// is not touched. After an error nothing is left.
func Backup(ctx context.Context, dsn string, key pay.Secret, to string) (Snapshot, error) {
	s, err := backup(ctx, dsn, key, to)
	if err != nil {
		return Snapshot{}, fmt.Errorf("store: back up: %w", err)
	}
	return s, nil
}

func backup(ctx context.Context, dsn string, key pay.Secret, to string) (_ Snapshot, err error) {
	from, err := sqlitePath(dsn)
	if err != nil {
		return Snapshot{}, err
	}
	if _, err := os.Stat(from); err != nil {
		return Snapshot{}, err
	}
	if to, err = filepath.Abs(to); err != nil {
		return Snapshot{}, err
	}
	if err := absent(to, to+"-wal", to+"-shm", to+"-journal"); err != nil {
		return Snapshot{}, err
	}
	if err := checkLeft(ctx, from); err != nil {
		return Snapshot{}, err
	}
	temp, err := newTemp(to)
	if err != nil {
		return Snapshot{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAll(temp, temp+"-journal"))
		}
	}()
	if err := vacuumInto(ctx, from, temp); err != nil {
		return Snapshot{}, err
	}
	s, err := inspect(ctx, temp, key)
	if err != nil {
		return Snapshot{}, err
	}
	if err := syncFile(temp); err != nil {
		return Snapshot{}, err
	}
	if err := publish(temp, to); err != nil {
		return Snapshot{}, err
	}
	s.Path = to
	return s, syncDir(filepath.Dir(to))
}

// sqlitePath returns the file of a DSN, with symbolic links resolved if it exists:
// SQLite keeps its log beside the real file.
func sqlitePath(dsn string) (string, error) {
	path, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		return "", errors.New("the database is not SQLite's")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	}
	return path, nil
}

// absent returns an error if one of the files exists.
func absent(paths ...string) error {
	for _, path := range paths {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s: %w", path, os.ErrExist)
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// checkLeft checks a database that nobody has open and that was not closed
// properly: a copy of a damaged one might look whole.
func checkLeft(ctx context.Context, path string) error {
	unlock, err := lockFile(ctx, path)
	if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	defer unlock()
	u, alone, unclean, err := takeUse(path)
	if err == nil && alone && unclean {
		err = checkFile(ctx, path, Everything)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	if u != nil {
		err = errors.Join(err, u.end(false))
	}
	return err
}

// newTemp creates an empty file under a new name beside path. Only its owner can
// read it.
func newTemp(path string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.partial") // 0600
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// vacuumInto copies the database as of one moment, in one step. SQLite's own backup
// interface starts again whenever another process commits.
func vacuumInto(ctx context.Context, from, to string) (err error) {
	db, err := readFile(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var pages, size int64
	if err := db.QueryRowContext(ctx, sizeText).Scan(&pages, &size); err != nil {
		return err
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(to), &disk); err == nil {
		//nolint:unconvert,gosec // other systems' types differ; no disk has 2^63 bytes
		if free := int64(disk.Bavail) * int64(disk.Bsize); free < pages*size {
			return fmt.Errorf("%d MiB are needed in %s, and %d are free",
				pages*size>>20+1, filepath.Dir(to), free>>20)
		}
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	return err
}

// inspect checks a copy that nobody else uses: that it is one whole database, that
// this program can use its schema, and that it was made with the master key.
func inspect(ctx context.Context, path string, key pay.Secret) (_ Snapshot, err error) {
	seal, err := newSealer(key)
	if err != nil {
		return Snapshot{}, err
	}
	if err := checkFile(ctx, path, Everything); err != nil {
		return Snapshot{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return Snapshot{}, err
	}
	s := Snapshot{Path: path, Bytes: info.Size()}
	db, err := readFile(path)
	if err != nil {
		return Snapshot{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	schema, err := schemaOf(ctx, db, goose.DialectSQLite3, path)
	if err != nil {
		return Snapshot{}, err
	}
	switch s.Schema = schema.Have; {
	case schema.Have == 0:
		return Snapshot{}, errors.New("it is not a database of Sampan's: it has no schema")
	case schema.Have > schema.Want:
		return Snapshot{}, fmt.Errorf(
			"it has schema %d, and this program knows schema %d: use the newer program",
			schema.Have, schema.Want)
	}
	if proved, err := seal.proved(ctx, queries.New(db)); err != nil {
		return Snapshot{}, err
	} else if !proved {
		return Snapshot{}, errors.New("it has no proof of a master key")
	}
	extent, err := queries.New(db).Extent(ctx)
	s.Payments = extent.Payments
	s.Newest = at(max(extent.PaymentAt, extent.MovementAt, extent.EventAt, extent.DeliveryAt))
	return s, err
}

// publish gives a file its final name if that is free. For a moment both names
// exist; at no moment neither does.
func publish(temp, path string) error {
	if err := os.Link(temp, path); err == nil {
		return os.Remove(temp)
	} else if errors.Is(err, os.ErrExist) {
		return err
	}
	// The file system has no hard links.
	if err := absent(path); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// copyInto copies a file into an existing one, until ctx ends.
func copyInto(ctx context.Context, from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for err == nil && ctx.Err() == nil {
		_, err = io.CopyN(out, in, 16<<20)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return errors.Join(err, ctx.Err())
}

// syncFile writes a file's content through to the disk.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncDir writes the names in a directory through to the disk.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// removeAll removes those of the files that exist.
func removeAll(paths ...string) error {
	var errs []error
	for _, path := range paths {
		if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
