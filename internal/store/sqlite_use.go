package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// use is a process's use of a SQLite file, which the system ends with the
// process. It is a lock on a file beside the database, shared among those who
// have the database open to change it. While it is held the file says so; what
// it says outlives a process that did not end by itself.
type use struct{ f *os.File }

const inUse = "in use\n"

// takeUse begins a use. The caller holds the lock on openings. alone reports
// that nobody else has the database open, and unclean that in this case the
// last who had did not close it.
func takeUse(path string) (u *use, alone, unclean bool, err error) {
	f, err := openBeside(path, ".open")
	if err != nil {
		return nil, false, false, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	switch err = flock(f, syscall.LOCK_EX); {
	case err == nil:
		said, err := f.Stat()
		if err != nil {
			return nil, false, false, err
		}
		log, err := os.Stat(path + "-wal")
		return &use{f}, true, said.Size() > 0 || err == nil && log.Size() > 0, nil
	case !errors.Is(err, syscall.EWOULDBLOCK):
		return nil, false, false, err
	}
	return &use{f}, false, false, nil
}

// useChecked begins a use of a file that is whole, as far as can be seen in the
// time: if the last use did not end properly, it looks. A file that is not whole
// is not touched.
func useChecked(ctx context.Context, path string) (_ *use, err error) {
	u, alone, unclean, err := takeUse(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, u.end(false))
		}
	}()
	if alone && unclean {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if err := checkFile(ctx, path, atStart(info.Size())); err != nil {
			return nil, fmt.Errorf("it was not closed properly the last time, and is not whole: %w", damagedAt(path, err))
		}
	}
	return u, u.share(ctx)
}

// share lets others use the database too.
func (u *use) share(ctx context.Context) error {
	// Somebody may hold it alone for a moment, who is just ending his use.
	for {
		err := flock(u.f, syscall.LOCK_SH)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	_, err := u.f.WriteAt([]byte(inUse), 0)
	return err
}

// end ends a use. What the database was closed properly for, if nobody else has
// it open, is no longer said to be in use.
func (u *use) end(properly bool) error {
	var err error
	if properly && flock(u.f, syscall.LOCK_EX) == nil {
		err = u.f.Truncate(0)
	}
	return errors.Join(err, u.f.Close())
}

// openBeside opens or makes a file beside a database.
func openBeside(path, suffix string) (*os.File, error) {
	f, err := os.OpenFile(path+suffix, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := giveTo(path+suffix, path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// giveTo gives a file that root has made to the owner of the database, or of the
// directory that it will be in, as SQLite does with its own: the server of
// another user must be able to open it.
func giveTo(name, path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || name == path {
		info, err = os.Stat(filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return os.Chown(name, int(owner.Uid), int(owner.Gid))
}

// flock takes or changes a lock, and does not wait.
func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// errServed is the error of those who must have the database to themselves.
func errServed(path string) error {
	return fmt.Errorf("store: %s is in use: stop sampan serve, and what else has it open", path)
}
