package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/outbound"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/terminal"
)

type benchCmd struct {
	asMerchant
	Connections []int         `default:"1,16,64" help:"Connections at once, a run each." placeholder:"N,N"`
	Duration    time.Duration `default:"10s" help:"Of each run."`
	Requests    int           `help:"End a run after so many orders, should that be sooner." placeholder:"N"`
	With        string        `default:"alipay" help:"Wallet: alipay, alipayhk, or a pay type." placeholder:"WALLET"`
	Currency    string        `default:"HKD" help:"ISO 4217 code."`
}

// benchLimit is the longest that one order may take.
const benchLimit = 15 * time.Second

// Run places orders as fast as the server takes them, and prints how fast that
// was. Each connection sends its next order when the last one was answered, so
// that the server sets the pace: it shows what it can do without a queue.
func (cmd benchCmd) Run(e *env) error {
	if cmd.Duration <= 0 || cmd.Requests < 0 || slices.ContainsFunc(cmd.Connections, func(n int) bool { return n < 1 || n > 10_000 }) {
		return errors.New("--duration and --requests must be positive, --connections from 1 to 10000")
	}
	client, err := cmd.client(e)
	if err != nil {
		return err
	}
	client.Attempts = 1 // a failure counts as one
	printf(e.stdout, "placing orders at %s; they are true ones, and expire unpaid\n\n", client.BaseURL)
	rows := [][]string{{"CONNECTIONS", "ORDERS/S", "P50", "P99", "ORDERS", "ERRORS"}}
	var failure error
	for _, n := range cmd.Connections {
		tally := cmd.measure(e, client, n)
		rows = append(rows, []string{
			strconv.Itoa(n), fmt.Sprintf("%.0f", tally.perSecond()), percentile(tally.took, 50).String(), percentile(tally.took, 99).String(),
			strconv.Itoa(len(tally.took)), strconv.Itoa(tally.errors),
		})
		failure = errors.Join(failure, tally.failure)
		if e.ctx.Err() != nil {
			break
		}
	}
	if err := table(e.stdout, rows); err != nil {
		return err
	}
	if failure != nil {
		return fmt.Errorf("some orders failed, the first of each run with: %w", failure)
	}
	return e.ctx.Err()
}

// tally is what came of a run.
type tally struct {
	took    []time.Duration // of each order that was taken
	errors  int
	failure error // the first one
	lasted  time.Duration
}

func (t tally) perSecond() float64 { return float64(len(t.took)) / t.lasted.Seconds() }

// measure makes one run, and shows how it goes on a terminal.
func (cmd benchCmd) measure(e *env, client *sampan.Client, connections int) tally {
	client.HTTPClient = outbound.Plain(outbound.Limits{Idle: connections, Connections: connections, Header: benchLimit})
	client.HTTPClient.Timeout = benchLimit
	defer client.HTTPClient.CloseIdleConnections()
	payType := sampan.PayType(pay.PayTypeNamed(cmd.With))
	order := sampan.PaymentRequest{PayType: payType, Amount: 100, Currency: cmd.Currency, GoodsName: "bench"}
	prefix := "BENCH" + newCode(6)
	start := time.Now()
	var begun, answered atomic.Int64
	parts := make([]tally, connections)
	var running sync.WaitGroup
	for i := range parts {
		running.Go(func() {
			order, part := order, &parts[i]
			for e.ctx.Err() == nil && time.Since(start) < cmd.Duration {
				n := begun.Add(1)
				if cmd.Requests > 0 && n > int64(cmd.Requests) {
					return
				}
				order.OrderNo = prefix + strconv.FormatInt(n, 10)
				sent := time.Now()
				_, err := client.Pay(e.ctx, order)
				switch {
				case err == nil:
					part.took = append(part.took, time.Since(sent))
				case e.ctx.Err() != nil:
					return // stopped by hand, which is no error of the server
				default:
					part.errors++
					part.failure = orFirst(part.failure, err)
				}
				answered.Add(1)
			}
		})
	}
	stop := cmd.progress(e, connections, start, &answered)
	running.Wait()
	whole := tally{lasted: time.Since(start)}
	stop()
	for _, part := range parts {
		whole.took = append(whole.took, part.took...)
		whole.errors += part.errors
		whole.failure = orFirst(whole.failure, part.failure)
	}
	slices.Sort(whole.took)
	return whole
}

func orFirst(first, next error) error {
	if first != nil {
		return first
	}
	return next
}

// progress rewrites one line of a terminal until stop is called, which removes
// it.
func (cmd benchCmd) progress(e *env, connections int, start time.Time, answered *atomic.Int64) (stop func()) {
	if !terminal.IsTerminal(e.stdout) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(e.ctx)
	var showing sync.WaitGroup
	showing.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for before := int64(0); ; {
			select {
			case <-ctx.Done():
				rewrite(e.stdout, "")
				return
			case <-tick.C:
			}
			now := answered.Load()
			rewrite(e.stdout, "%d connections  %3.0f s of %s  %d orders  %d/s",
				connections, time.Since(start).Seconds(), cmd.Duration, now, (now-before)*5)
			before = now
		}
	})
	return func() { cancel(); showing.Wait() }
}

// percentile of sorted times; zero if there are none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)-1)*p/100].Round(10 * time.Microsecond)
}
