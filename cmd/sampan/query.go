package main

import (
	"fmt"
	"time"

	"github.com/sampanpay/sampan"
	"github.com/sampanpay/sampan/internal/pay"
)

type queryCmd struct {
	asMerchant
	ID       []string `arg:"" optional:"" name:"syssn" help:"One or several; this month's if absent."`
	OrderNo  []string `help:"By the merchant's own number, one or several." placeholder:"NUMBER"`
	Page     int      `default:"1" help:"Page, from 1."`
	PageSize int      `default:"20" help:"At most 100."`
}

// Run lists the orders that are named, or this month's.
func (cmd queryCmd) Run(e *env) error {
	client, err := cmd.client(e)
	if err != nil {
		return err
	}
	found, err := client.Query(e.ctx, sampan.QueryRequest{
		IDs: cmd.ID, OrderNos: cmd.OrderNo, Page: cmd.Page, PageSize: cmd.PageSize,
	})
	if err != nil {
		return err
	}
	rows := [][]string{{"SYSSN", "ORDER", "AMOUNT", "WITH", "STATE", "SINCE", "GOODS"}}
	for _, t := range found.Transactions {
		amount := pay.Amount{Minor: t.Amount, Currency: pay.Currency(t.Currency)}
		rows = append(rows, []string{t.ID, t.OrderNo, amount.String(), pay.PayType(t.PayType).Name(),
			standing(t), t.CreatedAt.Format(time.DateTime), about(t)})
	}
	if len(found.Transactions) == 0 {
		_, err := fmt.Fprintln(e.stdout, "no orders")
		return err
	}
	return e.table(rows)
}

// standing returns a transaction's code, and in words what the code leaves open.
func standing(t sampan.Transaction) string {
	words := t.Message
	switch {
	case t.Code != sampan.CodeSuccess:
	case t.Refund:
		words = "refund done"
	case t.Cancel == "3":
		words = "paid, and refunded"
	case t.Cancel == "5":
		words = "paid, refunded in part"
	default:
		words = "paid"
	}
	return string(t.Code) + " " + words
}

// about returns what a payment is for, or which payment a refund is of.
func about(t sampan.Transaction) string {
	if t.Refund {
		return "refund of " + t.OriginalID
	}
	return t.GoodsName
}
