// Command bench measures a built sampan beside what bounds it, and prints one
// table: `make bench` runs it. Everything is on this machine: the gateway as a
// process of its own, wrk for the load, the databases, the merchants' servers.
// What counts is the ratios, since both sides of one are measured in turns of a
// few seconds, in the same run.
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

// run is what every measurement needs to know.
type run struct {
	dir      string // scratch
	binary   string
	postgres string // a server where databases may be created; "" to leave it out
	duration time.Duration
	rounds   int
}

// unique begins numbers that no other phase has used.
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
	flag.DurationVar(&r.duration, "duration", 5*time.Second, "of one turn")
	flag.IntVar(&r.rounds, "rounds", 3, "turns of which the median is taken")
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
	ctx, cancel := context.WithCancel(ctx) // ends what a failed phase has left running
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
