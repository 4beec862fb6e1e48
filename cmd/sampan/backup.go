package main

import (
	"fmt"
	"io"
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
	Out string `arg:"" type:"path" help:"File to write. One that is there already is not overwritten." placeholder:"FILE"`
}

// Run copies a SQLite database while it is served.
func (cmd backupCmd) Run(e *env) error {
	c, err := config.Read(cmd.Config)
	if err != nil {
		return err
	}
	if !isSQLite(c.Database) {
		return postgresTool("pg_dump --format=custom", c.Database, "--file="+shellQuoted(cmd.Out))
	}
	began := time.Now()
	done := waiting(e.stderr, "copying and checking")
	s, err := store.Backup(e.ctx, c.Database, c.MasterKey, cmd.Out)
	done()
	if err != nil {
		return err
	}
	printf(e.stdout, "✔ %s\n", s.Path)
	printSnapshot(e.stdout, c, s)
	printf(e.stdout, "  copied, checked and synced in %s\n", time.Since(began).Round(time.Millisecond))
	fmt.Fprintln(e.stdout, "  Keep the master key too, and apart from this file: without it the secrets in it cannot be opened.")
	return nil
}

// printSnapshot says what is in a copy.
func printSnapshot(w io.Writer, c config.Config, s store.Snapshot) {
	printf(w, "  %s, %s, schema %d, newest row of %s\n",
		mebibytes(s.Bytes), operator.Several(int(s.Payments), "payment"), s.Schema, when(s.Newest, c.Location))
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func isSQLite(dsn string) bool { return strings.HasPrefix(dsn, "sqlite:") }

// postgresTool is an error that names the tool of PostgreSQL's for an address:
// the whole command line, without the password.
func postgresTool(command, dsn, file string) error {
	address, advice := "postgres://…", ""
	if u, err := url.Parse(dsn); err == nil {
		q := u.Query()
		if _, has := u.User.Password(); has || q.Has("password") {
			advice = "\n(it asks for the password, or reads it from ~/.pgpass)"
		}
		for name := range q {
			if !slices.Contains(postgresOwn, name) {
				q.Del(name) // our driver's own, or a password
			}
		}
		u.RawQuery = q.Encode()
		if u.User != nil {
			u.User = url.User(u.User.Username())
		}
		address = u.String()
	}
	return fmt.Errorf("the database is PostgreSQL, which has a tool for it:\n  %s --dbname=%s %s%s", command, shellQuoted(address), file, advice)
}

// postgresOwn are the parameters of an address that PostgreSQL's tools know too.
var postgresOwn = []string{
	"host", "port", "dbname", "user", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "target_session_attrs",
	"options", "application_name",
}

// shellQuoted is a word for a shell.
func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// waiting counts the seconds on a terminal until it is ended.
func waiting(w io.Writer, what string) (done func()) {
	if !terminal.IsTerminal(w) {
		return func() {}
	}
	stop, ended := make(chan struct{}), make(chan struct{})
	began := time.Now()
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				rewrite(w, "")
				return
			case <-tick.C:
				rewrite(w, "%s … %.0f s", what, time.Since(began).Seconds())
			}
		}
	}()
	return func() {
		close(stop)
		<-ended
	}
}
