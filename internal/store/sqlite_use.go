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

// use is a process's use of a SQLite file. The system ends it with the process. It
// is a lock on a file beside the database, shared by all processes that have the
// database open for changes. The file's content says that the database is in use,
// and still says so after a process that was killed.
type use struct{ f *os.File }

const inUse = "in use\n"

// takeUse begins a use. The caller holds the lock that lockFile takes. alone
// reports that no other process has the database open; unclean, that the last one
// which had it did not close it.
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

// useChecked begins a use of a whole file. If the last use did not end properly, it
// checks the file, as thoroughly as the start may take. It does not touch a damaged
// file.
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
			return nil, fmt.Errorf("it was not closed properly the last time, and is not whole: %w",
				damagedAt(path, err))
		}
	}
	return u, u.share(ctx)
}

// share lets other processes use the database too.
func (u *use) share(ctx context.Context) error {
	// A process that is just ending its use may hold the lock alone for a moment.
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

// end ends a use. If the database was closed properly and no other process has it
// open, the file no longer says that it is in use.
func (u *use) end(properly bool) error {
	var err error
	if properly && flock(u.f, syscall.LOCK_EX) == nil {
		err = u.f.Truncate(0)
	}
	return errors.Join(err, u.f.Close())
}

// openBeside opens or creates a file beside a database.
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

// giveTo gives a file that root has created to the owner of the database, or of the
// directory that the database will be in, as SQLite does with its own files:
// another user's server must be able to open it.
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

// flock takes or changes a lock without waiting.
func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// errServed is the error of a command that needs the database for itself.
func errServed(path string) error {
	return fmt.Errorf("store: %s is in use: stop sampan serve, and what else has it open", path)
}
