package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
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
	return cmd.look(e.ctx, func(o deployment) error {
		found, err := o.find(e.ctx, cmd.Number, cmd.Merchant)
		if err != nil {
			return err
		}
		orphans, err := o.orphansOf(e.ctx, cmd.Number)
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
			if err := o.show(e.ctx, e.stdout, p); err != nil {
				return err
			}
		}
		for i, orphan := range orphans {
			if i+len(found) > 0 {
				fmt.Fprintln(e.stdout)
			}
			o.showOrphan(e.stdout, orphan)
		}
		return nil
	})
}

// find looks a number up: as a syssn, whose digits name its merchant, else as a
// merchant's own.
func (o deployment) find(ctx context.Context, number, merchantID string) ([]pay.Payment, error) {
	if len(number) == 26 && strings.Trim(number, "0123456789") == "" {
		p, err := o.bySyssn(ctx, number[8:14], number)
		if !errors.Is(err, store.ErrNotFound) {
			return []pay.Payment{p}, err
		}
	}
	merchants, err := o.Merchants(ctx)
	if err != nil {
		return nil, err
	}
	var found []pay.Payment
	for _, m := range merchants {
		if merchantID != "" && m.ID != merchantID {
			continue
		}
		scopes, err := o.scopes(ctx, m.ID)
		if err != nil {
			return nil, err
		}
		for _, s := range scopes {
			p, err := o.byOrderNo(ctx, s, number)
			if err == nil {
				found = append(found, p)
			} else if !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
		}
	}
	return found, nil
}

func (o deployment) bySyssn(ctx context.Context, merchantID, id string) (pay.Payment, error) {
	p, err := o.Payment(ctx, merchantID, id)
	if !errors.Is(err, store.ErrNotFound) {
		return p, err
	}
	r, err := o.Refund(ctx, merchantID, id)
	if err != nil {
		return p, err
	}
	return o.Payment(ctx, merchantID, r.PaymentID)
}

func (o deployment) byOrderNo(ctx context.Context, s pay.Scope, number string) (pay.Payment, error) {
	p, err := o.PaymentByOrderNo(ctx, s, number)
	if !errors.Is(err, store.ErrNotFound) {
		return p, err
	}
	r, err := o.RefundByOrderNo(ctx, s, number)
	if err != nil {
		return p, err
	}
	return o.Payment(ctx, r.MerchantID, r.PaymentID)
}

// scopes lists the scopes of a merchant's order numbers.
func (o deployment) scopes(ctx context.Context, merchantID string) (all []pay.Scope, err error) {
	credentials, err := o.Credentials(ctx, merchantID)
	if err != nil {
		return nil, err
	}
	for _, c := range credentials {
		if !c.HasStores {
			all = append(all, pay.Scope{MerchantID: merchantID, AppCode: c.AppCode})
		}
	}
	stores, err := o.Stores(ctx, merchantID)
	for _, s := range stores {
		all = append(all, pay.Scope{MerchantID: merchantID, AppCode: s.AppCode, StoreID: s.ID})
	}
	return all, err
}

// show prints what there is to know of a payment.
func (o deployment) show(ctx context.Context, w io.Writer, p pay.Payment) error {
	movements, err := o.Movements(ctx, p.MerchantID, p.ID)
	if err != nil {
		return err
	}
	refunds, err := o.RefundsOf(ctx, p.MerchantID, p.ID)
	if err != nil {
		return err
	}
	events, err := o.Events(ctx, p.MerchantID, p.ID)
	if err != nil {
		return err
	}
	deliveries, err := o.Deliveries(ctx, store.DeliveryFilter{MerchantID: p.MerchantID, PaymentID: p.ID, Limit: 1000})
	if err != nil {
		return err
	}
	printf(w, "order     %s\nsyssn     %s\nmerchant  %s, app code %s%s\namount    %s by %s, through the account %s\nstate     %s\nmade      %s, to be paid until %s, opened %s, paid %s\n",
		p.OrderNo, p.ID, p.MerchantID, p.AppCode, ifAny(", store ", p.StoreID), p.Amount, p.PayType.Name(), p.AccountID, stands(p),
		when(p.CreatedAt, o.Location), when(p.ExpiresAt, o.Location), when(p.OpenedAt, o.Location), when(p.PaidAt, o.Location))
	printf(w, "trade     %s%s\nnext look %s\n", orDash(p.TradeNo), ifAny(", buyer ", p.BuyerID), when(p.DueAt, o.Location))

	rows := [][]string{{"WHEN", "WHAT", "BY", "DETAIL"}, {when(p.CreatedAt, o.Location), "created", "merchant", p.Goods}}
	for _, v := range events {
		rows = append(rows, []string{when(v.At, o.Location), v.Kind, v.Actor, v.Detail})
	}
	if err := section(w, rows); err != nil {
		return err
	}
	rows = [][]string{{"REFUND", "NUMBER", "AMOUNT", "STATE", "SENT", "NEXT LOOK", "WHY NOT"}}
	for _, r := range refunds {
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
	for _, m := range movements {
		rows = append(rows, []string{when(m.At, o.Location), string(m.Kind), m.Credit, m.Debit, m.Amount.String(), m.TradeNo})
	}
	if err := section(w, rows); err != nil {
		return err
	}
	rows = [][]string{{"NOTIFICATION", "OF", "STATE", "TRIES", "NEXT", "URL"}}
	for _, d := range deliveries {
		rows = append(rows, []string{d.ID, "the " + d.Kind, string(d.State), fmt.Sprint(d.Attempts), o.nextAttempt(d), d.URL})
	}
	return section(w, rows)
}

// stands is a payment's state for people.
func stands(p pay.Payment) string {
	words := []string{string(p.Status)}
	if p.Late {
		words = append(words, "late")
	}
	switch left := (pay.Amount{Minor: p.Reserved - p.Refunded, Currency: p.Amount.Currency}); {
	case p.Refunded == p.Amount.Minor:
		words = append(words, "refunded")
	case p.Refunded > 0:
		words = append(words, pay.Amount{Minor: p.Refunded, Currency: p.Amount.Currency}.String()+" refunded")
		fallthrough
	default:
		if left.Minor > 0 {
			words = append(words, left.String()+" being refunded")
		}
	}
	if p.CloseID != "" && p.Status.Open() {
		words = append(words, "to be closed")
	}
	if p.Failure != "" {
		words = append(words, "the wallet says "+p.Failure)
	}
	if p.Flagged {
		words = append(words, "needs a look")
	}
	return strings.Join(words, ", ")
}

func ifAny(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}
