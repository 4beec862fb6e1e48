package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sampanpay/sampan/internal/audit"
	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/terminal"
)

type auditCmd struct {
	configFlag
	Merchant string `help:"Only this merchant's books." placeholder:"NNNNNN"`
	JSON     bool   `name:"json" help:"Print a JSON object a line: differences, balances, counts."`
}

// auditShown is how many differences are shown to people; the others are counted.
const auditShown = 1000

// Run audits the books, while the gateway may be serving. It is an error if they
// are not in order.
func (cmd auditCmd) Run(e *env) error {
	return cmd.look(e.ctx, func(o *operator.Deployment) error {
		out := json.NewEncoder(terminal.ForMachines(e.stdout))
		var shown []audit.Difference
		found := func(d audit.Difference) {
			switch {
			case cmd.JSON:
				out.Encode(map[string]any{"difference": d})
			case len(shown) < auditShown:
				shown = append(shown, d)
			}
		}
		var counts atomic.Pointer[audit.Counts]
		counts.Store(&audit.Counts{})
		began := time.Now()
		stop := terminal.Progress(e.stderr, 100*time.Millisecond, func() string {
			c := counts.Load()
			return fmt.Sprintf("%d payments  %d movements  %d differences  %.0f s",
				c.Payments, c.Movements, c.Differences, time.Since(began).Seconds())
		})
		report, err := o.Audit(e.ctx, cmd.Merchant, found, func(c audit.Counts) { counts.Store(&c) })
		stop()
		switch {
		case errors.Is(err, operator.ErrNoVerdict):
			return nil // closing says why
		case err != nil:
			return err
		case cmd.JSON:
			for _, record := range operator.AuditRecords(report) {
				out.Encode(record)
			}
		default:
			if err := printAudit(e, report, shown); err != nil {
				return err
			}
		}
		if report.Differences > 0 {
			return errReported
		}
		return nil
	})
}

// printAudit prints what an audit has seen.
func printAudit(e *env, r audit.Report, shown []audit.Difference) error {
	if len(r.Balances) > 0 {
		rows := [][]string{{"MERCHANT", "ACCOUNT", "CURRENCY", "MOVEMENTS", "BALANCE", "BY THE ORDERS"}}
		for _, b := range r.Balances {
			stated := "the same"
			if b.Stated != b.Recorded {
				stated = b.Stated.Decimal()
			}
			rows = append(rows, []string{
				b.MerchantID, b.Account, string(b.Recorded.Currency),
				strconv.Itoa(b.Lines), b.Recorded.Decimal(),
				stated,
			})
		}
		if err := e.table(rows); err != nil {
			return err
		}
		fmt.Fprintln(e.stdout)
	}
	e.printf("looked at %s of %s: %s, %s, %s, %s\n",
		operator.Several(r.Payments, "payment"), operator.Several(r.Merchants, "merchant"),
		operator.Several(r.Refunds, "refund"), operator.Several(r.Movements, "movement"),
		operator.Several(r.Events, "event"), operator.Several(r.Deliveries, "notification"))
	for _, s := range r.Orphans {
		e.printf("not in the books: %s/%s: %s\n", s.MerchantID, s.AccountID, operator.OrphanSum(s))
	}
	if r.Differences == 0 {
		fmt.Fprintln(e.stdout, "✔ the books are in order")
		return nil
	}
	e.printf("✘ the books are not in order: %s\n", operator.Several(r.Differences, "difference"))
	for _, d := range shown {
		e.printf("\nmerchant %s%s, %s\n", orDash(d.MerchantID), ifAny(", payment ", d.PaymentID), d.What)
		e.printf("  is         %s\n  should be  %s\n", d.Stored, d.Want)
	}
	if more := r.Differences - len(shown); more > 0 {
		e.printf("\nand %d more; --json prints all\n", more)
	}
	return nil
}
