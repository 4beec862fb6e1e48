package main

import (
	"fmt"

	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/pay"
)

type paymentCmd struct {
	Show paymentShowCmd `cmd:"" help:"Show an order and all that has happened to it: money, refunds, notifications."`
}

type paymentShowCmd struct {
	configFlag
	Number   string `arg:"" help:"The syssn of the order or of a refund of it, or the merchant's own number of either."`
	Merchant string `help:"With the merchant's own number: only this merchant's." placeholder:"NNNNNN"`
}

// Run shows every payment that has the number: merchants choose their numbers by
// themselves, so several may have the same.
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
			showOrphan(e.stdout, orphan, o.Location)
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
	w := e.stdout
	printf(w, "order     %s\nsyssn     %s\nmerchant  %s, app code %s%s\namount    %s by %s, through the account %s\nstate     %s\nmade      %s, to be paid until %s, opened %s, paid %s\n",
		p.OrderNo, p.ID, p.MerchantID, p.AppCode, ifAny(", store ", p.StoreID), p.Amount, p.PayType.Name(), p.AccountID, operator.PaymentState(p),
		when(p.CreatedAt, o.Location), when(p.ExpiresAt, o.Location), when(p.OpenedAt, o.Location), when(p.PaidAt, o.Location))
	printf(w, "trade     %s%s\nnext look %s\n", orDash(p.TradeNo), ifAny(", buyer ", p.BuyerID), when(p.DueAt, o.Location))

	rows := [][]string{{"WHEN", "WHAT", "BY", "DETAIL"}, {when(p.CreatedAt, o.Location), "created", "merchant", p.Goods}}
	for _, v := range h.Events {
		rows = append(rows, []string{when(v.At, o.Location), string(v.Kind), v.By.String(), operator.Describe(v)})
	}
	if err := section(w, rows); err != nil {
		return err
	}
	rows = [][]string{{"REFUND", "NUMBER", "AMOUNT", "STATE", "SENT", "NEXT LOOK", "WHY NOT"}}
	for _, r := range h.Refunds {
		number := r.OrderNo
		if r.Automatic() {
			number = "by itself"
		}
		rows = append(rows, []string{r.ID, number, r.Amount.String(), string(r.Status), fmt.Sprint(r.Sends), when(r.DueAt, o.Location), orDash(r.Failure)})
	}
	if err := section(w, rows); err != nil {
		return err
	}
	rows = [][]string{{"MONEY", "WHAT", "FROM", "TO", "AMOUNT", "TRADE"}}
	for _, m := range h.Movements {
		rows = append(rows, []string{when(m.At, o.Location), string(m.Kind), m.Credit, m.Debit, m.Amount.String(), m.TradeNo})
	}
	if err := section(w, rows); err != nil {
		return err
	}
	rows = [][]string{{"NOTIFICATION", "OF", "STATE", "TRIES", "NEXT", "URL"}}
	for _, d := range h.Deliveries {
		rows = append(rows, []string{d.ID, "the " + d.Kind, string(d.State), fmt.Sprint(d.Attempts), when(operator.NextAttempt(d), o.Location), d.URL})
	}
	return section(w, rows)
}
