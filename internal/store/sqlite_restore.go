package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
)

// Restoring configures Restore.
type Restoring struct {
	DSN       string
	MasterKey pay.Secret
	From      string // a file that Backup wrote, or another whole copy
	Replace   bool   // an existing database is kept under another name
	Now       time.Time
}

// Restore puts a copy of a backup in the place of a DSN's database, which nobody
// may have open. At every moment either the old file or the whole new one is in
// place.
//
// It returns an error and changes nothing if the backup is not whole, has a newer
// schema or another master key; if either file still has a log beside it; and if
// there is a database, unless Replace is set.
func Restore(ctx context.Context, r Restoring) (Snapshot, error) {
	s, err := restore(ctx, r)
	if err != nil {
		return Snapshot{}, fmt.Errorf("store: restore: %w", err)
	}
	return s, nil
}

func restore(ctx context.Context, r Restoring) (_ Snapshot, err error) {
	path, err := sqlitePath(r.DSN)
	if err != nil {
		return Snapshot{}, err
	}
	from, err := os.Stat(r.From)
	if err != nil {
		return Snapshot{}, err
	}
	if there, err := os.Stat(path); err == nil && os.SameFile(there, from) {
		return Snapshot{}, fmt.Errorf("%s is the database itself", r.From)
	}
	if err := noLog(r.From, "the backup is not one whole file without it; "+
		"open it once where it was made, or take another backup"); err != nil {
		return Snapshot{}, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Snapshot{}, err
	}
	unlock, err := lockFile(ctx, path) // nobody opens the database meanwhile
	if err != nil {
		return Snapshot{}, fmt.Errorf("lock %s: %w", path, err)
	}
	defer unlock()
	u, alone, _, err := takeUse(path)
	if err != nil {
		return Snapshot{}, err
	}
	defer func() { err = errors.Join(err, u.end(err == nil)) }()
	if !alone {
		return Snapshot{}, errServed(path)
	}
	if err := noLog(path, fmt.Sprintf("changes that belong to the old database may be in it. "+
		"Start sampan serve once and stop it; or, if that does not work, keep all of the old database "+
		"elsewhere: "+
		"mv %[1]s %[1]s-wal %[1]s-shm DIRECTORY", path)); err != nil {
		return Snapshot{}, err
	}
	if !r.Replace {
		if err := absent(path); err != nil {
			return Snapshot{}, fmt.Errorf("%w: --replace keeps it under another name", err)
		}
	}
	temp, err := newTemp(path)
	if err != nil {
		return Snapshot{}, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeAll(temp))
		}
	}()
	if err := copyInto(ctx, r.From, temp); err != nil {
		return Snapshot{}, err
	}
	s, err := inspect(ctx, temp, r.MasterKey) // checks the copy, not the backup
	if err != nil {
		return Snapshot{}, fmt.Errorf("%s cannot be used: %w", r.From, err)
	}
	if err := giveTo(temp, path); err != nil {
		return Snapshot{}, err
	}
	if err := syncFile(temp); err != nil {
		return Snapshot{}, err
	}
	s.Path = path
	if s.Kept, err = place(temp, path, r); err != nil {
		return Snapshot{}, err
	}
	return s, syncDir(filepath.Dir(path))
}

// place gives the new file its name, and the old one, if there is any, another.
func place(temp, path string, r Restoring) (kept string, err error) {
	if !r.Replace || absent(path) == nil {
		return "", publish(temp, path)
	}
	kept = path + ".replaced-" + r.Now.UTC().Format("20060102T150405Z")
	if err := os.Link(path, kept); err != nil {
		return "", fmt.Errorf("keep the old database under another name: %w; or move it away yourself", err)
	}
	return kept, os.Rename(temp, path)
}

// noLog returns an error if SQLite has left files beside a database.
func noLog(path, advice string) error {
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if err := absent(path + suffix); err != nil {
			return fmt.Errorf("%w: %s", err, advice)
		}
	}
	return nil
}
