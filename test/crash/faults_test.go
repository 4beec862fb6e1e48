package crash_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/sampanpay/sampan/test/harness"
)

// The gaps between the gateway's inquiries at the wallet. With shortGaps it finds out by itself
// what a lost notification did not say. With longGaps it never asks by itself.
const (
	shortGaps = `"1s", "3s", "5s"`
	longGaps  = `"1h"`
)

// fault is something that goes wrong, once or many times.
type fault struct {
	name   string
	gaps   string // between the gateway's inquiries
	inject func(*testing.T, *deployment)
	long   bool // only in a long run: a short one has it as a part of another fault
}

func (f fault) onlyInLongRuns() fault {
	f.long = true
	return f
}

// survive injects each fault, waits until the gateway has nothing left to do, and compares
// everything: nothing may be lost. It prints a table of what happened.
func (d *deployment) survive(t *testing.T, faults ...fault) {
	t.Helper()
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "FAULT\tTIMES\tORDERS\tPAID\tREFUNDS\tNOTIFICATIONS\tREPEATS\tLOST OR WRONG")
	for _, f := range faults {
		if f.long && !longRun() {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			before := d.faultCount.Load()
			d.configure(t, f.gaps)
			d.ledger = newLedger(t, d)
			f.inject(t, d)
			d.ledger.settle(t)
			c := d.ledger.check(t)
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", f.name, d.faultCount.Load()-before,
				c.orders, c.paid, c.refunds, c.notifications, c.repeats, c.wrong)
		})
	}
	w.Flush()
	t.Logf("\n%s", &table)
}

// crashesVariable is set for a long run, to the number of random faults of each kind.
const crashesVariable = "SAMPAN_CRASHES"

func longRun() bool { return os.Getenv(crashesVariable) != "" }

// crashes is how many random faults of a kind there are.
func crashes(t *testing.T) int {
	t.Helper()
	if !longRun() {
		return 4
	}
	n, err := strconv.Atoi(os.Getenv(crashesVariable))
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number", crashesVariable, os.Getenv(crashesVariable))
	}
	return n
}

// work lets buyers and merchants work for a moment, or for next to none: then a process that was
// just started may not even get ready.
func (d *deployment) work(t *testing.T) {
	t.Helper()
	if rand.N(3) > 0 {
		harness.AwaitOK(t, d.Control+"/healthz")
		harness.AwaitOK(t, d.Gateway+"/readyz")
	}
	time.Sleep(rand.N(time.Second))
}
