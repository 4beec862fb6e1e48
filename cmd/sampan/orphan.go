package main

import (
	"fmt"
	"time"

	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

type orphanCmd struct {
	List   orphanListCmd   `cmd:"" help:"List orphans, newest first: money moved under a number that no order has."`
	Show   orphanShowCmd   `cmd:"" help:"Show all orphans of a number, and the wallet's messages."`
	Settle orphanSettleCmd `cmd:"" help:"Settle an open orphan after dealing with its money elsewhere."`
}

type orphanListCmd struct {
	configFlag
	Merchant string `help:"Only this merchant's." placeholder:"NNNNNN"`
	State    string `enum:"open,matched,returned,settled,all" default:"open" help:"Which: ${enum}." placeholder:"STATE"`
	Limit    int    `default:"50" help:"How many at most."`
}

// Run lists orphans.
func (cmd orphanListCmd) Run(e *env) error {
	state := map[string]pay.OrphanState{"all": "", "settled": pay.OrphanSettled}
	filter := store.OrphanFilter{
		MerchantID: cmd.Merchant, State: pay.OrphanState(cmd.State), Limit: cmd.Limit,
	}
	if s, ok := state[cmd.State]; ok {
		filter.State = s
	}
	return cmd.look(e.ctx, func(o *operator.Deployment) error {
		list, err := o.Orphans(e.ctx, filter)
		if err != nil {
			return err
		}
		rows := [][]string{{"NUMBER", "ACCOUNT", "WHAT", "AMOUNT", "TRADE", "BUYER", "NOTICED", "STATE"}}
		for _, r := range list {
			rows = append(rows, []string{
				r.Number, r.AccountID, operator.CameOrWent(r),
				operator.OrphanAmount(r), r.TradeNo, orDash(r.BuyerID),
				when(r.NoticedAt, o.Location), string(r.State),
			})
		}
		return e.table(rows)
	})
}

type orphanShowCmd struct {
	configFlag
	Number string `arg:"" help:"The 26 digits under which the wallet knows the order."`
}

// Run shows orphans with the wallet's messages.
func (cmd orphanShowCmd) Run(e *env) error {
	return cmd.look(e.ctx, func(o *operator.Deployment) error {
		found, err := o.OrphansOf(e.ctx, cmd.Number)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fmt.Errorf("%s: no such orphan", cmd.Number)
		}
		for i, r := range found {
			if i > 0 {
				fmt.Fprintln(e.stdout)
			}
			showOrphan(e, r, o.Location)
			text, err := o.OrphanMessage(e.ctx, r)
			if err != nil {
				return err
			}
			if text == "" {
				text = "dropped"
			}
			e.printf("message   %s\n", text)
		}
		return nil
	})
}

type orphanSettleCmd struct {
	configFlag
	Number string `arg:"" help:"The 26 digits under which the wallet knows the order."`
	Trade  string `help:"The trade, where the number has several." placeholder:"TRADE"`
	Note   string `required:"" help:"What was done about the money. It is stored with the orphan."`
}

// Run settles the open orphans of a trade.
func (cmd orphanSettleCmd) Run(e *env) error {
	return cmd.change(e.ctx, func(o operator.Acts) error {
		settled, err := o.SettleOrphans(e.ctx, cmd.Number, cmd.Trade, cmd.Note)
		for _, r := range settled {
			e.printf("%s, %s under trade %s: settled elsewhere\n",
				r.Number, operator.OrphanAmount(r), r.TradeNo)
		}
		return err
	})
}

// showOrphan prints everything about an orphan except its message.
func showOrphan(e *env, r pay.Orphan, zone *time.Location) {
	e.printf("orphan    %s\nmerchant  %s, through the account %s\n", r.Number, r.MerchantID, r.AccountID)
	e.printf("amount    %s, %s%s\n",
		operator.OrphanAmount(r), operator.CameOrWent(r), ifAny(" as ", r.RefundID))
	e.printf("trade     %s%s, %s by the wallet's clock\n",
		r.TradeNo, ifAny(", buyer ", r.BuyerID), when(r.At, zone))
	e.printf("noticed   %s, next look %s\n", when(r.NoticedAt, zone), when(r.DueAt, zone))
	if r.State == pay.OrphanOpen {
		fmt.Fprintln(e.stdout, "state     open: no order has this number")
		return
	}
	e.printf("state     %s since %s, by %s%s\n",
		r.State, when(r.SettledAt, zone), r.SettledBy, ifAny(", with the order ", r.PaymentID))
	e.printf("note      %s\n", orDash(r.Note))
}
