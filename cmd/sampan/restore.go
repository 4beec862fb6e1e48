package main

import (
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/terminal"
)

type restoreCmd struct {
	configFlag
	Backup  string `arg:"" type:"existingfile" help:"File that sampan backup wrote." placeholder:"FILE"`
	Replace bool   `help:"Replace the present database, which is kept under another name."`
}

// Run puts a backup where the database is.
func (cmd restoreCmd) Run(e *env) error {
	c, err := config.Read(cmd.Config)
	if err != nil {
		return err
	}
	if !c.IsSQLite() {
		return operator.PostgresTool("pg_restore --clean --if-exists --single-transaction",
			c.Database, "", cmd.Backup)
	}
	done := terminal.Waiting(e.stderr, "copying and checking")
	s, err := store.Restore(e.ctx, store.Restoring{
		DSN: c.Database, MasterKey: c.MasterKey, From: cmd.Backup, Replace: cmd.Replace, Now: time.Now(),
	})
	done()
	if err != nil {
		return err
	}
	e.printf("✔ %s is %s\n", s.Path, cmd.Backup)
	printSnapshot(e, c, s)
	if s.Kept != "" {
		e.printf("  the old database is kept as %s\n", s.Kept)
	}
	later := "after " + when(s.Newest, c.Location)
	if s.Newest.IsZero() {
		later = "of before"
	}
	e.printf("! Orders and refunds %s are not in it. Payments of such orders become orphans once\n"+
		"  sampan serve runs: sampan orphan list. "+
		"Tell merchants to repeat the orders that they are not sure of.\n",
		later)
	return nil
}
