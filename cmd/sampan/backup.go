package main

import (
	"fmt"
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/store"
	"github.com/sampanpay/sampan/internal/terminal"
)

type backupCmd struct {
	configFlag
	Out string `arg:"" type:"path" help:"File to write. An existing file is not overwritten." placeholder:"FILE"`
}

// Run copies a SQLite database while a server uses it.
func (cmd backupCmd) Run(e *env) error {
	c, err := config.Read(cmd.Config)
	if err != nil {
		return err
	}
	if !c.IsSQLite() {
		return operator.PostgresTool("pg_dump --format=custom", c.Database, "--file=", cmd.Out)
	}
	began := time.Now()
	done := terminal.Waiting(e.stderr, "copying and checking")
	s, err := store.Backup(e.ctx, c.Database, c.MasterKey, cmd.Out)
	done()
	if err != nil {
		return err
	}
	e.printf("✔ %s\n", s.Path)
	printSnapshot(e, c, s)
	e.printf("  copied, checked and synced in %s\n", time.Since(began).Round(time.Millisecond))
	fmt.Fprintln(e.stdout, "  Keep the master key too, apart from this file: it opens the secrets in it.")
	return nil
}

// printSnapshot prints what a copy contains.
func printSnapshot(e *env, c config.Config, s store.Snapshot) {
	e.printf("  %s, %s, schema %d, newest row of %s\n",
		mebibytes(s.Bytes), operator.Several(int(s.Payments), "payment"),
		s.Schema, when(s.Newest, c.Location))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
