// Package bench measures how many orders a second a server takes. Run places
// orders over several connections at once; a Result has what came of them.
package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/outbound"
)

// orderTimeout is the longest that one order may take.
const orderTimeout = 15 * time.Second

// Load is what to place. Each connection sends its next order when the last one
// has been answered, so the server sets the pace, and Run measures what it can do
// without a queue.
type Load struct {
	Client      *sampan.Client
	Order       sampan.PaymentRequest // each order has a number of its own
	Connections int
	Duration    time.Duration
	Requests    int           // ends the run after so many orders; 0 means no limit
	Answered    *atomic.Int64 // counts the answers while Run runs
}

// Result is what came of a run.
type Result struct {
	Took    []time.Duration // of each order that was accepted, sorted
	Errors  int
	Failure error // the first one
	Lasted  time.Duration
}

// PerSecond returns how many orders a second were accepted.
func (r Result) PerSecond() float64 { return float64(len(r.Took)) / r.Lasted.Seconds() }

// Percentile returns the time within which p of a hundred accepted orders were
// answered. Without any it is zero.
func (r Result) Percentile(p int) time.Duration {
	if len(r.Took) == 0 {
		return 0
	}
	return r.Took[(len(r.Took)-1)*p/100].Round(10 * time.Microsecond)
}

// Run places orders until the load's limits are reached or ctx ends. An order that
// the end of ctx interrupts is not counted.
func Run(ctx context.Context, l Load) Result {
	client := *l.Client
	client.HTTPClient = outbound.Plain(outbound.Limits{
		Idle: l.Connections, Connections: l.Connections, Header: orderTimeout,
	})
	client.HTTPClient.Timeout = orderTimeout
	defer client.HTTPClient.CloseIdleConnections()
	prefix := "BENCH" + randomName()
	start := time.Now()
	var sent atomic.Int64
	parts := make([]Result, l.Connections)
	var running sync.WaitGroup
	for i := range parts {
		running.Go(func() {
			order, part := l.Order, &parts[i]
			for ctx.Err() == nil && time.Since(start) < l.Duration {
				n := sent.Add(1)
				if l.Requests > 0 && n > int64(l.Requests) {
					return
				}
				order.OrderNo = prefix + strconv.FormatInt(n, 10)
				began := time.Now()
				_, err := client.Pay(ctx, order)
				switch {
				case err == nil:
					part.Took = append(part.Took, time.Since(began))
				case ctx.Err() != nil:
					return // interrupted: not the server's error
				default:
					part.add(Result{Errors: 1, Failure: err})
				}
				l.Answered.Add(1)
			}
		})
	}
	running.Wait()
	whole := Result{Lasted: time.Since(start)}
	for _, part := range parts {
		whole.add(part)
	}
	slices.Sort(whole.Took)
	return whole
}

// add adds the orders of another result to r.
func (r *Result) add(other Result) {
	r.Took = append(r.Took, other.Took...)
	r.Errors += other.Errors
	if r.Failure == nil {
		r.Failure = other.Failure
	}
}

// randomName draws a prefix that no other run's orders have.
func randomName() string {
	b := make([]byte, 6)
	rand.Read(b) // never fails
	return strings.ToUpper(hex.EncodeToString(b))
}
