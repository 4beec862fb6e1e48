package main

import (
	"fmt"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/terminal"
)

// onOrder are the flags of a command that changes an order for good. It asks first.
type onOrder struct {
	asMerchant
	ID  string `arg:"" name:"syssn" help:"The order's syssn."`
	Yes bool   `short:"y" help:"Do not ask."`
}

// order finds the order that the command is about.
func (cmd onOrder) order(e *env, client *sampan.Client) (sampan.Transaction, pay.Amount, error) {
	found, err := client.Query(e.ctx, sampan.QueryRequest{IDs: []string{cmd.ID}})
	switch {
	case err != nil:
		return sampan.Transaction{}, pay.Amount{}, err
	case len(found.Transactions) != 1:
		return sampan.Transaction{}, pay.Amount{}, fmt.Errorf("%s: no such order", cmd.ID)
	case found.Transactions[0].Refund:
		return sampan.Transaction{}, pay.Amount{}, fmt.Errorf("%s: is a refund, of the order %s",
			cmd.ID, found.Transactions[0].OriginalID)
	}
	t := found.Transactions[0]
	return t, pay.Amount{Minor: t.Amount, Currency: pay.Currency(t.Currency)}, nil
}

// agreed shows the order and asks whether to go on. Without a terminal to ask at,
// --yes is required.
func (cmd onOrder) agreed(e *env, t sampan.Transaction, amount pay.Amount, question string) error {
	e.printf("order      %s\nsyssn      %s\namount     %s with %s\nstate      %s\n",
		t.OrderNo, t.ID, amount, pay.PayType(t.PayType).Name(), standing(t))
	if cmd.Yes {
		return nil
	}
	return terminal.Confirm(question, e.stdin, e.stdout)
}

type refundCmd struct {
	onOrder
	Amount  string `arg:"" optional:"" help:"How much, in major units; the whole amount if absent."`
	OrderNo string `help:"The refund's number, the same one to repeat it; drawn if absent." placeholder:"NUMBER"`
}

// Run refunds the payment.
func (cmd refundCmd) Run(e *env) error {
	client, err := cmd.client(e)
	if err != nil {
		return err
	}
	t, amount, err := cmd.order(e, client)
	if err != nil {
		return err
	}
	back := amount
	if cmd.Amount != "" {
		if back, err = pay.ParseDecimal(cmd.Amount, amount.Currency); err != nil {
			return err
		}
	}
	if err := cmd.agreed(e, t, amount, "Give back "+back.String()+"?"); err != nil {
		return err
	}
	if cmd.OrderNo == "" {
		cmd.OrderNo = newNumber("CLI-R")
	}
	e.printf("\nrefund     %s\n", cmd.OrderNo)
	r, err := client.Refund(e.ctx, sampan.RefundRequest{
		PaymentID: cmd.ID, OrderNo: cmd.OrderNo, Amount: back.Minor,
	})
	if err != nil {
		return open(err, "the same command with --order-no "+cmd.OrderNo+" gives nothing back twice",
			"sampan query --order-no "+cmd.OrderNo+" tells whether there is a refund")
	}
	e.printf("syssn      %s\namount     %s\n", r.ID, back)
	return outcome(e, r.ID, r.Code)
}

type closeCmd struct{ onOrder }

// Run closes the order.
func (cmd closeCmd) Run(e *env) error {
	client, err := cmd.client(e)
	if err != nil {
		return err
	}
	t, amount, err := cmd.order(e, client)
	if err != nil {
		return err
	}
	if err := cmd.agreed(e, t, amount, "Close the order?"); err != nil {
		return err
	}
	c, err := client.Close(e.ctx, sampan.CloseRequest{PaymentID: cmd.ID, Amount: t.Amount})
	if err != nil {
		return open(err, "the same command closes it if it is open",
			"sampan query "+t.ID+" tells how it stands")
	}
	e.printf("\nclosing    %s\n", c.ID)
	return outcome(e, t.ID, c.Code)
}

// outcome prints whether the refund or the closing is done.
func outcome(e *env, id string, code sampan.Code) error {
	if code.Pending() {
		e.printf("outcome    not known yet; the gateway goes on asking\n           sampan query %s\n", id)
		return nil
	}
	_, err := fmt.Fprintln(e.stdout, "outcome    done")
	return err
}
