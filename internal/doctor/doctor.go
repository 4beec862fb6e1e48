// Package doctor finds what is wrong with a deployment and says what to do. It
// only looks: it creates no database and no schema, and changes nothing unless
// it is asked to measure a write.
//
// Read doctor.go first: Run makes the checks in order and hands each Finding to
// its caller, which prints or shows it. configuration.go looks at the file, the
// key and the merchants' addresses, database.go at the database and what is in
// it, merchants.go at the merchants and their wallet accounts, integrity.go at
// SQLite's file, network.go at the port, the base_url and the wallets.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/sampanpay/sampan/internal/config"
	"github.com/sampanpay/sampan/internal/wallet"
)

// Level says how bad a finding is.
type Level string

// The levels. Only Wrong keeps a deployment from working.
const (
	OK      Level = "ok"      // as it should be
	Warning Level = "warning" // may be wrong, or is fit for a sandbox only
	Wrong   Level = "wrong"
)

// Finding is what one check has found. It never holds a secret. Text may hold
// what strangers wrote: make it safe before showing it.
type Finding struct {
	Name  string // what was checked, such as "base_url"
	Level Level
	Text  string
	Hint  string // what to do; may be ""
}

// Options say what to check and how.
type Options struct {
	File    string // the configuration file
	Wallets map[string]wallet.Driver
	Offline bool // leave out what needs the network
	Deep    bool // check every page and every index of a SQLite file
	Write   bool // measure a durable write; it leaves nothing behind

	Found func(Finding) // is given each finding as it is made
	// Waiting is called before a check that may take minutes, and what it returns
	// after the check. It may be nil.
	Waiting func(what string) (done func())
}

// Run checks a deployment from its configuration to its callback address, and
// reports whether nothing is Wrong.
func Run(ctx context.Context, o Options) (healthy bool) {
	d := &checkup{Options: o, ctx: ctx, now: time.Now}
	if d.Waiting == nil {
		d.Waiting = func(string) func() { return func() {} }
	}
	if !d.configuration() {
		return false
	}
	d.masterKeyFile()
	d.receivers()
	d.database()
	d.port()
	if !o.Offline {
		d.baseURLReached()
		d.walletsReached()
	}
	return !d.failed
}

// checkup is one run of the checks.
type checkup struct {
	Options
	config.Config
	ctx    context.Context
	now    func() time.Time
	failed bool // something is wrong

	gateways  []string // the addresses of the wallets in use
	listening bool     // a Sampan listens on the port
}

// good reports that a thing is as it should be.
func (d *checkup) good(what, format string, args ...any) {
	d.Found(Finding{what, OK, fmt.Sprintf(format, args...), ""})
}

// warn reports that a thing may be wrong, or is only fit for trying out.
func (d *checkup) warn(what, text, hint string) { d.Found(Finding{what, Warning, text, hint}) }

// wrong reports that a thing is wrong.
func (d *checkup) wrong(what, text, hint string) {
	d.failed = true
	d.Found(Finding{what, Wrong, text, hint})
}
