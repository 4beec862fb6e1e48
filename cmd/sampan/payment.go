package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/pay"
)

type paymentCmd struct {
	Show paymentShowCmd `cmd:"" help:"Show an order and everything that happened to it: money, refunds, notifications."`
}

type paymentShowCmd struct {
	configFlag
	Number   string `arg:"" help:"The syssn of the order or of a refund of it, or the merchant's own number of either."`
	Merchant string `help:"With the merchant's own number: only this merchant's." placeholder:"NNNNNN"`
}

// Run shows every payment that has the number. Merchants choose their numbers, so
// several may have the same.
func (cmd paymentShowCmd) Run(e *env) error {
	return cmd.look(e.ctx, func(o *operator.Deployment) error {
		found, err := o.Payments(e.ctx, cmd.Number, cmd.Merchant)
		if err != nil {
			return err
		}
		orphans, err := o.OrphansOf(e.ctx, cmd.Number)
		if err != nil {
			return err
		}
		if len(found)+len(orphans) == 0 {
			return fmt.Errorf("%s: no such order", cmd.Number)
		}
		for i, p := range found {
			if i > 0 {
				fmt.Fprintln(e.stdout)
			}
			if err := showPayment(e, o, p); err != nil {
				return err
			}
		}
		for i, orphan := range orphans {
			if i+len(found) > 0 {
				fmt.Fprintln(e.stdout)
			}
			showOrphan(e, orphan, o.Location)
		}
		return nil
	})
}

// showPayment prints a payment and all that has happened to it.
func showPayment(e *env, o *operator.Deployment, p pay.Payment) error {
	h, err := o.History(e.ctx, p)
	if err != nil {
		return err
	}
	at := func(t time.Time) string { return when(t, o.Location) }
	e.printf("order     %s\nsyssn     %s\n", p.OrderNo, p.ID)
	e.printf("merchant  %s, app code %s%s\n", p.MerchantID, p.AppCode, ifAny(", store ", p.StoreID))
	e.printf("amount    %s by %s, through the account %s\n", p.Amount, p.PayType.Name(), p.AccountID)
	e.printf("state     %s\n", operator.PaymentState(p))
	e.printf("made      %s, to be paid until %s, opened %s, paid %s\n",
		at(p.CreatedAt), at(p.ExpiresAt), at(p.OpenedAt), at(p.PaidAt))
	e.printf("trade     %s%s\nnext look %s\n", orDash(p.TradeNo), ifAny(", buyer ", p.BuyerID), at(p.DueAt))

	rows := [][]string{{"WHEN", "WHAT", "BY", "DETAIL"}, {at(p.CreatedAt), "created", "merchant", p.Goods}}
	for _, v := range h.Events {
		rows = append(rows, []string{at(v.At), string(v.Kind), v.By.String(), operator.Describe(v)})
	}
	if err := e.section(rows); err != nil {
		return err
	}
	rows = [][]string{{"REFUND", "NUMBER", "AMOUNT", "STATE", "SENT", "NEXT LOOK", "WHY NOT"}}
	for _, r := range h.Refunds {
		number := r.OrderNo
		if r.Automatic() {
			number = "by itself"
		}
		rows = append(rows, []string{
			r.ID, number, r.Amount.String(), string(r.Status),
			strconv.Itoa(r.Sends), at(r.DueAt), orDash(r.Failure),
		})
	}
	if err := e.section(rows); err != nil {
		return err
	}
	rows = [][]string{{"MONEY", "WHAT", "FROM", "TO", "AMOUNT", "TRADE"}}
	for _, m := range h.Movements {
		rows = append(rows,
			[]string{at(m.At), string(m.Kind), m.Credit, m.Debit, m.Amount.String(), m.TradeNo})
	}
	if err := e.section(rows); err != nil {
		return err
	}
	rows = [][]string{{"NOTIFICATION", "OF", "STATE", "TRIES", "NEXT", "URL"}}
	for _, d := range h.Deliveries {
		rows = append(rows, []string{
			d.ID, "the " + d.Kind, string(d.State),
			strconv.Itoa(d.Attempts), at(operator.NextAttempt(d)), d.URL,
		})
	}
	return e.section(rows)
}
