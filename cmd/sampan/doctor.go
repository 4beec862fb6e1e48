package main

import (
	"strings"

	"github.com/sampanpay/sampan/internal/doctor"
	"github.com/sampanpay/sampan/internal/terminal"
)

type doctorCmd struct {
	configFlag
	Offline bool `help:"Leave out what needs the network."`
	Deep    bool `help:"Check every page and every index of a SQLite file; takes a while with a large one, and slows its server."`
	Write   bool `help:"Also make a change to the database that leaves nothing behind, and measure it."`
}

// Run looks at a deployment from its configuration to its callback address. It
// only looks, and is an error if something is wrong.
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
