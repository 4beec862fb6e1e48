package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/gateway"
	"github.com/sampanpay/sampan/internal/operator"
	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

type orphanCmd struct {
	List   orphanListCmd   `cmd:"" help:"List orphans, newest first: money that came in or went back under a number that no order has."`
	Show   orphanShowCmd   `cmd:"" help:"Show all orphans of a number, and what the wallet said."`
	Settle orphanSettleCmd `cmd:"" help:"Settle an open orphan that you have seen to elsewhere, as by giving the money back at the wallet."`
}

type orphanListCmd struct {
	configFlag
	Merchant string `help:"Only this merchant's." placeholder:"NNNNNN"`
	State    string `enum:"open,matched,returned,settled,all" default:"open" help:"Only open (the default), matched, returned or settled ones; or all." placeholder:"STATE"`
	Limit    int    `default:"50" help:"At most so many."`
}

// Run lists orphans.
func (cmd orphanListCmd) Run(e *env) error {
	state := map[string]pay.OrphanState{"all": "", "settled": pay.OrphanSettled}
	filter := store.OrphanFilter{MerchantID: cmd.Merchant, State: pay.OrphanState(cmd.State), Limit: cmd.Limit}
	if s, ok := state[cmd.State]; ok {
		filter.State = s
	}
	return cmd.look(e.ctx, func(o deployment) error {
		list, err := o.Orphans(e.ctx, filter)
		if err != nil {
			return err
		}
		rows := [][]string{{"NUMBER", "ACCOUNT", "WHAT", "AMOUNT", "TRADE", "BUYER", "NOTICED", "STATE"}}
		for _, r := range list {
			rows = append(rows, []string{
				r.Number, r.AccountID, operator.CameOrWent(r), operator.OrphanAmount(r), r.TradeNo, orDash(r.BuyerID), when(r.NoticedAt, o.Location), string(r.State),
			})
		}
		return table(e.stdout, rows)
	})
}

type orphanShowCmd struct {
	configFlag
	Number string `arg:"" help:"The 26 digits under which the wallet knows the order."`
}

// Run shows orphans with the wallet's messages.
func (cmd orphanShowCmd) Run(e *env) error {
	return cmd.look(e.ctx, func(o deployment) error {
		found, err := o.orphansOf(e.ctx, cmd.Number)
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
			o.showOrphan(e.stdout, r)
			text, err := o.OrphanMessage(e.ctx, r)
			if err != nil {
				return err
			}
			if text == "" {
				text = "dropped"
			}
			printf(e.stdout, "message   %s\n", text)
		}
		return nil
	})
}

type orphanSettleCmd struct {
	configFlag
	Number string `arg:"" help:"The 26 digits under which the wallet knows the order."`
	Trade  string `help:"The trade, where the number has several." placeholder:"TRADE"`
	Note   string `required:"" help:"What was done about the money: it is kept with the orphan."`
}

// Run settles the open orphans of a trade.
func (cmd orphanSettleCmd) Run(e *env) error {
	if strings.TrimSpace(cmd.Note) == "" || len(cmd.Note) > 1000 {
		return errors.New("--note must say what was done about the money, in 1000 bytes at most")
	}
	return cmd.change(e.ctx, func(o deployment) error {
		found, err := o.orphansOf(e.ctx, cmd.Number)
		if err != nil {
			return err
		}
		var open []pay.Orphan
		trades := map[string]bool{}
		for _, r := range found {
			if r.State == pay.OrphanOpen && (cmd.Trade == "" || cmd.Trade == r.TradeNo) {
				open = append(open, r)
				trades[r.AccountID+"/"+r.TradeNo] = true
			}
		}
		switch {
		case len(open) == 0:
			return fmt.Errorf("%s: no such orphan is open", cmd.Number)
		case len(trades) > 1:
			return fmt.Errorf("%s has open orphans of %d trades: name one with --trade", cmd.Number, len(trades))
		}
		for _, r := range open {
			if err := gateway.SettleElsewhere(e.ctx, o.DB, r, time.Now(), cmd.Note); err != nil {
				return err
			}
			printf(e.stdout, "%s, %s under trade %s: settled elsewhere\n", r.Number, operator.OrphanAmount(r), r.TradeNo)
		}
		return nil
	})
}

// orphansOf lists the orphans of a number: none if it has not our form.
func (o deployment) orphansOf(ctx context.Context, number string) ([]pay.Orphan, error) {
	if len(number) != 26 || strings.Trim(number, "0123456789") != "" {
		return nil, nil
	}
	return o.OrphansOfNumber(ctx, number[8:14], number)
}

// showOrphan prints what there is to know of an orphan but its message.
func (o deployment) showOrphan(w io.Writer, r pay.Orphan) {
	printf(w, "orphan    %s\nmerchant  %s, through the account %s\namount    %s, %s%s\n",
		r.Number, r.MerchantID, r.AccountID, operator.OrphanAmount(r), operator.CameOrWent(r), ifAny(" as ", r.RefundID))
	printf(w, "trade     %s%s, %s by the wallet's clock\nnoticed   %s, next look %s\n",
		r.TradeNo, ifAny(", buyer ", r.BuyerID), when(r.At, o.Location), when(r.NoticedAt, o.Location), when(r.DueAt, o.Location))
	if r.State == pay.OrphanOpen {
		fmt.Fprintln(w, "state     open: no order has this number")
		return
	}
	printf(w, "state     %s since %s, by %s%s\nnote      %s\n",
		r.State, when(r.SettledAt, o.Location), r.SettledBy, ifAny(", with the order ", r.PaymentID), orDash(r.Note))
}
