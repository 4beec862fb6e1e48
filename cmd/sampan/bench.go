package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/bench"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/terminal"
)

type benchCmd struct {
	asMerchant
	Connections []int         `default:"1,16,64" help:"Connections at once; one run for each number." placeholder:"N,N"`
	Duration    time.Duration `default:"10s" help:"Duration of each run."`
	Requests    int           `help:"End a run after so many orders, if that is sooner." placeholder:"N"`
	With        string        `default:"alipay" help:"Wallet: alipay, alipayhk, or a pay type." placeholder:"WALLET"`
	Currency    string        `default:"HKD" help:"ISO 4217 code."`
}

// Run places orders as fast as the server accepts them, and prints a row for each
// number of connections.
func (cmd benchCmd) Run(e *env) error {
	wrong := func(n int) bool { return n < 1 || n > 10_000 }
	if cmd.Duration <= 0 || cmd.Requests < 0 || slices.ContainsFunc(cmd.Connections, wrong) {
		return errors.New("--duration and --requests must be positive, --connections from 1 to 10000")
	}
	client, err := cmd.client(e)
	if err != nil {
		return err
	}
	client.Attempts = 1 // a failure counts as one
	e.printf("placing orders at %s; they are real, and expire unpaid\n\n", client.BaseURL)
	rows := [][]string{{"CONNECTIONS", "ORDERS/S", "P50", "P99", "ORDERS", "ERRORS"}}
	var failure error
	for _, n := range cmd.Connections {
		r := cmd.measure(e, client, n)
		rows = append(rows, []string{
			strconv.Itoa(n), fmt.Sprintf("%.0f", r.PerSecond()),
			r.Percentile(50).String(), r.Percentile(99).String(),
			strconv.Itoa(len(r.Took)), strconv.Itoa(r.Errors),
		})
		failure = errors.Join(failure, r.Failure)
		if e.ctx.Err() != nil {
			break
		}
	}
	if err := e.table(rows); err != nil {
		return err
	}
	if failure != nil {
		return fmt.Errorf("some orders failed, the first of each run with: %w", failure)
	}
	return e.ctx.Err()
}

// measure makes one run, and shows its progress on a terminal.
func (cmd benchCmd) measure(e *env, client *sampan.Client, connections int) bench.Result {
	const perSecond = 5 // lines of progress
	start, before := time.Now(), int64(0)
	var answered atomic.Int64
	stop := terminal.Progress(e.stdout, time.Second/perSecond, func() string {
		now := answered.Load()
		rate := (now - before) * perSecond
		before = now
		return fmt.Sprintf("%d connections  %3.0f s of %s  %d orders  %d/s",
			connections, time.Since(start).Seconds(), cmd.Duration, now, rate)
	})
	defer stop()
	return bench.Run(e.ctx, bench.Load{
		Client: client, Connections: connections, Duration: cmd.Duration,
		Requests: cmd.Requests, Answered: &answered,
		Order: sampan.PaymentRequest{
			PayType: sampan.PayType(pay.PayTypeNamed(cmd.With)), Amount: 100, Currency: cmd.Currency,
			GoodsName: "bench",
		},
	})
}
