package audit

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sampanpay/sampan/internal/pay"
	"github.com/sampanpay/sampan/internal/store"
)

// check is the check of one payment. Its methods report the differences that they
// find.
type check struct {
	*run
	store.Dossier
	history History
}

func (c *check) wrong(what, stored, want string) {
	c.differ(c.Dossier.MerchantID, c.PaymentID, what, stored, want)
}

// same reports a difference unless the stored value is the expected one.
func (c *check) same(what string, stored, want any) {
	if stored != want {
		c.wrong(what, fmt.Sprint(stored), fmt.Sprint(want))
	}
}

// isSet reports a difference unless a value is stored if, and only if, one is
// expected.
func (c *check) isSet(what string, stored, want bool) {
	words := map[bool]string{true: "a value", false: "none"}
	c.same(what, words[stored], words[want])
}

// written reports a row whose id is not of the time at which it was written.
func (c *check) written(what, id string, at time.Time) {
	if !strings.HasPrefix(id, fmt.Sprintf("%012x", at.UnixMilli())) || len(id) < 36 {
		c.wrong(what, "has the id "+id+" and the time "+at.Format(time.RFC3339Nano),
			"an id that begins with its time")
	}
}

// events folds the events into the history. It reports events that cannot have
// happened, and numbers that are missing.
func (c *check) events() {
	for i, e := range c.Events {
		name := fmt.Sprintf("event %d (%s)", e.Seq, e.Kind)
		if e.Seq != i+1 {
			c.wrong("events", fmt.Sprintf("number %d comes after number %d", e.Seq, i),
				"numbers without a gap: one is gone, or was put in")
		}
		c.written(name, e.ID, e.At)
		if !e.By.Role.Known() {
			c.wrong(name, "by "+e.By.String(), "an actor of a known role")
		}
		if want := c.history.Apply(e); want != "" {
			c.wrong(name, facts(e), want)
		}
	}
}

// facts writes the facts of an event for the report.
func facts(e pay.Event) string {
	var words []string
	if e.Amount != (pay.Amount{}) {
		words = append(words, e.Amount.String())
	}
	for _, f := range []struct{ name, value string }{
		{"trade", e.TradeNo}, {"refund", e.RefundID}, {"number", e.Number},
		{"reason", string(e.Reason)}, {"code", e.Code}, {"note", e.Note},
	} {
		if f.value != "" {
			words = append(words, f.name+" "+f.value)
		}
	}
	return strings.Join(words, ", ")
}

// payment checks the payment's row.
func (c *check) payment(p pay.Payment) {
	h := c.history
	switch {
	case h.Status != "":
		c.same("status", p.Status, h.Status)
	case !p.Status.Open():
		c.wrong("status", string(p.Status), "created or pending: no event has moved it")
	}
	if h.Status == pay.Paid {
		c.same("amount", p.Amount, h.Paid.Amount)
	}
	if !p.Amount.Currency.Known() {
		c.wrong("currency", string(p.Amount.Currency), "one of those that Sampan counts in")
	}
	c.same("trade_no", p.TradeNo, h.Paid.TradeNo)
	c.same("late", p.Late, h.Late)
	c.same("flagged", p.Flagged, h.Flagged)
	c.same("reserved", amountOf(p, p.Reserved), amountOf(p, h.Reserved))
	c.same("refunded", amountOf(p, p.Refunded), amountOf(p, h.Returned))
	c.same("events", p.Events, len(c.Events))
	c.same("wallet_id", p.WalletID, h.WalletID)
	if isAddress := strings.Contains(p.Checkout, "://"); !isAddress {
		// events have references, and no addresses
		c.same("checkout", p.Checkout, h.WalletID)
	}
	c.same("wallet_number", p.WalletNumber, h.WalletNumber)
	c.same("failure", p.Failure, h.Failure)
	c.isSet("paid_at", !p.PaidAt.IsZero(), h.Status == pay.Paid)
	c.isSet("closed_at", !p.ClosedAt.IsZero(), h.Ended)
	c.isSet("close_asked_at", !p.CloseAskedAt.IsZero(), h.Closing)
	if h.CloseID != "" {
		c.same("close_id", p.CloseID, h.CloseID)
	} else {
		c.isSet("close_id", p.CloseID != "", h.Closing)
	}
	if !pay.IsNumber(p.MerchantID, p.ID) {
		c.wrong("syssn", p.ID, "26 digits, those of the merchant among them")
	}
	if c.Asked != nil && !c.Asked(p) {
		stored := fmt.Sprintf("%s by %s as %s, and what else it asks for", p.Amount, p.PayType, p.OrderNo)
		c.wrong("order", stored, otherRequest)
	}
}

const otherRequest = "what the merchant's request asked for: its fingerprint is another"

func amountOf(p pay.Payment, minor int64) pay.Amount {
	return pay.Amount{Minor: minor, Currency: p.Amount.Currency}
}

// refunds checks the refunds' rows.
func (c *check) refunds(p pay.Payment) {
	rows := map[string]bool{}
	for _, r := range c.Refunds {
		rows[r.ID] = true
		name := "refund " + r.ID
		h := c.history.Refunds[r.ID]
		if h == nil {
			c.wrong(name, fmt.Sprintf("%s, %s", r.Amount, r.Status), "none: no event asks for it")
			continue
		}
		c.same(name+": amount", r.Amount, h.Amount)
		c.same(name+": status", r.Status, h.Status)
		c.same(name+": failure", r.Failure, h.Failure)
		c.isSet(name+": cause", r.Cause != "", h.Status == pay.RefundFailed)
		c.isSet(name+": done_at", !r.DoneAt.IsZero(), h.Status != pay.RefundPending)
		c.same(name+": that nobody asked for it", r.Automatic(), h.Automatic)
		c.same(name+": whose it is", r.Scope, p.Scope)
		c.same(name+": account_id", r.AccountID, p.AccountID)
		if c.RefundAsked != nil && !r.Automatic() && !c.refundAsked(r) {
			c.wrong(name, fmt.Sprintf("%s as %s", r.Amount, r.OrderNo), otherRequest)
		}
	}
	for id, h := range sorted(c.history.Refunds) {
		if !rows[id] {
			c.wrong("refund "+id, "none", fmt.Sprintf("%s, %s", h.Amount, h.Status))
		}
	}
}

// refundAsked reports whether a refund is what the merchant's request asked for,
// by any number that the payment has or had.
func (c *check) refundAsked(r pay.Refund) bool {
	return slices.ContainsFunc(append(c.history.Numbers, r.PaymentID), func(number string) bool {
		return c.RefundAsked(r, number)
	})
}

// sorted iterates over a map by its keys, so that two audits report alike.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}
