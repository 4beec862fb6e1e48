package main

import (
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/store"
)

type restoreCmd struct {
	configFlag
	Backup  string `arg:"" type:"existingfile" help:"File that sampan backup has written." placeholder:"FILE"`
	Replace bool   `help:"Put it in place of the database that is there, and keep that one under another name."`
}

// Run puts a backup where the database is.
func (cmd restoreCmd) Run(e *env) error {
	c, err := config.Read(cmd.Config)
	if err != nil {
		return err
	}
	if !isSQLite(c.Database) {
		return postgresTool("pg_restore --clean --if-exists --single-transaction", c.Database, shellQuoted(cmd.Backup))
	}
	done := waiting(e.stderr, "copying and checking")
	s, err := store.Restore(e.ctx, store.Restoring{
		DSN: c.Database, MasterKey: c.MasterKey, From: cmd.Backup, Replace: cmd.Replace, Now: time.Now(),
	})
	done()
	if err != nil {
		return err
	}
	printf(e.stdout, "✔ %s is %s\n", s.Path, cmd.Backup)
	printSnapshot(e.stdout, c, s)
	if s.Kept != "" {
		printf(e.stdout, "  the old database is kept as %s\n", s.Kept)
	}
	since := "of after " + when(s.Newest, c.Location)
	if s.Newest.IsZero() {
		since = "that there were"
	}
	printf(e.stdout, "! Orders and refunds %s are not in it. What buyers have paid of them comes as orphans once\n"+
		"  sampan serve runs: sampan orphan list. Tell merchants to repeat the orders that they are not sure of.\n", since)
	return nil
}
