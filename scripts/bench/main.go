// Command bench measures a built sampan and the limits of the machine beside it, and prints tables.
// `make bench` runs it. Everything is on this machine: the gateway as a process of its own, wrk for
// the load, the databases, the merchants' servers. The ratios are what counts: both sides of a
// ratio are measured in turns of a few seconds, in the same run.
//
// main.go runs the phases, one file each: creations.go, way.go, deliveries.go, footprint.go.
// deployment.go sets up the gateway, bare.go and bareway.go what it is compared with, report.go
// prints.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// run holds the settings of all measurements.
type run struct {
	dir      string // for temporary files
	binary   string
	postgres string // a server on which to create databases; "" skips PostgreSQL
	duration time.Duration
	rounds   int
}

// unique returns a prefix for order numbers that no other phase uses.
func (run) unique() string { return strconv.FormatUint(rand.Uint64N(1<<40)|1<<40, 36) + "-" }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := bench(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context) (err error) {
	var r run
	bare := flag.String("bare", "", "only serve the bare handler at this `address`")
	wallet := flag.String("wallet", "", "with -bare: the `address` of the wallet's gateway.do")
	only := flag.String("only", "", "only these `phases`, of: creations, way, deliveries, footprint")
	flag.StringVar(&r.binary, "binary", "bin/sampan", "the program to measure")
	flag.DurationVar(&r.duration, "duration", 5*time.Second, "length of one turn")
	flag.IntVar(&r.rounds, "rounds", 3, "number of turns; the result is their median")
	flag.Parse()
	if *bare != "" {
		l, err := net.Listen("tcp", *bare)
		if err != nil {
			return err
		}
		return serveBare(l, *wallet)
	}
	r.postgres = os.Getenv("SAMPAN_TEST_POSTGRES")
	if r.dir, err = os.MkdirTemp("", "sampan-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	ctx, cancel := context.WithCancel(ctx) // stops what a failed phase left running
	defer cancel()
	out := &report{w: os.Stdout, creations: map[string]float64{}}
	for _, phase := range []struct {
		name    string
		measure func(context.Context, run, *report) error
	}{
		{"creations", measureCreations},
		{"way", measureWay},
		{"deliveries", measureDeliveries},
		{"footprint", measureFootprint},
	} {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), phase.name) {
			continue
		}
		if err := phase.measure(ctx, r, out); err != nil {
			return fmt.Errorf("%s: %w", phase.name, err)
		}
	}
	return out.end()
}

func (r run) kinds() []string {
	if r.postgres == "" {
		return []string{"sqlite"}
	}
	return []string{"sqlite", "postgres"}
}

func median[T cmp.Ordered](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}
