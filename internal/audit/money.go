package audit

import (
	"fmt"

	"github.com/sampanpay/sampan/internal/pay"
)

// money checks the payment's lines of the money record.
func (c *check) money(p pay.Payment) {
	left := map[string]pay.Movement{}
	for _, m := range c.Movements {
		c.written("movement "+m.ID, m.ID, m.At)
		left[m.ID] = m
	}
	for _, want := range expected(p, c.history) {
		m, ok := nearest(left, want)
		if !ok {
			c.wrong("movement", "none", line(want))
			continue
		}
		delete(left, m.ID)
		c.same("movement "+m.ID, line(m), line(want))
	}
	for _, m := range sorted(left) {
		c.wrong("movement "+m.ID, line(m), "none: no event tells of it")
	}
}

// expected returns the movements of a payment that follow from its history,
// without ids and times.
func expected(p pay.Payment, h History) (all []pay.Movement) {
	if h.Status == pay.Paid {
		all = append(all, pay.Movement{
			Kind: pay.MovementPayment, Debit: p.HeldBy(), Credit: pay.OwedToMerchant,
			Amount: h.Paid.Amount, TradeNo: h.Paid.TradeNo,
		})
	}
	for _, s := range h.Surplus {
		all = append(all, pay.Movement{
			Kind: pay.MovementSurplus, Debit: p.HeldBy(), Credit: pay.OwedToSomebody,
			Amount: s.Amount, TradeNo: s.TradeNo,
		})
	}
	for id, r := range sorted(h.Refunds) {
		if r.Status == pay.RefundSucceeded {
			all = append(all, pay.Movement{
				Kind: pay.MovementRefund, RefundID: id, Debit: pay.OwedToMerchant, Credit: p.HeldBy(),
				Amount: r.Amount, TradeNo: h.Paid.TradeNo,
			})
		}
	}
	return all
}

// nearest finds the movement that stands for an expected one: of the same kind and
// refund and, if there are several, of the same trade.
func nearest(movements map[string]pay.Movement, want pay.Movement) (found pay.Movement, ok bool) {
	for _, m := range movements {
		if m.Kind != want.Kind || m.RefundID != want.RefundID {
			continue
		}
		if m.TradeNo == want.TradeNo {
			return m, true
		}
		found, ok = m, want.Kind != pay.MovementSurplus
	}
	return found, ok
}

// line writes what a movement says, but for its id and time.
func line(m pay.Movement) string {
	of := ""
	if m.RefundID != "" {
		of = " " + m.RefundID
	}
	return fmt.Sprintf("%s%s: %s from %s to %s, trade %s", m.Kind, of, m.Amount, m.Credit, m.Debit, m.TradeNo)
}
