package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/terminal"
)

type auditCmd struct {
	configFlag
	Merchant string `help:"Only this merchant's books." placeholder:"NNNNNN"`
	JSON     bool   `name:"json" help:"Print a JSON object a line: each difference as it is found, each balance, and in the end what was looked at."`
}

// auditShown is how many differences are shown to people; the others are counted.
const auditShown = 1000

// Run audits the books, while the gateway may be serving, and is an error if
// they are not in order.
func (cmd auditCmd) Run(e *env) error {
	return cmd.look(e.ctx, func(o *operator.Deployment) error {
		var shown []gateway.Difference
		out := json.NewEncoder(terminal.ForMachines(e.stdout))
		found := func(d gateway.Difference) {
			switch {
			case cmd.JSON:
				out.Encode(map[string]any{"difference": d})
			case len(shown) < auditShown:
				shown = append(shown, d)
			}
		}
		var progress auditProgress
		report, err := o.Audit(e.ctx, cmd.Merchant, found, progress.to(e.stderr))
		progress.clear()
		switch {
		case errors.Is(err, operator.ErrNoVerdict):
			return nil // closing says why
		case err != nil:
			return err
		}
		if cmd.JSON {
			for _, b := range report.Balances {
				out.Encode(map[string]any{"balance": map[string]any{
					"merchant": b.MerchantID, "account": b.Account, "currency": b.Recorded.Currency,
					"movements": b.Lines, "recorded": b.Recorded.Minor, "stated": b.Stated.Minor,
				}})
			}
			for _, s := range report.Orphans {
				out.Encode(map[string]any{"orphans": map[string]any{
					"merchant": s.MerchantID, "account": s.AccountID, "went_back": s.Back, "open": s.Orphans,
					"currency": s.Amount.Currency, "amount": s.Amount.Minor,
				}})
			}
			out.Encode(map[string]any{"audited": report.AuditCounts})
		} else if err := printAudit(e.stdout, report, shown); err != nil {
			return err
		}
		if report.Differences > 0 {
			return errReported
		}
		return nil
	})
}

// printAudit writes what an audit has seen, for people.
func printAudit(w io.Writer, r gateway.AuditReport, shown []gateway.Difference) error {
	if len(r.Balances) > 0 {
		rows := [][]string{{"MERCHANT", "ACCOUNT", "CURRENCY", "MOVEMENTS", "BALANCE", "BY THE ORDERS"}}
		for _, b := range r.Balances {
			stated := "the same"
			if b.Stated != b.Recorded {
				stated = b.Stated.Decimal()
			}
			rows = append(rows, []string{b.MerchantID, b.Account, string(b.Recorded.Currency), strconv.Itoa(b.Lines), b.Recorded.Decimal(), stated})
		}
		if err := table(w, rows); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	printf(w, "looked at %s of %s: %s, %s, %s, %s\n", operator.Several(r.Payments, "payment"), operator.Several(r.Merchants, "merchant"),
		operator.Several(r.Refunds, "refund"), operator.Several(r.Movements, "movement"), operator.Several(r.Events, "event"), operator.Several(r.Deliveries, "notification"))
	for _, s := range r.Orphans {
		printf(w, "not in the books: %s/%s: %s\n", s.MerchantID, s.AccountID, operator.OrphanSum(s))
	}
	if r.Differences == 0 {
		fmt.Fprintln(w, "✔ the books are in order")
		return nil
	}
	printf(w, "✘ the books are not in order: %s\n", operator.Several(r.Differences, "difference"))
	for _, d := range shown {
		printf(w, "\nmerchant %s%s, %s\n  is         %s\n  should be  %s\n", orDash(d.MerchantID), ifAny(", payment ", d.PaymentID), d.What, d.Stored, d.Want)
	}
	if more := r.Differences - len(shown); more > 0 {
		printf(w, "\nand %d more; --json prints all\n", more)
	}
	return nil
}

// auditProgress rewrites one line of a terminal, ten times a second at most.
type auditProgress struct {
	out          io.Writer
	began, shown time.Time
}

// to returns what shows progress on out; nil unless that is a terminal.
func (p *auditProgress) to(out io.Writer) func(gateway.AuditCounts) {
	if !terminal.IsTerminal(out) {
		return nil
	}
	p.out, p.began = out, time.Now()
	return p.show
}

func (p *auditProgress) show(c gateway.AuditCounts) {
	now := time.Now()
	if now.Sub(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = now
	rewrite(p.out, "%d payments  %d movements  %d differences  %.0f s", c.Payments, c.Movements, c.Differences, now.Sub(p.began).Seconds())
}

// clear removes the line.
func (p *auditProgress) clear() {
	if !p.shown.IsZero() {
		rewrite(p.out, "")
	}
}
