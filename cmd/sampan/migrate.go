package main

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/terminal"
)

type migrateCmd struct {
	configFlag
	Check bool `help:"Change nothing: print what is to be done, and exit with status 1 if there is something."`
}

// Run migrates the database to the schema of this program, as serve does when it
// starts.
func (cmd migrateCmd) Run(e *env) error {
	c, err := config.Read(cmd.Config)
	if err != nil {
		return err
	}
	if cmd.Check {
		return checkSchema(e, c)
	}
	to := c.StoreConfig(slog.New(slog.DiscardHandler))
	var done, all atomic.Int64
	to.Migrating = func(d, a int64) { done.Store(d); all.Store(a) }
	began := time.Now()
	stop := terminal.Progress(e.stderr, 100*time.Millisecond, func() string {
		return fmt.Sprintf("%d of %d events  %.0f s", done.Load(), all.Load(), time.Since(began).Seconds())
	})
	was, err := store.Migrate(e.ctx, to)
	stop()
	switch {
	case err != nil:
		return err
	case len(was.Pending) == 0:
		e.printf("%s has schema %d: nothing to do\n", was.Place, was.Have)
	case was.Have == 0:
		e.printf("%s has schema %d now; it had none\n", was.Place, was.Want)
	default:
		e.printf("%s has schema %d now; it had schema %d\n", was.Place, was.Want, was.Have)
	}
	return nil
}

// checkSchema prints what migrate would do, and returns an error if that is
// something.
func checkSchema(e *env, c config.Config) error {
	s, err := store.ReadSchema(e.ctx, c.Database)
	if err != nil {
		return err
	}
	e.printf("%s has %s, this program knows schema %d\n", s.Place, schemaName(s), s.Want)
	for _, step := range s.Pending {
		e.printf("to do: %s\n", step)
	}
	if s.Check() != nil {
		return errReported
	}
	fmt.Fprintln(e.stdout, "nothing to do")
	return nil
}

func schemaName(s store.Schema) string {
	if s.Have == 0 {
		return "no schema yet"
	}
	return fmt.Sprintf("schema %d", s.Have)
}
