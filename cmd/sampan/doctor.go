package main

import (
	"strings"

	"github.com/sampanpay/sampan/internal/doctor"
	"github.com/sampanpay/sampan/internal/terminal"
)

type doctorCmd struct {
	configFlag
	Offline bool `help:"Leave out the checks that need the network."`
	Deep    bool `help:"Check every page and index of a SQLite file. Takes a while and slows the server."`
	Write   bool `help:"Measure a durable write to the database. It leaves nothing behind."`
}

// Run checks a deployment from its configuration to its callback address. It is an
// error if something is wrong.
func (cmd doctorCmd) Run(e *env) error {
	healthy := doctor.Run(e.ctx, doctor.Options{
		File: cmd.Config, Wallets: wallets, Offline: cmd.Offline, Deep: cmd.Deep, Write: cmd.Write,
		Waiting: func(what string) (done func()) { return terminal.Waiting(e.stderr, what) },
		Found: func(f doctor.Finding) {
			mark := map[doctor.Level]string{doctor.OK: "✔", doctor.Warning: "!", doctor.Wrong: "✘"}[f.Level]
			e.printf("%s %-14s  %s\n", mark, f.Name, strings.ReplaceAll(f.Text, "\n", "; "))
			if f.Hint != "" {
				e.printf("  %-14s  → %s\n", "", f.Hint)
			}
		},
	})
	if !healthy {
		return errReported
	}
	return nil
}
