package doctor

import (
	"context"
	"errors"
	"time"

	"github.com/sampanpay/sampan/internal/store"
)

// integrity checks SQLite's file and reports whether it is whole. It takes a moment,
// or with Deep as long as reading every page and every index takes.
func (d *checkup) integrity() bool {
	const what = "integrity"
	if !d.IsSQLite() {
		if d.Deep {
			d.warn(what, "a PostgreSQL server checks its own files", "pg_amcheck checks them from outside")
		}
		return true
	}
	how, ctx, cancel := store.Ends, d.ctx, context.CancelFunc(func() {})
	if d.Deep {
		how = store.Everything
	} else {
		ctx, cancel = d.within()
	}
	defer cancel()
	began := d.now()
	done := d.Waiting("checking every page and index")
	err := store.CheckSQLite(ctx, d.Database, how)
	done()
	switch {
	case errors.Is(err, store.ErrDamaged):
		d.wrong(what, err.Error(),
			`stop serve, keep the file with its -wal and -shm, and restore a backup: `+
				`docs/operating.md, "A damaged database"`)
		return false
	case err != nil && ctx.Err() != nil:
		d.warn(what, "could not be checked in time", "")
	case err != nil:
		d.wrong(what, err.Error(), "")
	case d.Deep:
		d.good(what, "every page and every index is as it should be (%v)",
			d.now().Sub(began).Round(time.Millisecond))
	default:
		d.good(what, "header, size and the ends of each table and index are as they should be; --deep "+
			"checks all")
	}
	return true
}
