package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
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
		return postgresTool("pg_dump --format=custom", c.Database, "--file="+shellQuoted(cmd.Out))
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
		mebibytes(s.Bytes), operator.Several(int(s.Payments), "payment"), s.Schema, when(s.Newest, c.Location))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// postgresTool returns an error that names the tool of PostgreSQL for the task, as a
// whole command line for an address, without the password.
func postgresTool(command, dsn, file string) error {
	address, advice := "postgres://…", ""
	if u, err := url.Parse(dsn); err == nil {
		q := u.Query()
		if _, has := u.User.Password(); has || q.Has("password") {
			advice = "\n(it asks for the password, or reads it from ~/.pgpass)"
		}
		for name := range q {
			if !slices.Contains(libpqParameters, name) {
				q.Del(name) // known to our driver only, or a password
			}
		}
		u.RawQuery = q.Encode()
		if u.User != nil {
			u.User = url.User(u.User.Username())
		}
		address = u.String()
	}
	return fmt.Errorf("the database is PostgreSQL, which has a tool for it:\n  %s --dbname=%s %s%s",
		command, shellQuoted(address), file, advice)
}

// libpqParameters are the parameters of an address that PostgreSQL's tools know too.
var libpqParameters = []string{
	"host", "port", "dbname", "user", "sslmode", "sslrootcert", "sslcert", "sslkey",
	"connect_timeout", "target_session_attrs", "options", "application_name",
}

// shellQuoted quotes s as one word for a shell.
func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
