package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/store"
)

type deliveryCmd struct {
	List   deliveryListCmd   `cmd:"" help:"List notifications, newest first."`
	Show   deliveryShowCmd   `cmd:"" help:"Show one notification and every attempt at it."`
	Resend deliveryResendCmd `cmd:"" help:"Send a notification again, with a new schedule of attempts."`
}

type deliveryListCmd struct {
	configFlag
	Merchant string `help:"Only this merchant's." placeholder:"NNNNNN"`
	Payment  string `help:"Only those of this syssn; needs --merchant." placeholder:"SYSSN"`
	State    string `enum:",due,done,dead" default:"" help:"Only due, done or dead ones." placeholder:"STATE"`
	Limit    int    `default:"50" help:"How many at most."`
}

// Run lists deliveries.
func (cmd deliveryListCmd) Run(e *env) error {
	return cmd.look(e.ctx, func(o *operator.Deployment) error {
		list, err := o.Deliveries(e.ctx, store.DeliveryFilter{
			MerchantID: cmd.Merchant, PaymentID: cmd.Payment,
			State: store.DeliveryState(cmd.State), Limit: cmd.Limit,
		})
		if err != nil {
			return err
		}
		rows := [][]string{{"MERCHANT", "DELIVERY", "SYSSN", "STATE", "TRIES", "NEXT", "SINCE", "URL"}}
		for _, d := range list {
			rows = append(rows, []string{
				d.MerchantID, d.ID, d.PaymentID, string(d.State), strconv.Itoa(d.Attempts),
				when(operator.NextAttempt(d), o.Location), when(d.CreatedAt, o.Location), d.URL,
			})
		}
		return e.table(rows)
	})
}

// deliveryRef names one delivery.
type deliveryRef struct {
	configFlag
	Merchant string `required:"" help:"The merchant's six digits."`
	Delivery string `arg:"" help:"The delivery, as list shows it."`
}

type deliveryShowCmd struct{ deliveryRef }

// Run shows the notification as it is sent, and the attempts.
func (cmd deliveryShowCmd) Run(e *env) error {
	return cmd.look(e.ctx, func(o *operator.Deployment) error {
		d, err := o.DeliveryHistory(e.ctx, cmd.Merchant, cmd.Delivery)
		if err != nil {
			return err
		}
		e.printf("to     %s\nsyssn  %s\nstate  %s", d.URL, d.PaymentID, d.State)
		switch d.State {
		case store.DeliveryDue:
			e.printf(", next attempt at %s", when(d.DueAt, o.Location))
		default:
			e.printf(" since %s", when(d.DoneAt, o.Location))
		}
		e.printf("\nbody   %s\n\n", d.Body)
		rows := [][]string{{"#", "STARTED", "TOOK", "HTTP", "ANSWER", "WHY NOT"}}
		for _, a := range d.Tries {
			rows = append(rows, []string{
				strconv.Itoa(a.Number), when(a.StartedAt, o.Location),
				a.Took.Round(time.Millisecond).String(),
				strconv.Itoa(a.Status), fmt.Sprintf("%.60q", a.Answer), orDash(a.Error),
			})
		}
		return e.table(rows)
	})
}

type deliveryResendCmd struct{ deliveryRef }

// Run makes the delivery due now; a running server sends it within seconds.
func (cmd deliveryResendCmd) Run(e *env) error {
	return cmd.change(e.ctx, func(o operator.Acts) error {
		if err := o.Resend(e.ctx, cmd.Merchant, cmd.Delivery); err != nil {
			return err
		}
		e.printf("delivery %s is due now\n", cmd.Delivery)
		return nil
	})
}
